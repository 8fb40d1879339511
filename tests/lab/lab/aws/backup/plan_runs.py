"""The moment at which the rules of a plan are due."""

from __future__ import annotations

from . import jobs, store


def run(account_id: str, region: str, plan_id: str) -> list[str]:
    """Makes the backup jobs of a plan; the ids of the jobs. Tags and patterns of selections choose nothing here."""
    with store.lock:
        state = store.of(account_id, region)
        plan = state.plans.get(plan_id)
        if plan is None:
            raise ValueError(f"there is no plan `{plan_id}` in account {account_id}, {region}")
        rules = list(plan["BackupPlan"]["Rules"])
        selections = [one["BackupSelection"] for one in state.selections[plan_id].values()]
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
        for selection in selections:
            for resource in selection.get("Resources") or []:
                params = {
                    "BackupVaultName": rule["TargetBackupVaultName"],
                    "ResourceArn": resource,
                    "IamRoleArn": selection["IamRoleArn"],
                    "StartWindowMinutes": rule.get("StartWindowMinutes", 480),
                    "Lifecycle": rule.get("Lifecycle"),
                }
                made.append(jobs.begin_backup(account_id, region, params, created_by)["BackupJobId"])
    return made
