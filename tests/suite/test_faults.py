"""Thirty calls of a hundred that fail, and services that hang or are down: the alert comes, and it says what it could not see.

A sample that is the same in every run; `GUARDIAN_SOAK=1` takes the full count. Whether an invocation ran out of time is what the Runtime API
of the lab says, not a clock of the test.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from .guardian import DIAGNOSE, Guardian
from .organization import PATIENCE_SECONDS, Inbox, Lab, failing_route
from .test_repetition import job_ids, jobs_of
from .test_robustness import gaps

SOAK = os.environ.get("GUARDIAN_SOAK") == "1"
FAILURES = 200 if SOAK else 20
SHARE = 0.3
# A message is received up to 60 times before it is set aside.
ROUNDS = 30
SEED = 20261127
TROUBLE = ("throttle", "error500", "reset", "hang", "truncate", "denied", "repeat-token")
HANG_SECONDS = 8
# What a diagnosis asks of other accounts.
ASKED = ("backup", "kms", "cloudtrail", "iam", "sts")
# What it needs of its own account. Nothing of a first alert lies in S3.
OWN = ("dynamodb", "sqs", "s3")
BOTH = [(trouble, service) for service in (*ASKED, *OWN) for trouble in ("hang", "error500")]
# Each service once, in turns hanging and down.
OUTAGES = BOTH if SOAK else [pair for n, pair in enumerate(BOTH) if n % 4 in (0, 3)]


def thirty_of_a_hundred(lab: Lab) -> None:
    """Each kind of trouble takes its share; the first rule that applies decides, so that later ones draw from what is left."""
    left = 1.0
    rules = []
    for n, fault in enumerate(TROUBLE):
        share = SHARE / len(TROUBLE)
        rule: dict[str, Any] = {
            "fault": fault,
            "match": {"function": DIAGNOSE, "probability": share / left},
            "seed": SEED + n,
        }
        rules.append({**rule, "seconds": HANG_SECONDS} if fault == "hang" else rule)
        left -= share
    lab.control("faults", rules)


def come_to_rest(lab: Lab) -> None:
    """A diagnosis whose calls hang takes its time, and many wait for it."""
    for _ in range(6):
        if lab.control(f"idle?timeout={PATIENCE_SECONDS}")["idle"]:
            return
    raise AssertionError("the lab does not come to rest")


def test_with_thirty_of_a_hundred_calls_failing_every_failure_is_told(
    lab: Lab, inbox: Inbox, guardian: Guardian
) -> None:
    routes = [failing_route(lab) for _ in range(FAILURES)]
    inbox.drain()
    errors = guardian.errors()
    guardian.hold_retries()
    alerts, missing = [], set()
    with guardian.configured(GUARDIAN_EVIDENCE_WINDOW_MS="1500"):
        lab.control("requests", method="DELETE")
        with guardian.stopped(DIAGNOSE):
            for route in routes:
                route.start_copy()
            come_to_rest(lab)
        thirty_of_a_hundred(lab)
        for _ in range(ROUNDS):
            come_to_rest(lab)
            alerts += inbox.drain()
            missing = {job for route in routes for job in job_ids(route)} - {
                job for alert in alerts for job in jobs_of(alert)
            }
            if not missing and not guardian.waiting():
                break
            # Once more, as after the visibility timeout, when every lease is over.
            guardian.let_a_minute_pass()
            guardian.let_leases_end()
            guardian.bring_retries()
            guardian.hold_retries()
        calls = guardian.requests()
        guardian.well()
    assert not missing and guardian.dead_letters() == []
    met = sum(1 for call in calls if call.get("fault"))
    assert 0.2 < met / len(calls) < 0.4, f"{met} of {len(calls)} calls"
    assert guardian.errors() == errors, "an invocation crashed or ran out of time"
    repeated = len(alerts) - len({alert["incident_id"] for alert in alerts})
    print(f"{FAILURES} failures, {met} of {len(calls)} calls failed, {len(alerts)} messages, {repeated} repeated")


@pytest.mark.parametrize(("trouble", "service"), OUTAGES, ids=[f"{one[1]} {one[0]}" for one in OUTAGES])
def test_with_one_service_hanging_or_down_the_alert_comes_and_names_what_was_not_seen(
    lab: Lab, inbox: Inbox, guardian: Guardian, trouble: str, service: str
) -> None:
    route = failing_route(lab)
    # No denial arrives as an event, so that CloudTrail must be asked; and no session outlives the outage of its service.
    lab.control("cloudtrail-delay", {"lookup_seconds": 0, "event_seconds": 3600})
    guardian.restart()
    errors = guardian.errors()
    guardian.fault(trouble, service=service)
    try:
        with guardian.configured(GUARDIAN_EVIDENCE_WINDOW_MS="3000"):
            calls = guardian.requests(route.copy)
            alerts = inbox.drain()
    finally:
        guardian.well()
    assert [jobs_of(alert) for alert in alerts] == [list(job_ids(route))]
    assert guardian.errors() == errors, "an invocation crashed or ran out of time"
    failed = {(f"{call['service']}:{call['operation']}", call["account_id"]) for call in calls if call.get("fault")}
    if service in ("iam", "s3"):
        return
    assert failed, f"{service} was not asked, so this shows nothing"
    unseen = {(action, account) for action, account, _ in gaps(alerts[0])}
    named = {action.split(":")[0] for action, _ in unseen}
    if service == "sts":
        # The account is that of the role, not that of the call.
        assert {lab.source, lab.backup} <= {account for action, account in unseen if action == "sts:AssumeRole"} or (
            trouble == "hang" and {lab.source, lab.backup} <= {account for _, account in unseen}
        )
    elif service in ASKED:
        assert service in named and {account for action, account in unseen if action.startswith(service)} <= {
            account for _, account in failed
        }
    elif service == "dynamodb":
        assert ("dynamodb:Query", lab.guardian) in unseen
