"""Restores as a test: by the command and by the deployed function, measured, removed again where that is provably ours, and never lost sight of."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from .command import COULD_NOT_TELL, FINDING, FINE, USAGE, Ended
from .crashing import AFTER, BEFORE, killed
from .guardian import RUN_DRILL, Guardian
from .organization import JOB_ROLE, Inbox, Json, Lab, Operations, Route, ebs_route, key_policy
from .test_backfill import drills
from .test_drill import drill, vault_arn
from .test_lifecycle import later, only
from .test_repetition import KILLS
from .test_run_drill import NEXT_LOOK_SECONDS, ask

MARK = "backup-guardian-drill-"
# What the function changes in a restore of a table: the order, the restore, its job, the next look; then the end, the deletion, the next look, and
# that it is gone.
CHANGES = (
    ("dynamodb", "PutItem", 1),
    ("backup", "StartRestoreJob", 1),
    ("dynamodb", "PutItem", 2),
    ("sqs", "SendMessageBatch", 1),
    ("dynamodb", "PutItem", 3),
    ("dynamodb", "DeleteTable", 1),
    ("sqs", "SendMessageBatch", 2),
    ("dynamodb", "PutItem", 4),
    ("sns", "Publish", 1),
)
EVERYWHERE = [(kill, change) for kill in KILLS for change in CHANGES]
SOAK = os.environ.get("GUARDIAN_SOAK") == "1"
# All of them take their time: by default those after which AWS has something of which nobody knows.
POINTS = EVERYWHERE if SOAK else [("kill-after", CHANGES[1]), ("kill-before", CHANGES[4]), ("kill-after", CHANGES[5])]


@pytest.fixture
def volume(lab: Lab, inbox: Inbox) -> Route:
    """A volume with a recovery point."""
    route = ebs_route(lab)
    route.back_up()
    return route


@pytest.fixture
def table(lab: Lab, inbox: Inbox) -> Iterator[Route]:
    """A table with a recovery point that DynamoDB keeps itself."""
    yield from backed_up_table(lab)


def backed_up_table(lab: Lab) -> Iterator[Route]:
    route = ebs_route(lab)
    name = lab.unique("orders")
    route.resource_type = "DynamoDB"
    route.resource_arn = f"arn:aws:dynamodb:{route.source_region}:{route.source}:table/{name}"
    route.back_up()
    yield route
    for made in tables_of_drills(route):
        dynamodb(route).update_table(TableName=made, DeletionProtectionEnabled=False)
        dynamodb(route).delete_table(TableName=made)


def dynamodb(route: Route) -> Any:
    return route.lab.client(route.source, "dynamodb", route.source_region)


def tables_of_drills(route: Route) -> list[str]:
    names = dynamodb(route).list_tables()["TableNames"]
    return [name for name in names if name.startswith(MARK)]


def restores_of(route: Route) -> list[Json]:
    """Every restore job of the recovery point."""
    jobs = route.lab.client(route.source, "backup", route.source_region).list_restore_jobs()["RestoreJobs"]
    return [job for job in jobs if job["RecoveryPointArn"] == route.recovery_point_arn]


def volume_exists(route: Route, arn: str) -> bool:
    ec2 = route.lab.client(route.source, "ec2", route.source_region)
    return any(each["VolumeId"] == arn.rsplit("/", 1)[-1] for each in ec2.describe_volumes()["Volumes"])


def restore(route: Route, *arguments: str) -> Ended:
    return drill(route.lab, "restore", vault_arn(route), route.resource_arn, *arguments)


def asked(route: Route, **more: object) -> Json:
    return {"drill": "restore", "vault_arn": vault_arn(route), "resource_arn": route.resource_arn, **more}


def test_a_table_is_restored_under_a_name_of_its_own_measured_and_deleted(lab: Lab, table: Route) -> None:
    unasked = restore(table)
    assert unasked.code == USAGE and "nobody said yes" in unasked.err and table.recovery_point_arn in unasked.err
    assert restores_of(table) == []
    ended = restore(table, "--yes", "--wait", "--format", "json")
    assert ended.code == FINE, (ended.out, ended.err)
    one = ended.json()
    assert one["made_arn"].rsplit("/", 1)[-1].startswith(f"{MARK}{one['drill_id']}") and one["gone_at"]
    assert (one["state"], one["job_state"]) == ("ended", "COMPLETED") and one["took_seconds"] >= 0
    assert tables_of_drills(table) == []
    (job,) = restores_of(table)
    assert (job["RestoreJobId"].lower(), job["IamRoleArn"]) == (one["job_id"], JOB_ROLE.format(account=table.source))
    listed = drill(lab, "list", one["drill_id"])
    assert listed.code == FINE and "(recovery time)" in listed.out and "left over" not in listed.out
    again = restore(table, "--yes", "--wait", "--format", "json").json()
    assert again["made_arn"] != one["made_arn"], "every attempt has a name of its own"


def test_a_table_that_nobody_waited_for_is_listed_until_it_is_deleted(lab: Lab, table: Route) -> None:
    started = restore(table, "--yes", "--format", "json").json()
    lab.idle()
    listed = drill(lab, "list", started["drill_id"], "--format", "json")
    assert listed.code == FINDING
    (one,) = listed.json()["drills"]
    assert one["state"] == "left-over" and "--remove" in one["text"] and len(tables_of_drills(table)) == 1
    refused = restore(table, "--yes", "--format", "json")
    assert refused.code == COULD_NOT_TELL and "is there still" in refused.json()["reason"]
    assert len(restores_of(table)) == 1, "one after the other"
    assert drill(lab, "list", started["drill_id"], "--remove").code == FINE
    assert tables_of_drills(table) == []
    assert (
        drill(lab, "list", started["drill_id"], "--remove", "--format", "json").json()["drills"][0]["state"] == "ended"
    )
    assert drill(lab, "list", "dr-0").code == USAGE


def test_a_volume_is_restored_under_the_key_of_its_recovery_point_and_its_command_is_told(
    lab: Lab, volume: Route
) -> None:
    ended = restore(volume, "--yes", "--wait", "--format", "json")
    assert ended.code == FINDING, "it is left over"
    one = ended.json()
    id = one["made_arn"].rsplit("/", 1)[-1]
    assert one["remove_with"] == f"aws ec2 delete-volume --region {lab.region} --volume-id {id}"
    ec2 = lab.client(volume.source, "ec2", volume.source_region)
    (made,) = ec2.describe_volumes(VolumeIds=[id])["Volumes"]
    assert (made["Encrypted"], made["KmsKeyId"], made["Attachments"]) == (True, volume.key_arn, [])
    assert made["AvailabilityZone"] == f"{lab.region}a"
    assert "--volume-id" in drill(lab, "list", one["drill_id"], "--remove").out and volume_exists(volume, id)
    ec2.delete_volume(VolumeId=id)
    assert drill(lab, "list", one["drill_id"]).code == FINE, "it is gone"


def test_what_is_refused_is_said_before_anything_is_started(lab: Lab, volume: Route, table: Route) -> None:
    other = ebs_route(lab)
    other.resource_type, name = "RDS", lab.unique("db")
    other.resource_arn = f"arn:aws:rds:{other.source_region}:{other.source}:db:{name}"
    described = {"resource_arn": other.resource_arn, "encryption_key_arn": other.key_arn, "resource_type": "RDS"}
    lab.control("resources", described)
    other.back_up()
    for route, arguments, why in (
        (other, (), "cannot-be-restored"),
        (volume, ("--allow-vault", "arn:aws:backup:*:222222222222:backup-vault:another"), "outside-allow-list"),
        (volume, ("--drill-role", "backup-guardian-not-there"), "not-switched-on"),
        (volume, ("--role", JOB_ROLE.format(account=volume.destination)), "foreign-role"),
    ):
        refused = restore(route, "--yes", "--format", "json", *arguments)
        assert (refused.code, refused.json()["why"]) == (FINDING, why), refused.out
        assert restores_of(route) == []
    assert "restore testing plan" in restore(other, "--yes").out
    wrong = restore(volume, "--yes", "--most-gib", "0")
    assert wrong.code == USAGE and "--most-gib" in wrong.err


@pytest.mark.usefixtures("clock")
def test_a_restore_that_is_handed_over_is_told_with_its_recovery_time_and_leaves_nothing(
    lab: Lab, guardian: Guardian, operations: Operations, table: Route
) -> None:
    ask(lab, asked(table, most_bytes=1))
    assert "at most 1 are restored" in only(operations.drain()) and restores_of(table) == []
    ask(lab, asked(table))
    (job,) = restores_of(table)
    assert job["Status"] == "COMPLETED" and len(tables_of_drills(table)) == 1
    later(lab, NEXT_LOOK_SECONDS)
    assert tables_of_drills(table) == [] and operations.drain() == [], "that it is gone is not known yet"
    later(lab, NEXT_LOOK_SECONDS)
    told = only(operations.drain())
    assert f"restore job {job['RestoreJobId'].lower()} COMPLETED after " in told and "(recovery time)" in told
    assert "nothing of it is left over" in told
    assert guardian.waiting(RUN_DRILL) == 0 and guardian.dead_letters(RUN_DRILL) == []


@pytest.mark.usefixtures("clock")
def test_a_copy_is_restored_in_the_backup_account_under_the_role_that_is_named(
    lab: Lab, inbox: Inbox, operations: Operations
) -> None:
    route = ebs_route(lab)
    route.back_up()
    assert route.copy()["State"] == "COMPLETED"
    body = asked(route, vault_arn=route.destination_vault_arn)
    ask(lab, body)
    assert "is of another account" in only(operations.drain())
    ask(lab, {**body, "role_arn": JOB_ROLE.format(account=route.destination)})
    backup = lab.client(route.destination, "backup", route.destination_region)
    job = backup.list_restore_jobs()["RestoreJobs"][0]
    assert (job["Status"], job["SourceResourceArn"]) == ("COMPLETED", route.resource_arn), job
    later(lab, NEXT_LOOK_SECONDS)
    told = only(operations.drain())
    id = job["CreatedResourceArn"].rsplit("/", 1)[-1]
    assert f"`aws ec2 delete-volume --region {lab.region} --volume-id {id}`" in told and route.destination in told


@pytest.mark.usefixtures("clock")
def test_a_restore_that_fails_is_told_and_makes_nothing(lab: Lab, operations: Operations, volume: Route) -> None:
    volume.put_key_policy({**key_policy(volume.source), "Statement": key_policy(volume.destination)["Statement"]})
    ask(lab, asked(volume))
    (job,) = restores_of(volume)
    assert job["Status"] == "FAILED", job
    later(lab, NEXT_LOOK_SECONDS)
    told = only(operations.drain())
    assert "FAILED" in told and "KMS key is either disabled" in told and "nothing of it is left over" in told


@pytest.mark.usefixtures("clock")
def test_who_may_restore_reads_its_kind_of_recovery_point_only_from_its_own_service(
    lab: Lab, inbox: Inbox, operations: Operations
) -> None:
    """A table of full management: its recovery point is AWS Backup's own."""
    backup = lab.client(lab.source, "backup")
    before = backup.describe_region_settings()["ResourceTypeManagementPreference"]
    backup.update_region_settings(ResourceTypeManagementPreference={**before, "DynamoDB": True})
    try:
        (route,) = [next(made) for made in [backed_up_table(lab)]]
    finally:
        backup.update_region_settings(ResourceTypeManagementPreference=before)
    assert route.recovery_point_arn.startswith("arn:aws:backup:")
    ended = restore(route, "--yes", "--wait", "--format", "json")
    assert ended.code == FINE, (ended.out, ended.err)
    assert tables_of_drills(route) == []


