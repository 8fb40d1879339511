"""Jobs that policies do not decide, and the events of backups."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from aws_support import (
    BACKUP,
    CENTRAL,
    MANAGEMENT,
    REGION,
    ROOT_OF_BACKUP,
    SOURCE,
    Lab,
    grant_statement,
    service_role,
    use_statement,
)

from lab.aws import controls
from lab.aws.backup import selections


def told(aws: Lab, detail_type: str) -> list[dict[str, Any]]:
    return [event for _, _, event in aws.events if event["detail-type"] == detail_type]


def test_a_backup_tells_its_states_with_the_oddities_of_aws(topology: Lab) -> None:
    job = topology.backup(SOURCE, topology.volume(SOURCE, topology.key(SOURCE)))
    created, running, completed = told(topology, "Backup Job State Change")
    assert set(created["detail"]) == {"backupJobId", "state", "creationDate"}
    assert re.fullmatch(
        r"[A-Z][a-z]{2} \d{1,2}, \d{4} \d{1,2}:\d\d:\d\d [AP]M", running["detail"]["expectedCompletionDate"]
    )
    assert running["resources"] == []
    assert completed["resources"] == [job["RecoveryPointArn"]]
    assert "recoveryPointArn" not in completed["detail"]
    assert completed["detail"]["backupSizeInBytes"] == str(8 << 30)
    assert isinstance(completed["detail"]["percentDone"], float)
    assert "statusMessage" not in completed["detail"]
    point = told(topology, "Recovery Point State Change")[0]
    assert point["detail"]["isEncrypted"] == "true"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("EXPIRED", "Backup job failed because there was a running job for the same resource."),
        ("EXPIRED", "Backup job expired before completion."),
        ("ABORTED", "Backup job was stopped by user."),
        ("FAILED", "Insufficient privileges to create a backup."),
    ],
)
def test_an_outcome_can_be_asked_for_once(topology: Lab, state: str, message: str) -> None:
    controls.next_job({"job_type": "backup", "account_id": SOURCE, "state": state, "status_message": message})
    volume = topology.volume(SOURCE, None)
    job = topology.backup(SOURCE, volume)
    assert (job["State"], job["StatusMessage"]) == (state, message)
    last = told(topology, "Backup Job State Change")[-1]
    assert last["detail"]["statusMessage"] == json.dumps(message)
    assert ("completionDate" in last["detail"]) == (state != "FAILED")
    assert topology.backup(SOURCE, volume)["State"] == "COMPLETED"


def test_a_wish_for_another_account_waits_for_it(topology: Lab) -> None:
    controls.next_job({"job_type": "backup", "account_id": BACKUP, "state": "FAILED"})
    assert topology.backup(SOURCE, topology.volume(SOURCE, None))["State"] == "COMPLETED"


@pytest.mark.parametrize("body", [{}, {"job_type": "backup"}, {"job_type": "scan", "state": "FAILED"}])
def test_an_unclear_wish_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(controls.InvalidControl):
        controls.next_job(body)


def test_a_completed_job_can_carry_a_message(topology: Lab) -> None:
    message = "Backup job completed successfully to the target backup vault. This resource type is not supported by logically air-gapped backup vault."
    controls.next_job({"job_type": "backup", "state": "COMPLETED", "status_message": message})
    job = topology.backup(SOURCE, topology.volume(SOURCE, None))
    assert (job["State"], job["StatusMessage"]) == ("COMPLETED", message)
    assert json.loads(told(topology, "Backup Job State Change")[-1]["detail"]["statusMessage"]) == message


def test_a_composite_copy_ends_as_partial_with_its_children(topology: Lab) -> None:
    key = topology.key(SOURCE, use_statement(ROOT_OF_BACKUP), grant_statement(ROOT_OF_BACKUP))
    point = topology.backup(SOURCE, topology.volume(SOURCE, key))["RecoveryPointArn"]
    children = [{"state": "COMPLETED"}, {"state": "FAILED", "status_message": "Given key ID is not accessible"}]
    controls.next_job({"job_type": "copy", "state": "PARTIAL", "children": children})
    job = topology.copy(SOURCE, point, CENTRAL)
    assert (job["State"], job["IsParent"], job["NumberOfChildJobs"]) == ("PARTIAL", True, 2)
    assert job["ChildJobsInState"] == {"COMPLETED": 1, "FAILED": 1}
    backup = topology.client("backup", SOURCE)
    listed = backup.list_copy_jobs(ByParentJobId=job["CopyJobId"])["CopyJobs"]
    assert sorted(one["State"] for one in listed) == ["COMPLETED", "FAILED"]
    assert topology.states("Copy Job State Change")[-1] == "PARTIAL"


def test_a_backup_under_a_disabled_key_fails(topology: Lab) -> None:
    key = topology.key(SOURCE)
    volume = topology.volume(SOURCE, key)
    topology.client("kms", SOURCE).disable_key(KeyId=key)
    job = topology.backup(SOURCE, volume)
    assert job["StatusMessage"] == "KMS key is either disabled or pending deletion or access to KMS key is denied"


def test_the_recovery_point_of_a_volume_has_the_key_of_the_volume(topology: Lab) -> None:
    key = topology.key(SOURCE)
    job = topology.backup(SOURCE, topology.volume(SOURCE, key))
    vault = topology.client("backup", SOURCE).describe_backup_vault(BackupVaultName="local")
    assert job["EncryptionKeyArn"] == key != vault["EncryptionKeyArn"]
    assert re.fullmatch(rf"arn:aws:ec2:{REGION}::snapshot/snap-[0-9a-f]{{17}}", job["RecoveryPointArn"])


def test_ebs_tells_the_backup_account_of_the_copy_it_made(topology: Lab) -> None:
    point = topology.backup(SOURCE, topology.volume(SOURCE, topology.key(SOURCE)))["RecoveryPointArn"]
    topology.copy(SOURCE, point, CENTRAL)
    found = [one for one in topology.events if one[2]["detail-type"] == "EBS Snapshot Notification"]
    assert [(account, event["detail"]["result"]) for account, _, event in found] == [(BACKUP, "failed")]


def test_the_rules_of_a_plan_run_when_they_are_told_to_and_their_jobs_name_them(topology: Lab) -> None:
    backup = topology.client("backup", SOURCE)
    rule = {"RuleName": "night", "TargetBackupVaultName": "local"}
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": "nightly", "Rules": [rule]})
    volume = topology.volume(SOURCE, None)
    selection = {"SelectionName": "one", "IamRoleArn": service_role(SOURCE), "Resources": [volume]}
    backup.create_backup_selection(BackupPlanId=plan["BackupPlanId"], BackupSelection=selection)
    (job,) = controls.plan_run({"account_id": SOURCE, "region": REGION, "plan_id": plan["BackupPlanId"]})["jobs"]
    topology.idle()
    made = backup.describe_backup_job(BackupJobId=job)
    (rule,) = backup.get_backup_plan(BackupPlanId=plan["BackupPlanId"])["BackupPlan"]["Rules"]
    assert (made["State"], made["ResourceArn"]) == ("COMPLETED", volume)
    assert (made["CreatedBy"]["BackupPlanId"], made["CreatedBy"]["BackupRuleId"]) == (
        plan["BackupPlanId"],
        rule["RuleId"],
    )
    completed = told(topology, "Backup Job State Change")[-1]
    assert completed["detail"]["createdBy"]["backupPlanRuleId"] == rule["RuleId"]
    with pytest.raises(ValueError):
        controls.plan_run({"account_id": SOURCE, "region": REGION, "plan_id": "unknown"})


PAYROLL = f"arn:aws:dynamodb:{REGION}:{SOURCE}:table/payroll"
SCRATCH = f"arn:aws:dynamodb:{REGION}:{SOURCE}:table/scratch"
FILES = f"arn:aws:elasticfilesystem:{REGION}:{SOURCE}:file-system/fs-1"
QUEUE = f"arn:aws:sqs:{REGION}:{SOURCE}:queue"
TAGS = {
    PAYROLL: {"backup": "daily", "team": "pay"},
    SCRATCH: {"backup": "daily", "team": "lab"},
    FILES: {"team": "pay"},
    QUEUE: {"backup": "daily"},
}


def of_tag(value: str) -> dict[str, str]:
    return {"ConditionType": "STRINGEQUALS", "ConditionKey": "backup", "ConditionValue": value}


def condition(value: str) -> dict[str, str]:
    return {"ConditionKey": "aws:ResourceTag/team", "ConditionValue": value}


@pytest.mark.parametrize(
    ("selection", "switched_off", "expected"),
    [
        ({"ListOfTags": [of_tag("daily")]}, [], [PAYROLL, SCRATCH]),
        ({"ListOfTags": [of_tag("weekly"), of_tag("daily")]}, [], [PAYROLL, SCRATCH]),
        ({"ListOfTags": [of_tag("weekly")]}, [], []),
        ({"ListOfTags": [of_tag("daily")], "Resources": [FILES]}, [], [PAYROLL, SCRATCH, FILES]),
        ({"Resources": ["arn:aws:dynamodb:*:*:table/*"]}, [], [PAYROLL, SCRATCH]),
        ({"Resources": ["*"]}, [], [PAYROLL, SCRATCH, FILES]),
        ({"Resources": ["*"], "NotResources": ["arn:aws:dynamodb:*:*:table/s*"]}, [], [PAYROLL, FILES]),
        ({"Resources": ["*"], "Conditions": {"StringEquals": [condition("pay")]}}, [], [PAYROLL, FILES]),
        ({"Resources": ["*"], "Conditions": {"StringNotLike": [condition("p*")]}}, [], [SCRATCH]),
        ({"ListOfTags": [of_tag("daily")]}, ["DynamoDB"], []),
        ({"Resources": ["*", PAYROLL]}, ["DynamoDB"], [PAYROLL, FILES]),
    ],
)
def test_a_selection_chooses_by_name_tag_and_condition(
    topology: Lab, selection: dict, switched_off: list[str], expected: list[str]
) -> None:
    for arn, tags in TAGS.items():
        controls.resources({"resource_arn": arn, "tags": tags} | ({"resource_type": "EFS"} if arn == FILES else {}))
    backup = topology.client("backup", SOURCE)
    backup.update_region_settings(ResourceTypeOptInPreference=dict.fromkeys(switched_off, False))
    assert selections.chosen(SOURCE, REGION, "plan", selection) == sorted(expected)


def test_the_management_account_switches_types_on_for_the_plans_of_the_organization(topology: Lab) -> None:
    controls.resources({"resource_arn": PAYROLL, "tags": TAGS[PAYROLL]})
    by_tag = {"ListOfTags": [of_tag("daily")]}
    off = {"DynamoDB": False}
    topology.client("backup", SOURCE).update_region_settings(ResourceTypeOptInPreference=off)
    assert selections.chosen(SOURCE, REGION, "orgs/plan", by_tag) == [PAYROLL]
    assert selections.chosen(SOURCE, REGION, "plan", by_tag) == []
    topology.client("backup", MANAGEMENT).update_region_settings(ResourceTypeOptInPreference=off)
    assert selections.chosen(SOURCE, REGION, "orgs/plan", by_tag) == []


def test_a_rule_with_a_copy_action_copies_what_it_backed_up(topology: Lab) -> None:
    backup = topology.client("backup", SOURCE)
    action = {"DestinationBackupVaultArn": CENTRAL, "Lifecycle": {"DeleteAfterDays": 90}}
    rule = {"RuleName": "night", "TargetBackupVaultName": "local", "CopyActions": [action]}
    plan = backup.create_backup_plan(BackupPlan={"BackupPlanName": "nightly", "Rules": [rule]})["BackupPlanId"]
    volumes = [topology.volume(SOURCE, None) for _ in range(2)]
    selection = {"SelectionName": "all", "IamRoleArn": service_role(SOURCE), "Resources": volumes}
    backup.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
    place = {"account_id": SOURCE, "region": REGION, "plan_id": plan}
    controls.next_job({"account_id": SOURCE, "job_type": "backup", "state": "FAILED"})
    jobs = controls.plan_run(place)["jobs"]
    topology.idle()
    assert len(jobs) == 2 and len(backup.list_copy_jobs()["CopyJobs"]) == 1, "a failed backup has no copy"
    assert topology.states("Backup Job State Change").count("FAILED") == 1
    (job,) = controls.plan_run(place | {"resource_arn": volumes[0]})["jobs"]
    topology.idle()
    newest = backup.list_copy_jobs(ByResourceArn=volumes[0])["CopyJobs"][0]
    assert (newest["State"], newest["CreatedByBackupJobId"]) == ("COMPLETED", job)
    assert newest["CreatedBy"]["BackupPlanId"] == plan
    central = topology.client("backup", BACKUP)
    landed = central.list_recovery_points_by_backup_vault(BackupVaultName="central", ByResourceArn=volumes[0])
    point = landed["RecoveryPoints"][0]
    assert point["SourceBackupVaultArn"].endswith(":backup-vault:local") and point["Lifecycle"] == action["Lifecycle"]
