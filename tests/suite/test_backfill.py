"""What an incident left uncopied is copied after all: by the command, through the role for drills, into the vaults of the list."""

from __future__ import annotations

import copy
import json
import os

import pytest

from .command import COULD_NOT_TELL, FINDING, FINE, USAGE, Ended
from .crashing import AFTER, BEFORE, killed
from .organization import JOB_ROLE, Inbox, Json, Lab, Route, ebs_route, failing_route, vault_policy
from .test_incidents import incidents
from .test_lifecycle import mend, only

# One of every kind of recovery point that has an ARN of its own.
TYPES = {
    "EC2": "arn:aws:ec2:{region}:{account}:instance/i-{name}",
    "RDS": "arn:aws:rds:{region}:{account}:db:{name}",
    "Aurora": "arn:aws:rds:{region}:{account}:cluster:{name}",
    "FSx": "arn:aws:fsx:{region}:{account}:file-system/fs-{name}",
    "EFS": "arn:aws:elasticfilesystem:{region}:{account}:file-system/fs-{name}",
}
DAYS = 35


def backfill(lab: Lab, id: str, *arguments: str) -> Ended:
    return incidents(lab, "backfill", id, *arguments, "--format", "json")


def of_type(route: Route, kind: str) -> Route:
    """Another resource on the same route, under the same keys."""
    other = copy.copy(route)
    other.jobs, other.resource_type = [], kind
    name = route.lab.unique("backfill")
    other.resource_arn = TYPES[kind].format(region=route.source_region, account=route.source, name=name)
    resource = {"resource_arn": other.resource_arn, "encryption_key_arn": route.key_arn, "resource_type": kind}
    route.lab.control("resources", resource)
    return other


def copies_of(route: Route) -> list[Json]:
    """Every copy job of the recovery point, oldest first."""
    backup = route.lab.client(route.source, "backup", route.source_region)
    listed = backup.list_copy_jobs(BySourceRecoveryPointArn=route.recovery_point_arn)["CopyJobs"]
    return sorted(listed, key=lambda job: job["CreationDate"])


def landed(route: Route) -> list[Json]:
    backup = route.lab.client(route.destination, "backup", route.destination_region)
    points = backup.list_recovery_points_by_backup_vault(
        BackupVaultName=route.destination_vault, ByResourceArn=route.resource_arn
    )
    return points["RecoveryPoints"]


def drills(lab: Lab, table: str) -> list[Json]:
    answer = lab.client(lab.guardian, "dynamodb").query(
        TableName=table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "drills"}},
        ConsistentRead=True,
    )
    return [json.loads(item["record"]["S"]) for item in answer["Items"]]


def broken(lab: Lab, inbox: Inbox, lifecycle: Json | None = None) -> tuple[Route, str]:
    """A route with a copy that failed and a fix since; and its incident."""
    route = failing_route(lab)
    route.lifecycle = lifecycle
    assert route.copy()["State"] == "FAILED"
    (id,) = (alert["incident_id"] for alert in inbox.drain() if alert["kind"] == "failure")
    mend(route)
    return route, id


def test_every_kind_of_recovery_point_is_copied_and_the_incident_ends_by_it(lab: Lab, inbox: Inbox) -> None:
    first = ebs_route(lab)
    routes = [first, *(of_type(first, kind) for kind in TYPES)]
    for route in routes:
        route.lifecycle = {"DeleteAfterDays": DAYS}
        route.back_up()
    first.put_vault_policy(None)
    for route in routes:
        route.start_copy()
    (id,) = {alert["incident_id"] for alert in inbox.drain()}

    first.put_vault_policy(vault_policy(lab.organization_id))
    planned = backfill(lab, id)
    assert planned.code == FINDING, planned.err
    assert {one["recovery_point_arn"] for one in planned.json()["copies"]} == {
        route.recovery_point_arn for route in routes
    }
    assert {one["outcome"] for one in planned.json()["copies"]} == {"planned"}
    assert all(len(copies_of(route)) == 1 for route in routes), "nothing is started unasked"
    text = incidents(lab, "backfill", id)
    assert "Nothing was started. With --yes it is." in text.out and "6.0 GiB" in text.out

    started = backfill(lab, id, "--yes")
    assert started.code == FINE, started.out
    ids = {one["job_id"] for one in started.json()["copies"]}
    lab.idle()
    for route in routes:
        failed, copied = copies_of(route)
        assert (failed["State"], copied["State"]) == ("FAILED", "COMPLETED"), copied
        assert copied["CopyJobId"].lower() in ids
        assert copied["IamRoleArn"] == JOB_ROLE.format(account=route.source)
        assert [point["Lifecycle"]["DeleteAfterDays"] for point in landed(route)] == [DAYS]
    end = [alert for alert in inbox.drain() if alert["incident_id"] == id][-1]
    assert end["kind"] == "resolved" and end["proved_by"]["job_id"].lower() in ids

    again = backfill(lab, id, "--yes", "--wait")
    assert again.code == FINE, again.out
    assert again.json()["copies"] == []
    assert {one["why"] for one in again.json()["left"]} == {"landed"}
    assert all(len(copies_of(route)) == 2 for route in routes), "nothing is copied twice"


