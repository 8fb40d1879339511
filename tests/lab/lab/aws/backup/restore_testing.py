"""Restore testing plans: what is restored every so often to see whether it can be.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing.html
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lab import clock

from ..errors import ApiError
from . import jobs, store
from .wire import Call, operation, page

Plan = dict[str, Any]
_WINDOW_DAYS = 30


def _state(call: Call) -> store.RegionStore:
    return store.of(call.account_id, call.region)


def _plan(call: Call) -> Plan:
    name = call.params["RestoreTestingPlanName"]
    try:
        return _state(call).restore_plans[name]
    except KeyError:
        raise ApiError("ResourceNotFoundException", f"Cannot find restore testing plan {name}") from None


@operation("CreateRestoreTestingPlan")
def create_plan(call: Call) -> Plan:
    document = call.params["RestoreTestingPlan"]
    name = document["RestoreTestingPlanName"]
    with store.lock:
        if name in _state(call).restore_plans:
            raise ApiError("AlreadyExistsException", f"Restore testing plan {name} already exists")
        plan = {
            "ScheduleExpressionTimezone": "Etc/UTC",
            "StartWindowHours": 24,
            **document,
            "RestoreTestingPlanArn": f"arn:aws:backup:{call.region}:{call.account_id}:restore-testing-plan:{name}",
            "CreationTime": clock.now(),
            "CreatorRequestId": call.params.get("CreatorRequestId"),
        }
        _state(call).restore_plans[name] = plan
        if call.params.get("Tags"):
            _state(call).tags[plan["RestoreTestingPlanArn"]] = dict(call.params["Tags"])
    return plan


@operation("GetRestoreTestingPlan")
def get_plan(call: Call) -> dict[str, Any]:
    with store.lock:
        return {"RestoreTestingPlan": dict(_plan(call))}


@operation("ListRestoreTestingPlans")
def list_plans(call: Call) -> dict[str, Any]:
    with store.lock:
        plans = [dict(plan) for _, plan in sorted(_state(call).restore_plans.items())]
    return page(plans, call.params, "RestoreTestingPlans")


@operation("DeleteRestoreTestingPlan")
def delete_plan(call: Call) -> None:
    with store.lock:
        name = _plan(call)["RestoreTestingPlanName"]
        if _state(call).restore_selections[name]:
            raise ApiError("InvalidRequestException", "Related restore testing selections must be deleted first")
        del _state(call).restore_plans[name]


# -- selections --------------------------------------------------------------------------------------------------------


@operation("CreateRestoreTestingSelection")
def create_selection(call: Call) -> dict[str, Any]:
    document = call.params["RestoreTestingSelection"]
    with store.lock:
        plan = _plan(call)
        selections = _state(call).restore_selections[plan["RestoreTestingPlanName"]]
        name = document["RestoreTestingSelectionName"]
        if name in selections:
            raise ApiError("AlreadyExistsException", f"Restore testing selection {name} already exists")
        selections[name] = {
            **document,
            "RestoreTestingPlanName": plan["RestoreTestingPlanName"],
            "CreationTime": clock.now(),
            "CreatorRequestId": call.params.get("CreatorRequestId"),
        }
        return {**selections[name], "RestoreTestingPlanArn": plan["RestoreTestingPlanArn"]}


def _selection(call: Call) -> dict[str, Any]:
    name = call.params["RestoreTestingSelectionName"]
    try:
        return _state(call).restore_selections[_plan(call)["RestoreTestingPlanName"]][name]
    except KeyError:
        raise ApiError("ResourceNotFoundException", f"Cannot find restore testing selection {name}") from None


@operation("GetRestoreTestingSelection")
def get_selection(call: Call) -> dict[str, Any]:
    with store.lock:
        return {"RestoreTestingSelection": dict(_selection(call))}


@operation("ListRestoreTestingSelections")
def list_selections(call: Call) -> dict[str, Any]:
    with store.lock:
        selections = _state(call).restore_selections[_plan(call)["RestoreTestingPlanName"]]
        found = [dict(one) for _, one in sorted(selections.items())]
    return page(found, call.params, "RestoreTestingSelections")


@operation("DeleteRestoreTestingSelection")
def delete_selection(call: Call) -> None:
    with store.lock:
        selection = _selection(call)
        selections = _state(call).restore_selections[selection["RestoreTestingPlanName"]]
        del selections[selection["RestoreTestingSelectionName"]]


# -- the moment at which a plan is due ---------------------------------------------------------------------------------


def run(account_id: str, region: str, plan_name: str) -> list[str]:
    """Restores the newest recovery point of each resource that the selections of a plan name; the ids of the jobs."""
    state = store.of(account_id, region)
    with store.lock:
        plan = state.restore_plans.get(plan_name)
        if plan is None:
            raise ValueError(f"there is no restore testing plan `{plan_name}` in account {account_id}, {region}")
        selections = [dict(one) for _, one in sorted(state.restore_selections[plan_name].items())]
        wanted = [(point, selection) for selection in selections for point in _newest(state, plan, selection)]
        plan["LastExecutionTime"] = clock.now()
    created_by = {"RestoreTestingPlanArn": plan["RestoreTestingPlanArn"]}
    made = []
    for point, selection in wanted:
        params = {"RecoveryPointArn": point["RecoveryPointArn"], "IamRoleArn": selection["IamRoleArn"]}
        made.append(jobs.begin_restore(account_id, region, params, created_by)["RestoreJobId"])
    return made


def _newest(state: store.RegionStore, plan: Plan, selection: dict[str, Any]) -> list[dict[str, Any]]:
    rules = plan["RecoveryPointSelection"]
    vaults, excluded = rules.get("IncludeVaults") or [], rules.get("ExcludeVaults") or []
    earliest = clock.now() - timedelta(days=rules.get("SelectionWindowDays", _WINDOW_DAYS))
    resources = selection.get("ProtectedResourceArns") or []
    newest: dict[str, dict[str, Any]] = {}
    for vault in state.vaults.values():
        if vault.arn in excluded or not {"*", vault.arn} & set(vaults):
            continue
        for point in state.points_of_vault(vault.name):
            resource = point["ResourceArn"]
            if (
                point["ResourceType"] == selection["ProtectedResourceType"]
                and point["CreationDate"] >= earliest
                and {"*", resource} & set(resources)
                and (resource not in newest or newest[resource]["CreationDate"] < point["CreationDate"])
            ):
                newest[resource] = point
    return [newest[resource] for resource in sorted(newest)]