def restored_by_hand(route: Route) -> str:
    """What an engineer does in an emergency: the same recovery point, under the same role. The id of the volume."""
    backup = route.lab.client(route.source, "backup", route.source_region)
    known = {job["RestoreJobId"] for job in restores_of(route)}
    metadata = backup.get_recovery_point_restore_metadata(
        BackupVaultName=route.vault, RecoveryPointArn=route.recovery_point_arn
    )["RestoreMetadata"]
    metadata |= {"availabilityZone": f"{route.source_region}a", "encrypted": "true", "kmsKeyId": route.key_arn}
    role = JOB_ROLE.format(account=route.source)
    backup.start_restore_job(RecoveryPointArn=route.recovery_point_arn, Metadata=metadata, IamRoleArn=role)
    route.lab.idle()
    (job,) = [job for job in restores_of(route) if job["RestoreJobId"] not in known]
    assert job["Status"] == "COMPLETED", job
    return job["CreatedResourceArn"].rsplit("/", 1)[-1]


def drill_of(route: Route) -> Json:
    kept = drills(route.lab, route.lab.info["outputs"]["GuardianTableName"])
    (one,) = [one for one in kept if one["order"]["point"] == route.recovery_point_arn]
    return one


@pytest.mark.usefixtures("clock")
def test_what_somebody_restores_after_a_drill_was_refused_is_not_taken_for_its_own(
    lab: Lab, guardian: Guardian, operations: Operations, volume: Route, table: Route
) -> None:
    guardian.fault("denied", function=RUN_DRILL, service="backup", operation="StartRestoreJob", times=1)
    ask(lab, asked(volume))
    assert "was not started" in only(operations.drain()) and guardian.met() == 1
    guardian.well()
    assert drill_of(volume)["state"]["state"] == "refused" and restores_of(volume) == []
    later(lab, 3600)
    id = restored_by_hand(volume)
    listed = drill(lab, "list", drill_of(volume)["id"])
    assert listed.code == FINE and "refused" in listed.out and "AWS refused it" in listed.out, listed.out
    assert id not in listed.out and drill_of(volume)["state"]["state"] == "refused"
    ask(lab, asked(table))
    for _ in range(2):
        later(lab, NEXT_LOOK_SECONDS)
    assert id not in only(operations.drain()) and volume_exists(volume, id)


