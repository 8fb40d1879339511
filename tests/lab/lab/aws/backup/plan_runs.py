"""The moment at which the rules of a plan are due: backups of what its selections choose, and the copies that its rules ask for."""

from __future__ import annotations

from typing import Any

from . import jobs, selections, store


def run(account_id: str, region: str, plan_id: str, only: str | None = None) -> list[str]:
    """Makes the backup jobs of a plan, or those of one resource; the ids of the jobs."""
    with store.lock:
        state = store.of(account_id, region)
        plan = state.plans.get(plan_id)
        if plan is None:
            raise ValueError(f"there is no plan `{plan_id}` in account {account_id}, {region}")
        rules = list(plan["BackupPlan"]["Rules"])
        chosen = [
            (resource, one["BackupSelection"]["IamRoleArn"])
            for one in state.selections[plan_id].values()
            for resource in selections.chosen(account_id, region, plan_id, one["BackupSelection"])
            if only in (None, resource)
        ]
    made = []
    for rule in rules:
        created_by = {
            "BackupPlanId": plan_id,
            "BackupPlanArn": plan["BackupPlanArn"],
            "BackupPlanName": plan["BackupPlanName"],
            "BackupPlanVersion": plan["VersionId"],
            "BackupRuleId": rule["RuleId"],
            "BackupRuleName": rule["RuleName"],
        }
        for resource, role in chosen:
            params = {
                "BackupVaultName": rule["TargetBackupVaultName"],
                "ResourceArn": resource,
                "IamRoleArn": role,
                "StartWindowMinutes": rule.get("StartWindowMinutes", 480),
                "Lifecycle": rule.get("Lifecycle"),
            }
            job = jobs.begin_backup(account_id, region, params, created_by, _copies(rule))
            made.append(job["BackupJobId"])
    return made


def _copies(rule: dict[str, Any]) -> Any:
    """What follows a backup of the rule that completed."""

    def begin(job: dict[str, Any]) -> None:
        for action in rule.get("CopyActions") or []:
            params = {
                "RecoveryPointArn": job["RecoveryPointArn"],
                "SourceBackupVaultName": job["BackupVaultName"],
                "DestinationBackupVaultArn": action["DestinationBackupVaultArn"],
                "IamRoleArn": job["IamRoleArn"],
                "Lifecycle": action.get("Lifecycle"),
            }
            jobs.begin_copy(job["AccountId"], job["_region"], params, job["BackupJobId"])

    return begin
