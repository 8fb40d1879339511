"""A job's way through its states, on a thread of its own: what happens, and which event tells of it."""

from __future__ import annotations

import logging
import sys
import uuid
from collections.abc import Callable
from typing import Any

from lab import clock

from .. import accounts, calls, cloudtrail, controls, copy, events, kms
from ..requirements import Actor, Need, On
from . import job_events, points, resources, restores, store
from .resources import Resource
from .store import Vault

log = logging.getLogger(__name__)

Job = dict[str, Any]

INTERNAL = "The lab failed while it ran this job"


def _move(job: Job, **members: Any) -> None:
    with store.lock:
        job.update(members)


def _fail_loudly(job: Job, state_member: str, tell: Any) -> None:
    """A defect of the lab must end as a failed job with a clear text, never as a job that hangs."""
    log.exception("a job of the lab failed unexpectedly")
    why = f"{INTERNAL}: {sys.exc_info()[1]}"
    _move(job, **{state_member: "FAILED"}, StatusMessage=why, CompletionDate=clock.now())
    tell(job)


def _service_event(job: Job, name: str, **details: Any) -> None:
    """AWS Backup writes its own service events into the history of the job's owner."""
    cloudtrail.record(
        job["AccountId"],
        job["_region"],
        "backup.amazonaws.com",
        name,
        {"accountId": job["AccountId"], "invokedBy": "backup.amazonaws.com"},
        event_type="AwsServiceEvent",
        extra={"serviceEventDetails": details},
    )


# -- backup ------------------------------------------------------------------------------------------------------------


def run_backup(job: Job, resource: Resource, vault: Vault, afterwards: Callable[[Job], None] | None = None) -> None:
    try:
        _run_backup(job, resource, vault)
        if afterwards is not None and job["State"] == "COMPLETED":
            afterwards(job)
    except Exception:
        _fail_loudly(job, "State", job_events.backup_job)


def _run_backup(job: Job, resource: Resource, vault: Vault) -> None:
    job_events.backup_job(job)
    wanted = controls.take_next_job(job["AccountId"], job["_region"], "backup")
    if wanted is not None and wanted["state"] in ("EXPIRED", "ABORTED"):
        # Such a job never ran: the window closed, or somebody stopped it.
        _end_backup(job, wanted["state"], wanted.get("status_message"), wanted.get("message_category"))
        return
    _move(job, State="RUNNING")
    job_events.backup_job(job)
    state, message, category = "COMPLETED", None, "SUCCESS"
    if wanted is not None:
        state, message = wanted["state"], wanted.get("status_message")
        category = wanted.get("message_category") or ("SUCCESS" if state == "COMPLETED" else "MISCELLANEOUS")
    else:
        refusal = _backup_refusal(job, resource, vault)
        if refusal is not None:
            state, (message, category) = "FAILED", refusal
    if state == "PARTIAL":
        _children(job, wanted or {}, "BackupJobId", "backup_jobs", job_events.backup_job)
    if state in ("COMPLETED", "PARTIAL"):
        _store_backup(job, resource, vault)
    _end_backup(job, state, message, category)


def _backup_refusal(job: Job, resource: Resource, vault: Vault) -> tuple[str, str] | None:
    role = accounts.role_by_arn(job["IamRoleArn"])
    if role is None or not accounts.trusts_backup(role):
        return f"IAM Role {job['IamRoleArn']} cannot be assumed by AWS Backup", "AccessDenied"
    days = (job.get("RecoveryPointLifecycle") or {}).get("DeleteAfterDays")
    if vault.locked and (
        (vault.min_retention_days is not None and days is not None and days < vault.min_retention_days)
        or (vault.max_retention_days is not None and (days is None or days > vault.max_retention_days))
    ):
        return (
            "Backup job failed because the lifecycle is outside the valid range for backup vault.",
            "InvalidParameters",
        )
    managed = resources.fully_managed(resource.resource_type, job["AccountId"], job["_region"])
    key = kms.key_by_arn(vault.encryption_key_arn if managed else resource.key_arn)
    state = kms.state_error(key) if key is not None else None
    if state is not None:
        return "KMS key is either disabled or pending deletion or access to KMS key is denied", "AccessDenied"
    if resource.resource_type == "EBS":
        need = Need(Actor.JOB_ROLE, "ec2:CreateSnapshot", On.RECOVERY_POINT, "P11")
        failure = calls.make(need, role, job["_region"], calls.Target(resource.arn, job["AccountId"]))
        if failure is not None:
            return failure.message, "AccessDenied"
    return None


