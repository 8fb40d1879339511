"""Types of protected resources: which key protects their recovery points, and how the recovery points are called.

Sources: https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-feature-availability.html,
https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html,
https://docs.aws.amazon.com/aws-backup/latest/devguide/access-control.html
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from typing import Any

from .. import controls, kms
from ..accounts import account_of, region_of
from ..errors import ApiError
from . import store

FULLY_MANAGED = frozenset(
    {"EFS", "S3", "Timestream", "VirtualMachine", "SAP HANA on Amazon EC2", "Aurora DSQL", "EKS", "CloudFormation"}
)
# AWS managed keys that a service uses when nobody chose a key.
DEFAULT_ALIAS = {
    "EBS": "alias/aws/ebs",
    "EC2": "alias/aws/ebs",
    "RDS": "alias/aws/rds",
    "EFS": "alias/aws/elasticfilesystem",
}
KEY_TAG = "lab:encryption-key-arn"


@dataclass(frozen=True)
class Resource:
    arn: str
    resource_type: str
    name: str
    size_in_bytes: int
    key_arn: str

    @property
    def account_id(self) -> str:
        return account_of(self.arn)


def type_of(arn: str) -> str:
    """`resourceType` as AWS Backup writes it, from the resource's ARN."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[0] != "arn":
        raise ApiError("InvalidParameterValueException", f"Invalid ARN: {arn}")
    service, rest = parts[2], parts[5]
    registered = controls.resource(arn)
    if registered and registered.get("resource_type"):
        return str(registered["resource_type"])
    if service == "ec2":
        found = "EBS" if rest.startswith("volume/") else "EC2" if rest.startswith("instance/") else ""
    elif service == "rds":
        found = "Aurora" if rest.startswith("cluster:") else "RDS" if rest.startswith("db:") else ""
    else:
        found = {
            "elasticfilesystem": "EFS",
            "s3": "S3",
            "dynamodb": "DynamoDB",
            "fsx": "FSx",
            "storagegateway": "Storage Gateway",
            "timestream": "Timestream",
            "backup-gateway": "VirtualMachine",
            "redshift": "Redshift",
            "dsql": "Aurora DSQL",
            "eks": "EKS",
            "cloudformation": "CloudFormation",
            "ssm-sap": "SAP HANA on Amazon EC2",
        }.get(service, "")
    if not found:
        raise ApiError("InvalidParameterValueException", f"Unsupported resource type: {arn}")
    return found


def fully_managed(resource_type: str, account_id: str, region: str) -> bool:
    if resource_type == "DynamoDB":
        return store.of(account_id, region).management.get("DynamoDB", False)
    return resource_type in FULLY_MANAGED


def _key_arn(key: str | None, account_id: str, region: str) -> str:
    if not key or key.startswith("arn:"):
        return key or ""
    if key.startswith("alias/"):
        return kms.managed_key(account_id, region, key).arn
    return f"arn:aws:kms:{region}:{account_id}:key/{key}"


def _tags(items: Any) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in items or []}


def find(arn: str, account_id: str, region: str) -> Resource:
    """The resource with the key that encrypts it; empty when it is not encrypted."""
    resource_type = type_of(arn)
    registered = controls.resource(arn)
    if registered is not None:
        key = _key_arn(registered.get("encryption_key_arn"), account_id, region)
        return Resource(arn, resource_type, str(registered.get("resource_name") or _last(arn)), 1 << 30, key)
    if resource_type == "EBS":
        return _volume(arn, account_id, region)
    if resource_type == "EC2":
        return _instance(arn, account_id, region)
    if resource_type == "RDS":
        return _database(arn, account_id, region)
    return Resource(arn, resource_type, _last(arn), 1 << 30, "")


def _last(arn: str) -> str:
    return arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1]


def _volume_key(volume: Any, account_id: str, region: str) -> str:
    tags = {one["key"]: one["value"] for one in volume.get_tags()}
    if KEY_TAG in tags:
        return _key_arn(tags[KEY_TAG], account_id, region)
    if not volume.encrypted:
        return ""
    return _key_arn(volume.kms_key_id or DEFAULT_ALIAS["EBS"], account_id, region)


def _volume(arn: str, account_id: str, region: str) -> Resource:
    from moto.ec2.models import ec2_backends

    volume = ec2_backends[account_id][region].volumes.get(_last(arn))
    if volume is None:
        raise ApiError("ResourceNotFoundException", f"Resource {arn} was not found")
    name = next((one["value"] for one in volume.get_tags() if one["key"] == "Name"), _last(arn))
    return Resource(arn, "EBS", name, int(volume.size) << 30, _volume_key(volume, account_id, region))


def _instance(arn: str, account_id: str, region: str) -> Resource:
    from moto.ec2.models import ec2_backends

    backend = ec2_backends[account_id][region]
    instance = backend.get_instance_by_id(_last(arn))
    if instance is None:
        raise ApiError("ResourceNotFoundException", f"Resource {arn} was not found")
    volumes = [device.volume_id for _, device in sorted(instance.block_device_mapping.items())]
    keys = [_volume_key(backend.volumes[one], account_id, region) for one in volumes if one in backend.volumes]
    name = next((one["value"] for one in instance.get_tags() if one["key"] == "Name"), _last(arn))
    return Resource(arn, "EC2", name, 8 << 30, next((key for key in keys if key), ""))


def _database(arn: str, account_id: str, region: str) -> Resource:
    from moto.rds.models import rds_backends

    database = rds_backends[account_id][region].databases.get(_last(arn))
    if database is None:
        raise ApiError("ResourceNotFoundException", f"Resource {arn} was not found")
    tags = _tags(database.tags)
    key = tags.get(KEY_TAG) or ((database.kms_key_id or DEFAULT_ALIAS["RDS"]) if database.storage_encrypted else None)
    size = int(database.allocated_storage or 20) << 30
    return Resource(arn, "RDS", _last(arn), size, _key_arn(key, account_id, region))


def new_recovery_point_arn(resource_type: str, managed: bool, account_id: str, region: str, prefix: str) -> str:
    """`prefix` is `job` for a backup and `copyjob` for a copy, where the service shows it."""
    number, hexadecimal = str(uuid.uuid4()), secrets.token_hex(9)[:17]
    if managed:
        return f"arn:aws:backup:{region}:{account_id}:recovery-point:{number}"
    if resource_type in ("EBS", "Storage Gateway"):
        return f"arn:aws:ec2:{region}::snapshot/snap-{hexadecimal}"
    if resource_type == "EC2":
        return f"arn:aws:ec2:{region}::image/ami-{hexadecimal}"
    if resource_type == "RDS":
        return f"arn:aws:rds:{region}:{account_id}:snapshot:awsbackup:{prefix}-{number}"
    if resource_type in ("Aurora", "DocumentDB", "Neptune"):
        return f"arn:aws:rds:{region}:{account_id}:cluster-snapshot:awsbackup:{prefix}-{number}"
    if resource_type == "FSx":
        return f"arn:aws:fsx:{region}:{account_id}:backup/backup-{hexadecimal}"
    if resource_type == "DynamoDB":
        return f"arn:aws:dynamodb:{region}:{account_id}:table/lab/backup/{number}"
    if resource_type == "Redshift":
        return f"arn:aws:redshift:{region}:{account_id}:snapshot:lab/awsbackup:{prefix}-{number}"
    return f"arn:aws:backup:{region}:{account_id}:recovery-point:{number}"


def region_and_account(arn: str) -> tuple[str, str]:
    return region_of(arn), account_of(arn)
