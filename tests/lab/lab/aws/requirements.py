"""What a copy needs, call by call: who calls what on which object, and with which context.

The order is the order of the calls. It is the lab's own reading of the documents, and must not be shared with the
product. Sources per entry:

- [P1] https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html
- [P2] https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html
- [P3] https://repost.aws/knowledge-center/backup-cross-account-copy-error
- [P7] https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html
- [P8] https://docs.aws.amazon.com/ebs/latest/userguide/ebs-copy-snapshot.html
- [P9] https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/share-encrypted-snapshot.html
- [P10] https://docs.aws.amazon.com/aws-backup/latest/devguide/logicallyairgappedvault.html
- [P11] https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceLinkedRolePolicyForBackup.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Actor(StrEnum):
    JOB_ROLE = "job role"
    DESTINATION_SERVICE_ROLE = "service-linked role of the destination account"


class On(StrEnum):
    RECOVERY_POINT = "source recovery point"
    DESTINATION_VAULT = "destination vault"
    SOURCE_KEY = "source key"
    DESTINATION_KEY = "destination key"


@dataclass(frozen=True)
class Need:
    """One call. `via` is the service that makes a KMS call on behalf of the actor; empty for a direct one."""

    actor: Actor
    action: str
    on: On
    source: str
    via: str = ""
    event_source: str = ""
    # EC2 accepts the call and fails later, so that its record shows no error.
    silent: bool = False
    # The published managed policy of the actor does not show this permission; only the object's policy is judged.
    identity_unpublished: bool = False
    # Nor is it published that this actor makes the call at all.
    caller_unpublished: bool = False


@dataclass(frozen=True)
class Route:
    """The facts about a copy that decide which calls it makes."""

    resource_type: str
    fully_managed: bool
    cross_account: bool
    air_gapped: bool
    source_encrypted: bool
    source_key_aws_managed: bool
    destination_key_aws_managed: bool


# Which service makes the KMS calls, and how the snapshot is shared and copied there.
_SERVICE = {
    "EBS": ("ec2", "ec2:ModifySnapshotAttribute", "ec2:CopySnapshot"),
    "Storage Gateway": ("ec2", "ec2:ModifySnapshotAttribute", "ec2:CopySnapshot"),
    "EC2": ("ec2", "ec2:ModifyImageAttribute", "ec2:CopyImage"),
    "RDS": ("rds", "rds:ModifyDBSnapshotAttribute", "rds:CopyDBSnapshot"),
    "Aurora": ("rds", "rds:ModifyDBClusterSnapshotAttribute", "rds:CopyDBClusterSnapshot"),
    "DocumentDB": ("rds", "rds:ModifyDBClusterSnapshotAttribute", "rds:CopyDBClusterSnapshot"),
    "Neptune": ("rds", "rds:ModifyDBClusterSnapshotAttribute", "rds:CopyDBClusterSnapshot"),
    "FSx": ("fsx", "", "fsx:CopyBackup"),
}


def service_of(resource_type: str) -> str:
    return _SERVICE.get(resource_type, ("backup", "", ""))[0]


def needs(route: Route) -> list[Need]:
    """Every call of a copy, first to last."""
    found = [
        Need(Actor.JOB_ROLE, "backup:CopyFromBackupVault", On.RECOVERY_POINT, "P1", event_source="backup"),
        Need(Actor.JOB_ROLE, "backup:CopyIntoBackupVault", On.DESTINATION_VAULT, "P1", event_source="backup"),
    ]
    if route.air_gapped:
        return found + _air_gapped(route)
    if route.fully_managed:
        return found + _fully_managed(route)
    if route.cross_account:
        return found + _snapshot_across_accounts(route)
    return found + _snapshot_within_account(route)


def _snapshot_across_accounts(route: Route) -> list[Need]:
    service, share, copy = _SERVICE.get(route.resource_type, ("ec2", "", "ec2:CopySnapshot"))
    found: list[Need] = []
    if share:
        found.append(Need(Actor.JOB_ROLE, share, On.RECOVERY_POINT, "P1", event_source=service))
    if route.source_encrypted and service == "ec2":
        # The job role reads the snapshot it shares; its managed policy has the permission for exactly this.
        found.append(Need(Actor.JOB_ROLE, "kms:ReEncryptFrom", On.SOURCE_KEY, "P11", via=service))
    slr = Actor.DESTINATION_SERVICE_ROLE
    found.append(Need(slr, copy, On.RECOVERY_POINT, "P1", event_source=service, silent=service == "ec2"))
    if route.source_encrypted:
        found += [
            Need(slr, f"kms:{action}", On.SOURCE_KEY, "P3 P7 P8 P9 P11", via=service)
            for action in ("DescribeKey", "CreateGrant", "ReEncryptFrom", "GenerateDataKeyWithoutPlaintext")
        ]
    if not route.destination_key_aws_managed:
        found += [
            Need(slr, f"kms:{action}", On.DESTINATION_KEY, "P2 P11", via=service)
            for action in ("DescribeKey", "CreateGrant", "GenerateDataKeyWithoutPlaintext")
        ]
    return found


def _snapshot_within_account(route: Route) -> list[Need]:
    service, _, copy = _SERVICE.get(route.resource_type, ("ec2", "", "ec2:CopySnapshot"))
    role = Actor.JOB_ROLE
    found = [Need(role, copy, On.RECOVERY_POINT, "P11", event_source=service, silent=service == "ec2")]
    extra = ("ReEncryptFrom",) if service == "ec2" else ()
    if route.source_encrypted and not route.source_key_aws_managed:
        found += [
            Need(role, f"kms:{action}", On.SOURCE_KEY, "P8 P11", via=service)
            for action in ("DescribeKey", "CreateGrant", *extra)
        ]
    extra = ("GenerateDataKeyWithoutPlaintext",) if service == "ec2" else ()
    if not route.destination_key_aws_managed:
        found += [
            Need(role, f"kms:{action}", On.DESTINATION_KEY, "P8 P11", via=service)
            for action in ("DescribeKey", "CreateGrant", *extra)
        ]
    return found


def _fully_managed(route: Route) -> list[Need]:
    # Who calls for fully managed types is not published; AWS asks for the destination account on the source key.
    actor = Actor.DESTINATION_SERVICE_ROLE if route.cross_account else Actor.JOB_ROLE
    unpublished = {"identity_unpublished": True, "caller_unpublished": not route.cross_account}
    found: list[Need] = []
    if route.source_encrypted and not route.source_key_aws_managed:
        found += [
            Need(actor, f"kms:{action}", On.SOURCE_KEY, "P2 P3", via="backup", **unpublished)
            for action in ("DescribeKey", "CreateGrant", "Decrypt")
        ]
    if not route.destination_key_aws_managed:
        found += [
            Need(actor, f"kms:{action}", On.DESTINATION_KEY, "P2 P3", via="backup", **unpublished)
            for action in ("DescribeKey", "CreateGrant", "GenerateDataKey")
        ]
    return found


def _air_gapped(route: Route) -> list[Need]:
    found: list[Need] = []
    for encrypted, on in ((route.source_encrypted, On.SOURCE_KEY), (True, On.DESTINATION_KEY)):
        if encrypted and not (on is On.DESTINATION_KEY and route.destination_key_aws_managed):
            found += [
                Need(Actor.JOB_ROLE, f"kms:{action}", on, "P10", via="backup")
                for action in ("DescribeKey", "CreateGrant")
            ]
    return found
