"""Recovery points: made by jobs, read and deleted through the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from lab import clock

from .. import kms
from ..errors import ApiError
from . import restores, store
from .store import Vault
from .wire import Call, operation, page

Point = dict[str, Any]


def add(vault: Vault, arn: str, job: dict[str, Any], **members: Any) -> Point:
    """Put a finished recovery point into a vault."""
    created = job["CreationDate"]
    key = kms.key_by_arn(members.get("EncryptionKeyArn"))
    lifecycle = members.get("Lifecycle") or {}
    point: Point = {
        "RecoveryPointArn": arn,
        "BackupVaultName": vault.name,
        "BackupVaultArn": vault.arn,
        "ResourceArn": job["ResourceArn"],
        "ResourceType": job["ResourceType"],
        "ResourceName": job.get("ResourceName"),
        "CreatedBy": job.get("CreatedBy"),
        "IamRoleArn": job["IamRoleArn"],
        "Status": "COMPLETED",
        "CreationDate": created,
        "InitiationDate": created,
        "CompletionDate": clock.now(),
        "BackupSizeInBytes": job.get("BackupSizeInBytes") or 0,
        "BackupSizeBytes": job.get("BackupSizeInBytes") or 0,
        "StorageClass": "WARM",
        "IsParent": False,
        "VaultType": vault.vault_type,
        "IndexStatus": None,
        "Lifecycle": lifecycle,
        "CalculatedLifecycle": store.calculated_lifecycle(created, lifecycle),
        **members,
    }
    point["IsEncrypted"] = bool(point.get("EncryptionKeyArn"))
    if not point["IsEncrypted"]:
        point["EncryptionKeyArn"] = None
    elif key is not None or point["EncryptionKeyArn"]:
        point["EncryptionKeyType"] = "CUSTOMER_MANAGED_KMS_KEY"
    with store.lock:
        store.of(vault.account_id, vault.region).points[vault.name][arn] = point
    return point


def set_status(account_id: str, region: str, vault: str, arn: str, status: str, message: str | None) -> None:
    """A status that AWS Backup gives a recovery point by itself, such as EXPIRED where it cannot delete it."""
    with store.lock:
        store.of(account_id, region).point(vault, arn).update(Status=status, StatusMessage=message)


def _own(call: Call) -> None:
    if call.params.get("BackupVaultAccountId", call.account_id) != call.account_id:
        raise ApiError("AccessDeniedException", "Insufficient privileges to perform this action.", 403)


@operation("DescribeRecoveryPoint")
def describe_recovery_point(call: Call) -> Point:
    _own(call)
    with store.lock:
        region = store.of(call.account_id, call.region)
        return dict(region.point(call.params["BackupVaultName"], call.params["RecoveryPointArn"]))


def between(moment: datetime | None, params: dict[str, Any], after: str, before: str) -> bool:
    if moment is None:
        return params.get(after) is None and params.get(before) is None
    return (params.get(after) is None or moment >= params[after]) and (
        params.get(before) is None or moment <= params[before]
    )


@operation("ListRecoveryPointsByBackupVault")
def list_by_vault(call: Call) -> dict[str, Any]:
    _own(call)
    params = call.params
    with store.lock:
        region = store.of(call.account_id, call.region)
        vault = region.vault(params["BackupVaultName"])
        found = [
            dict(point)
            for point in region.points_of_vault(vault.name)
            if params.get("ByResourceArn") in (None, point["ResourceArn"])
            and params.get("ByResourceType") in (None, point["ResourceType"])
            and params.get("ByBackupPlanId") in (None, (point.get("CreatedBy") or {}).get("BackupPlanId"))
            and params.get("ByParentRecoveryPointArn") in (None, point.get("ParentRecoveryPointArn"))
            and between(point["CreationDate"], params, "ByCreatedAfter", "ByCreatedBefore")
        ]
    return page(found, params, "RecoveryPoints")


@operation("ListRecoveryPointsByResource")
def list_by_resource(call: Call) -> dict[str, Any]:
    with store.lock:
        region = store.of(call.account_id, call.region)
        found = [
            dict(point)
            for name in sorted(region.vaults)
            for point in region.points_of_vault(name)
            if point["ResourceArn"] == call.params["ResourceArn"]
        ]
    found.sort(key=lambda point: point["CreationDate"], reverse=True)
    return page(found, call.params, "RecoveryPoints")


@operation("GetRecoveryPointRestoreMetadata")
def restore_metadata(call: Call) -> dict[str, Any]:
    _own(call)
    with store.lock:
        point = store.of(call.account_id, call.region).point(
            call.params["BackupVaultName"], call.params["RecoveryPointArn"]
        )
        return {
            "BackupVaultArn": point["BackupVaultArn"],
            "RecoveryPointArn": point["RecoveryPointArn"],
            "ResourceType": point["ResourceType"],
            "RestoreMetadata": restores.settings_of(point),
        }


@operation("DeleteRecoveryPoint")
def delete_recovery_point(call: Call) -> None:
    with store.lock:
        region = store.of(call.account_id, call.region)
        vault = region.vault(call.params["BackupVaultName"])
        point = region.point(vault.name, call.params["RecoveryPointArn"])
        if vault.locked:
            raise ApiError(
                "InvalidRequestException", f"Recovery point cannot be deleted: the vault {vault.name} is locked"
            )
        del region.points[vault.name][point["RecoveryPointArn"]]


@operation("UpdateRecoveryPointLifecycle")
def update_lifecycle(call: Call) -> Point:
    with store.lock:
        region = store.of(call.account_id, call.region)
        vault = region.vault(call.params["BackupVaultName"])
        point = region.point(vault.name, call.params["RecoveryPointArn"])
        if vault.locked:
            raise ApiError(
                "InvalidRequestException", f"The lifecycle cannot be changed: the vault {vault.name} is locked"
            )
        point["Lifecycle"] = dict(call.params.get("Lifecycle") or {})
        point["CalculatedLifecycle"] = store.calculated_lifecycle(point["CreationDate"], point["Lifecycle"])
        return dict(point)


def _protected(call: Call, vault_name: str | None) -> list[dict[str, Any]]:
    newest: dict[str, dict[str, Any]] = {}
    with store.lock:
        region = store.of(call.account_id, call.region)
        for name in sorted(region.vaults) if vault_name is None else [vault_name]:
            for point in region.points_of_vault(name):
                known = newest.get(point["ResourceArn"])
                if known is None or known["LastBackupTime"] < point["CreationDate"]:
                    newest[point["ResourceArn"]] = {
                        "ResourceArn": point["ResourceArn"],
                        "ResourceType": point["ResourceType"],
                        "ResourceName": point.get("ResourceName"),
                        "LastBackupTime": point["CreationDate"],
                        "LastBackupVaultArn": point["BackupVaultArn"],
                        "LastRecoveryPointArn": point["RecoveryPointArn"],
                    }
    return [newest[arn] for arn in sorted(newest)]


@operation("ListProtectedResources")
def list_protected(call: Call) -> dict[str, Any]:
    return page(_protected(call, None), call.params, "Results")


@operation("ListProtectedResourcesByBackupVault")
def list_protected_by_vault(call: Call) -> dict[str, Any]:
    with store.lock:
        store.of(call.account_id, call.region).vault(call.params["BackupVaultName"])
    return page(_protected(call, call.params["BackupVaultName"]), call.params, "Results")


@operation("DescribeProtectedResource")
def describe_protected(call: Call) -> dict[str, Any]:
    for one in _protected(call, None):
        if one["ResourceArn"] == call.params["ResourceArn"]:
            return one
    raise ApiError("ResourceNotFoundException", f"Cannot find protected resource {call.params['ResourceArn']}")
