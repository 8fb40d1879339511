"""What a restore needs and makes: the role is judged call by call, and a volume or a table is there afterwards.

Sources: https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-a-backup.html,
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForRestores.html,
https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html. Which calls of KMS AWS Backup makes for a table of full management is
not published: those are judged by the policy of the key alone.
"""

from __future__ import annotations

import uuid
from typing import Any

from moto.iam.models import Role

from .. import calls, kms
from ..accounts import account_of, region_of
from ..requirements import Actor, Need, On

Json = dict[str, Any]

KEY_DENIED = "KMS key is either disabled or pending deletion or access to KMS key is denied"


def settings_of(point: Json) -> dict[str, str]:
    """How the resource was, as AWS Backup keeps it with its recovery point."""
    arn = str(point["ResourceArn"])
    settings = {"aws:backup:request-id": str(uuid.uuid4())}
    if point["ResourceType"] == "EBS":
        from moto.ec2.models import ec2_backends

        volume = ec2_backends[account_of(arn)][region_of(arn)].volumes.get(arn.rsplit("/", 1)[-1])
        settings |= {
            "volumeId": arn.rsplit("/", 1)[-1],
            "availabilityZone": volume.zone.name if volume is not None else f"{region_of(arn)}a",
            "volumeType": volume.volume_type if volume is not None else "gp3",
            "volumeSize": str(volume.size if volume is not None else 1),
            "encrypted": str(bool(point.get("IsEncrypted"))).lower(),
        }
    elif point["ResourceType"] == "DynamoDB":
        settings |= {"encryptionType": "Default"}
    return settings


def given(settings: dict[str, str], name: str) -> str:
    """A setting; AWS compares their names without case."""
    return next((value for key, value in settings.items() if key.lower() == name.lower()), "")


def _key_needs(service: str, unpublished: bool, *actions: str, on: On) -> list[Need]:
    role = Actor.JOB_ROLE
    return [Need(role, f"kms:{one}", on, "restores", via=service, identity_unpublished=unpublished) for one in actions]


def refusal(job: Json, point: Json, role: Role) -> str | None:
    """Why AWS would refuse what the job does in the name of its role; None where it would not."""
    account, region, kind = job["AccountId"], job["_region"], job["ResourceType"]
    settings = job["_metadata"]
    source = point.get("EncryptionKeyArn")
    new, made, needs = "", "", list[Need]()
    if kind == "EBS":
        made = f"arn:aws:ec2:{region}:{account}:volume/*"
        needs = [Need(Actor.JOB_ROLE, "ec2:CreateVolume", On.RECOVERY_POINT, "restores", event_source="ec2")]
        new = given(settings, "kmsKeyId")
        from_source, to_new = (
            ("DescribeKey", "CreateGrant", "Decrypt", "ReEncryptFrom"),
            ("GenerateDataKeyWithoutPlaintext",),
        )
        service, unpublished = "ec2", False
    elif kind == "DynamoDB":
        made = f"arn:aws:dynamodb:{region}:{account}:table/{given(settings, 'targetTableName')}"
        action = "dynamodb:RestoreTableFromAwsBackup"
        needs = [Need(Actor.JOB_ROLE, action, On.RECOVERY_POINT, "restores", event_source="dynamodb")]
        new = given(settings, "kmsMasterKeyArn")
        from_source, to_new = ("DescribeKey", "Decrypt"), ("DescribeKey", "CreateGrant", "Decrypt")
        service = "dynamodb"
        unpublished = str(point["RecoveryPointArn"]).startswith("arn:aws:backup:")
    else:
        return _by_state(source)
    if source:
        via = "backup" if unpublished else service
        needs += _key_needs(via, unpublished, *from_source, on=On.SOURCE_KEY)
    if new:
        needs += _key_needs(service, False, *to_new, on=On.DESTINATION_KEY)
    for need in needs:
        on_key = need.action.startswith("kms:")
        arn = (source if need.on is On.SOURCE_KEY else new) if on_key else made
        key = kms.key_by_arn(arn) if on_key else None
        if on_key and key is None:
            return KEY_DENIED
        policy = kms.policy_of(key) if key is not None else None
        failure = calls.make(need, role, region, calls.Target(arn, account_of(arn), policy, key))
        if failure is not None:
            return KEY_DENIED if on_key else failure.message
    return None


def _by_state(arn: str | None) -> str | None:
    key = kms.key_by_arn(arn)
    return KEY_DENIED if key is not None and kms.state_error(key) is not None else None


def make(job: Json) -> tuple[str, str]:
    """Makes what a job on demand restores: its ARN, or why not."""
    account, region, settings = job["AccountId"], job["_region"], job["_metadata"]
    if job["ResourceType"] == "EBS":
        zone = given(settings, "availabilityZone") or f"{region}a"
        if not zone.startswith(region):
            return "", f"Invalid availability zone: [{zone}]"
        from moto.ec2.models import ec2_backends

        volume = ec2_backends[account][region].create_volume(
            size=max(1, int(job.get("BackupSizeInBytes") or 0) >> 30),
            zone_name=zone,
            encrypted=given(settings, "encrypted") == "true",
            kms_key_id=given(settings, "kmsKeyId") or None,
            volume_type=given(settings, "volumeType") or None,
        )
        return f"arn:aws:ec2:{region}:{account}:volume/{volume.id}", ""
    if job["ResourceType"] == "DynamoDB":
        return _table(account, region, given(settings, "targetTableName"))
    return f"{job['SourceResourceArn']}-{str(uuid.uuid4())[:8]}", ""


def _table(account: str, region: str, name: str) -> tuple[str, str]:
    from moto.dynamodb.models import dynamodb_backends

    backend = dynamodb_backends[account][region]
    if not name:
        return "", "Missing required restore metadata: targetTableName"
    if name in backend.tables:
        return "", f"Table already exists: {name}"
    table = backend.create_table(
        name,
        schema=[{"AttributeName": "id", "KeyType": "HASH"}],
        attr=[{"AttributeName": "id", "AttributeType": "S"}],
        throughput=None,
        global_indexes=[],
        indexes=[],
        streams=None,
        billing_mode="PAY_PER_REQUEST",
        sse_specification=None,
        tags=[],
        deletion_protection_enabled=False,
        warm_throughput=None,
    )
    return str(table.table_arn), ""
