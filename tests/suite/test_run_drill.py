"""Drills that are handed over or scheduled: the deployed function starts what is asked for or missing, comes back to it, and tells how it ended."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator

import boto3
import pytest

from .command import FINDING, FINE
from .guardian import DRILL_RULE, RUN_DRILL, Guardian
from .organization import (
    CONFIG,
    JOB_ROLE,
    SLR,
    Inbox,
    Json,
    Lab,
    Operations,
    Route,
    ebs_route,
    failing_route,
    key_policy,
    use_statement,
    vault_policy,
)
from .test_backfill import DAYS, broken, copies_of, drills, landed
from .test_cli_lab import session_of
from .test_drill import drill, open_the_way_back, planned_route, vault_arn
from .test_lifecycle import later, mend, only
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
# And of a copy that is asked for by itself: that it ended, and the message.
TO_THE_END = (*CHANGES, ("dynamodb", "PutItem", 3), ("sns", "Publish", 1))
SOAK = os.environ.get("GUARDIAN_SOAK") == "1"
EVERYWHERE = [(kill, change) for kill in KILLS for change in CHANGES]
EVERYWHERE_TO_THE_END = [(kill, change) for kill in KILLS for change in TO_THE_END]
# All of them take their time: by default the one after which AWS has a copy and nobody knows it.
POINTS = EVERYWHERE if SOAK else [("kill-after", CHANGES[1])]
COPY_POINTS = EVERYWHERE_TO_THE_END if SOAK else [("kill-after", CHANGES[1])]
BACK_POINTS = EVERYWHERE_TO_THE_END if SOAK else [("kill-after", CHANGES[1]), ("kill-before", TO_THE_END[4])]


@pytest.fixture
def planned(lab: Lab, inbox: Inbox) -> Iterator[Route]:
    yield from planned_route(lab, {"DeleteAfterDays": DAYS})


def hand_over(lab: Lab, id: str, **more: int) -> None:
    """Puts a backfill into the queue."""
    ask(lab, {"drill": "backfill", "incident_id": id, **more})


def ask(lab: Lab, body: Json) -> None:
    """Puts a message into the queue, as the operator role may."""
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


@pytest.mark.usefixtures("clock")
def test_a_copy_that_failed_is_not_tried_again_because_somebody_lists_the_drills(
    lab: Lab, inbox: Inbox, guardian: Guardian, operations: Operations
) -> None:
    route, id = broken(lab, inbox, {"DeleteAfterDays": DAYS})
    route.put_vault_policy(None)
    hand_over(lab, id)
    assert [job["State"] for job in copies_of(route)] == ["FAILED", "FAILED"]
    for _ in range(2):
        assert drill(lab, "list").code in (FINE, FINDING)
        later(lab, NEXT_LOOK_SECONDS)
    assert [job["State"] for job in copies_of(route)] == ["FAILED", "FAILED"]
    assert "ended without a copy" in only(operations.drain())
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


@pytest.mark.usefixtures("clock")
def test_a_copy_that_is_handed_over_ends_the_incident_of_its_route_and_is_told_with_its_job(
    lab: Lab, inbox: Inbox, guardian: Guardian, operations: Operations, planned: Route
) -> None:
    planned.put_key_policy(key_policy(planned.source, use_statement(SLR.format(account=planned.destination))))
    assert planned.copy()["State"] == "FAILED"
    id = only(inbox.drain())["incident_id"]
    mend(planned)
    ask(lab, {"drill": "copy", "vault_arn": vault_arn(planned), "resource_arn": planned.resource_arn})
    job = copies_of(planned)[-1]
    assert (job["State"], job["IamRoleArn"]) == ("COMPLETED", JOB_ROLE.format(account=planned.source))
    assert [point["Lifecycle"]["DeleteAfterDays"] for point in landed(planned)] == [DAYS, DAYS], "as the plan has it"
    end = only(inbox.drain())
    assert (end["kind"], end["incident_id"]) == ("resolved", id)
    assert end["proved_by"]["job_id"].lower() == job["CopyJobId"].lower()
    assert operations.drain() == [], "it was not looked at again"

    later(lab, NEXT_LOOK_SECONDS)
    (told,) = operations.drain()
    assert f"copy job {job['CopyJobId'].lower()} COMPLETED after " in told and planned.resource_arn in told
    assert len(copies_of(planned)) == 3
    assert guardian.waiting(RUN_DRILL) == 0 and guardian.dead_letters(RUN_DRILL) == []


def asked_back(route: Route) -> Json:
    return {
        "drill": "copy-back",
        "vault_arn": route.destination_vault_arn,
        "resource_arn": route.resource_arn,
        "destination_vault_arn": vault_arn(route),
        "role_arn": JOB_ROLE.format(account=route.destination),
        "retention_days": 7,
    }


def copies_back(route: Route, copied: Json) -> list[Json]:
    backup = route.lab.client(route.destination, "backup", route.destination_region)
    return backup.list_copy_jobs(BySourceRecoveryPointArn=copied["RecoveryPointArn"])["CopyJobs"]


@pytest.mark.usefixtures("clock")
def test_a_copy_back_that_is_handed_over_lands_in_the_source_account(
    lab: Lab, guardian: Guardian, operations: Operations, planned: Route
) -> None:
    open_the_way_back(planned)
    (copied,) = landed(planned)
    asked = asked_back(planned)
    ask(lab, asked)
    (job,) = copies_back(planned, copied)
    assert job["State"] == "COMPLETED", job
    later(lab, NEXT_LOOK_SECONDS)
    (told,) = operations.drain()
    assert f"copy job {job['CopyJobId'].lower()} COMPLETED after " in told and "copy-back drill" in told
    del asked["role_arn"]
    ask(lab, asked)
    assert guardian.dead_letters(RUN_DRILL) == [json.dumps(asked)], "no plan says it"


@pytest.mark.usefixtures("clock")
def test_a_copy_that_cannot_be_or_fails_is_told_with_the_reason(
    lab: Lab, guardian: Guardian, operations: Operations, planned: Route
) -> None:
    asked: Json = {"drill": "copy", "vault_arn": vault_arn(planned), "resource_arn": planned.resource_arn}
    with guardian.configured(RUN_DRILL, GUARDIAN_DRILL_VAULTS="arn:aws:backup:*:222222222222:backup-vault:another"):
        ask(lab, asked)
    assert "was not started" in (told := operations.drain()[-1]) and "is not on the list of vaults" in told
    with guardian.configured(RUN_DRILL, GUARDIAN_DRILL_ROLE_NAME="backup-guardian-not-there"):
        ask(lab, asked)
    assert "sts:AssumeRole" in operations.drain()[-1]
    ask(lab, {**asked, "resource_arn": f"{planned.resource_arn}0"})
    assert "holds no recovery point of" in operations.drain()[-1]
    endless = ebs_route(lab)
    endless.back_up()
    to = {"destination_vault_arn": endless.destination_vault_arn}
    ask(lab, {"drill": "copy", "vault_arn": vault_arn(endless), "resource_arn": endless.resource_arn, **to})
    assert "kept for ever" in operations.drain()[-1], "neither a plan nor the message says when it ends"
    assert len(copies_of(planned)) == 1 and copies_of(endless) == [], "nothing was started"

    planned.put_vault_policy(None)
    ask(lab, asked)
    later(lab, NEXT_LOOK_SECONDS)
    told = operations.drain()[-1]
    assert f"copy job {copies_of(planned)[-1]['CopyJobId'].lower()} FAILED" in told and "guardian explain job" in told
    assert guardian.waiting(RUN_DRILL) == 0 and guardian.dead_letters(RUN_DRILL) == []


@pytest.mark.usefixtures("clock")
def test_a_schedule_starts_the_drill_that_was_set_for_it(lab: Lab, guardian: Guardian, operations: Operations) -> None:
    set_for_it = json.loads(
        lab.client(lab.guardian, "events").list_targets_by_rule(Rule=DRILL_RULE)["Targets"][0]["Input"]
    )
    route = ebs_route(lab)
    lab.control(
        "resources",
        {"resource_arn": set_for_it["resource_arn"], "encryption_key_arn": route.key_arn, "resource_type": "EBS"},
    )
    route.resource_arn, route.vault = set_for_it["resource_arn"], set_for_it["vault_arn"].rsplit(":", 1)[-1]
    route.destination_vault_arn = set_for_it["destination_vault_arn"]
    route.destination_vault = route.destination_vault_arn.rsplit(":", 1)[-1]
    lab.client(route.source, "backup").create_backup_vault(
        BackupVaultName=route.vault, EncryptionKeyArn=route.vault_key_arn
    )
    lab.client(route.destination, "backup").create_backup_vault(
        BackupVaultName=route.destination_vault, EncryptionKeyArn=route.destination_key_arn
    )
    route.put_vault_policy(vault_policy(lab.organization_id))
    route.back_up()
    lab.control("schedule", {"rule": DRILL_RULE})
    lab.idle()
    (job,) = copies_of(route)
    assert job["State"] == "COMPLETED", job
    assert [point["Lifecycle"]["DeleteAfterDays"] for point in landed(route)] == [set_for_it["retention_days"]]
    later(lab, NEXT_LOOK_SECONDS)
    assert f"copy job {job['CopyJobId'].lower()} COMPLETED" in only(operations.drain())
    guardian.check_alarm_path()


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("kill", "change"), COPY_POINTS, ids=lambda point: "-".join(map(str, point)) if isinstance(point, tuple) else point
)
def test_killed_at_a_change_a_copy_is_started_once_and_told(
    lab: Lab, guardian: Guardian, operations: Operations, planned: Route, kill: str, change: tuple[str, str, int]
) -> None:
    service, operation, nth = change
    guardian.hold_retries()
    guardian.fault(kill, function=RUN_DRILL, service=service, operation=operation, nth=nth)
    to = {"destination_vault_arn": planned.destination_vault_arn, "retention_days": DAYS}
    ask(lab, {"drill": "copy", "vault_arn": vault_arn(planned), "resource_arn": planned.resource_arn, **to})
    later(lab, NEXT_LOOK_SECONDS)
    met = guardian.met()
    guardian.well()
    # By the time the message comes again there is a newer recovery point: it is not the one that was begun.
    copied, begun = planned.recovery_point_arn, guardian.items(guardian.table)
    planned.back_up()
    guardian.bring_retries()
    lab.idle()
    later(lab, NEXT_LOOK_SECONDS)
    assert met == 1, "the call was not made, so this shows nothing"
    newer, planned.recovery_point_arn = copies_of(planned), copied
    written = [
        item for item in begun if item["pk"] == "drills" and json.loads(item["record"])["order"]["point"] == copied
    ]
    assert (len(newer), len(copies_of(planned))) == ((0, 2) if written else (1, 1)), "one copy was started, whichever"
    told = [message for message in operations.drain() if planned.resource_arn in message]
    assert 1 <= len(told) <= 2 and all(" COMPLETED after " in message for message in told)
    assert guardian.waiting(RUN_DRILL) == 0 and guardian.dead_letters(RUN_DRILL) == []


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("kill", "change"), BACK_POINTS, ids=lambda point: "-".join(map(str, point)) if isinstance(point, tuple) else point
)
def test_killed_at_a_change_a_copy_back_is_started_once_and_told(
    lab: Lab, guardian: Guardian, operations: Operations, planned: Route, kill: str, change: tuple[str, str, int]
) -> None:
    open_the_way_back(planned)
    (copied,) = landed(planned)
    service, operation, nth = change
    guardian.hold_retries()
    guardian.fault(kill, function=RUN_DRILL, service=service, operation=operation, nth=nth)
    ask(lab, asked_back(planned))
    later(lab, NEXT_LOOK_SECONDS)
    met = guardian.met()
    guardian.well()
    guardian.bring_retries()
    lab.idle()
    for _ in range(2):
        later(lab, NEXT_LOOK_SECONDS)
    assert met == 1, "the call was not made, so this shows nothing"
    assert [job["State"] for job in copies_back(planned, copied)] == ["COMPLETED"]
    told = [message for message in operations.drain() if planned.resource_arn in message]
    assert 1 <= len(told) <= 2 and all(" COMPLETED after " in message for message in told)
    assert guardian.waiting(RUN_DRILL) == 0 and guardian.dead_letters(RUN_DRILL) == []


@pytest.mark.usefixtures("clock")
def test_a_drill_that_nobody_started_for_two_days_is_told(
    lab: Lab, guardian: Guardian, operations: Operations, planned: Route
) -> None:
    guardian.hold_retries()
    guardian.fault("kill-before", function=RUN_DRILL, service="backup", operation="StartCopyJob", nth=1)
    to = {"destination_vault_arn": planned.destination_vault_arn, "retention_days": DAYS}
    ask(lab, {"drill": "copy", "vault_arn": vault_arn(planned), "resource_arn": planned.resource_arn, **to})
    assert guardian.met() == 1
    guardian.well()
    kept = drills(lab, lab.info["outputs"]["GuardianTableName"])
    (one,) = [one for one in kept if one["order"]["point"] == planned.recovery_point_arn]
    guardian.send(json.dumps({"drill": "look", "drill_id": one["id"], "round": 192}), function=RUN_DRILL)
    lab.idle()
    assert "no copy job of it was started within two days" in only(operations.drain())
    guardian.bring_retries()
    lab.idle()
    assert copies_of(planned)[-1]["State"] == "COMPLETED", "the message itself comes again"