def _store_backup(job: Job, resource: Resource, vault: Vault) -> None:
    managed = resources.fully_managed(resource.resource_type, job["AccountId"], job["_region"])
    air_gapped = vault.vault_type != "BACKUP_VAULT"
    arn = resources.new_recovery_point_arn(
        resource.resource_type, managed or air_gapped, job["AccountId"], job["_region"], "job"
    )
    key_arn = vault.encryption_key_arn if managed or air_gapped else resource.key_arn
    point = points.add(vault, arn, job, EncryptionKeyArn=key_arn, Lifecycle=job.get("RecoveryPointLifecycle"))
    _move(job, RecoveryPointArn=arn, EncryptionKeyArn=point["EncryptionKeyArn"], IsEncrypted=point["IsEncrypted"])
    job_events.recovery_point(job["AccountId"], job["_region"], point)


def _end_backup(job: Job, state: str, message: str | None, category: str | None) -> None:
    done = state in ("COMPLETED", "PARTIAL")
    _move(
        job,
        State=state,
        StatusMessage=message,
        MessageCategory=category or "MISCELLANEOUS",
        CompletionDate=clock.now(),
        PercentDone="100.0" if done else "0.0",
        BytesTransferred=job["BackupSizeInBytes"] if done else 0,
    )
    job_events.backup_job(job)
    _service_event(
        job,
        "BackupJobCompleted",
        state=state,
        backupJobId=job["BackupJobId"],
        backupVaultArn=job["BackupVaultArn"],
        backupVaultName=job["BackupVaultName"],
        resourceArn=job["ResourceArn"],
        resourceType=job["ResourceType"],
        iamRoleArn=job["IamRoleArn"],
    )


# -- copy --------------------------------------------------------------------------------------------------------------


def run_copy(job: Job, point: Job) -> None:
    try:
        _run_copy(job, point)
    except Exception:
        _fail_loudly(job, "State", job_events.copy_job)


def _run_copy(job: Job, point: Job) -> None:
    job_events.copy_job(job)
    wanted = controls.take_next_job(job["AccountId"], job["_region"], "copy")
    if wanted is not None and wanted["state"] == "CREATED":
        # AWS keeps a copy so for up to two hours while it tries.
        return
    _service_event(job, "CopyJobStarted", copyJobId=job["CopyJobId"], resourceArn=job["ResourceArn"])
    _move(job, State="RUNNING")
    job_events.copy_job(job)
    if wanted is None:
        outcome = copy.run(job, point)
    else:
        category = "SUCCESS" if wanted["state"] == "COMPLETED" else "MISCELLANEOUS"
        outcome = copy.Outcome(
            wanted["state"], wanted.get("status_message") or "", wanted.get("message_category") or category
        )
        if wanted["state"] == "PARTIAL":
            _children(job, wanted, "CopyJobId", "copy_jobs", job_events.copy_job)
    vault = store.vault_by_arn(job["DestinationBackupVaultArn"])
    if outcome.recovery_point_arn and vault is not None:
        _store_copy(job, point, vault, outcome)
    _move(
        job,
        State=outcome.state,
        StatusMessage=outcome.message or None,
        MessageCategory=outcome.category,
        CompletionDate=clock.now(),
    )
    job_events.copy_job(job)
    _snapshot_notification(job, outcome)
    if outcome.state == "COMPLETED":
        _service_event(job, "CopyJobCompleted", copyJobId=job["CopyJobId"], resourceArn=job["ResourceArn"])


def _store_copy(job: Job, point: Job, vault: Vault, outcome: copy.Outcome) -> None:
    copied = points.add(
        vault,
        outcome.recovery_point_arn,
        {**job, "CreationDate": job["CreationDate"]},
        EncryptionKeyArn=outcome.encryption_key_arn,
        Lifecycle=job.get("DestinationRecoveryPointLifecycle") or point.get("Lifecycle"),
        SourceBackupVaultArn=job["SourceBackupVaultArn"],
    )
    _move(
        job,
        DestinationRecoveryPointArn=outcome.recovery_point_arn,
        DestinationEncryptionKeyArn=copied["EncryptionKeyArn"],
    )
    job_events.recovery_point(vault.account_id, vault.region, copied)


