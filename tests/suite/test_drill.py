"""`guardian drill copy` and `copy-back`: one copy on demand, as the plan would make it, or on the way back."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator

import pytest

from .command import BINARY, ENVIRONMENT, FINDING, FINE, USAGE, Ended, guardian
from .organization import (
    JOB_ROLE,
    SLR,
    Inbox,
    Json,
    Lab,
    Route,
    ebs_route,
    grant_statement,
    key_policy,
    use_statement,
    vault_policy,
)
from .test_backfill import copies_of, landed
from .test_lifecycle import mend, only

DAYS = 35


def drill(lab: Lab, *arguments: str) -> Ended:
    place = {"AWS_ENDPOINT_URL": lab.endpoint, "AWS_REGION": lab.region}
    return guardian("drill", *arguments, environment=place)


def vault_arn(route: Route) -> str:
    return f"arn:aws:backup:{route.source_region}:{route.source}:backup-vault:{route.vault}"


def planned_route(lab: Lab, lifecycle: Json | None) -> Iterator[Route]:
    """A route with a plan that backed it up and copied it once."""
    route = ebs_route(lab)
    backup = lab.client(route.source, "backup", route.source_region)
    action: Json = {"DestinationBackupVaultArn": route.destination_vault_arn}
    if lifecycle:
        action["Lifecycle"] = lifecycle
    rule = {"RuleName": "night", "TargetBackupVaultName": route.vault, "CopyActions": [action]}
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": lab.unique("drill"), "Rules": [rule]})
    selection = backup.create_backup_selection(
        BackupPlanId=plan["BackupPlanId"],
        BackupSelection={
            "SelectionName": "one",
            "IamRoleArn": JOB_ROLE.format(account=route.source),
            "Resources": [route.resource_arn],
        },
    )
    place = {"account_id": route.source, "region": route.source_region, "plan_id": plan["BackupPlanId"]}
    lab.control("plan-run", place)
    lab.idle()
    points = backup.list_recovery_points_by_backup_vault(BackupVaultName=route.vault, ByResourceArn=route.resource_arn)
    (point,) = points["RecoveryPoints"]
    route.recovery_point_arn = point["RecoveryPointArn"]
    yield route
    backup.delete_backup_selection(BackupPlanId=plan["BackupPlanId"], SelectionId=selection["SelectionId"])
    backup.delete_backup_plan(BackupPlanId=plan["BackupPlanId"])


@pytest.fixture
def planned(lab: Lab, inbox: Inbox) -> Iterator[Route]:
    yield from planned_route(lab, {"DeleteAfterDays": DAYS})


@pytest.fixture
def endless(lab: Lab, inbox: Inbox) -> Iterator[Route]:
    yield from planned_route(lab, None)


def test_a_copy_as_the_plan_makes_it_is_seen_working(lab: Lab, planned: Route) -> None:
    arguments = ["copy", vault_arn(planned), planned.resource_arn]
    assert [job["State"] for job in copies_of(planned)] == ["COMPLETED"]
    unasked = drill(lab, *arguments)
    assert unasked.code == USAGE and "nobody said yes" in unasked.err and unasked.out == ""
    assert planned.destination_vault_arn in unasked.err, "what would be done is shown"
    assert len(copies_of(planned)) == 1

    started = drill(lab, *arguments, "--yes", "--format", "json")
    assert started.code == FINE, started.err
    one = started.json()
    assert (one["recovery_point_arn"], one["retention_from"]) == (planned.recovery_point_arn, "plan")
    lab.idle()
    second = copies_of(planned)[-1]
    assert (second["State"], second["CopyJobId"].lower()) == ("COMPLETED", one["job_id"])
    assert second["IamRoleArn"] == JOB_ROLE.format(account=planned.source)
    assert [point["Lifecycle"]["DeleteAfterDays"] for point in landed(planned)] == [DAYS, DAYS]

    text = drill(lab, *arguments, "--yes")
    assert text.code == FINE and "guardian explain job --type copy" in text.out
    lab.idle()
    assert len(copies_of(planned)) == 3, "a drill may be repeated"


@pytest.mark.parametrize(("answer", "code", "copies"), [(b"y\n", FINE, 2), (b"\n", USAGE, 1)])
def test_a_person_at_a_terminal_is_asked(lab: Lab, planned: Route, answer: bytes, code: int, copies: int) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [BINARY, "drill", "copy", vault_arn(planned), planned.resource_arn],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT | {"AWS_ENDPOINT_URL": lab.endpoint, "AWS_REGION": lab.region},
    )
    os.close(theirs)
    os.write(ours, answer)
    _, err = process.communicate(timeout=120)
    os.close(ours)
    assert process.returncode == code and b"Start it? [y/N]" in err
    lab.idle()
    assert len(copies_of(planned)) == copies


def test_a_drill_ends_the_incident_of_its_route(lab: Lab, inbox: Inbox, planned: Route) -> None:
    planned.put_key_policy(key_policy(planned.source, use_statement(SLR.format(account=planned.destination))))
    assert planned.copy()["State"] == "FAILED"
    id = only(inbox.drain())["incident_id"]
    mend(planned)
    job = drill(lab, "copy", vault_arn(planned), planned.resource_arn, "--yes", "--format", "json").json()["job_id"]
    end = only(inbox.drain())
    assert (end["kind"], end["incident_id"]) == ("resolved", id)
    assert end["proved_by"]["job_id"].lower() == job


def test_a_copy_without_an_end_and_a_vault_outside_the_list_are_refused(lab: Lab, endless: Route) -> None:
    arguments = ["copy", vault_arn(endless), endless.resource_arn, "--yes", "--format", "json"]
    refused = drill(lab, *arguments)
    assert refused.code == FINDING and refused.json()["why"] == "no-lifecycle"
    other = "arn:aws:backup:*:222222222222:backup-vault:another"
    outside = drill(lab, *arguments, "--retention-days", "3", "--allow-vault", other)
    assert outside.code == FINDING and outside.json()["why"] == "outside-allow-list"
    assert len(copies_of(endless)) == 1
    kept = drill(lab, *arguments, "--retention-days", "3").json()
    assert (kept["delete_after_days"], kept["retention_from"]) == (3, "asked for")
    nothing = drill(lab, "copy", vault_arn(endless), f"{endless.resource_arn}0", "--yes")
    assert nothing.code == USAGE and "holds no recovery point of" in nothing.err
    wrong = drill(lab, "copy", endless.resource_arn, vault_arn(endless))
    assert wrong.code == USAGE and "the ARN of a vault is expected" in wrong.err


def open_the_way_back(route: Route) -> None:
    slr = SLR.format(account=route.source)
    route.put_key_policy(
        key_policy(route.destination, use_statement(slr), grant_statement(slr)), route.destination_key_arn
    )
    route.lab.client(route.source, "backup", route.source_region).put_backup_vault_access_policy(
        BackupVaultName=route.vault, Policy=json.dumps(vault_policy(route.lab.organization_id))
    )


def test_a_copy_comes_back(lab: Lab, planned: Route) -> None:
    open_the_way_back(planned)
    (copied,) = landed(planned)
    role = JOB_ROLE.format(account=planned.destination)
    ended = drill(
        lab, "copy-back", planned.destination_vault_arn, planned.resource_arn, "--to", vault_arn(planned),
        "--role", role, "--retention-days", "7", "--yes", "--format", "json",
    )  # fmt: skip
    assert ended.code == FINE, (ended.out, ended.err)
    assert ended.json()["recovery_point_arn"] == copied["RecoveryPointArn"]
    lab.idle()
    backup = lab.client(planned.destination, "backup", planned.destination_region)
    (job,) = backup.list_copy_jobs(BySourceRecoveryPointArn=copied["RecoveryPointArn"])["CopyJobs"]
    assert (job["State"], job["CopyJobId"].lower()) == ("COMPLETED", ended.json()["job_id"]), job
    points = lab.client(planned.source, "backup", planned.source_region).list_recovery_points_by_backup_vault(
        BackupVaultName=planned.vault, ByResourceArn=planned.resource_arn
    )["RecoveryPoints"]
    assert {"DeleteAfterDays": 7} in [point.get("Lifecycle") for point in points]
