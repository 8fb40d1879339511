"""The patterns and the parsers agree: what the core calls a problem or a denial, the rules let through."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .deployed import ROOT, pattern

EVENTS = ROOT / "tests" / "events"
# What EventBridge never carries: every event has a detail-type and is JSON.
IMPOSSIBLE = {"copy-job/odd-no-detail-type.json", "copy-job/odd-truncated.json"}
# The parsers' last resorts; a rule may let such an event through or not.
UNDECIDED = {"quarantine", "degraded"}


def fixtures() -> list[dict[str, Any]]:
    index = json.loads((EVENTS / "index.json").read_text(encoding="utf-8"))
    # Notifications of vaults come through SNS, past every rule.
    index = [each for each in index if not each["file"].startswith("vault-notification/")]
    return [each for each in index if each["expect"] not in UNDECIDED and each["file"] not in IMPOSSIBLE]


@pytest.mark.parametrize("fixture", fixtures(), ids=lambda fixture: fixture["file"])
def test_a_rule_lets_through_what_its_function_works_on(fixture: dict[str, Any]) -> None:
    event = json.loads((EVENTS / fixture["file"]).read_text(encoding="utf-8"))
    rules = ("ProblemEventsRule", "NotStartedEventsRule", "DenialEventsRule")
    through = {rule for rule in rules if pattern("guardian", rule).matches_event(event)}
    problems = "NotStartedEventsRule" if fixture["file"].startswith("not-started/") else "ProblemEventsRule"
    wanted = {"problem": {problems}, "denial": {"DenialEventsRule"}}.get(fixture["expect"], set())
    assert through == wanted, fixture.get("note")


def test_the_fixtures_show_both_sides() -> None:
    expected = [each["expect"] for each in fixtures()]
    for kind in ("problem", "job", "denial", "trail"):
        assert expected.count(kind) >= 2, kind
