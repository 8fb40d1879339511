"""The estate of the sweep is as healthy as it says, and each switch breaks what it names and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from .estate import CENTRAL_VAULT, COPY_KEPT_DAYS, KEPT_DAYS, LOCAL_VAULT, MISSED_NIGHTS, Estate, Source, demo_estate
from .guardian import READER_ROLE
from .organization import JOB_ROLE, running_lab
from .terminal import Terminal


@pytest.fixture(scope="module")
def estate() -> Iterator[Estate]:
    with running_lab("estate-lab.log") as lab:
        yield demo_estate(lab)


def points(estate: Estate, account: str, vault: str) -> list[dict[str, Any]]:
    backup = estate.lab.client(account, "backup")
    pages = backup.get_paginator("list_recovery_points_by_backup_vault").paginate(BackupVaultName=vault)
    return [point for page in pages for point in page["RecoveryPoints"]]


def ages(found: list[dict[str, Any]], resource: str) -> list[int]:
    """How many nights old the points of a resource are, newest first."""
    now = datetime.now(UTC)
    return sorted((now - point["CreationDate"]).days for point in found if point["ResourceArn"] == resource)


def may_copy(estate: Estate, source: Source, resource: str) -> str:
    """How a further copy of the newest point of a resource ends."""
    newest = next(point for point in points(estate, source.account, LOCAL_VAULT) if point["ResourceArn"] == resource)
    backup = estate.lab.client(source.account, "backup")
    job = backup.start_copy_job(
        RecoveryPointArn=newest["RecoveryPointArn"],
        SourceBackupVaultName=LOCAL_VAULT,
        DestinationBackupVaultArn=estate.central_vault_arn,
        IamRoleArn=JOB_ROLE.format(account=source.account),
        Lifecycle={"DeleteAfterDays": COPY_KEPT_DAYS},
    )
    estate.lab.idle()
    return backup.describe_copy_job(CopyJobId=job["CopyJobId"])["CopyJob"]["State"]


def test_every_resource_landed_every_night_under_the_right_key_and_for_as_long_as_it_should(estate: Estate) -> None:
    landed = points(estate, estate.lab.backup, CENTRAL_VAULT)
    for source in estate.sources:
        local = points(estate, source.account, LOCAL_VAULT)
        nights = list(range(estate.nights + 1))
        for resource in source.resources:
            assert ages(local, resource) == nights and ages(landed, resource) == nights, resource
        for point in local:
            expected = source.vault_key_arn if point["ResourceArn"] == source.table else source.key_arn
            assert (point["EncryptionKeyArn"], point["Lifecycle"]) == (expected, {"DeleteAfterDays": KEPT_DAYS})
            assert point["CreatedBy"]["BackupPlanId"].startswith("orgs/")
    for point in landed:
        assert (point["Status"], point["EncryptionKeyArn"]) == ("COMPLETED", estate.central_key_arn)
        assert point["Lifecycle"] == {"DeleteAfterDays": COPY_KEPT_DAYS}
        assert point["SourceBackupVaultArn"].split(":")[4] in estate.lab.accounts["sources"]


def test_no_job_failed_and_the_lock_of_the_central_vault_is_for_good(estate: Estate) -> None:
    lab = estate.lab
    management = lab.client(lab.management, "backup")
    for answer, state in (
        (management.list_backup_jobs(ByAccountId="*")["BackupJobs"], "State"),
        (management.list_copy_jobs(ByAccountId="*")["CopyJobs"], "State"),
        (management.list_restore_jobs(ByAccountId="*")["RestoreJobs"], "Status"),
    ):
        assert answer and {job[state] for job in answer} == {"COMPLETED"}
    (vault,) = lab.client(lab.backup, "backup").list_backup_vaults()["BackupVaultList"]
    assert vault["Locked"] and vault["LockDate"] < datetime.now(UTC)
    assert lab.control("clock")["now"][:16] == datetime.now(UTC).isoformat()[:16]


def preflight(terminal: Terminal) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """What the command says of tonight's copies: verdict by key, and what could not be read where."""
    regions = ",".join(terminal.lab.info["regions"])
    answer = terminal.run("preflight", "--format", "json", GUARDIAN_REGIONS=regions).json
    gaps = [(gap["action"], gap["account_id"]) for gap in answer["gaps"]]
    return {route["key"]: route["verdict"] for route in answer["routes"]}, gaps


def test_the_switches_break_what_they_name(estate: Estate) -> None:
    lab, (first, second, third) = estate.lab, estate.sources
    keys = [key for source in estate.sources for key in (source.key_arn, source.vault_key_arn)]
    terminal = Terminal(lab)
    assert preflight(terminal) == (dict.fromkeys(keys, "works"), [])
    for source in estate.sources:
        assert may_copy(estate, source, source.volumes[0]) == "COMPLETED"
    broken = estate.break_everything()
    assert broken["key"] == first.key_arn
    assert may_copy(estate, first, first.volumes[0]) == "FAILED"
    assert may_copy(estate, first, first.table) == "COMPLETED", "the table lies under another key"
    assert may_copy(estate, second, second.volumes[0]) == "COMPLETED"
    told = dict.fromkeys(keys[:4], "works") | {first.key_arn: "will-fail"}
    assert preflight(terminal) == (told, [("sts:AssumeRole", third.account)])
    local = points(estate, second.account, LOCAL_VAULT)
    landed = points(estate, lab.backup, CENTRAL_VAULT)
    assert ages(local, broken["stale"])[0] == 0 and ages(landed, broken["stale"])[0] == MISSED_NIGHTS
    assert ages(local, broken["unprotected"]) == []
    tags = lab.client(second.account, "resourcegroupstaggingapi").get_resources(TagFilters=[{"Key": "backup"}])
    listed = {one["ResourceARN"] for one in tags["ResourceTagMappingList"]}
    assert listed == {*second.resources, broken["stale"], broken["unprotected"]}
    assert broken["unreachable"] == third.account
    for source in estate.sources:
        roles = lab.client(source.account, "iam").list_roles()["Roles"]
        assert (READER_ROLE in [role["RoleName"] for role in roles]) == (source is not third)
