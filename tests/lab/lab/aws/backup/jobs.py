"""Backup, copy and restore jobs through the API: start, describe, list."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from lab import clock, work

from .. import accounts, calls, cloudtrail, copy
from ..errors import ApiError
from . import lifecycle, resources, store
from .points import between
from .wire import Call, operation, page

Job = dict[str, Any]


def _job_id(upper: bool) -> str:
    # Samples of AWS show both cases; whoever compares ids must not care.
    text = str(uuid.uuid4())
    return text.upper() if upper else text


def _role_or_refuse(call: Call) -> str:
    arn = str(call.params.get("IamRoleArn") or "")
    if f":iam::{call.account_id}:role/" not in arn:
        raise ApiError("InvalidParameterValueException", f"IAM Role {arn} cannot be assumed by AWS Backup")
    return arn


@operation("StartBackupJob")
def start_backup_job(call: Call) -> Job:
    _role_or_refuse(call)
    if call.params.get("StartWindowMinutes", 60) < 60:
        raise ApiError("InvalidParameterValueException", "StartWindowMinutes must be at least 60")
    return begin_backup(call.account_id, call.region, call.params)


def begin_backup(
    account_id: str,
    region: str,
    params: dict[str, Any],
    created_by: Job | None = None,
    afterwards: Callable[[Job], None] | None = None,
) -> Job:
    """A backup job, on demand or of the rule of a plan; `params` as StartBackupJob has them. `afterwards` follows one that completed."""
    now = clock.now()
    with store.lock:
        vault = store.of(account_id, region).vault(params["BackupVaultName"])
        resource = resources.find(params["ResourceArn"], account_id, region)
        job: Job = {
            "_region": region,
            "AccountId": account_id,
            "BackupJobId": _job_id(upper=False),
            "BackupVaultName": vault.name,
            "BackupVaultArn": vault.arn,
            "VaultType": vault.vault_type,
            "ResourceArn": resource.arn,
            "ResourceType": resource.resource_type,
            "ResourceName": resource.name,
            "IamRoleArn": params["IamRoleArn"],
            "State": "CREATED",
            "CreationDate": now,
            "InitiationDate": now,
            "StartBy": now + timedelta(minutes=params.get("StartWindowMinutes", 480)),
            "ExpectedCompletionDate": now + timedelta(hours=1),
            "PercentDone": "0.0",
            "BackupSizeInBytes": resource.size_in_bytes,
            "RecoveryPointLifecycle": params.get("Lifecycle"),
            "BackupOptions": params.get("BackupOptions") or {},
            "CreatedBy": created_by,
            "IsParent": False,
        }
        store.of(account_id, region).backup_jobs[job["BackupJobId"]] = job
    work.later(0, lifecycle.run_backup, job, resource, vault, afterwards)
    return job


@operation("StartCopyJob")
def start_copy_job(call: Call) -> Job:
    _role_or_refuse(call)
    arn = str(call.params["RecoveryPointArn"])
    token = str(call.params.get("IdempotencyToken") or "")
    with store.lock:
        region = store.of(call.account_id, call.region)
        # The same call again: success, and nothing happens.
        # https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartCopyJob.html
        if token in region.copy_tokens:
            return region.copy_jobs[region.copy_tokens[token]]
        # "Does not support continuous backups."
        if ":continuous:" in arn or region.point(call.params["SourceBackupVaultName"], arn)["Status"] == "AVAILABLE":
            raise ApiError("InvalidRequestException", "Copy of a continuous recovery point is not supported")
        job = begin_copy(call.account_id, call.region, call.params)
        if token:
            region.copy_tokens[token] = job["CopyJobId"]
    return job


def begin_copy(account_id: str, region_name: str, params: dict[str, Any], backup_job_id: str | None = None) -> Job:
    """A copy job, on demand or of the rule of a plan after its backup job; `params` as StartCopyJob has them."""
    destination = params["DestinationBackupVaultArn"]
    parts = destination.split(":")
    if len(parts) != 7 or parts[2] != "backup" or parts[5] != "backup-vault":
        raise ApiError("InvalidParameterValueException", f"Invalid destination vault ARN: {destination}")
    with store.lock:
        region = store.of(account_id, region_name)
        vault = region.vault(params["SourceBackupVaultName"])
        point = dict(region.point(vault.name, params["RecoveryPointArn"]))
        destination_vault = store.vault_by_arn(destination)
        job: Job = {
            "_region": region_name,
            "AccountId": account_id,
            "CopyJobId": _job_id(upper=True),
            "SourceBackupVaultArn": vault.arn,
            "SourceRecoveryPointArn": point["RecoveryPointArn"],
            "DestinationBackupVaultArn": destination,
            "DestinationVaultType": destination_vault.vault_type if destination_vault else None,
            "DestinationRecoveryPointLifecycle": params.get("Lifecycle"),
            "ResourceArn": point["ResourceArn"],
            "ResourceType": point["ResourceType"],
            "ResourceName": point.get("ResourceName"),
            "IamRoleArn": params["IamRoleArn"],
            "State": "CREATED",
            "CreationDate": clock.now(),
            "BackupSizeInBytes": point.get("BackupSizeInBytes"),
            "CreatedBy": point.get("CreatedBy"),
            "CreatedByBackupJobId": backup_job_id,
            "IsParent": False,
        }
        region.copy_jobs[job["CopyJobId"]] = job
    work.later(0, lifecycle.run_copy, job, point)
    return job


def would_copy(
    account_id: str, region_name: str, vault_name: str, point_arn: str, destination: str, role_arn: str
) -> copy.Outcome:
    """How a copy would end now, by what decides every copy; without the job and without its traces."""
    with store.lock:
        region = store.of(account_id, region_name)
        point = dict(region.point(vault_name, point_arn))
        job: Job = {
            "SourceBackupVaultArn": region.vault(vault_name).arn,
            "DestinationBackupVaultArn": destination,
            "ResourceArn": point["ResourceArn"],
            "ResourceType": point["ResourceType"],
            "IamRoleArn": role_arn,
        }
    with cloudtrail.unrecorded():
        try:
            return copy.run(job, point)
        except calls.UncertainOutcome as open_point:
            return copy.Outcome("UNCERTAIN", str(open_point))


@operation("StartRestoreJob")
def start_restore_job(call: Call) -> Job:
    role_arn = _role_or_refuse(call) if call.params.get("IamRoleArn") else ""
    token = str(call.params.get("IdempotencyToken") or "")
    with store.lock:
        region = store.of(call.account_id, call.region)
        # "Retrying a successful request with the same idempotency token results in a success message with no action taken."
        # https://docs.aws.amazon.com/aws-backup/latest/devguide/API_StartRestoreJob.html
        if token in region.restore_tokens:
            return region.restore_jobs[region.restore_tokens[token]]
        job = begin_restore(call.account_id, call.region, {**call.params, "IamRoleArn": role_arn})
        if token:
            region.restore_tokens[token] = job["RestoreJobId"]
    return job


def begin_restore(account_id: str, region_name: str, params: dict[str, Any], created_by: Job | None = None) -> Job:
    """A restore job, on demand or of a restore testing plan; `params` as StartRestoreJob has them."""
    arn = params["RecoveryPointArn"]
    with store.lock:
        region = store.of(account_id, region_name)
        point = next((region.points[name][arn] for name in sorted(region.points) if arn in region.points[name]), None)
        if point is None:
            raise ApiError("ResourceNotFoundException", f"Cannot find recovery point {arn}")
        job: Job = {
            "_region": region_name,
            "_metadata": dict(params.get("Metadata") or {}),
            "AccountId": account_id,
            "RestoreJobId": _job_id(upper=True),
            "RecoveryPointArn": arn,
            "SourceResourceArn": point["ResourceArn"],
            "BackupVaultArn": point["BackupVaultArn"],
            "ResourceType": point["ResourceType"],
            "IamRoleArn": params["IamRoleArn"],
            "Status": "PENDING",
            "CreationDate": clock.now(),
            "RecoveryPointCreationDate": point["CreationDate"],
            "PercentDone": "0.00%",
            "BackupSizeInBytes": point.get("BackupSizeInBytes"),
            "CreatedBy": created_by,
            "IsParent": False,
        }
        region.restore_jobs[job["RestoreJobId"]] = job
    work.later(0, lifecycle.run_restore, job, dict(point))
    return job


def _found(jobs: dict[str, Job], job_id: str) -> Job:
    for known, job in jobs.items():
        # Ids are compared without case: events and APIs of AWS differ in it.
        if known.lower() == job_id.lower():
            return job
    raise ApiError("ResourceNotFoundException", f"Cannot find job {job_id}")


@operation("DescribeBackupJob")
def describe_backup_job(call: Call) -> Job:
    with store.lock:
        return dict(_found(store.of(call.account_id, call.region).backup_jobs, call.params["BackupJobId"]))


@operation("DescribeCopyJob")
def describe_copy_job(call: Call) -> dict[str, Any]:
    with store.lock:
        return {"CopyJob": dict(_found(store.of(call.account_id, call.region).copy_jobs, call.params["CopyJobId"]))}


@operation("DescribeRestoreJob")
def describe_restore_job(call: Call) -> Job:
    with store.lock:
        return dict(_found(store.of(call.account_id, call.region).restore_jobs, call.params["RestoreJobId"]))


@operation("GetRestoreJobMetadata")
def restore_job_metadata(call: Call) -> Job:
    with store.lock:
        job = _found(store.of(call.account_id, call.region).restore_jobs, call.params["RestoreJobId"])
        return {"RestoreJobId": job["RestoreJobId"], "Metadata": job["_metadata"]}


# -- lists -------------------------------------------------------------------------------------------------------------


def _visible_accounts(call: Call) -> list[str]:
    """Accounts whose jobs a list shows. Other accounts only for the management account, as documented."""
    wanted = call.params.get("ByAccountId", call.account_id)
    if wanted == call.account_id:
        return [wanted]
    if call.account_id != accounts.management_account():
        return []
    return sorted({one.account_id for one in store.stores()}) if wanted == "*" else [wanted]


def _listed(call: Call, kind: str, fields: dict[str, str]) -> list[Job]:
    params = call.params
    with store.lock:
        jobs = [
            dict(job)
            for account_id in _visible_accounts(call)
            for job in getattr(store.of(account_id, call.region), kind).values()
            if all(params.get(name) in (None, job.get(member)) for name, member in fields.items())
            and _category_matches(params.get("ByMessageCategory"), job)
            and between(job["CreationDate"], params, "ByCreatedAfter", "ByCreatedBefore")
            and between(job.get("CompletionDate"), params, "ByCompleteAfter", "ByCompleteBefore")
        ]
    jobs.sort(key=lambda job: (job["CreationDate"], job.get("CopyJobId") or job.get("BackupJobId") or ""), reverse=True)
    return jobs


def _category_matches(wanted: str | None, job: Job) -> bool:
    if wanted in (None, "ANY", "AGGREGATE_ALL"):
        return True
    return str(job.get("MessageCategory") or "").lower() == wanted.lower()


@operation("ListBackupJobs")
def list_backup_jobs(call: Call) -> dict[str, Any]:
    fields = {
        "ByResourceArn": "ResourceArn",
        "ByState": "State",
        "ByBackupVaultName": "BackupVaultName",
        "ByResourceType": "ResourceType",
        "ByParentJobId": "ParentJobId",
    }
    return page(_listed(call, "backup_jobs", fields), call.params, "BackupJobs")


@operation("ListCopyJobs")
def list_copy_jobs(call: Call) -> dict[str, Any]:
    fields = {
        "ByResourceArn": "ResourceArn",
        "ByState": "State",
        "ByResourceType": "ResourceType",
        "ByDestinationVaultArn": "DestinationBackupVaultArn",
        "ByParentJobId": "ParentJobId",
        "BySourceRecoveryPointArn": "SourceRecoveryPointArn",
    }
    return page(_listed(call, "copy_jobs", fields), call.params, "CopyJobs")


@operation("ListRestoreJobs")
def list_restore_jobs(call: Call) -> dict[str, Any]:
    fields = {"ByResourceType": "ResourceType", "ByStatus": "Status", "ByParentJobId": "ParentJobId"}
    wanted = call.params.get("ByRestoreTestingPlanArn")
    found = [
        job
        for job in _listed(call, "restore_jobs", fields)
        if wanted in (None, (job.get("CreatedBy") or {}).get("RestoreTestingPlanArn"))
    ]
    return page(found, call.params, "RestoreJobs")


@operation("ListScanJobs")
def list_scan_jobs(call: Call) -> dict[str, Any]:
    # The lab makes no scan jobs; the list is there, and empty.
    return page([], call.params, "ScanJobs")
