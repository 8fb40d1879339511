"""Faults and kill points on the wire: rules that say which call meets which trouble.

A rule: `{"match": {"service", "operation", "account_id", "function", "nth", "probability"}, "fault": KIND, "seconds", "seed", "times"}`.
All members of `match` must hold; `nth` counts the calls that the others match, from 1. The first rule that applies decides.
"""

from __future__ import annotations

import random
import threading
from typing import Any

KINDS = (
    "delay",
    "denied",
    "empty-page",
    "error500",
    "hang",
    "kill-after",
    "kill-before",
    "repeat-token",
    "reset",
    "reset-after",
    "short-page",
    "throttle",
    "truncate",
)
MATCHED = ("service", "operation", "account_id", "function")
DEFAULT_SECONDS = {"delay": 1.0, "hang": 60.0}


class InvalidRule(ValueError):
    """A rule that would never do what its author means."""


class Rule:
    def __init__(self, given: Any) -> None:
        if not isinstance(given, dict):
            raise InvalidRule(f"a rule must be an object, not {given!r}")
        match = given.get("match") or {}
        _known(given, {"match", "fault", "seconds", "seed", "times"}, "rule")
        _known(match, {*MATCHED, "nth", "probability"}, "match")
        if given.get("fault") not in KINDS:
            raise InvalidRule(f"unknown fault {given.get('fault')!r}; known: {', '.join(KINDS)}")
        self.fault: str = given["fault"]
        self.seconds = float(given.get("seconds", DEFAULT_SECONDS.get(self.fault, 0.0)))
        self._wanted = {name: str(match[name]) for name in MATCHED if name in match}
        self._nth = match.get("nth")
        self._probability = match.get("probability")
        self._times = given.get("times")
        self._random = random.Random(given.get("seed", 0))
        self._seen = 0
        self.applied = 0
        self._given = given

    def takes(self, facts: dict[str, str | None]) -> bool:
        """Whether the rule applies to this call; counts it."""
        if any(facts.get(name) != wanted for name, wanted in self._wanted.items()):
            return False
        self._seen += 1
        if self._times is not None and self.applied >= int(self._times):
            return False
        if self._nth is not None and self._seen != int(self._nth):
            return False
        if self._probability is not None and self._random.random() >= float(self._probability):
            return False
        self.applied += 1
        return True

    def describe(self) -> dict[str, Any]:
        return {**self._given, "seen": self._seen, "applied": self.applied}


class Faults:
    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(self, given: Any) -> None:
        """Add rules (a list or one); all are checked before any is added."""
        rules = [Rule(one) for one in (given if isinstance(given, list) else [given])]
        with self._lock:
            self._rules += rules

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def list(self) -> list[dict[str, Any]]:
        with self._lock:
            return [rule.describe() for rule in self._rules]

    def for_call(self, facts: dict[str, str | None]) -> Rule | None:
        with self._lock:
            return next((rule for rule in self._rules if rule.takes(facts)), None)


def _known(given: dict[str, Any], names: set[str], what: str) -> None:
    unknown = sorted(set(given) - names)
    if unknown:
        raise InvalidRule(f"unknown member `{unknown[0]}` in a {what}; known: {', '.join(sorted(names))}")