@pytest.mark.usefixtures("clock")
def test_a_volume_of_a_job_that_was_only_found_is_told_without_a_command_to_delete_it(
    lab: Lab, guardian: Guardian, operations: Operations, volume: Route
) -> None:
    guardian.hold_retries()
    guardian.fault("kill-before", function=RUN_DRILL, service="backup", operation="StartRestoreJob", nth=1)
    ask(lab, asked(volume))
    assert guardian.met() == 1 and drill_of(volume)["state"]["state"] == "asked"
    guardian.well()
    id = restored_by_hand(volume)
    listed = drill(lab, "list", drill_of(volume)["id"], "--format", "json")
    assert listed.code == FINDING
    (one,) = listed.json()["drills"]
    assert one["state"] == "left-over" and one["made_arn"].endswith(id)
    assert "somebody else may have started it" in one["text"] and "remove_with" not in one
    guardian.bring_retries()
    lab.idle()
    for _ in range(2):
        later(lab, NEXT_LOOK_SECONDS)
    # What drills before have left over is told with its commands.
    assert all(f"--volume-id {id}" not in message for message in operations.drain())
    assert volume_exists(volume, id)


@pytest.mark.usefixtures("clock")
def test_nothing_more_is_restored_of_what_a_drill_left_over_whoever_asks(
    lab: Lab, guardian: Guardian, operations: Operations, volume: Route
) -> None:
    ask(lab, asked(volume))
    later(lab, NEXT_LOOK_SECONDS)
    assert "is left over: delete it" in only(operations.drain())
    (job,) = restores_of(volume)
    id = job["CreatedResourceArn"].rsplit("/", 1)[-1]
    ask(lab, asked(volume))
    told = only(operations.drain())
    assert "was not started" in told and f"--volume-id {id}`" in told and drill_of(volume)["id"] in told
    refused = restore(volume, "--yes", "--format", "json")
    assert refused.code == COULD_NOT_TELL and f"--volume-id {id}`" in refused.json()["reason"]
    assert len(restores_of(volume)) == 1
    lab.client(volume.source, "ec2", volume.source_region).delete_volume(VolumeId=id)
    ask(lab, asked(volume))
    assert len(restores_of(volume)) == 2, "it is gone"
    ask(lab, asked(volume))
    assert "was not started" in only(operations.drain()) and len(restores_of(volume)) == 2, "nobody looked at it yet"


