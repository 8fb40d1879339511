"""Global settings, Region settings, plans, selections and tags."""

from __future__ import annotations

import uuid
from typing import Any

from lab import clock

from .. import accounts, events
from ..errors import ApiError
from . import store
from .wire import Call, operation, page

RESOURCE_TYPES = (
    "Aurora", "CloudFormation", "DocumentDB", "DynamoDB", "EBS", "EC2", "EFS", "EKS", "FSx", "Neptune", "RDS",
    "Redshift", "S3", "SAP HANA on Amazon EC2", "Storage Gateway", "Timestream", "VirtualMachine",
)  # fmt: skip


@operation("DescribeGlobalSettings")
def describe_global_settings(call: Call) -> dict[str, Any]:
    if accounts.organization_of(call.account_id) is None:
        raise ApiError("InvalidRequestException", "The account is not a member of an organization")
    settings = store.global_settings()
    return {"GlobalSettings": dict(sorted(settings.values.items())), "LastUpdateTime": settings.updated_at}


@operation("UpdateGlobalSettings")
def update_global_settings(call: Call) -> None:
    if call.account_id != accounts.management_account():
        raise ApiError("InvalidRequestException", "Only the management account can update the global settings")
    settings = store.global_settings()
    wanted = call.params.get("GlobalSettings") or {}
    for name, value in wanted.items():
        if name not in settings.values or value not in ("true", "false"):
            raise ApiError("InvalidParameterValueException", f"Invalid global setting {name}={value}")
    with store.lock:
        settings.values.update(wanted)
        settings.updated_at = clock.now()


@operation("DescribeRegionSettings")
def describe_region_settings(call: Call) -> dict[str, Any]:
    region = store.of(call.account_id, call.region)
    return {
        "ResourceTypeOptInPreference": {name: region.opt_in.get(name, True) for name in RESOURCE_TYPES},
        "ResourceTypeManagementPreference": {
            "DynamoDB": region.management.get("DynamoDB", False),
            "EFS": region.management.get("EFS", True),
        },
    }


@operation("UpdateRegionSettings")
def update_region_settings(call: Call) -> None:
    region = store.of(call.account_id, call.region)
    opt_in = dict(call.params.get("ResourceTypeOptInPreference") or {})
    with store.lock:
        region.opt_in.update(opt_in)
        region.management.update(call.params.get("ResourceTypeManagementPreference") or {})
    detail = {
        "modifiedAt": events.iso_milliseconds(clock.now()),
        "ResourceTypeOptInPreference": opt_in,
        "state": "MODIFIED",
    }
    events.emit(call.account_id, call.region, "aws.backup", "Region Setting State Change", detail)


@operation("GetSupportedResourceTypes")
def supported_resource_types(call: Call) -> dict[str, Any]:
    return {"ResourceTypes": list(RESOURCE_TYPES)}


# -- plans -------------------------------------------------------------------------------------------------------------


def _with_rule_ids(plan: dict[str, Any]) -> dict[str, Any]:
    rules = [
        {
            "ScheduleExpression": "cron(0 5 ? * * *)",
            "ScheduleExpressionTimezone": "Etc/UTC",
            "StartWindowMinutes": 480,
            "CompletionWindowMinutes": 10080,
            "RuleId": str(uuid.uuid4()),
            **rule,
        }
        for rule in plan.get("Rules", [])
    ]
    return {**plan, "Rules": rules}


def _plan(call: Call) -> dict[str, Any]:
    plan = store.of(call.account_id, call.region).plans.get(call.params["BackupPlanId"])
    if plan is None:
        raise ApiError("ResourceNotFoundException", "Cannot find Backup plan with provided id")
    return plan


def _plan_changed(call: Call, plan: dict[str, Any], state: str, date_field: str) -> None:
    detail = {
        "backupPlanId": plan["BackupPlanId"],
        "versionId": plan["VersionId"],
        date_field: events.iso_milliseconds(clock.now()),
        "state": state,
    }
    events.emit(call.account_id, call.region, "aws.backup", "Backup Plan State Change", detail, [plan["BackupPlanArn"]])


def _version() -> str:
    return uuid.uuid4().hex + uuid.uuid4().hex[:16]


def _as_version(plan: dict[str, Any]) -> dict[str, Any]:
    return {name: plan[name] for name in ("BackupPlanName", "CreationDate", "VersionId")}


@operation("CreateBackupPlan")
def create_plan(call: Call) -> dict[str, Any]:
    document = call.params["BackupPlan"]
    region = store.of(call.account_id, call.region)
    with store.lock:
        if any(one["BackupPlan"]["BackupPlanName"] == document["BackupPlanName"] for one in region.plans.values()):
            raise ApiError("AlreadyExistsException", "Backup plan with the same plan document already exists")
        plan_id = str(uuid.uuid4())
        plan = {
            "BackupPlanId": plan_id,
            "BackupPlanArn": f"arn:aws:backup:{call.region}:{call.account_id}:backup-plan:{plan_id}",
            "BackupPlanName": document["BackupPlanName"],
            "BackupPlan": _with_rule_ids(document),
            "CreationDate": clock.now(),
            "VersionId": _version(),
            "CreatorRequestId": call.params.get("CreatorRequestId"),
        }
        plan["_versions"] = [_as_version(plan)]
        region.plans[plan_id] = plan
        if call.params.get("BackupPlanTags"):
            region.tags[plan["BackupPlanArn"]] = dict(call.params["BackupPlanTags"])
    _plan_changed(call, plan, "CREATED", "creationDate")
    return plan


