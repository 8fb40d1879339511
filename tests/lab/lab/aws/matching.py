"""Matching of policy elements: wildcards, ARNs, policy variables and condition operators.

Where AWS documents no outcome, or a value is not known, the answer is the set of both: see `Truth`.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_multi-value-conditions.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

# The outcomes that are possible.
Truth = frozenset[bool]
YES: Final[Truth] = frozenset({True})
NO: Final[Truth] = frozenset({False})
OPEN: Final[Truth] = frozenset({True, False})

# Literal characters that came out of a variable: they must not act as wildcards.
_LITERAL = {"*": "\ue000", "?": "\ue001", "$": "\ue002"}
_RESTORE = {mark: char for char, mark in _LITERAL.items()}
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class _Unknown:
    """A value that exists or not, and nobody knows."""


UNKNOWN: Final = _Unknown()


def truth(value: bool) -> Truth:
    return YES if value else NO


def every(truths: Iterable[Truth]) -> Truth:
    can_hold = can_fail = False
    all_can_hold = True
    for one in truths:
        can_fail |= False in one
        all_can_hold &= True in one
    can_hold = all_can_hold
    return frozenset(outcome for outcome, possible in ((True, can_hold), (False, can_fail)) if possible)


def some(truths: Iterable[Truth]) -> Truth:
    return inverse(every(inverse(one) for one in truths))


def inverse(one: Truth) -> Truth:
    return frozenset(not outcome for outcome in one)


class Context:
    """The condition keys of a request. Names have no letter case."""

    def __init__(self, values: Mapping[str, Any], unknown: Iterable[str] = ()) -> None:
        self._values = {name.lower(): _read(value) for name, value in values.items() if value is not None}
        self._values.update({name.lower(): UNKNOWN for name in unknown})

    def get(self, name: str) -> Any:
        return self._values.get(name.lower())

    def under(self, prefix: str) -> dict[str, Any]:
        """What follows the prefix in the names that have it, and the values."""
        return {name[len(prefix) :]: value for name, value in self._values.items() if name.startswith(prefix)}


def _read(value: Any) -> Any:
    return [text_of(one) for one in value] if isinstance(value, list) else text_of(value)


def as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def text_of(value: Any) -> str:
    """A JSON scalar as IAM reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _plain(text: str) -> str:
    return "".join(_RESTORE.get(char, char) for char in text)


# -- wildcards and ARNs ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    return re.compile(_regex(pattern, ".*", "."), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _regex(pattern: str, many: str, one: str) -> str:
    words = {"*": many, "?": one}
    return "".join(words.get(char) or re.escape(_RESTORE.get(char, char)) for char in pattern)


def wildcard(pattern: str, value: str, ignore_case: bool = False) -> bool:
    return _compiled(pattern, ignore_case).fullmatch(value) is not None


def arn_like(pattern: str, value: str) -> bool:
    """Six fields, each matched for itself; a star of the last one crosses colons and slashes."""
    wanted, found = pattern.split(":", 5), value.split(":", 5)
    if len(wanted) < 6 or len(found) < 6 or found[0] != "arn":
        return False
    return all(wildcard(one, other) for one, other in zip(wanted, found, strict=True))


def resource_matches(pattern: str, arn: str) -> Truth:
    if pattern == "*":
        return YES
    wanted, found = pattern.split(":", 5), arn.split(":", 5)
    if len(found) < 6 or found[0] != "arn":
        return truth(wildcard(pattern, arn))
    filled = wanted + ["*"] * (6 - len(wanted))
    if all(wildcard(one, other) for one, other in zip(filled, found, strict=True)):
        return YES
    return OPEN if _runs_on(tuple(wanted)).fullmatch(arn) else NO


@lru_cache(maxsize=8192)
def _runs_on(fields: tuple[str, ...]) -> re.Pattern[str]:
    """The other reading of a star that ends a field: that it runs on into the next ones."""
    parts = []
    for field in fields[:-1]:
        ends_open = field.endswith("*")
        parts.append(_regex(field.rstrip("*"), "[^:]*", "[^:]") + (".*" if ends_open else ""))
    parts.append(_regex(fields[-1], ".*", "."))
    return re.compile(":".join(parts), re.DOTALL)


# -- variables ---------------------------------------------------------------------------------------------------------


def interpolate(text: str, context: Context, version: Any) -> str | _Unknown | None:
    """The text with its variables replaced; None when a variable has no value."""
    if version != "2012-10-17" or "${" not in text:
        return text
    missing = unknown = False

    def replace(match: re.Match[str]) -> str:
        nonlocal missing, unknown
        inner = match.group(1)
        if inner in _LITERAL:
            return _LITERAL[inner]
        key, comma, default = inner.partition(",")
        value = context.get(key.strip())
        if value is UNKNOWN:
            unknown = True
            return ""
        if value is None and comma:
            value = default.strip().removeprefix("'").removesuffix("'")
        if not isinstance(value, str):
            missing = True
            return ""
        return "".join(_LITERAL.get(char, char) for char in value)

    replaced = _VARIABLE.sub(replace, text)
    if missing:
        return None
    return UNKNOWN if unknown else replaced