@pytest.mark.usefixtures("clock")
def test_a_table_that_may_not_be_deleted_is_told_and_told_again_by_the_next_drill(
    lab: Lab, guardian: Guardian, operations: Operations, table: Route
) -> None:
    ask(lab, asked(table))
    (made,) = tables_of_drills(table)
    dynamodb(table).update_table(TableName=made, DeletionProtectionEnabled=True)
    later(lab, NEXT_LOOK_SECONDS)
    assert f"table/{made} is left over: dynamodb:DeleteTable" in only(operations.drain())
    other = next(backed_up_table(lab))
    ask(lab, asked(other))
    for _ in range(2):
        later(lab, NEXT_LOOK_SECONDS)
    # Other drills may end in this time.
    told = only([message for message in operations.drain() if "nothing of it is left over" in message])
    assert "Of drills before:" in told and made in told
    dynamodb(table).update_table(TableName=made, DeletionProtectionEnabled=False)
    assert drill(lab, "list", "--remove").code in (FINE, FINDING)
    assert tables_of_drills(table) == []


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("kill", "change"), POINTS, ids=lambda point: "-".join(map(str, point)) if isinstance(point, tuple) else point
)
def test_killed_at_a_change_it_restores_once_and_leaves_nothing(
    lab: Lab, guardian: Guardian, operations: Operations, table: Route, kill: str, change: tuple[str, str, int]
) -> None:
    service, operation, nth = change
    guardian.hold_retries()
    guardian.fault(kill, function=RUN_DRILL, service=service, operation=operation, nth=nth)
    ask(lab, asked(table))
    for _ in range(2):
        later(lab, NEXT_LOOK_SECONDS)
    met = guardian.met()
    guardian.well()
    guardian.bring_retries()
    lab.idle()
    for _ in range(3):
        later(lab, NEXT_LOOK_SECONDS)
    assert met == 1, "the call was not made, so this shows nothing"
    assert [job["Status"] for job in restores_of(table)] == ["COMPLETED"]
    assert tables_of_drills(table) == []
    # Two chains of looks tell the end twice at most.
    told = [message for message in operations.drain() if table.resource_arn in message]
    assert 1 <= len(told) <= 2 and all("nothing of it is left over" in message for message in told)
    assert guardian.waiting(RUN_DRILL) == 0 and guardian.dead_letters(RUN_DRILL) == []