@operation("UpdateBackupPlan")
def update_plan(call: Call) -> dict[str, Any]:
    with store.lock:
        plan = _plan(call)
        plan["BackupPlan"] = _with_rule_ids(call.params["BackupPlan"])
        plan["BackupPlanName"] = plan["BackupPlan"]["BackupPlanName"]
        plan["VersionId"] = _version()
        plan["_versions"] = [*plan.get("_versions", []), {**_as_version(plan), "CreationDate": clock.now()}]
    _plan_changed(call, plan, "MODIFIED", "modifiedAt")
    return plan


@operation("GetBackupPlan")
def get_plan(call: Call) -> dict[str, Any]:
    with store.lock:
        return dict(_plan(call))


@operation("ListBackupPlanVersions")
def list_plan_versions(call: Call) -> dict[str, Any]:
    with store.lock:
        plan = _plan(call)
        versions = [{**plan, **version} for version in plan.get("_versions", [{}])]
    return page(versions[::-1], call.params, "BackupPlanVersionsList")


@operation("DeleteBackupPlan")
def delete_plan(call: Call) -> dict[str, Any]:
    region = store.of(call.account_id, call.region)
    with store.lock:
        plan = _plan(call)
        if region.selections[plan["BackupPlanId"]]:
            raise ApiError("InvalidRequestException", "Related backup plan selections must be deleted first")
        del region.plans[plan["BackupPlanId"]]
    _plan_changed(call, plan, "DELETED", "deletionDate")
    return {**plan, "DeletionDate": clock.now()}


@operation("ListBackupPlans")
def list_plans(call: Call) -> dict[str, Any]:
    with store.lock:
        plans = sorted(store.of(call.account_id, call.region).plans.values(), key=lambda plan: plan["BackupPlanName"])
    return page([dict(plan) for plan in plans], call.params, "BackupPlansList")


@operation("CreateBackupSelection")
def create_selection(call: Call) -> dict[str, Any]:
    document = call.params["BackupSelection"]
    with store.lock:
        plan = _plan(call)
        selection = {
            "SelectionId": str(uuid.uuid4()),
            "SelectionName": document["SelectionName"],
            "BackupPlanId": plan["BackupPlanId"],
            "BackupSelection": document,
            "CreationDate": clock.now(),
            "CreatorRequestId": call.params.get("CreatorRequestId"),
            "IamRoleArn": document["IamRoleArn"],
        }
        store.of(call.account_id, call.region).selections[plan["BackupPlanId"]][selection["SelectionId"]] = selection
    return selection


def _selection(call: Call) -> dict[str, Any]:
    selections = store.of(call.account_id, call.region).selections[_plan(call)["BackupPlanId"]]
    if call.params["SelectionId"] not in selections:
        raise ApiError("ResourceNotFoundException", "Cannot find Backup selection with provided id")
    return selections[call.params["SelectionId"]]


@operation("GetBackupSelection")
def get_selection(call: Call) -> dict[str, Any]:
    with store.lock:
        return dict(_selection(call))


@operation("DeleteBackupSelection")
def delete_selection(call: Call) -> None:
    with store.lock:
        selection = _selection(call)
        region = store.of(call.account_id, call.region)
        del region.selections[selection["BackupPlanId"]][selection["SelectionId"]]


@operation("ListBackupSelections")
def list_selections(call: Call) -> dict[str, Any]:
    with store.lock:
        plan = _plan(call)
        selections = store.of(call.account_id, call.region).selections[plan["BackupPlanId"]].values()
        found = sorted((dict(one) for one in selections), key=lambda one: one["SelectionName"])
    return page(found, call.params, "BackupSelectionsList")


# -- tags --------------------------------------------------------------------------------------------------------------


@operation("ListTags")
def list_tags(call: Call) -> dict[str, Any]:
    tags = store.of(call.account_id, call.region).tags.get(call.params["ResourceArn"], {})
    return {"Tags": dict(sorted(tags.items()))}


@operation("TagResource")
def tag_resource(call: Call) -> None:
    with store.lock:
        region = store.of(call.account_id, call.region)
        region.tags.setdefault(call.params["ResourceArn"], {}).update(call.params.get("Tags") or {})


@operation("UntagResource")
def untag_resource(call: Call) -> None:
    with store.lock:
        tags = store.of(call.account_id, call.region).tags.get(call.params["ResourceArn"], {})
        for name in call.params.get("TagKeyList") or []:
            tags.pop(name, None)
