"""The parts of AWS Backup's managed policies that copies, backups and restores depend on.

Restated from https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceLinkedRolePolicyForBackup.html,
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForBackup.html and
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForRestores.html
(versions 31, 30 and 35). Permissions that nothing in the lab asks for are left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, wraps
from typing import Any

_PREFIX = "arn:aws:iam::aws:policy"
SERVICE_LINKED_ROLE = f"{_PREFIX}/aws-service-role/AWSBackupServiceLinkedRolePolicyForBackup"
BACKUP = f"{_PREFIX}/service-role/AWSBackupServiceRolePolicyForBackup"
RESTORES = f"{_PREFIX}/service-role/AWSBackupServiceRolePolicyForRestores"
S3_BACKUP = f"{_PREFIX}/AWSBackupServiceRolePolicyForS3Backup"

_FOR_AWS_RESOURCE = {"kms:GrantIsForAWSResource": "true"}


def _via(*services: str) -> dict[str, list[str]]:
    return {"kms:ViaService": [f"{service}.*.amazonaws.com" for service in services]}


def _allow(actions: list[str], **condition: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    if condition:
        statement["Condition"] = condition
    return statement


def _document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


DOCUMENTS: Mapping[str, Mapping[str, Any]] = {
    SERVICE_LINKED_ROLE: _document(
        _allow(["ec2:CopySnapshot", "ec2:CopyImage", "ec2:CreateTags", "ec2:DescribeSnapshots", "ec2:DescribeImages"]),
        _allow(["rds:CopyDBSnapshot", "rds:CopyDBClusterSnapshot", "rds:AddTagsToResource", "rds:DescribeDBSnapshots"]),
        _allow(["fsx:CopyBackup", "fsx:TagResource", "fsx:DescribeBackups"]),
        _allow(["kms:DescribeKey"]),
        _allow(
            ["kms:ListGrants", "kms:ReEncryptFrom", "kms:GenerateDataKeyWithoutPlaintext"],
            StringLike=_via("ec2", "rds", "fsx"),
        ),
        _allow(["kms:CreateGrant"], StringLike=_via("ec2", "rds", "fsx"), Bool=_FOR_AWS_RESOURCE),
    ),
    BACKUP: _document(
        _allow(["backup:DescribeBackupVault", "backup:CopyIntoBackupVault", "backup:CopyFromBackupVault"]),
        _allow(
            [
                "ec2:CreateSnapshot", "ec2:CopySnapshot", "ec2:CreateImage", "ec2:CopyImage", "ec2:CreateTags",
                "ec2:ModifySnapshotAttribute", "ec2:ModifyImageAttribute", "ec2:DescribeTags", "ec2:DescribeVolumes",
            ]
        ),
        _allow(
            [
                "rds:CreateDBSnapshot", "rds:CreateDBClusterSnapshot", "rds:CopyDBSnapshot",
                "rds:CopyDBClusterSnapshot", "rds:ModifyDBSnapshotAttribute", "rds:ModifyDBClusterSnapshotAttribute",
                "rds:AddTagsToResource", "rds:ListTagsForResource",
            ]
        ),
        _allow(["fsx:CreateBackup", "fsx:CopyBackup", "elasticfilesystem:Backup", "dynamodb:StartAwsBackupJob"]),
        _allow(["kms:DescribeKey"]),
        _allow(["kms:CreateGrant"], Bool=_FOR_AWS_RESOURCE),
        _allow(["kms:Decrypt", "kms:GenerateDataKey"], StringLike=_via("dynamodb")),
        _allow(
            ["kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptTo", "kms:ReEncryptFrom"],
            StringLike=_via("ec2"),
            **{"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": ["aws:ebs:id"]}},
        ),
    ),
    RESTORES: _document(
        _allow(["ec2:CreateVolume", "ec2:RunInstances", "ec2:CreateTags"]),
        _allow(["rds:RestoreDBInstanceFromDBSnapshot", "rds:RestoreDBClusterFromSnapshot"]),
        _allow(["dynamodb:RestoreTableFromAwsBackup", "elasticfilesystem:Restore", "fsx:CreateFileSystemFromBackup"]),
        _allow(["kms:DescribeKey"]),
        _allow(
            [
                "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncryptTo", "kms:ReEncryptFrom",
            ],
            StringLike=_via("dynamodb", "ec2", "elasticfilesystem", "rds", "redshift", "redshift-serverless", "dsql"),
        ),
        _allow(["kms:CreateGrant"], Bool=_FOR_AWS_RESOURCE),
    ),
    S3_BACKUP: _document(
        _allow(["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:GetBucketVersioning"]),
        _allow(["s3:GetInventoryConfiguration", "s3:PutInventoryConfiguration"]),
        _allow(["kms:Decrypt", "kms:DescribeKey"], StringLike=_via("s3")),
    ),
}  # fmt: skip


def install() -> None:
    """Put the policies into every account: what can be read there is then what the lab decides by.

    moto loads none of AWS' managed policies by itself, as all of them take seconds; of the others one that is asked for.
    """
    from moto.iam.models import AWSManagedPolicy, IAMBackend

    make = IAMBackend._init_managed_policies
    stamp = datetime(2026, 2, 23, tzinfo=UTC).isoformat()

    def init_managed_policies(self: IAMBackend) -> dict[str, Any]:
        policies: dict[str, Any] = make(self)
        for arn, document in DOCUMENTS.items():
            path, name = arn.removeprefix(_PREFIX).rsplit("/", 1)
            policies[arn] = AWSManagedPolicy.from_data(
                name,
                self.account_id,
                self.region_name,
                {
                    "DefaultVersionId": "v1",
                    "Path": path + "/",
                    "Document": document,
                    "CreateDate": stamp,
                    "UpdateDate": stamp,
                },
            )
        return policies

    IAMBackend._init_managed_policies = init_managed_policies  # type: ignore[method-assign]
    for name in ("get_policy", "get_policy_version", "list_policy_versions", "attach_role_policy"):
        setattr(IAMBackend, name, _loading(getattr(IAMBackend, name)))


@cache
def _published() -> dict[str, Any]:
    """The managed policies that moto carries, by ARN."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    return {
        f"{_PREFIX}{data['Path']}{name}": {"name": name, **data}
        for name, data in json.loads(aws_managed_policies_data).items()
    }


def _loading(answer: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(answer)
    def load_and_answer(self: Any, policy_arn: str, *rest: Any, **named: Any) -> Any:
        from moto.iam.models import AWSManagedPolicy

        known = self.managed_policies
        if policy_arn.startswith(_PREFIX) and policy_arn not in known and policy_arn in _published():
            data = _published()[policy_arn]
            known[policy_arn] = AWSManagedPolicy.from_data(data["name"], self.account_id, self.region_name, data)
        return answer(self, policy_arn, *rest, **named)

    return load_and_answer