def test_the_plan_says_how_long_a_copy_is_kept(lab: Lab, inbox: Inbox) -> None:
    route = ebs_route(lab)
    backup = lab.client(route.source, "backup", route.source_region)
    rule: Json = {
        "RuleName": "night",
        "TargetBackupVaultName": route.vault,
        "CopyActions": [
            {"DestinationBackupVaultArn": route.destination_vault_arn, "Lifecycle": {"DeleteAfterDays": 1}}
        ],
    }
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": lab.unique("backfill"), "Rules": [rule]})
    selection = backup.create_backup_selection(
        BackupPlanId=plan["BackupPlanId"],
        BackupSelection={
            "SelectionName": "one",
            "IamRoleArn": JOB_ROLE.format(account=route.source),
            "Resources": [route.resource_arn],
        },
    )
    route.put_vault_policy(None)
    lab.control(
        "plan-run",
        {"account_id": route.source, "region": route.source_region, "plan_id": plan["BackupPlanId"]},
    )
    id = only(inbox.drain())["incident_id"]
    (job,) = backup.list_copy_jobs(ByResourceArn=route.resource_arn)["CopyJobs"]
    route.recovery_point_arn = job["SourceRecoveryPointArn"]
    route.put_vault_policy(vault_policy(lab.organization_id))

    # What was planned then was wrong; what counts is the plan as it is.
    def named(rule: Json, name: str) -> None:
        rule["RuleName"] = name
        written = {"BackupPlanName": lab.unique("backfill"), "Rules": [rule]}
        backup.update_backup_plan(BackupPlanId=plan["BackupPlanId"], BackupPlan=written)

    rule["CopyActions"][0]["Lifecycle"] = {"DeleteAfterDays": 120, "MoveToColdStorageAfterDays": 30}
    named(rule, "night")
    # AWS gives a rule that is written again a new id or leaves it; its name stays.
    (one,) = backfill(lab, id).json()["copies"]
    assert (one["delete_after_days"], one["retention_from"]) == (120, "plan")
    # Under another name it is another rule: that the failed job was to be kept a day is no answer.
    named(rule, "nightly")
    (left,) = backfill(lab, id, "--yes").json()["left"]
    assert left["why"] == "no-rule" and "--retention-days" in left["text"] and len(copies_of(route)) == 1
    named(rule, "night")
    (one,) = backfill(lab, id, "--yes").json()["copies"]
    assert (one["delete_after_days"], one["retention_from"]) == (120, "plan")
    assert one["move_to_cold_storage_after_days"] == 30
    lab.idle()
    assert [job["State"] for job in copies_of(route)] == ["FAILED", "COMPLETED"]
    backup.delete_backup_selection(BackupPlanId=plan["BackupPlanId"], SelectionId=selection["SelectionId"])
    backup.delete_backup_plan(BackupPlanId=plan["BackupPlanId"])


def test_nothing_is_copied_without_an_end(lab: Lab, inbox: Inbox) -> None:
    route, id = broken(lab, inbox)
    refused = backfill(lab, id, "--yes")
    assert refused.code == FINDING and refused.json()["copies"] == []
    (left,) = refused.json()["left"]
    assert left["why"] == "no-lifecycle" and "--retention-days" in left["text"]
    assert len(copies_of(route)) == 1
    (one,) = backfill(lab, id, "--yes", "--retention-days", "7").json()["copies"]
    assert (one["outcome"], one["retention_from"]) == ("started", "asked for")
    lab.idle()
    assert [point["Lifecycle"] for point in landed(route)] == [{"DeleteAfterDays": 7}]
    wrong = incidents(lab, "backfill", id, "--retention-days", "0")
    assert wrong.code == USAGE and "--retention-days" in wrong.err


