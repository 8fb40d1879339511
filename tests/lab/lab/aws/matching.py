"""Matching of policy elements: wildcards, ARNs, policy variables and condition operators.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_multi-value-conditions.html
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

Context = Mapping[str, str | list[str]]

# Literal characters that came out of a variable: they must not act as wildcards.
_LITERAL = {"*": "\ue000", "?": "\ue001", "$": "\ue002"}
_RESTORE = {mark: char for char, mark in _LITERAL.items()}
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class Undocumented(Exception):
    """The documents leave the outcome open, so nobody may claim one."""


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


@lru_cache(maxsize=8192)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    parts = []
    for char in pattern:
        if char == "*":
            parts.append(".*")
        elif char == "?":
            parts.append(".")
        else:
            parts.append(re.escape(_RESTORE.get(char, char)))
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def wildcard(pattern: str, value: str, ignore_case: bool = False) -> bool:
    return _compiled(pattern, ignore_case).fullmatch(value) is not None


def arn_like(pattern: str, value: str) -> bool:
    """Six fields, each matched for itself; a star of the last one crosses colons and slashes."""
    wanted, found = pattern.split(":", 5), value.split(":", 5)
    if len(wanted) < 6 or len(found) < 6:
        return False
    return all(wildcard(one, other) for one, other in zip(wanted, found, strict=True))


def resource_matches(pattern: str, arn: str) -> bool:
    if pattern == "*":
        return True
    wanted, found = pattern.split(":", 5), arn.split(":", 5)
    if len(found) < 6:
        return wildcard(pattern, arn)
    wanted += ["*"] * (6 - len(wanted))
    return all(wildcard(one, other) for one, other in zip(wanted, found, strict=True))


def interpolate(text: str, context: Context, version: str) -> str | None:
    """The text with its variables replaced; None when a variable has no value."""
    if version != "2012-10-17" or "${" not in text:
        return text
    lowered = {key.lower(): value for key, value in context.items()}
    missing = False

    def replace(match: re.Match[str]) -> str:
        nonlocal missing
        inner = match.group(1)
        if inner in _LITERAL:
            return _LITERAL[inner]
        key, _, default = inner.partition(",")
        value = lowered.get(key.strip().lower())
        if value is None and default:
            value = default.strip().strip("'")
        if value is None or isinstance(value, list):
            missing = True
            return ""
        return "".join(_LITERAL.get(char, char) for char in value)

    replaced = _VARIABLE.sub(replace, text)
    return None if missing else replaced


def _number(text: str) -> float:
    return float(text)


def _date(text: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except ValueError:
        parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
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
    return _plain(pattern).lower() == value.lower()


_POSITIVE: dict[str, Callable[[str, str], bool]] = {
    "stringequals": lambda pattern, value: _plain(pattern) == value,
    "stringequalsignorecase": lambda pattern, value: _plain(pattern).casefold() == value.casefold(),
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


def _test(operator: str, patterns: list[str | None], value: str) -> bool:
    """One value of the request against the values of the policy; None stands for a variable without a value."""
    positive = _NEGATED.get(operator, operator)
    matches = _POSITIVE[positive]
    found = any(pattern is not None and matches(pattern, value) for pattern in patterns)
    return not found if operator in _NEGATED else found


def _holds(operator_text: str, key: str, wanted: Any, context: Context, version: str) -> bool:
    lowered = {name.lower(): value for name, value in context.items()}
    value = lowered.get(key.lower())
    operator = operator_text.lower()
    if operator == "null":
        return (value is None) == (text_of(as_list(wanted)[0]).lower() == "true")
    quantifier = ""
    if ":" in operator:
        quantifier, operator = operator.split(":", 1)
    if_exists = operator.endswith("ifexists")
    operator = operator.removesuffix("ifexists")
    if operator not in _POSITIVE and operator not in _NEGATED:
        raise Undocumented(f"unknown condition operator `{operator_text}`")
    patterns = [interpolate(text_of(one), context, version) for one in as_list(wanted)]
    if value is None:
        if quantifier == "forallvalues":
            return True
        if quantifier == "foranyvalue":
            if if_exists:
                raise Undocumented(f"`{operator_text}` on the absent key `{key}`")
            return False
        return if_exists or operator in _NEGATED
    values = [text_of(one) for one in as_list(value)]
    if quantifier == "forallvalues":
        return all(_test(operator, patterns, one) for one in values)
    if quantifier == "foranyvalue":
        return any(_test(operator, patterns, one) for one in values)
    if isinstance(value, list) and len(value) != 1:
        return operator in _NEGATED and _test(operator, patterns, "\ue003")
    return _test(operator, patterns, values[0])


def conditions_hold(statement: Mapping[str, Any], context: Context, version: str) -> bool:
    block = statement.get("Condition") or {}
    return all(
        _holds(operator, key, wanted, context, version)
        for operator, keys in block.items()
        for key, wanted in keys.items()
    )
