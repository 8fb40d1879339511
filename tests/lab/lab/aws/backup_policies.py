"""Backup policies of the organization: the effective policy of an account, and the plans that AWS Backup makes of it.

https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_inheritance_mgmt.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from lab import clock

from . import accounts
from .backup import store
from .backup.wire import Call
from .errors import ApiError
from .operations import operation

_ALLOWED = "@@operators_allowed_for_child_policies"


def merged(inherited: Any, policy: Any) -> Any:
    """One step down the organization: what a policy makes of the effective value above it."""
    if not isinstance(policy, dict):
        return policy
    operators = {name: value for name, value in policy.items() if name.startswith("@@") and name != _ALLOWED}
    if operators:
        value = operators.get("@@assign", inherited)
        if "@@append" in operators:
            value = [*(value or []), *(one for one in _list(operators["@@append"]) if one not in (value or []))]
        if "@@remove" in operators:
            value = [one for one in value or [] if one not in _list(operators["@@remove"])]
        return value
    result = dict(inherited) if isinstance(inherited, dict) else {}
    for name, value in policy.items():
        if name != _ALLOWED:
            result[name] = merged(result.get(name), value)
    return result


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def effective(account_id: str) -> dict[str, Any] | None:
    """The effective backup policy of an account; `None` where the organization has the policy type switched off."""
    levels = accounts.backup_policy_levels(account_id)
    if levels is None:
        return None
    policy: dict[str, Any] = {}
    for attached in (one for level in levels for one in level):
        policy = merged(policy, attached)
    return policy


def make_plans() -> int:
    """Makes the effective policies of all accounts read-only plans, as AWS Backup does some time after a change."""
    made = 0
    for account_id in accounts.members():
        wanted = []
        for name, plan in (effective(account_id) or {}).get("plans", {}).items():
            wanted += [(region, *_plan(name, plan, account_id, region)) for region in plan["regions"]]
        with store.lock:
            for state in store.stores():
                if state.account_id == account_id:
                    for old in [plan_id for plan_id in state.plans if plan_id.startswith("orgs/")]:
                        del state.plans[old]
                        state.selections.pop(old, None)
            for region, plan, selections in wanted:
                state = store.of(account_id, region)
                state.plans[plan["BackupPlanId"]] = plan
                state.selections[plan["BackupPlanId"]].update(selections)
        made += len(wanted)
    return made


def _rule(name: str, rule: dict[str, Any], here: Callable[[str], str]) -> dict[str, Any]:
    """A rule of a plan; the numbers of a policy are texts."""
    windows = {
        "StartWindowMinutes": rule.get("start_backup_window_minutes"),
        "CompletionWindowMinutes": rule.get("complete_backup_window_minutes"),
    }
    return {
        "RuleId": name,
        "RuleName": name,
        "TargetBackupVaultName": here(rule["target_backup_vault_name"]),
        "ScheduleExpression": rule.get("schedule_expression", ""),
        "ScheduleExpressionTimezone": rule.get("schedule_expression_timezone", "Etc/UTC"),
        **{member: int(minutes) for member, minutes in windows.items() if minutes},
        "Lifecycle": _lifecycle(rule),
        "CopyActions": [
            {
                "DestinationBackupVaultArn": here(action["target_backup_vault_arn"]),
                "Lifecycle": _lifecycle(action) or {},
            }
            for action in rule.get("copy_actions", {}).values()
        ],
    }


def _lifecycle(policy: dict[str, Any]) -> dict[str, int] | None:
    members = {
        "DeleteAfterDays": "delete_after_days",
        "MoveToColdStorageAfterDays": "move_to_cold_storage_after_days",
    }
    given = policy.get("lifecycle", {})
    return {member: int(given[name]) for member, name in members.items() if given.get(name)} or None


def _plan(name: str, policy: dict[str, Any], account_id: str, region: str) -> tuple[dict[str, Any], dict[str, Any]]:
    def here(text: str) -> str:
        return text.replace("$account", account_id).replace("$region", region)

    plan_id = "orgs/" + hashlib.sha256(f"{account_id} {region} {name}".encode()).hexdigest()[:32]
    rules = [_rule(rule_name, rule, here) for rule_name, rule in policy["rules"].items()]
    selections = {
        tags_name: {
            "SelectionId": tags_name,
            "SelectionName": tags_name,
            "BackupPlanId": plan_id,
            "IamRoleArn": here(tags["iam_role_arn"]),
            "CreationDate": clock.now(),
            "BackupSelection": {
                "SelectionName": tags_name,
                "IamRoleArn": here(tags["iam_role_arn"]),
                "ListOfTags": [
                    {"ConditionType": "STRINGEQUALS", "ConditionKey": tags["tag_key"], "ConditionValue": value}
                    for value in tags["tag_value"]
                ],
            },
        }
        for tags_name, tags in policy["selections"].get("tags", {}).items()
    }
    plan = {
        "BackupPlanId": plan_id,
        "BackupPlanArn": f"arn:aws:backup:{region}:{account_id}:backup-plan:{plan_id}",
        "BackupPlanName": name,
        "BackupPlan": {"BackupPlanName": name, "Rules": rules},
        "CreationDate": clock.now(),
        "VersionId": plan_id.removeprefix("orgs/"),
    }
    return plan, selections


@operation("organizations", "DescribeEffectivePolicy")
def describe_effective_policy(call: Call) -> dict[str, Any]:
    if call.params.get("PolicyType") != accounts.BACKUP_POLICY:
        raise ApiError("InvalidInputException", "You specified an invalid value.")
    account_id = call.params.get("TargetId") or call.account_id
    if account_id != call.account_id and not accounts.reads_the_organization(call.account_id):
        raise ApiError("AccessDeniedException", "You don't have permissions to access this resource.")
    policy = effective(account_id)
    if policy is None:
        raise ApiError("EffectivePolicyNotFoundException", "There is no effective policy of this type")
    content = json.dumps(policy, sort_keys=True)
    return {"EffectivePolicy": {"PolicyContent": content, "TargetId": account_id, "PolicyType": accounts.BACKUP_POLICY}}


def install() -> None:
    """Let Organizations have backup policies, which moto lacks."""
    from moto.organizations.models import FakePolicy

    make = FakePolicy.__init__

    def make_policy(self: Any, organization: Any, **members: Any) -> None:
        is_backup_policy = members.get("Type") == accounts.BACKUP_POLICY
        # moto knows the type by name only; a tag policy is made in the same way.
        make(self, organization, **(members | {"Type": "TAG_POLICY"} if is_backup_policy else members))
        if is_backup_policy:
            self.type = accounts.BACKUP_POLICY
            self._arn_format = self._arn_format.replace("tag_policy", "backup_policy")

    FakePolicy.__init__ = make_policy