# -- condition operators -----------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text.strip()):
        raise ValueError(text)
    return float(text)


def _date(text: str) -> datetime:
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return datetime.fromtimestamp(float(text), UTC)
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _compared(convert: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Callable[[str, str], bool]:
    def matches(pattern: str, value: str) -> bool:
        try:
            return compare(convert(value), convert(_plain(pattern)))
        except ValueError:
            return False

    return matches


def _ip(pattern: str, value: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(_plain(pattern), strict=False)
    except ValueError:
        return False


def _boolean(pattern: str, value: str) -> bool:
    return _plain(pattern).lower() == value.lower() and value.lower() in {"true", "false"}


_POSITIVE: dict[str, Callable[[str, str], bool]] = {
    "stringequals": lambda pattern, value: _plain(pattern) == value,
    "stringequalsignorecase": lambda pattern, value: _plain(pattern).lower() == value.lower(),
    "stringlike": lambda pattern, value: wildcard(pattern, value),
    "arnequals": arn_like,
    "arnlike": arn_like,
    "bool": _boolean,
    "ipaddress": _ip,
    "binaryequals": lambda pattern, value: _plain(pattern) == value,
    "numericequals": _compared(_number, lambda found, wanted: found == wanted),
    "numericlessthan": _compared(_number, lambda found, wanted: found < wanted),
    "numericlessthanequals": _compared(_number, lambda found, wanted: found <= wanted),
    "numericgreaterthan": _compared(_number, lambda found, wanted: found > wanted),
    "numericgreaterthanequals": _compared(_number, lambda found, wanted: found >= wanted),
    "dateequals": _compared(_date, lambda found, wanted: found == wanted),
    "datelessthan": _compared(_date, lambda found, wanted: found < wanted),
    "datelessthanequals": _compared(_date, lambda found, wanted: found <= wanted),
    "dategreaterthan": _compared(_date, lambda found, wanted: found > wanted),
    "dategreaterthanequals": _compared(_date, lambda found, wanted: found >= wanted),
}
_NEGATED = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
    "notipaddress": "ipaddress",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
}


def _one_value(operator: str, wanted: list[str | _Unknown | None], value: str) -> Truth:
    """One value of the request against the values of the policy."""
    negated = operator in _NEGATED
    matches = _POSITIVE[_NEGATED.get(operator, operator)]

    def compared(pattern: str | _Unknown | None) -> Truth:
        if pattern is None:
            return NO
        if isinstance(pattern, _Unknown):
            return OPEN
        if negated and operator.startswith("arn") and pattern.count(":") < 5:
            # What a negated ARN operator makes of something that is no ARN is not documented.
            return OPEN
        return truth(matches(pattern, value))

    found = some(compared(pattern) for pattern in wanted)
    return inverse(found) if negated else found


def _condition(operator_text: str, key: str, wanted: Any, context: Context, version: Any) -> Truth:
    operator = operator_text.lower()
    scalars = as_list(wanted)
    if wanted is None or any(not isinstance(one, str | bool | int | float) for one in scalars):
        return OPEN
    value = context.get(key)
    quantifier = ""
    if operator.startswith(("forallvalues:", "foranyvalue:")):
        quantifier, operator = operator.split(":", 1)
    if operator == "null":
        asked = {text_of(one).lower() for one in scalars}
        if_absent, if_present = truth("true" in asked), truth("false" in asked)
        if value is UNKNOWN:
            return if_absent | if_present
        return if_absent if value in (None, []) else if_present
    if_exists = operator.endswith("ifexists")
    operator = operator.removesuffix("ifexists")
    if operator not in _POSITIVE and operator not in _NEGATED:
        return OPEN
    if value is UNKNOWN:
        return OPEN
    holds_when_absent = if_exists or operator in _NEGATED
    patterns = [interpolate(text_of(one), context, version) for one in scalars]
    if quantifier == "forallvalues":
        return every(_one_value(operator, patterns, one) for one in as_list(value))
    if quantifier == "foranyvalue":
        if not as_list(value):
            # Whether an absent key satisfies this one is not documented.
            return OPEN if if_exists else NO
        return some(_one_value(operator, patterns, one) for one in as_list(value))
    if value is None:
        return truth(holds_when_absent)
    if isinstance(value, list):
        # A plain operator matches no multivalued key; of one without values it is not said whether it is there.
        return OPEN if not value and holds_when_absent else NO
    return _one_value(operator, patterns, value)


def conditions_hold(statement: Mapping[str, Any], context: Context, version: Any) -> Truth:
    block = statement.get("Condition", {})
    if not isinstance(block, dict):
        return OPEN
    return every(
        one
        for operator, keys in block.items()
        for one in (
            [_condition(operator, key, wanted, context, version) for key, wanted in keys.items()]
            if isinstance(keys, dict)
            else [OPEN]
        )
    )
