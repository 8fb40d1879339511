"""The outcome of a copy: the calls of `requirements` are made in order, the first failure decides.

Published texts of failures: https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-dashboards.html and
https://repost.aws/knowledge-center/backup-troubleshoot-cross-account-copy
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from moto.iam.models import Role

from . import accounts, calls, cloudtrail, controls, kms
from .accounts import account_of, region_of
from .backup import resources, store
from .requirements import Actor, Need, On, Route, needs, service_of

NOT_COPIED_BY_AWS_BACKUP = frozenset({"Redshift"})


@dataclass(frozen=True)
class Outcome:
    """`state` is COMPLETED or FAILED; an empty message and category belong to a clean success."""

    state: str
    message: str = ""
    category: str = ""
    recovery_point_arn: str = ""
    encryption_key_arn: str = ""
    # It failed for a call of which AWS does not publish who makes it: nobody can be expected to foresee that.
    unpublished: bool = False


class _Refused(Exception):
    def __init__(self, message: str, category: str, unpublished: bool = False) -> None:
        super().__init__(message)
        self.message, self.category, self.unpublished = message, category, unpublished


ACCESS_DENIED = "Access Denied trying to call AWS Backup service"
FATAL = "Copy job encountered a fatal error."


def run(job: dict[str, Any], point: dict[str, Any]) -> Outcome:
    """Copy one recovery point. The caller keeps the job; this only judges and records."""
    copy = _Copy(job, point)
    try:
        copy.check_before_calls()
        copy.make_calls()
    except _Refused as refused:
        return Outcome("FAILED", refused.message, refused.category, unpublished=refused.unpublished)
    return Outcome("COMPLETED", "", "SUCCESS", copy.new_point_arn(), copy.key_of_the_copy())


class _Copy:
    def __init__(self, job: dict[str, Any], point: dict[str, Any]) -> None:
        self.job, self.point = job, point
        self.source_vault_arn = str(job["SourceBackupVaultArn"])
        self.destination_vault_arn = str(job["DestinationBackupVaultArn"])
        self.source_account, self.source_region = account_of(self.source_vault_arn), region_of(self.source_vault_arn)
        self.account, self.region = account_of(self.destination_vault_arn), region_of(self.destination_vault_arn)
        self.cross_account = self.account != self.source_account
        self.resource_type = str(job["ResourceType"])
        self.fully_managed = str(point["RecoveryPointArn"]).startswith("arn:aws:backup:")
        self.source_key = kms.key_by_arn(point.get("EncryptionKeyArn"))
        self.new_snapshot = f"snap-{secrets.token_hex(9)[:17]}"

    # -- what is refused without any call ----------------------------------------------------------------------------

    def check_before_calls(self) -> None:
        if self.cross_account:
            self._check_organization()
        self._check_support()
        self.vault = store.vault_by_arn(self.destination_vault_arn)
        self._check_retention()
        self._check_concurrency()
        self.destination_key = kms.key_by_arn(self.vault.encryption_key_arn) if self.vault else None
        self._check_destination_key()
        self.job_role = self._job_role()

    def _check_organization(self) -> None:
        mine, theirs = accounts.organization_of(self.source_account), accounts.organization_of(self.account)
        if mine is None or mine != theirs:
            raise _Refused(
                "Copy job failed. Both source and destination account must be a member of the same organization.",
                "InvalidParameters",
            )
        if store.global_settings().values.get("isCrossAccountBackupEnabled") != "true":
            raise _Refused(
                "Copy job failed. Cross-account copy feature is not enabled for the current organization.",
                "InvalidParameters",
            )

    def _check_support(self) -> None:
        one_step = self.cross_account and self.region != self.source_region
        unsupported = (
            self.resource_type in NOT_COPIED_BY_AWS_BACKUP
            or (self.resource_type == "DynamoDB" and not self.fully_managed)
            or (self.resource_type == "CloudFormation" and self.cross_account)
            or (one_step and self.resource_type in controls.one_step_unsupported())
        )
        if unsupported:
            raise _Refused(
                f"Copy job from {self.source_region} to {self.region} cannot be initiated for {self.resource_type} "
                "resources. Feature is not supported for provided resource type.",
                "InvalidParameters",
            )

    def _check_retention(self) -> None:
        vault = self.vault
        if vault is None or not vault.locked:
            return
        days = (self.job.get("DestinationRecoveryPointLifecycle") or {}).get("DeleteAfterDays")
        too_short = vault.min_retention_days is not None and days is not None and days < vault.min_retention_days
        # Without an end the recovery point stays for ever, which is longer than any maximum.
        too_long = vault.max_retention_days is not None and (days is None or days > vault.max_retention_days)
        if too_short or too_long:
            raise _Refused(
                "Copy job failed. The retention specified in the job is not within the range specified for the target "
                "Backup Vault.",
                "InvalidParameters",
            )

    def _check_concurrency(self) -> None:
        # Jobs of the lab end within milliseconds: whether two of them meet is asked for, not left to chance.
        registered = controls.resource(str(self.job["ResourceArn"]))
        if registered and registered.get("copy_running"):
            raise _Refused("There are too many copy jobs running for resource.", "LimitExceeded")

    def _check_destination_key(self) -> None:
        managed = self.destination_key is not None and self.destination_key.key_manager == "AWS"
        if self.cross_account and managed and not self.fully_managed:
            raise _Refused(
                "Copy job failed because the destination Backup vault is encrypted with the default Backup service "
                "managed key. The contents of this vault cannot be copied. Only the contents of a Backup vault "
                "encrypted by an AWS KMS key may be copied.",
                "InvalidParameters",
            )

    def _job_role(self) -> Role:
        role = accounts.role_by_arn(str(self.job["IamRoleArn"]))
        if role is None or not accounts.trusts_backup(role):
            raise _Refused(f"IAM Role {self.job['IamRoleArn']} cannot be assumed by AWS Backup", "AccessDenied")
        return role

    # -- the calls ---------------------------------------------------------------------------------------------------

    def make_calls(self) -> None:
        route = Route(
            self.resource_type,
            self.fully_managed,
            self.cross_account,
            bool(self.vault and self.vault.vault_type != "BACKUP_VAULT"),
            self.source_key is not None or bool(self.point.get("EncryptionKeyArn")),
            self.source_key is not None and self.source_key.key_manager == "AWS",
            self.destination_key is None or self.destination_key.key_manager == "AWS",
        )
        shared_check_done = False
        for need in needs(route):
            if not need.action.startswith("backup:") and not shared_check_done:
                shared_check_done = True
                self._refuse_aws_managed_source(route)
            failure = self._call(need)
            if failure is not None:
                raise self._refusal(failure)

    def _refuse_aws_managed_source(self, route: Route) -> None:
        if not (route.cross_account and route.source_key_aws_managed and not route.fully_managed):
            return
        text = "Snapshots encrypted with the AWS managed key can't be shared. Specify another snapshot."
        if self.resource_type in ("EBS", "Storage Gateway"):
            text = "Encrypted snapshots with Amazon EBS default key cannot be shared"
        if service_of(self.resource_type) == "ec2":
            cloudtrail.record(
                self.source_account,
                self.source_region,
                "ec2.amazonaws.com",
                "ModifyImageAttribute" if self.resource_type == "EC2" else "ModifySnapshotAttribute",
                cloudtrail.service_identity(self.job_role.arn, self.job_role.id),
                request_parameters={"snapshotId": str(self.point["RecoveryPointArn"]).rsplit("/", 1)[-1]},
                error_code="Client.OperationNotPermitted",
                error_message=text,
            )
        raise _Refused(text, "InvalidParameters")

    def _call(self, need: Need) -> calls.Failure | None:
        if need.actor is Actor.JOB_ROLE:
            role = self.job_role
        else:
            found = accounts.role_by_arn(accounts.service_linked_role_arn(self.account))
            if found is None:
                # Nobody is there to make the copy.
                raise _Refused(FATAL, "MISCELLANEOUS")
            role = found
        target = self._target(need)
        region = self.region
        if target.key is not None:
            region = region_of(target.arn)
        elif need.actor is Actor.JOB_ROLE and need.on is On.RECOVERY_POINT:
            region = self.source_region
        return calls.make(need, role, region, target)

    def _target(self, need: Need) -> calls.Target:
        if need.on is On.DESTINATION_VAULT:
            policy = self.vault.policy if self.vault else None
            return calls.Target(self.destination_vault_arn, self.account, policy)
        if need.on is On.RECOVERY_POINT:
            return self._recovery_point_target(need)
        arn = str(self.point["EncryptionKeyArn"]) if need.on is On.SOURCE_KEY else self._destination_key_arn()
        key = kms.key_by_arn(arn)
        if key is None:
            missing = calls.Failure(need, "NotFoundException", f"Key '{arn}' does not exist")
            raise self._refusal(missing)
        return calls.Target(arn, account_of(arn), kms.policy_of(key), key, self._key_context(need))

    def _destination_key_arn(self) -> str:
        return self.vault.encryption_key_arn if self.vault else ""

    def _recovery_point_target(self, need: Need) -> calls.Target:
        context: dict[str, Any] = {}
        policy: str | None = None
        arn = str(self.point["RecoveryPointArn"])
        owner = self.source_account
        if need.action.startswith("backup:"):
            source_vault = store.vault_by_arn(self.source_vault_arn)
            policy = source_vault.policy if source_vault else None
            context["backup:CopyTargets"] = [self.destination_vault_arn]
            path = accounts.organization_path(self.account)
            if path:
                context["backup:CopyTargetOrgPaths"] = [path]
        elif need.actor is Actor.DESTINATION_SERVICE_ROLE:
            # The snapshot was shared: for the caller it counts as one of its own account.
            owner = self.account
        return calls.Target(arn, owner, policy, None, context, self.new_snapshot, self.source_region)

    def _key_context(self, need: Need) -> dict[str, Any]:
        if need.action == "kms:DescribeKey" or need.action == "kms:CreateGrant":
            return {}
        if need.via == "ec2":
            snapshot = (
                self.new_snapshot
                if need.on is On.DESTINATION_KEY
                else str(self.point["RecoveryPointArn"]).rsplit("/", 1)[-1]
            )
            return {"kms:EncryptionContextKeys": ["aws:ebs:id"], "kms:EncryptionContext:aws:ebs:id": snapshot}
        if need.via == "backup":
            vault = self.destination_vault_arn if need.on is On.DESTINATION_KEY else self.source_vault_arn
            name = "aws:backup:backup-vault"
            return {"kms:EncryptionContextKeys": [name], f"kms:EncryptionContext:{name}": vault}
        return {}

    # -- texts -------------------------------------------------------------------------------------------------------

    def _refusal(self, failure: calls.Failure) -> _Refused:
        action = failure.need.action
        if action.startswith("backup:"):
            return _Refused(ACCESS_DENIED, "AccessDenied")
        if action.startswith("kms:"):
            return _Refused(self._key_text(failure), "AccessDenied", failure.need.caller_unpublished)
        if action.startswith("ec2:"):
            text = "You are not authorized to perform this operation. Please consult the permissions associated with "
            text += "your AWS Backup role(s), and refer to the AWS Backup documentation for more details. "
            return _Refused(text + failure.message.split(". ", 1)[-1], "AccessDenied")
        return _Refused(failure.message, "AccessDenied")

    def _key_text(self, failure: calls.Failure) -> str:
        service = service_of(self.resource_type)
        if self.fully_managed or service == "fsx":
            return "KMS key is either disabled or pending deletion or access to KMS key is denied"
        if failure.code == "NotFoundException" and service == "ec2":
            return "Given key ID does not exist"
        if service == "rds":
            which, arn = ("source snapshot", str(self.point.get("EncryptionKeyArn")))
            if failure.need.on is On.DESTINATION_KEY:
                which, arn = "target", self._destination_key_arn()
            return f"The {which} KMS key [{arn}] does not exist, is not enabled or you do not have permissions to access it."
        if self.resource_type == "EC2":
            return (
                "AMI snapshot copy failed with error: Given key ID is not accessible. You must have DescribeKey "
                "permissions on the default CMK."
            )
        return "Given key ID is not accessible"

    # -- the copy ----------------------------------------------------------------------------------------------------

    def new_point_arn(self) -> str:
        air_gapped = bool(self.vault and self.vault.vault_type != "BACKUP_VAULT")
        if not air_gapped and not self.fully_managed and self.resource_type in ("EBS", "Storage Gateway"):
            return f"arn:aws:ec2:{self.region}::snapshot/{self.new_snapshot}"
        return resources.new_recovery_point_arn(
            self.resource_type, self.fully_managed or air_gapped, self.account, self.region, "copyjob"
        )

    def key_of_the_copy(self) -> str:
        # Unencrypted Aurora, DocumentDB and Neptune stay unencrypted; everything else gets the vault's key.
        if not self.point.get("IsEncrypted") and self.resource_type in ("Aurora", "DocumentDB", "Neptune"):
            return ""
        return self._destination_key_arn()