def _snapshot_notification(job: Job, outcome: copy.Outcome) -> None:
    """EBS tells the account that made the copy; a failed one shows there as well."""
    late_failure = outcome.state == "FAILED" and outcome.message.startswith("Given key ID")
    if job["ResourceType"] != "EBS" or not (outcome.state == "COMPLETED" or late_failure):
        return
    destination = job["DestinationBackupVaultArn"]
    account_id, region = accounts.account_of(destination), accounts.region_of(destination)
    succeeded = outcome.state == "COMPLETED"
    detail = {
        "event": "copySnapshot",
        "result": "succeeded" if succeeded else "failed",
        "cause": "" if succeeded else outcome.message,
        "request-id": "",
        "snapshot_id": outcome.recovery_point_arn or f"arn:aws:ec2::{region}:snapshot/snap-{uuid.uuid4().hex[:17]}",
        "source": job["SourceRecoveryPointArn"],
        "startTime": events.iso_seconds(job["CreationDate"]),
        "endTime": events.iso_seconds(job["CompletionDate"]),
    }
    events.emit(account_id, region, "aws.ec2", "EBS Snapshot Notification", detail, [detail["snapshot_id"]])


# -- composite jobs ----------------------------------------------------------------------------------------------------


def _children(job: Job, wanted: dict[str, Any], id_member: str, kind: str, tell: Any) -> None:
    """Child jobs of a composite resource; each has its own events, the parent ends as PARTIAL."""
    children = wanted.get("children") or [{"state": "COMPLETED"}, {"state": "FAILED", "status_message": copy.FATAL}]
    counts: dict[str, int] = {}
    for wish in children:
        state = str(wish.get("state", "COMPLETED"))
        counts[state] = counts.get(state, 0) + 1
        child = dict(job)
        child |= {
            id_member: str(uuid.uuid4()).upper(),
            "ParentJobId": job[id_member],
            "IsParent": False,
            "State": state,
            "StatusMessage": wish.get("status_message"),
            "CompletionDate": clock.now(),
            "RecoveryPointArn": resources.new_recovery_point_arn("EBS", False, job["AccountId"], job["_region"], "job"),
        }
        with store.lock:
            getattr(store.of(job["AccountId"], job["_region"]), kind)[child[id_member]] = child
        tell(child)
    _move(job, IsParent=True, NumberOfChildJobs=len(children), ChildJobsInState=counts)


# -- restore -----------------------------------------------------------------------------------------------------------


def run_restore(job: Job, point: Job) -> None:
    try:
        _run_restore(job, point)
    except Exception:
        _fail_loudly(job, "Status", job_events.restore_job)


def _run_restore(job: Job, point: Job) -> None:
    job_events.restore_job({**job, "Status": "CREATED"})
    job_events.restore_job(job)
    _move(job, Status="RUNNING")
    job_events.restore_job(job)
    wanted = controls.take_next_job(job["AccountId"], job["_region"], "restore")
    status, message = "COMPLETED", None
    if wanted is not None:
        status, message = wanted["state"], wanted.get("status_message")
    else:
        role = accounts.role_by_arn(job["IamRoleArn"]) if job["IamRoleArn"] else None
        if role is None or not accounts.trusts_backup(role):
            message = "IAM Role cannot be assumed by AWS Backup"
        else:
            message = restores.refusal(job, point, role)
        status = "FAILED" if message else "COMPLETED"
    created = f"{job['SourceResourceArn']}-{str(uuid.uuid4())[:8]}" if status == "COMPLETED" else None
    # What a restore test makes goes by itself; a job whose end was asked for made nothing.
    if created and wanted is None and not job.get("CreatedBy"):
        created, message = restores.make(job)
        status = "COMPLETED" if created else "FAILED"
    _move(
        job,
        Status=status,
        StatusMessage=message or None,
        CompletionDate=clock.now(),
        CreatedResourceArn=created,
        PercentDone="100.00%" if status == "COMPLETED" else "0.00%",
    )
    job_events.restore_job(job)
