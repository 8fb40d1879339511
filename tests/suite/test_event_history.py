"""CloudTrail's event history is late, slow or overfull: the first alert costs one window at most, the search one budget, and what was not seen is said."""

from __future__ import annotations

from typing import Any

import pytest

from .guardian import LOOKUP, Guardian
from .organization import Inbox, Json, Lab, failing_route
from .test_robustness import LOOKUP_BUDGET, gaps, only

WINDOW_SECONDS = 2.0
# Of a machine on which everything else runs, too; the event history would take longer than both.
MARGIN_SECONDS = 20.0
LATE_SECONDS = 35.0
# 20,000 pages: nearly three hours at two a second.
EVENTS = 1_000_000


def unanswered(call: Json, until: float) -> bool:
    return call["status"] is None or call["time"] + call["milliseconds"] / 1000 > until


@pytest.mark.parametrize("trouble", ["delay", "hang", "absent", "none"])
def test_the_first_alert_waits_one_window_for_the_event_history(
    lab: Lab, inbox: Inbox, guardian: Guardian, trouble: str
) -> None:
    route = failing_route(lab)
    absent = 3600 if trouble == "absent" else 0
    lab.control("cloudtrail-delay", {"lookup_seconds": absent, "event_seconds": 3600})
    silent = trouble in ("delay", "hang")
    if silent:
        guardian.fault(trouble, seconds=LATE_SECONDS, service="cloudtrail")
    with guardian.configured(GUARDIAN_EVIDENCE_WINDOW_MS=str(round(WINDOW_SECONDS * 1000))):
        calls = guardian.requests(route.copy)
    alert = only(inbox.drain())
    lookups = [call for call in calls if call["operation"] == LOOKUP]
    [told] = [call["time"] for call in calls if call["operation"] == "Publish"]
    assert lookups, "nobody looked, so this shows nothing"
    assert all(unanswered(call, told) for call in lookups) == silent
    assert told - lookups[0]["time"] < WINDOW_SECONDS + MARGIN_SECONDS < LATE_SECONDS
    assert alert["cause"] == "kms-key-policy-missing-destination" and alert["act_in"]["resource_arn"] == route.key_arn
    assert not silent or (f"cloudtrail:{LOOKUP}", lab.backup, "timed-out") in gaps(alert)


def test_a_million_events_in_the_window_cost_one_budget_and_are_said_not_to_be_searched(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    route = failing_route(lab)
    lab.control("cloudtrail-delay", {"lookup_seconds": 0, "event_seconds": 3600})
    for account in (lab.backup, lab.source):
        busy: dict[str, Any] = {"account_id": account, "region": lab.region, "key_arn": route.key_arn, "calls": EVENTS}
        lab.control("cloudtrail-busy", busy)
    # Time for all of them: only the budget ends the search. That its calls keep two a second is shown on a clock of its own.
    with guardian.configured(GUARDIAN_EVIDENCE_WINDOW_MS="30000"):
        lookups = guardian.requests(route.copy, operation=LOOKUP)
    alert = only(inbox.drain())
    for account in (lab.backup, lab.source):
        lab.control("cloudtrail-busy", {**busy, "account_id": account, "calls": 0})
    assert 10 < len(lookups) <= LOOKUP_BUDGET
    assert (f"cloudtrail:{LOOKUP}", lab.backup, "budget-spent") in gaps(alert)
    assert alert["cause"] == "kms-key-policy-missing-destination" and alert["certainty"] != "proven"
