"""Vaults: access policies, locks, notifications.

Sources: https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html,
https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from lab import clock

from .. import events, kms
from ..accounts import PARTITION
from ..errors import ApiError
from ..matching import as_list
from . import store
from .store import Vault
from .wire import Call, operation, page


def describe(vault: Vault) -> dict[str, Any]:
    key = kms.key_by_arn(vault.encryption_key_arn)
    owned_by_aws = vault.vault_type != "BACKUP_VAULT" and key is None
    return {
        "BackupVaultName": vault.name,
        "BackupVaultArn": vault.arn,
        "VaultType": vault.vault_type,
        "VaultState": "AVAILABLE",
        "EncryptionKeyArn": vault.encryption_key_arn or None,
        "EncryptionKeyType": "AWS_OWNED_KMS_KEY" if owned_by_aws else "CUSTOMER_MANAGED_KMS_KEY",
        "CreationDate": vault.creation_date,
        "CreatorRequestId": vault.creator_request_id,
        "NumberOfRecoveryPoints": len(store.of(vault.account_id, vault.region).points[vault.name]),
        "Locked": vault.locked,
        "MinRetentionDays": vault.min_retention_days,
        "MaxRetentionDays": vault.max_retention_days,
        "LockDate": vault.lock_date,
    }


def _changed(vault: Vault, state: str) -> None:
    detail: dict[str, Any] = {"backupVaultName": vault.name, "state": state}
    if state == "MODIFIED":
        detail["isLocked"] = "true" if vault.locked else "false"
    events.emit(vault.account_id, vault.region, "aws.backup", "Backup Vault State Change", detail, [vault.arn])


def _create(call: Call, vault_type: str) -> Vault:
    name = call.params["BackupVaultName"]
    with store.lock:
        vaults = store.of(call.account_id, call.region).vaults
        if name in vaults:
            raise ApiError("AlreadyExistsException", "Backup vault with the same name already exists")
        key_arn = call.params.get("EncryptionKeyArn") or ""
        if key_arn and kms.key_by_arn(key_arn) is None:
            raise ApiError("InvalidParameterValueException", f"KMS key {key_arn} was not found")
        if not key_arn and vault_type == "BACKUP_VAULT":
            key_arn = kms.managed_key(call.account_id, call.region, "alias/aws/backup").arn
        vault = Vault(
            name,
            call.account_id,
            call.region,
            key_arn,
            clock.now(),
            call.params.get("CreatorRequestId"),
            vault_type,
        )
        if vault_type != "BACKUP_VAULT":
            vault.locked = True
            vault.min_retention_days = call.params["MinRetentionDays"]
            vault.max_retention_days = call.params["MaxRetentionDays"]
            vault.lock_date = clock.now()
        vaults[name] = vault
        if call.params.get("BackupVaultTags"):
            store.of(call.account_id, call.region).tags[vault.arn] = dict(call.params["BackupVaultTags"])
    _changed(vault, "CREATED")
    return vault


@operation("CreateBackupVault")
def create_backup_vault(call: Call) -> dict[str, Any]:
    return describe(_create(call, "BACKUP_VAULT"))


@operation("CreateLogicallyAirGappedBackupVault")
def create_air_gapped_vault(call: Call) -> dict[str, Any]:
    return describe(_create(call, "LOGICALLY_AIR_GAPPED_BACKUP_VAULT"))


def _vault(call: Call) -> Vault:
    account_id = call.params.get("BackupVaultAccountId", call.account_id)
    if account_id != call.account_id:
        # Only vaults shared through RAM can be read with another account's id; nothing is shared in the lab.
        raise ApiError("AccessDeniedException", "Insufficient privileges to perform this action.", 403)
    return store.of(account_id, call.region).vault(call.params["BackupVaultName"])


@operation("DescribeBackupVault")
def describe_backup_vault(call: Call) -> dict[str, Any]:
    with store.lock:
        try:
            return describe(_vault(call))
        except ApiError as error:
            if error.code != "ResourceNotFoundException":
                raise
            # AWS does not tell a missing vault from a forbidden one.
            raise ApiError("AccessDeniedException", "Insufficient privileges to perform this action.", 403) from None


@operation("ListBackupVaults")
def list_backup_vaults(call: Call) -> dict[str, Any]:
    with store.lock:
        vaults = [describe(vault) for _, vault in sorted(store.of(call.account_id, call.region).vaults.items())]
    wanted = call.params.get("ByVaultType")
    return page([one for one in vaults if wanted in (None, one["VaultType"])], call.params, "BackupVaultList")


@operation("DeleteBackupVault")
def delete_backup_vault(call: Call) -> None:
    with store.lock:
        vault = _vault(call)
        region = store.of(call.account_id, call.region)
        if region.points[vault.name]:
            raise ApiError(
                "InvalidRequestException", "Backup vault cannot be deleted because it contains recovery points"
            )
        del region.vaults[vault.name]
    _changed(vault, "DELETED")


# -- access policy -----------------------------------------------------------------------------------------------------


def _check_policy(text: str) -> None:
    try:
        statements = as_list(json.loads(text)["Statement"])
        actions = [(one, action) for one in statements for action in as_list(one.get("Action"))]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ApiError("InvalidParameterValueException", "Invalid policy document") from None
    for statement, action in actions:
        if "*" in action or "?" in action:
            raise ApiError(
                "InvalidParameterValueException", f"Wildcards are not supported in the actions of a policy: {action}"
            )
        if statement.get("Effect") == "Allow" and action != "backup:CopyIntoBackupVault" and _opens(statement):
            raise ApiError("InvalidParameterValueException", f"The action {action} cannot be allowed to other accounts")


def _opens(statement: dict[str, Any]) -> bool:
    """Whether a statement lets in somebody of another account without naming the own one."""
    principal = statement.get("Principal")
    return principal == "*" or (isinstance(principal, dict) and "*" in as_list(principal.get("AWS")))


@operation("PutBackupVaultAccessPolicy")
def put_access_policy(call: Call) -> None:
    text = call.params.get("Policy")
    if not text:
        raise ApiError("MissingParameterValueException", "Required parameter missing: Policy")
    _check_policy(text)
    with store.lock:
        vault = _vault(call)
        vault.policy = text
    _changed(vault, "MODIFIED")


@operation("GetBackupVaultAccessPolicy")
def get_access_policy(call: Call) -> dict[str, Any]:
    with store.lock:
        vault = _vault(call)
        if vault.policy is None:
            raise ApiError("ResourceNotFoundException", "Backup vault access policy was not found")
        return {"BackupVaultName": vault.name, "BackupVaultArn": vault.arn, "Policy": vault.policy}


@operation("DeleteBackupVaultAccessPolicy")
def delete_access_policy(call: Call) -> None:
    with store.lock:
        vault = _vault(call)
        vault.policy = None
    _changed(vault, "MODIFIED")


# -- lock --------------------------------------------------------------------------------------------------------------


@operation("PutBackupVaultLockConfiguration")
def put_lock(call: Call) -> None:
    minimum, maximum = call.params.get("MinRetentionDays"), call.params.get("MaxRetentionDays")
    changeable = call.params.get("ChangeableForDays")
    if minimum is not None and minimum < 1:
        raise ApiError("InvalidParameterValueException", "MinRetentionDays must be at least 1 day")
    if maximum is not None and not (minimum or 1) <= maximum <= 36500:
        raise ApiError("InvalidParameterValueException", "MaxRetentionDays must be between MinRetentionDays and 36500")
    if changeable is not None and not 3 <= changeable <= 36500:
        raise ApiError("InvalidParameterValueException", "ChangeableForDays must be between 3 and 36500")
    with store.lock:
        vault = _vault(call)
        if vault.immutable():
            raise ApiError("InvalidRequestException", "Vault Lock configuration is immutable and cannot be modified")
        vault.locked, vault.min_retention_days, vault.max_retention_days = True, minimum, maximum
        vault.lock_date = clock.now() + timedelta(days=changeable) if changeable is not None else None
    _changed(vault, "MODIFIED")


@operation("DeleteBackupVaultLockConfiguration")
def delete_lock(call: Call) -> None:
    with store.lock:
        vault = _vault(call)
        if vault.immutable():
            raise ApiError("InvalidRequestException", "Vault Lock configuration is immutable and cannot be deleted")
        vault.locked, vault.min_retention_days, vault.max_retention_days, vault.lock_date = False, None, None, None
    _changed(vault, "MODIFIED")


# -- notifications -----------------------------------------------------------------------------------------------------


@operation("PutBackupVaultNotifications")
def put_notifications(call: Call) -> None:
    topic = call.params["SNSTopicArn"]
    if not topic.startswith(f"arn:{PARTITION}:sns:{call.region}:{call.account_id}:") or topic.endswith(".fifo"):
        raise ApiError("InvalidParameterValueException", "The topic must be a standard topic of the vault's account")
    with store.lock:
        _vault(call).notifications = {
            "SNSTopicArn": topic,
            "BackupVaultEvents": list(call.params["BackupVaultEvents"]),
        }


@operation("GetBackupVaultNotifications")
def get_notifications(call: Call) -> dict[str, Any]:
    with store.lock:
        vault = _vault(call)
        if vault.notifications is None:
            raise ApiError("ResourceNotFoundException", "Backup vault notifications were not found")
        return {"BackupVaultName": vault.name, "BackupVaultArn": vault.arn, **vault.notifications}


@operation("DeleteBackupVaultNotifications")
def delete_notifications(call: Call) -> None:
    with store.lock:
        _vault(call).notifications = None
