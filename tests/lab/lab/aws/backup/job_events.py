"""The events of jobs and recovery points, with the oddities that AWS documents in its samples.

Sources: https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html,
https://docs.aws.amazon.com/eventbridge/latest/ref/events-ref-backup.html
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from .. import events

Job = dict[str, Any]


def _created_by(job: Job) -> dict[str, str] | None:
    creator = job.get("CreatedBy")
    if not creator:
        return None
    return {
        "backupPlanId": creator["BackupPlanId"],
        "backupPlanArn": creator["BackupPlanArn"],
        "backupPlanVersion": creator["BackupPlanVersion"],
        "backupPlanRuleId": creator["BackupRuleId"],
    }


def _put(detail: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        detail[name] = value


def us_locale(moment: datetime) -> str:
    """`Jul 15, 2020 9:39:07 PM`: no zone, no leading zeros."""
    hour = moment.hour % 12 or 12
    return f"{moment:%b} {moment.day}, {moment.year} {hour}:{moment:%M:%S %p}"


def backup_job(job: Job) -> None:
    state = job["State"]
    detail: dict[str, Any] = {"backupJobId": job["BackupJobId"], "state": state}
    detail["creationDate"] = events.iso_milliseconds(job["CreationDate"])
    resources: list[str] = []
    if state != "CREATED":
        detail |= {
            "backupVaultArn": job["BackupVaultArn"],
            "backupVaultName": job["BackupVaultName"],
            "bytesTransferred": str(job.get("BytesTransferred") or 0),
            "iamRoleArn": job["IamRoleArn"],
            "resourceArn": job["ResourceArn"],
            "resourceType": job["ResourceType"],
            "startBy": events.iso_seconds(job["StartBy"]),
            "percentDone": float(job.get("PercentDone") or 0),
        }
        _put(detail, "createdBy", _created_by(job))
    if state in ("RUNNING", "COMPLETED"):
        detail["backupSizeInBytes"] = str(job.get("BackupSizeInBytes") or 0)
    if state == "RUNNING":
        detail["expectedCompletionDate"] = us_locale(job["ExpectedCompletionDate"])
    if state in ("COMPLETED", "FAILED"):
        detail["retryCount"] = 0
    if state in ("COMPLETED", "ABORTED", "EXPIRED"):
        detail["completionDate"] = events.iso_milliseconds(job["CompletionDate"])
    if job.get("StatusMessage") and state not in ("CREATED", "RUNNING"):
        # Quoted twice: once as the text of the message, once by the JSON around it.
        detail["statusMessage"] = json.dumps(job["StatusMessage"])
    if state == "COMPLETED":
        resources = [job["RecoveryPointArn"]]
    events.emit(job["AccountId"], job["_region"], "aws.backup", "Backup Job State Change", detail, resources)


def copy_job(job: Job) -> None:
    state = job["State"]
    detail: dict[str, Any] = {
        "state": state,
        "creationDate": events.iso_milliseconds(job["CreationDate"]),
        "sourceBackupVaultArn": job["SourceBackupVaultArn"],
        "destinationBackupVaultArn": job["DestinationBackupVaultArn"],
    }
    if state != "CREATED":
        detail |= {
            "copyJobId": job["CopyJobId"],
            "backupSizeInBytes": job.get("BackupSizeInBytes") or 0,
            "iamRoleArn": job["IamRoleArn"],
            "resourceArn": job["ResourceArn"],
            "resourceType": job["ResourceType"],
            "destinationRecoveryPointArn": job.get("DestinationRecoveryPointArn") or {},
        }
        _put(detail, "createdBy", _created_by(job))
    if state in ("COMPLETED", "FAILED", "PARTIAL"):
        detail["completionDate"] = events.iso_milliseconds(job["CompletionDate"])
        _put(detail, "statusMessage", job.get("StatusMessage"))
    events.emit(
        job["AccountId"],
        job["_region"],
        "aws.backup",
        "Copy Job State Change",
        detail,
        [job["SourceRecoveryPointArn"]],
    )


def restore_job(job: Job) -> None:
    status = job["Status"]
    detail: dict[str, Any] = {
        "restoreJobId": job["RestoreJobId"],
        "creationDate": events.iso_milliseconds(job["CreationDate"]),
    }
    if status == "CREATED":
        detail["state"] = status
    else:
        detail |= {
            "backupSizeInBytes": str(job.get("BackupSizeInBytes") or 0),
            "iamRoleArn": job["IamRoleArn"],
            "percentDone": 0,
            "resourceType": job["ResourceType"],
            "status": status,
        }
    if status == "COMPLETED":
        detail |= {
            "backupVaultArn": job["BackupVaultArn"],
            "recoveryPointArn": job["RecoveryPointArn"],
            "sourceResourceArn": job["SourceResourceArn"],
            "createdResourceArn": job["CreatedResourceArn"],
        }
    if status in ("COMPLETED", "FAILED", "ABORTED"):
        detail["completionDate"] = events.iso_milliseconds(job["CompletionDate"])
        _put(detail, "statusMessage", job.get("StatusMessage"))
    events.emit(
        job["AccountId"],
        job["_region"],
        "aws.backup",
        "Restore Job State Change",
        detail,
        [job["RecoveryPointArn"]],
    )


def recovery_point(account_id: str, region: str, point: Job) -> None:
    detail: dict[str, Any] = {
        "backupVaultName": point["BackupVaultName"],
        "backupVaultArn": point["BackupVaultArn"],
        "creationDate": events.iso_milliseconds(point["CreationDate"]),
        "iamRoleArn": point["IamRoleArn"],
        "resourceType": point["ResourceType"],
        "resourceArn": point["ResourceArn"],
        "status": point["Status"],
        "isEncrypted": "true" if point["IsEncrypted"] else "false",
        "storageClass": "WARM",
        "completionDate": events.iso_milliseconds(point["CompletionDate"]),
    }
    _put(detail, "createdBy", _created_by(point))
    days = (point.get("Lifecycle") or {}).get("DeleteAfterDays")
    if days:
        detail["lifecycle"] = {"deleteAfterDays": days}
        # The events write a capital C where the API does not.
        detail["calculatedLifeCycle"] = {"deleteAt": events.iso_milliseconds(point["CalculatedLifecycle"]["DeleteAt"])}
    events.emit(account_id, region, "aws.backup", "Recovery Point State Change", detail, [point["RecoveryPointArn"]])
