"""A restore succeeds or fails by the policies of its role and of the keys, and what it makes is there."""

from __future__ import annotations

from typing import Any

import pytest
from aws_support import REGION, SOURCE, Lab, service_role

from lab.aws import managed_policies

ROLE = "AWSBackupDefaultServiceRole"


def restored(aws: Lab, point: str, metadata: dict[str, str]) -> dict[str, Any]:
    backup = aws.client("backup", SOURCE)
    job = backup.start_restore_job(RecoveryPointArn=point, Metadata=metadata, IamRoleArn=service_role(SOURCE))
    aws.idle()
    described: dict[str, Any] = backup.describe_restore_job(RestoreJobId=job["RestoreJobId"])
    return described


def encrypted(aws: Lab) -> tuple[str, str, dict[str, str]]:
    """The key and the recovery point of a volume, and how AWS Backup says that it was."""
    key = aws.key(SOURCE)
    point = aws.backup(SOURCE, aws.volume(SOURCE, key))["RecoveryPointArn"]
    backup = aws.client("backup", SOURCE)
    answer = backup.get_recovery_point_restore_metadata(BackupVaultName="local", RecoveryPointArn=point)
    assert answer["ResourceType"] == "EBS"
    return key, point, answer["RestoreMetadata"]


def test_a_volume_is_made_as_the_settings_say(topology: Lab) -> None:
    key, point, settings = encrypted(topology)
    assert (settings["availabilityZone"], settings["encrypted"], settings["volumeSize"]) == (f"{REGION}a", "true", "8")
    job = restored(topology, point, {**settings, "availabilityZone": f"{REGION}b", "kmsKeyId": key})
    assert job["Status"] == "COMPLETED" and "StatusMessage" not in job
    ids = [job["CreatedResourceArn"].rsplit("/", 1)[-1]]
    (volume,) = topology.client("ec2", SOURCE).describe_volumes(VolumeIds=ids)["Volumes"]
    assert (volume["AvailabilityZone"], volume["KmsKeyId"]) == (f"{REGION}b", key)
    assert "Invalid availability zone" in restored(topology, point, {"availabilityZone": "us-west-2a"})["StatusMessage"]


def test_a_table_is_made_under_its_name_and_never_over_another(topology: Lab) -> None:
    point = topology.backup(SOURCE, f"arn:aws:dynamodb:{REGION}:{SOURCE}:table/orders")["RecoveryPointArn"]
    assert restored(topology, point, {"encryptionType": "Default"})["Status"] == "FAILED", "it has no name"
    first = restored(topology, point, {"TargetTableName": "beside"})
    assert first["CreatedResourceArn"] == f"arn:aws:dynamodb:{REGION}:{SOURCE}:table/beside"
    assert "already exists" in restored(topology, point, {"targetTableName": "beside"})["StatusMessage"]


@pytest.mark.parametrize("missing", ["policy", "key"])
def test_a_restore_fails_without_the_policy_of_the_role_and_without_the_key(topology: Lab, missing: str) -> None:
    key, point, settings = encrypted(topology)
    if missing == "policy":
        iam = topology.client("iam", SOURCE)
        iam.detach_role_policy(RoleName=ROLE, PolicyArn=managed_policies.RESTORES)
    else:
        topology.client("kms", SOURCE).disable_key(KeyId=key)
    job = restored(topology, point, settings)
    assert job["Status"] == "FAILED" and "CreatedResourceArn" not in job
    wanted = "ec2:CreateVolume" if missing == "policy" else "KMS key is either disabled"
    assert wanted in job["StatusMessage"]


def test_the_same_token_is_the_same_restore(topology: Lab) -> None:
    _, point, settings = encrypted(topology)
    backup = topology.client("backup", SOURCE)
    asked = {"RecoveryPointArn": point, "Metadata": settings, "IamRoleArn": service_role(SOURCE)}
    first, second = (backup.start_restore_job(**asked, IdempotencyToken="once") for _ in range(2))
    topology.idle()
    assert first["RestoreJobId"] == second["RestoreJobId"]
    assert len(backup.list_restore_jobs()["RestoreJobs"]) == 1
