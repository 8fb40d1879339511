"""A backfill that is handed over: the deployed function starts what is missing, comes back to it, and tells how it ended."""

from __future__ import annotations

import copy
import json
import os

import boto3
import pytest

from .guardian import RUN_DRILL, Guardian
from .organization import CONFIG, Inbox, Lab, Operations, failing_route
from .test_backfill import DAYS, broken, copies_of, landed
from .test_cli_lab import session_of
from .test_lifecycle import later, mend
from .test_repetition import KILLS

# A little more than until it looks again.
NEXT_LOOK_SECONDS = 905
# What it changes while it copies one recovery point: the order, the copy, its job, and the next look.
CHANGES = (
    ("dynamodb", "PutItem", 1),
    ("backup", "StartCopyJob", 1),
    ("dynamodb", "PutItem", 2),
    ("sqs", "SendMessageBatch", 1),
)
EVERYWHERE = [(kill, change) for kill in KILLS for change in CHANGES]
# All of them take their time: by default the one after which AWS has a copy and nobody knows it.
POINTS = EVERYWHERE if os.environ.get("GUARDIAN_SOAK") == "1" else [("kill-after", CHANGES[1])]


def hand_over(lab: Lab, id: str, **more: int) -> None:
    """Puts a backfill into the queue, as the operator role may."""
    session = session_of(lab, lab.guardian, "backup-guardian-operator")
    sqs = boto3.client(
        "sqs",
        endpoint_url=lab.endpoint,
        region_name=lab.region,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
        config=CONFIG,
    )
    body = {"drill": "backfill", "incident_id": id, **more}
    sqs.send_message(QueueUrl=lab.info["outputs"]["DrillQueueUrl"], MessageBody=json.dumps(body))
    lab.idle()


@pytest.mark.usefixtures("clock")
def test_a_backfill_that_is_handed_over_goes_on_until_all_has_landed(
    lab: Lab, inbox: Inbox, guardian: Guardian, operations: Operations
) -> None:
    route = failing_route(lab)
    route.lifecycle = {"DeleteAfterDays": DAYS}
    assert route.copy()["State"] == "FAILED"
    second = copy.copy(route)
    second.back_up()
    assert second.copy()["State"] == "FAILED"
    (id,) = {alert["incident_id"] for alert in inbox.drain()}
    mend(route)

    hand_over(lab, id)
    states = sorted([job["State"] for job in copies_of(each)] for each in (route, second))
    assert states == [["FAILED"], ["FAILED", "COMPLETED"]], "of one resource one copy at a time"
    end = [alert for alert in inbox.drain() if alert["incident_id"] == id][-1]
    assert end["kind"] == "resolved"
    jobs = {job["CopyJobId"].lower() for each in (route, second) for job in copies_of(each)}
    assert end["proved_by"]["job_id"].lower() in jobs
    assert operations.drain() == [], "it has not ended"

    later(lab, NEXT_LOOK_SECONDS)
    for each in (route, second):
        assert [job["State"] for job in copies_of(each)] == ["FAILED", "COMPLETED"]
    assert [point["Lifecycle"]["DeleteAfterDays"] for point in landed(route)] == [DAYS, DAYS]
    later(lab, NEXT_LOOK_SECONDS)
    (told,) = operations.drain()
    assert id in told and "Landed: 2" in told and "Not copied: 0" in told
    assert guardian.waiting(RUN_DRILL) == 0 and guardian.dead_letters(RUN_DRILL) == []


@pytest.mark.usefixtures("clock")
def test_what_is_refused_or_fails_again_is_told_and_ends_it(
    lab: Lab, inbox: Inbox, guardian: Guardian, operations: Operations
) -> None:
    route, id = broken(lab, inbox)
    hand_over(lab, id)
    (told,) = operations.drain()
    assert "Not copied: 1" in told and "--retention-days" in told and len(copies_of(route)) == 1

    with guardian.configured(RUN_DRILL, GUARDIAN_DRILL_VAULTS="arn:aws:backup:*:222222222222:backup-vault:another"):
        hand_over(lab, id, retention_days=7)
    assert "is not on the list of vaults" in operations.drain()[-1]
    with guardian.configured(RUN_DRILL, GUARDIAN_DRILL_ROLE_NAME="backup-guardian-not-there"):
        hand_over(lab, id, retention_days=7)
    assert "sts:AssumeRole" in operations.drain()[-1]
    assert len(copies_of(route)) == 1, "nothing was started"
    hand_over(lab, "bg-0123456789abcdef0123456")
    assert "no such incident" in operations.drain()[-1]

    route.put_vault_policy(None)
    hand_over(lab, id, retention_days=7)
    later(lab, NEXT_LOOK_SECONDS)
    assert "ended without a copy" in operations.drain()[-1]
    assert [job["State"] for job in copies_of(route)] == ["FAILED", "FAILED"], "once, and not for ever"
    assert guardian.waiting(RUN_DRILL) == 0 and guardian.dead_letters(RUN_DRILL) == []


def test_a_message_that_asks_for_nothing_known_ends_among_the_dead_letters(lab: Lab, guardian: Guardian) -> None:
    guardian.send('{"drill": "restore"}', function=RUN_DRILL)
    lab.idle()
    assert guardian.dead_letters(RUN_DRILL) == ['{"drill": "restore"}']


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("kill", "change"), POINTS, ids=lambda point: "-".join(map(str, point)) if isinstance(point, tuple) else point
)
def test_killed_at_a_change_it_copies_once(
    lab: Lab, inbox: Inbox, guardian: Guardian, operations: Operations, kill: str, change: tuple[str, str, int]
) -> None:
    route, id = broken(lab, inbox, {"DeleteAfterDays": DAYS})
    service, operation, nth = change
    guardian.hold_retries()
    guardian.fault(kill, function=RUN_DRILL, service=service, operation=operation, nth=nth)
    hand_over(lab, id)
    met = guardian.met()
    guardian.well()
    guardian.bring_retries()
    lab.idle()
    later(lab, NEXT_LOOK_SECONDS)
    assert met == 1, "the call was not made, so this shows nothing"
    assert [job["State"] for job in copies_of(route)] == ["FAILED", "COMPLETED"]
    later(lab, NEXT_LOOK_SECONDS)
    # Two chains of looks tell the end twice at most.
    told = [message for message in operations.drain() if id in message]
    assert 1 <= len(told) <= 2 and all("Landed: 1" in message for message in told)
    assert guardian.waiting(RUN_DRILL) == 0 and guardian.dead_letters(RUN_DRILL) == []