def test_only_vaults_of_the_list_and_accounts_where_drills_are_on(lab: Lab, inbox: Inbox) -> None:
    route, id = broken(lab, inbox, {"DeleteAfterDays": DAYS})
    other = "arn:aws:backup:*:222222222222:backup-vault:another"
    outside = backfill(lab, id, "--yes", "--allow-vault", other)
    assert outside.code == FINDING and outside.json()["left"][0]["why"] == "outside-allow-list"
    off = backfill(lab, id, "--yes", "--drill-role", "backup-guardian-not-there")
    assert off.code == COULD_NOT_TELL and "EnableDrills" in off.json()["copies"][0]["reason"]
    unknown = backfill(lab, id, "--allow-vault", "*")
    assert unknown.code == USAGE and "is not the ARN of a vault" in unknown.err
    assert len(copies_of(route)) == 1, "nothing was started"
    assert backfill(lab, id, "--yes").code == FINE, "what was refused before can be started now"
    lab.idle()
    assert [job["State"] for job in copies_of(route)] == ["FAILED", "COMPLETED"]


def test_of_one_resource_one_copy_is_on_its_way_at_a_time(lab: Lab, inbox: Inbox) -> None:
    route = failing_route(lab)
    route.lifecycle = {"DeleteAfterDays": DAYS}
    assert route.copy()["State"] == "FAILED"
    second = copy.copy(route)
    second.back_up()
    assert second.copy()["State"] == "FAILED"
    (id,) = {alert["incident_id"] for alert in inbox.drain()}
    mend(route)
    planned = backfill(lab, id).json()
    assert len(planned["copies"]) == 1 and [left["why"] for left in planned["left"]] == ["later"]
    ended = backfill(lab, id, "--yes", "--wait")
    assert ended.code == FINE, ended.out
    assert {one["outcome"] for one in ended.json()["copies"]} == {"landed"} and ended.json()["left"] == []
    for each in (route, second):
        assert [job["State"] for job in copies_of(each)] == ["FAILED", "COMPLETED"]


def test_what_fails_again_is_said_and_not_tried_for_ever(lab: Lab, inbox: Inbox) -> None:
    route = failing_route(lab)
    route.lifecycle = {"DeleteAfterDays": DAYS}
    assert route.copy()["State"] == "FAILED"
    id = only(inbox.drain())["incident_id"]
    ended = backfill(lab, id, "--yes", "--wait")
    assert ended.code == FINDING, ended.out
    (one,) = ended.json()["copies"]
    assert one["outcome"] == "failed" and "guardian explain job" in one["reason"]
    assert [job["State"] for job in copies_of(route)] == ["FAILED", "FAILED"]
    mend(route)
    assert backfill(lab, id, "--yes", "--wait").code == FINE, "another run is another attempt"
    assert [job["State"] for job in copies_of(route)] == ["FAILED", "FAILED", "COMPLETED"]


def test_what_is_gone_or_unknown_is_said(lab: Lab, inbox: Inbox) -> None:
    route, id = broken(lab, inbox, {"DeleteAfterDays": DAYS})
    backup = lab.client(route.source, "backup", route.source_region)
    backup.delete_recovery_point(BackupVaultName=route.vault, RecoveryPointArn=route.recovery_point_arn)
    gone = backfill(lab, id, "--yes")
    assert gone.code == FINDING and gone.json()["left"][0]["why"] == "gone"
    assert "cannot be copied any more" in incidents(lab, "backfill", id).out
    nobody = incidents(lab, "backfill", "bg-0123456789abcdef0123456")
    assert nobody.code == USAGE and "there is no incident" in nobody.err


# What it changes in one run: it writes down what it is about to do, starts it, writes down the job.
EVERYWHERE = [(when, number) for number in (1, 2, 3) for when in (BEFORE, AFTER)]
# All of them take their time: by default those around the copy itself.
POINTS = EVERYWHERE if os.environ.get("GUARDIAN_SOAK") == "1" else [(AFTER, 2), (BEFORE, 3)]


@pytest.mark.parametrize(("when", "number"), POINTS)
def test_killed_at_a_change_the_next_run_copies_once(lab: Lab, inbox: Inbox, when: str, number: int) -> None:
    route, id = broken(lab, inbox, {"DeleteAfterDays": DAYS})
    assert killed(lab, ["incidents", "backfill", id, "--yes"], when, number) == number
    lab.idle()
    ended = backfill(lab, id, "--yes")
    assert ended.code == FINE, (ended.out, ended.err)
    lab.idle()
    assert [job["State"] for job in copies_of(route)] == ["FAILED", "COMPLETED"]
    last = backfill(lab, id, "--yes")
    assert (last.code, last.json()["copies"]) == (FINE, [])
    table = lab.info["outputs"]["GuardianTableName"]
    (kept,) = [one for one in drills(lab, table) if one["order"]["point"] == route.recovery_point_arn]
    assert kept["attempt"] == 1
