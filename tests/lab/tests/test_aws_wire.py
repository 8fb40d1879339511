"""Answers of AWS Backup and CloudTrail against botocore's own models, and the rules of the APIs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from aws_support import (
    BACKUP,
    CENTRAL,
    MANAGEMENT,
    OTHER_SOURCE,
    REGION,
    ROOT_OF_BACKUP,
    SOURCE,
    VAULT_POLICY,
    Lab,
    conforms,
    grant_statement,
    policy,
    service_role,
    use_statement,
)
from botocore.exceptions import ClientError

from lab import clock
from lab.aws import cloudtrail
from lab.aws.backup import wire

MODEL = botocore.session.get_session().get_service_model("backup")

# Members that AWS sends only for things which do not exist in the lab (scans, restore tests, indexes, MPA, composites).
ABSENT = {
    "DescribeBackupVaultOutput": {
        "SourceBackupVaultArn", "MpaApprovalTeamArn", "MpaSessionArn", "LatestMpaApprovalTeamUpdate",
        "LockDate",
    },
    "DescribeRecoveryPointOutput": {
        "StatusMessage", "CreatedBy", "LastRestoreTime", "ParentRecoveryPointArn", "CompositeMemberIdentifier",
        "IndexStatus", "IndexStatusMessage", "ScanResults",
    },
    "DescribeBackupJobOutput": {
        "StatusMessage", "CreatedBy", "BackupType", "ParentJobId", "NumberOfChildJobs", "ChildJobsInState",
        "VaultLockState",
    },
    "CopyJob": {
        "StatusMessage", "CreatedBy", "CreatedByBackupJobId", "ParentJobId", "CompositeMemberIdentifier",
        "NumberOfChildJobs", "ChildJobsInState", "DestinationVaultLockState",
    },
    "DescribeRestoreJobOutput": {
        "StatusMessage", "ExpectedCompletionTimeMinutes", "CreatedBy", "ValidationStatus", "ValidationStatusMessage",
        "DeletionStatus", "DeletionStatusMessage", "ParentJobId",
    },
}  # fmt: skip


def complete(shape_name: str, value: dict[str, Any]) -> None:
    shape = MODEL.shape_for(shape_name)
    body = {name: one for name, one in value.items() if name != "ResponseMetadata"}
    conforms(shape, body, shape_name)
    assert set(shape.members) - set(body) == ABSENT[shape_name]


@pytest.fixture
def copied(topology: Lab) -> tuple[Lab, dict[str, Any], dict[str, Any]]:
    """A finished backup of an encrypted volume and its finished copy."""
    topology.client("backup", BACKUP).put_backup_vault_lock_configuration(
        BackupVaultName="central", MinRetentionDays=1, MaxRetentionDays=400
    )
    key = topology.key(SOURCE, use_statement(ROOT_OF_BACKUP), grant_statement(ROOT_OF_BACKUP))
    job = topology.backup(SOURCE, topology.volume(SOURCE, key), Lifecycle={"DeleteAfterDays": 35})
    return topology, job, topology.copy(SOURCE, job["RecoveryPointArn"], CENTRAL, Lifecycle={"DeleteAfterDays": 90})


def test_descriptions_carry_every_member_that_aws_sends(copied: tuple[Lab, dict, dict]) -> None:
    aws, job, copy = copied
    source, backup = aws.client("backup", SOURCE), aws.client("backup", BACKUP)
    complete("DescribeBackupJobOutput", job)
    complete("CopyJob", copy)
    complete("DescribeBackupVaultOutput", backup.describe_backup_vault(BackupVaultName="central"))
    point = {"BackupVaultName": "central", "RecoveryPointArn": copy["DestinationRecoveryPointArn"]}
    complete("DescribeRecoveryPointOutput", backup.describe_recovery_point(**point))
    restore = source.start_restore_job(
        RecoveryPointArn=job["RecoveryPointArn"], Metadata={"a": "b"}, IamRoleArn=service_role(SOURCE)
    )
    aws.idle()
    complete("DescribeRestoreJobOutput", source.describe_restore_job(RestoreJobId=restore["RestoreJobId"]))
    assert aws.states("Restore Job State Change") == ["CREATED", "PENDING", "RUNNING", "COMPLETED"]


def test_lists_conform(copied: tuple[Lab, dict, dict]) -> None:
    aws, job, _ = copied
    source, backup = aws.client("backup", SOURCE), aws.client("backup", BACKUP)
    answers = {
        "ListBackupJobsOutput": source.list_backup_jobs(),
        "ListCopyJobsOutput": source.list_copy_jobs(),
        "ListRestoreJobsOutput": source.list_restore_jobs(),
        "ListBackupVaultsOutput": backup.list_backup_vaults(),
        "ListRecoveryPointsByBackupVaultOutput": backup.list_recovery_points_by_backup_vault(BackupVaultName="central"),
        "ListRecoveryPointsByResourceOutput": source.list_recovery_points_by_resource(ResourceArn=job["ResourceArn"]),
        "ListProtectedResourcesOutput": source.list_protected_resources(),
        "DescribeGlobalSettingsOutput": source.describe_global_settings(),
        "DescribeRegionSettingsOutput": source.describe_region_settings(),
        "ListBackupPlansOutput": source.list_backup_plans(),
    }
    for name, value in answers.items():
        body = {key: one for key, one in value.items() if key != "ResponseMetadata"}
        conforms(MODEL.shape_for(name), body, name)
        assert body, name


def test_every_registered_operation_is_one_of_aws() -> None:
    assert set(wire.HANDLERS) <= set(MODEL.operation_names)
    assert len(wire.HANDLERS) >= 45


def test_arns_with_slashes_reach_their_operation(copied: tuple[Lab, dict, dict]) -> None:
    aws, job, _ = copied
    assert "/" in job["RecoveryPointArn"]
    found = aws.client("backup", SOURCE).describe_recovery_point(
        BackupVaultName="local", RecoveryPointArn=job["RecoveryPointArn"]
    )
    assert found["RecoveryPointArn"] == job["RecoveryPointArn"]


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


def test_errors_have_the_codes_of_aws(topology: Lab) -> None:
    backup = topology.client("backup", BACKUP)
    assert refused(backup.describe_backup_vault, BackupVaultName="none") == "AccessDeniedException"
    assert refused(backup.describe_copy_job, CopyJobId="none") == "ResourceNotFoundException"
    other = topology.client("backup", SOURCE)
    assert refused(other.get_backup_vault_access_policy, BackupVaultName="local") == "ResourceNotFoundException"
    wide = policy({"Effect": "Allow", "Principal": "*", "Action": "backup:*", "Resource": "*"})
    assert (
        refused(backup.put_backup_vault_access_policy, BackupVaultName="central", Policy=wide)
        == "InvalidParameterValueException"
    )
    other_action = wide.replace("backup:*", "backup:DescribeBackupVault")
    assert (
        refused(backup.put_backup_vault_access_policy, BackupVaultName="central", Policy=other_action)
        == "InvalidParameterValueException"
    )
    assert refused(backup.update_global_settings, GlobalSettings={"isMpaEnabled": "true"}) == "InvalidRequestException"
    assert refused(backup.list_copy_jobs, MaxResults=1001) == "InvalidParameterValueException"


def test_job_lists_filter_and_page(topology: Lab) -> None:
    volumes = [topology.volume(SOURCE, None) for _ in range(3)]
    jobs = [topology.backup(SOURCE, volume) for volume in volumes]
    source = topology.client("backup", SOURCE)
    first = source.list_backup_jobs(MaxResults=2)
    second = source.list_backup_jobs(MaxResults=2, NextToken=first["NextToken"])
    listed = [job["BackupJobId"] for job in first["BackupJobs"] + second["BackupJobs"]]
    assert sorted(listed) == sorted(job["BackupJobId"] for job in jobs)
    assert "NextToken" not in second
    by_resource = source.list_backup_jobs(ByResourceArn=volumes[0])["BackupJobs"]
    assert [job["BackupJobId"] for job in by_resource] == [jobs[0]["BackupJobId"]]
    assert source.list_backup_jobs(ByState="FAILED")["BackupJobs"] == []
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert source.list_backup_jobs(ByCreatedAfter=tomorrow)["BackupJobs"] == []
    management = topology.client("backup", MANAGEMENT)
    assert len(management.list_backup_jobs(ByAccountId=SOURCE)["BackupJobs"]) == 3
    assert len(management.list_backup_jobs(ByAccountId="*")["BackupJobs"]) == 3
    assert topology.client("backup", OTHER_SOURCE).list_backup_jobs(ByAccountId=SOURCE)["BackupJobs"] == []


def test_a_locked_vault_keeps_what_it_has(copied: tuple[Lab, dict, dict]) -> None:
    aws, _, copy = copied
    backup = aws.client("backup", BACKUP)
    arguments = {"BackupVaultName": "central", "RecoveryPointArn": copy["DestinationRecoveryPointArn"]}
    assert refused(backup.delete_recovery_point, **arguments) == "InvalidRequestException"
    backup.delete_backup_vault_lock_configuration(BackupVaultName="central")
    backup.delete_recovery_point(**arguments)
    assert backup.describe_backup_vault(BackupVaultName="central")["NumberOfRecoveryPoints"] == 0


def test_a_compliance_lock_is_immutable_when_its_grace_time_is_over(topology: Lab) -> None:
    backup = topology.client("backup", BACKUP)
    backup.put_backup_vault_lock_configuration(BackupVaultName="central", MinRetentionDays=7, ChangeableForDays=3)
    assert backup.describe_backup_vault(BackupVaultName="central")["Locked"] is True
    backup.put_backup_vault_lock_configuration(BackupVaultName="central", MinRetentionDays=8, ChangeableForDays=3)
    clock.advance(4 * 86400)
    delete = backup.delete_backup_vault_lock_configuration
    assert refused(delete, BackupVaultName="central") == "InvalidRequestException"


def test_plans_and_selections(topology: Lab) -> None:
    source = topology.client("backup", SOURCE)
    rule = {
        "RuleName": "nightly",
        "TargetBackupVaultName": "local",
        "CopyActions": [{"DestinationBackupVaultArn": CENTRAL}],
    }
    made = source.create_backup_plan(BackupPlan={"BackupPlanName": "nightly", "Rules": [rule]})
    plan = source.get_backup_plan(BackupPlanId=made["BackupPlanId"])
    assert plan["BackupPlan"]["Rules"][0]["CopyActions"] == [{"DestinationBackupVaultArn": CENTRAL}]
    selection = {"SelectionName": "all", "IamRoleArn": service_role(SOURCE), "Resources": ["*"]}
    source.create_backup_selection(BackupPlanId=made["BackupPlanId"], BackupSelection=selection)
    listed = source.list_backup_selections(BackupPlanId=made["BackupPlanId"])["BackupSelectionsList"]
    assert [one["SelectionName"] for one in listed] == ["all"]
    assert topology.states("Backup Plan State Change") == ["CREATED"]
    source.update_backup_plan(BackupPlanId=made["BackupPlanId"], BackupPlan={"BackupPlanName": "n", "Rules": [rule]})
    newest, first = source.list_backup_plan_versions(BackupPlanId=made["BackupPlanId"])["BackupPlanVersionsList"]
    assert (first["VersionId"], first["CreationDate"]) == (plan["VersionId"], plan["CreationDate"])
    assert newest["CreationDate"] > first["CreationDate"] and newest["BackupPlanName"] == "n"


# -- CloudTrail --------------------------------------------------------------------------------------------------------


def write_records(aws: Lab, count: int) -> None:
    for number in range(count):
        cloudtrail.record(
            BACKUP, REGION, "kms.amazonaws.com", "Decrypt" if number % 2 else "CreateGrant", {"accountId": BACKUP}
        )
    aws.idle()


def by(name: str, value: str) -> list[dict[str, str]]:
    return [{"AttributeKey": name, "AttributeValue": value}]


def test_lookup_takes_exactly_one_attribute(aws: Lab) -> None:
    trail = aws.client("cloudtrail", BACKUP)
    two = by("EventName", "Decrypt") + by("ReadOnly", "true")
    assert refused(trail.lookup_events, LookupAttributes=two) == "InvalidLookupAttributesException"


def test_lookup_pages_newest_first_and_binds_its_token(aws: Lab) -> None:
    write_records(aws, 70)
    cloudtrail.set_throttle(False)
    trail = aws.client("cloudtrail", BACKUP)
    first = trail.lookup_events(LookupAttributes=by("EventSource", "kms.amazonaws.com"))
    assert len(first["Events"]) == 50
    rest = trail.lookup_events(LookupAttributes=by("EventSource", "kms.amazonaws.com"), NextToken=first["NextToken"])
    assert len(rest["Events"]) == 20 and "NextToken" not in rest
    ids = [one["EventId"] for one in first["Events"] + rest["Events"]]
    stored = [record["eventID"] for record in cloudtrail.records_of(BACKUP, REGION)]
    assert ids == stored[::-1]
    assert (
        refused(trail.lookup_events, LookupAttributes=by("EventName", "Decrypt"), NextToken=first["NextToken"])
        == "InvalidNextTokenException"
    )
    assert refused(trail.lookup_events, NextToken="rubbish") == "InvalidNextTokenException"


def test_lookup_is_limited_to_two_requests_per_second_and_account(aws: Lab) -> None:
    trail, other = aws.client("cloudtrail", BACKUP), aws.client("cloudtrail", SOURCE)
    clock.advance(0.001)
    answers = []
    for _ in range(3):
        try:
            trail.lookup_events()
            answers.append("")
        except ClientError as error:
            answers.append(error.response["Error"]["Code"])
    assert answers == ["", "", "ThrottlingException"]
    other.lookup_events()
    clock.advance(1.1)
    trail.lookup_events()


def test_a_busy_history_is_looked_through_page_by_page_before_what_was_there(aws: Lab) -> None:
    write_records(aws, 2)
    cloudtrail.set_throttle(False)
    key = f"arn:aws:kms:{REGION}:{SOURCE}:key/busy"
    cloudtrail.set_busy(BACKUP, REGION, key, 119)
    trail = aws.client("cloudtrail", BACKUP)
    for name, value, others in [
        ("EventName", "CreateGrant", 1),
        ("ResourceName", key, 0),
        ("EventSource", "kms.amazonaws.com", 2),
    ]:
        pages = list(trail.get_paginator("lookup_events").paginate(LookupAttributes=by(name, value)))
        found = [one for page in pages for one in page["Events"]]
        assert [len(page["Events"]) for page in pages] == [50, 50, 19 + others], name
        assert len({one["EventId"] for one in found}) == len(found)
        busy = [json.loads(one["CloudTrailEvent"]) for one in found[:119]]
        assert all(one["resources"][0]["ARN"] == key and "errorCode" not in one for one in busy)
    assert trail.lookup_events(LookupAttributes=by("EventName", "PutKeyPolicy"))["Events"] == []
    assert len(aws.client("cloudtrail", SOURCE).lookup_events()["Events"]) == 0


def test_lookup_sees_a_record_only_after_its_delay(aws: Lab) -> None:
    cloudtrail.set_throttle(False)
    cloudtrail.set_delay(300, 0)
    write_records(aws, 1)
    trail = aws.client("cloudtrail", BACKUP)
    assert trail.lookup_events()["Events"] == []
    clock.advance(301)
    assert len(trail.lookup_events()["Events"]) == 1


def test_lookup_filters_by_window_and_attribute(aws: Lab) -> None:
    cloudtrail.set_throttle(False)
    write_records(aws, 2)
    clock.advance(3600)
    write_records(aws, 2)
    trail = aws.client("cloudtrail", BACKUP)
    start = clock.now() - timedelta(minutes=5)
    assert len(trail.lookup_events(StartTime=start)["Events"]) == 2
    assert len(trail.lookup_events(EndTime=start)["Events"]) == 2
    assert refused(trail.lookup_events, StartTime=clock.now(), EndTime=start) == "InvalidTimeRangeException"
    read_only = trail.lookup_events(LookupAttributes=by("ReadOnly", "true"))["Events"]
    assert [one["EventName"] for one in read_only] == ["Decrypt", "Decrypt"]
    one = trail.lookup_events(LookupAttributes=by("EventId", read_only[0]["EventId"]))["Events"]
    assert [item["EventId"] for item in one] == [read_only[0]["EventId"]]
    assert json.loads(one[0]["CloudTrailEvent"])["eventID"] == one[0]["EventId"]


def test_the_session_name_is_the_username(topology: Lab) -> None:
    point = topology.backup(SOURCE, topology.volume(SOURCE, topology.key(SOURCE)))["RecoveryPointArn"]
    topology.copy(SOURCE, point, CENTRAL)
    trail = topology.client("cloudtrail", BACKUP)
    found = trail.lookup_events(LookupAttributes=by("Username", "AWSBackup-AWSServiceRoleForBackup"))["Events"]
    assert {one["EventName"] for one in found} == {"CopySnapshot", "DescribeKey"}


def test_every_record_becomes_an_event_in_the_recording_account(topology: Lab) -> None:
    point = topology.backup(SOURCE, topology.volume(SOURCE, topology.key(SOURCE)))["RecoveryPointArn"]
    topology.copy(SOURCE, point, CENTRAL)
    denied = topology.records(BACKUP, failed=True)[0]
    told = [
        (account, event)
        for account, _, event in topology.events
        if event["detail-type"] == "AWS API Call via CloudTrail" and event["detail"]["eventID"] == denied["eventID"]
    ]
    assert [(account, event["source"]) for account, event in told] == [(BACKUP, "aws.kms")]
    assert told[0][1]["detail"] == denied


def test_writes_are_recorded_with_their_actor(topology: Lab) -> None:
    key = topology.key(SOURCE)
    topology.client("kms", SOURCE).disable_key(KeyId=key)
    topology.client("backup", BACKUP).delete_backup_vault_access_policy(BackupVaultName="central")
    disabled = topology.records(SOURCE, name="DisableKey")[0]
    assert disabled["userIdentity"]["arn"].endswith("assumed-role/OrganizationAccountAccessRole/operator")
    assert disabled["requestParameters"] == {"keyId": key}
    deleted = topology.records(BACKUP, name="DeleteBackupVaultAccessPolicy")[0]
    assert deleted["requestParameters"] == {"backupVaultName": "central"}
    assert deleted["eventSource"] == "backup.amazonaws.com"
    by_key = topology.client("cloudtrail", SOURCE).lookup_events(LookupAttributes=by("ResourceName", key))["Events"]
    assert "DisableKey" in [one["EventName"] for one in by_key]


def test_a_refused_write_is_recorded_with_its_error(topology: Lab) -> None:
    key = topology.key(SOURCE)
    bad = policy(
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{BACKUP}:role/Nobody"},
            "Action": "kms:*",
            "Resource": "*",
        }
    )
    kms = topology.client("kms", SOURCE)
    put = {"KeyId": key, "PolicyName": "default", "Policy": bad}
    assert refused(kms.put_key_policy, **put) == "MalformedPolicyDocumentException"
    assert topology.records(SOURCE, name="PutKeyPolicy")[0]["errorCode"] == "MalformedPolicyDocumentException"


def test_the_policy_of_the_vault_is_what_was_put(topology: Lab) -> None:
    found = topology.client("backup", BACKUP).get_backup_vault_access_policy(BackupVaultName="central")
    assert json.loads(found["Policy"]) == json.loads(VAULT_POLICY)