# Of a volume there is nothing to be deleted: the order, the restore, its job, the next look; then the end, and the message.
OF_A_VOLUME = (*CHANGES[:5], ("sns", "Publish", 1))
EVERYWHERE_OF_A_VOLUME = [(kill, change) for kill in KILLS for change in OF_A_VOLUME]
VOLUME_POINTS = EVERYWHERE_OF_A_VOLUME if SOAK else [("kill-after", CHANGES[1])]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("kill", "change"),
    VOLUME_POINTS,
    ids=lambda point: "-".join(map(str, point)) if isinstance(point, tuple) else point,
)
def test_killed_at_a_change_it_restores_one_volume_and_tells_it(
    lab: Lab, guardian: Guardian, operations: Operations, volume: Route, kill: str, change: tuple[str, str, int]
) -> None:
    service, operation, nth = change
    guardian.hold_retries()
    guardian.fault(kill, function=RUN_DRILL, service=service, operation=operation, nth=nth)
    ask(lab, asked(volume))
    later(lab, NEXT_LOOK_SECONDS)
    met = guardian.met()
    guardian.well()
    guardian.bring_retries()
    lab.idle()
    for _ in range(2):
        later(lab, NEXT_LOOK_SECONDS)
    assert met == 1, "the call was not made, so this shows nothing"
    (job,) = restores_of(volume)
    assert job["Status"] == "COMPLETED"
    id = job["CreatedResourceArn"].rsplit("/", 1)[-1]
    told = [message for message in operations.drain() if volume.resource_arn in message]
    assert 1 <= len(told) <= 2 and all(f"volume/{id} is left over" in message for message in told)
    assert guardian.waiting(RUN_DRILL) == 0 and guardian.dead_letters(RUN_DRILL) == []


# What the command changes: the order, the restore, its job; then the end, the deletion, and that it is gone.
OF_THE_COMMAND = [(when, number) for number in range(1, 7) for when in (BEFORE, AFTER)]
COMMAND_POINTS = OF_THE_COMMAND if SOAK else [(AFTER, 2), (BEFORE, 5)]


@pytest.mark.parametrize(("when", "number"), COMMAND_POINTS)
def test_a_command_that_is_killed_restores_once_and_the_list_has_what_it_left(
    lab: Lab, table: Route, when: str, number: int
) -> None:
    arguments = ["drill", "restore", vault_arn(table), table.resource_arn, "--yes", "--wait"]
    assert killed(lab, arguments, when, number) == number
    lab.idle()
    made = tables_of_drills(table)
    drills = drill(lab, "list", "--format", "json").json()["drills"]
    mine = [one for one in drills if one.get("resource_arn") == table.resource_arn]
    assert [one["state"] for one in mine] == ([] if (when, number) == (BEFORE, 1) else [mine[0]["state"]])
    assert not made or mine[0]["state"] in ("left-over", "asked"), mine
    # Whoever finds one that may have been started asks again: it is started once.
    again = restore(table, "--yes", "--wait", "--format", "json")
    if made and mine[0]["state"] == "left-over":
        assert again.code == COULD_NOT_TELL and "is there still" in again.json()["reason"]
        assert drill(lab, "list", mine[0]["drill_id"], "--remove").code == FINE
    assert tables_of_drills(table) == []
    named = {json.dumps(job.get("CreatedResourceArn")) for job in restores_of(table)}
    assert len(named) == len(restores_of(table)) <= 2
