"""What a test may ask of the lab's AWS beyond its APIs: outcomes that policies do not decide.

`ROUTES` maps the last part of `/lab/<name>` to a function from the posted JSON to the JSON answer.

- `next-job`: `{account_id, region, job_type, state, status_message?, message_category?, children?}` is applied to the
  next job that fits (`account_id` and `region` may be left out). `job_type` is `backup`, `copy` or `restore`; `state` is
  COMPLETED, FAILED, EXPIRED, ABORTED or PARTIAL, or for a copy CREATED: it stays so. `children` (PARTIAL only): list of `{state, status_message?}`.
- `resources`: `{resource_arn, encryption_key_arn?, resource_name?, resource_type?, tags?, copy_running?}` describes a resource that
  moto cannot hold; `tags` is a map; with `copy_running` its copies fail because another one is running. The tag `lab:encryption-key-arn` on the resource of a backup says the same for resources that it can hold.
- `denial-form`: `{form: full | vague}` chooses the message of denied KMS calls on keys of other accounts.
- `copy-support`: `{one_step_unsupported: [resource types]}` are refused cross-account and cross-Region in one step.
- `backup-policies`: `{}` makes plans of the effective backup policies of all accounts, as AWS Backup does some time after a change.
- `plan-run`: `{account_id, region, plan_id, resource_arn?}` is the moment at which the rules of a plan are due: every rule makes a backup job of
  each resource that a selection chooses (or of one of them), and the copy jobs that it asks for once that completed. No schedule runs by itself here: a night without it is a night that AWS forgot.
- `would-copy`: `{copies: [{account_id, region, vault, recovery_point_arn, destination_vault_arn, role_arn}]}` answers `{outcomes: [{state,
  message, unpublished}]}`: how each copy would end now, and whether it fails for a call of which AWS does not publish who makes it. No job is made,
  nothing is recorded, nobody is told.
- `recovery-point`: `{account_id, region, vault, recovery_point_arn, status, status_message?}` gives a recovery point a status that no policy
  decides: COMPLETED, PARTIAL, DELETING, EXPIRED, AVAILABLE, STOPPED or CREATING. Nothing expires by itself here.
- `restore-test`: `{account_id, region, plan}` is the moment at which a restore testing plan is due: its selections restore the newest recovery
  point of each resource that they name.
- `subscription`: `{endpoint, pending: bool}` says whether the subscriptions of an endpoint wait for their confirmation (moto confirms at once).
- `service-event`: `{account_id, region, event_name, details, error_code?, error_message?}` is an event that AWS Backup records of itself, such
  as `ProcessBackupPlanSelection`; `details` are its `serviceEventDetails`.
- `vault-notification`: `{account_id, region, vault, event, message, attributes?}` is a notification of a vault; nothing is sent unless
  PutBackupVaultNotifications asked for the event.
- `cloudtrail-throttle`: `{enabled: bool}` switches the limit of two LookupEvents per second.
- `cloudtrail-busy`: `{account_id, region, key_arn, calls}`: before anything else LookupEvents finds so many calls of AWS Backup that worked with the key.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

DENIAL_FORMS = ("full", "vague")
JOB_TYPES = ("backup", "copy", "restore")
STATES = ("COMPLETED", "FAILED", "EXPIRED", "ABORTED", "PARTIAL", "CREATED")
POINT_STATES = ("COMPLETED", "PARTIAL", "DELETING", "EXPIRED", "AVAILABLE", "STOPPED", "CREATING")

_lock = threading.Lock()
_next_jobs: list[dict[str, Any]] = []
_resources: dict[str, dict[str, Any]] = {}
_denial_form = "full"
_one_step_unsupported: frozenset[str] = frozenset()


class InvalidControl(ValueError):
    """The posted JSON does not fit; the message names the field."""


def next_job(body: dict[str, Any]) -> dict[str, Any]:
    if body.get("job_type") not in JOB_TYPES:
        raise InvalidControl(f"`job_type` must be one of {', '.join(JOB_TYPES)}")
    if body.get("state") not in STATES:
        raise InvalidControl(f"`state` must be one of {', '.join(STATES)}")
    with _lock:
        _next_jobs.append(dict(body))
        return {"waiting": len(_next_jobs)}


def take_next_job(account_id: str, region: str, job_type: str) -> dict[str, Any] | None:
    with _lock:
        for index, wanted in enumerate(_next_jobs):
            if (
                wanted["job_type"] == job_type
                and wanted.get("account_id") in (None, account_id)
                and wanted.get("region") in (None, region)
            ):
                return _next_jobs.pop(index)
    return None


def resources(body: dict[str, Any]) -> dict[str, Any]:
    arn = body.get("resource_arn", "")
    if not isinstance(arn, str) or arn.count(":") < 5:
        raise InvalidControl("`resource_arn` must be an ARN")
    with _lock:
        _resources[arn] = dict(body)
        return {"registered": len(_resources)}


def resource(arn: str) -> dict[str, Any] | None:
    with _lock:
        return _resources.get(arn)


def tagged_resources(account_id: str, region: str) -> dict[str, dict[str, str]]:
    """Tags of the described resources of an account in a Region, by ARN."""
    with _lock:
        return {
            arn: dict(one["tags"])
            for arn, one in _resources.items()
            if one.get("tags") and arn.split(":")[3:5] == [region, account_id]
        }


def set_denial_form(body: dict[str, Any]) -> dict[str, Any]:
    global _denial_form
    if body.get("form") not in DENIAL_FORMS:
        raise InvalidControl(f"`form` must be one of {', '.join(DENIAL_FORMS)}")
    _denial_form = body["form"]
    return {"form": _denial_form}


def denial_form() -> str:
    return _denial_form


def copy_support(body: dict[str, Any]) -> dict[str, Any]:
    global _one_step_unsupported
    _one_step_unsupported = frozenset(body.get("one_step_unsupported", []))
    return {"one_step_unsupported": sorted(_one_step_unsupported)}


def one_step_unsupported() -> frozenset[str]:
    return _one_step_unsupported


def cloudtrail_throttle(body: dict[str, Any]) -> dict[str, Any]:
    from . import cloudtrail

    cloudtrail.set_throttle(bool(body.get("enabled", True)))
    return {"enabled": bool(body.get("enabled", True))}


def cloudtrail_busy(body: dict[str, Any]) -> dict[str, Any]:
    from . import cloudtrail

    calls = body.get("calls")
    if not isinstance(calls, int) or calls < 0:
        raise InvalidControl("`calls` must be a number")
    cloudtrail.set_busy(*(_text(body, name) for name in ("account_id", "region", "key_arn")), calls)
    return {"calls": calls}


def backup_policies(body: dict[str, Any]) -> dict[str, Any]:
    from . import backup_policies

    return {"plans": backup_policies.make_plans()}


def plan_run(body: dict[str, Any]) -> dict[str, Any]:
    from .backup import plan_runs

    missing = sorted({"account_id", "region", "plan_id"} - set(body))
    if missing:
        raise InvalidControl(f"`{missing[0]}` is missing")
    given = (body["account_id"], body["region"], body["plan_id"], body.get("resource_arn"))
    return {"jobs": plan_runs.run(*given)}


def would_copy(body: dict[str, Any]) -> dict[str, Any]:
    from .backup import jobs

    fields = ("account_id", "region", "vault", "recovery_point_arn", "destination_vault_arn", "role_arn")
    copies = body.get("copies")
    if not isinstance(copies, list):
        raise InvalidControl("`copies` must be a list")
    outcomes = [jobs.would_copy(*(_text(copy, name) for name in fields)) for copy in copies]
    answers = [{"state": one.state, "message": one.message, "unpublished": one.unpublished} for one in outcomes]
    return {"outcomes": answers}


def recovery_point(body: dict[str, Any]) -> dict[str, Any]:
    from .backup import points
    from .errors import ApiError

    given = [_text(body, name) for name in ("account_id", "region", "vault", "recovery_point_arn", "status")]
    if given[-1] not in POINT_STATES:
        raise InvalidControl(f"`status` must be one of {', '.join(POINT_STATES)}")
    try:
        points.set_status(*given, body.get("status_message"))
    except ApiError as error:
        raise InvalidControl(error.message) from error
    return body


def restore_test(body: dict[str, Any]) -> dict[str, Any]:
    from .backup import restore_testing

    return {"jobs": restore_testing.run(*(_text(body, name) for name in ("account_id", "region", "plan")))}


def subscription(body: dict[str, Any]) -> dict[str, Any]:
    from . import sns

    if not isinstance(body.get("endpoint"), str) or not isinstance(body.get("pending"), bool):
        raise InvalidControl("`endpoint` must be a text and `pending` true or false")
    sns.set_pending(body["endpoint"], body["pending"])
    return body


def service_event(body: dict[str, Any]) -> dict[str, Any]:
    from .backup import quiet

    given = [_text(body, name) for name in ("account_id", "region", "event_name")]
    error = [str(body.get(name, "")) for name in ("error_code", "error_message")]
    return {"event_id": quiet.service_event(*given, body.get("details", {}), *error)}


def vault_notification(body: dict[str, Any]) -> dict[str, Any]:
    from .backup import quiet
    from .errors import ApiError

    given = [_text(body, name) for name in ("account_id", "region", "vault", "event", "message")]
    try:
        return {"message_id": quiet.notify(*given, body.get("attributes", {}))}
    except ApiError as error:
        raise InvalidControl(error.message) from error


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidControl(f"`{name}` must be a text")
    return value


ROUTES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "next-job": next_job,
    "resources": resources,
    "denial-form": set_denial_form,
    "copy-support": copy_support,
    "cloudtrail-throttle": cloudtrail_throttle,
    "cloudtrail-busy": cloudtrail_busy,
    "backup-policies": backup_policies,
    "plan-run": plan_run,
    "would-copy": would_copy,
    "recovery-point": recovery_point,
    "restore-test": restore_test,
    "subscription": subscription,
    "service-event": service_event,
    "vault-notification": vault_notification,
}


def reset() -> None:
    global _denial_form, _one_step_unsupported
    with _lock:
        _next_jobs.clear()
        _resources.clear()
    _denial_form = "full"
    _one_step_unsupported = frozenset()
