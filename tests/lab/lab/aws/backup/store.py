"""State of AWS Backup per account and Region. Jobs and recovery points are kept under the member names of the API."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from lab import clock

from ..errors import ApiError

# Everything in here is read and changed under this lock, by request threads and by job threads.
lock = threading.RLock()


@dataclass
class Vault:
    name: str
    account_id: str
    region: str
    encryption_key_arn: str
    creation_date: datetime
    creator_request_id: str | None = None
    vault_type: str = "BACKUP_VAULT"
    policy: str | None = None
    min_retention_days: int | None = None
    max_retention_days: int | None = None
    locked: bool = False
    lock_date: datetime | None = None
    notifications: dict[str, Any] | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:backup:{self.region}:{self.account_id}:backup-vault:{self.name}"

    def immutable(self) -> bool:
        return self.lock_date is not None and clock.now() >= self.lock_date


@dataclass
class RegionStore:
    account_id: str
    region: str
    vaults: dict[str, Vault] = field(default_factory=dict)
    # By vault name, then by recovery point ARN.
    points: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))
    backup_jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    copy_jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    # From the token of a call to the id of its job.
    copy_tokens: dict[str, str] = field(default_factory=dict)
    restore_tokens: dict[str, str] = field(default_factory=dict)
    restore_jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    plans: dict[str, dict[str, Any]] = field(default_factory=dict)
    selections: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))
    opt_in: dict[str, bool] = field(default_factory=dict)
    management: dict[str, bool] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    # Restore testing plans and their selections, by name.
    restore_plans: dict[str, dict[str, Any]] = field(default_factory=dict)
    restore_selections: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))

    def vault(self, name: str) -> Vault:
        try:
            return self.vaults[name]
        except KeyError:
            raise ApiError("ResourceNotFoundException", f"Backup vault {name} was not found") from None

    def point(self, vault_name: str, arn: str) -> dict[str, Any]:
        self.vault(vault_name)
        try:
            return self.points[vault_name][arn]
        except KeyError:
            raise ApiError("ResourceNotFoundException", f"Cannot find recovery point {arn}") from None

    def points_of_vault(self, name: str) -> list[dict[str, Any]]:
        return sorted(
            self.points[name].values(),
            key=lambda point: (point["CreationDate"], point["RecoveryPointArn"]),
            reverse=True,
        )


@dataclass
class GlobalSettings:
    """Settings of the organization; the management account writes them, every member reads them."""

    values: dict[str, str] = field(
        default_factory=lambda: {
            "isCrossAccountBackupEnabled": "true",
            "isMpaEnabled": "false",
            "isDelegatedAdministratorEnabled": "false",
        }
    )
    updated_at: datetime = field(default_factory=clock.now)


_stores: dict[tuple[str, str], RegionStore] = {}
_global_settings = GlobalSettings()


def of(account_id: str, region: str) -> RegionStore:
    with lock:
        key = (account_id, region)
        if key not in _stores:
            _stores[key] = RegionStore(account_id, region)
        return _stores[key]


def stores() -> list[RegionStore]:
    with lock:
        return [_stores[key] for key in sorted(_stores)]


def vault_by_arn(arn: str) -> Vault | None:
    parts = arn.split(":")
    if len(parts) < 7 or parts[5] != "backup-vault":
        return None
    with lock:
        return of(parts[4], parts[3]).vaults.get(parts[6])


def global_settings() -> GlobalSettings:
    return _global_settings


def reset() -> None:
    global _global_settings
    with lock:
        _stores.clear()
        _global_settings = GlobalSettings()


def calculated_lifecycle(created: datetime, lifecycle: dict[str, Any] | None) -> dict[str, Any]:
    if not lifecycle:
        return {}
    calculated: dict[str, Any] = {}
    if lifecycle.get("DeleteAfterDays"):
        calculated["DeleteAt"] = created + timedelta(days=int(lifecycle["DeleteAfterDays"]))
    if lifecycle.get("MoveToColdStorageAfterDays"):
        calculated["MoveToColdStorageAt"] = created + timedelta(days=int(lifecycle["MoveToColdStorageAfterDays"]))
    return calculated
