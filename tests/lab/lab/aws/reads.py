"""Reads of a sweep and of a diagnosis, judged by the policies of the role whose session makes them.

One line per operation: the action's resource as the service authorization reference has it (https://docs.aws.amazon.com/service-authorization/latest/reference/).
What is not here is not judged. Static credentials and users may do everything.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from lab import clock, wire

from . import accounts, calls, kms
from .backup import wire as backup_wire
from .errors import ApiError
from .evaluator import UNCERTAIN, Policies, Request, evaluate

Params = dict[str, Any]
Where = tuple[str, str]
# From account and Region of the caller and the parameters to the resource.
Resource = Callable[[Where, Params], str]

ANY = "*"
# Where the prefix of the actions is not the signing name.
_PREFIXES = {"tagging": "tag"}


def _backup(kind: str, member: str) -> Resource:
    return lambda where, params: f"arn:aws:backup:{where[1]}:{where[0]}:{kind}:{params.get(member, '')}"


_vault = _backup("backup-vault", "BackupVaultName")
_plan = _backup("backup-plan", "BackupPlanId")
_restore_plan = _backup("restore-testing-plan", "RestoreTestingPlanName")


def _any(where: Where, params: Params) -> str:
    return ANY


def _account(where: Where, params: Params) -> str:
    member = params.get("AccountId")
    if member and member != where[0]:
        return f"arn:aws:account::{where[0]}:account/{accounts.organization_of(where[0])}/{member}"
    return f"arn:aws:account::{where[0]}:account"


def _role(where: Where, params: Params) -> str:
    name = params.get("RoleName", "")
    return accounts.role_arn_by_name(where[0], name) or f"arn:aws:iam::{where[0]}:role/{name}"


def _policy(where: Where, params: Params) -> str:
    return str(params.get("PolicyArn", ""))


def _key(where: Where, params: Params) -> str:
    return kms.arn_of(str(params.get("KeyId", "")), *where)


def _trail(where: Where, params: Params) -> str:
    name = str(params.get("Name") or params.get("TrailName") or "")
    return name if name.startswith("arn:") else f"arn:aws:cloudtrail:{where[1]}:{where[0]}:trail/{name}"


def _target(where: Where, params: Params) -> str:
    return accounts.target_arn(str(params.get("TargetId") or params.get("ChildId") or where[0]))


def _organization_policy(where: Where, params: Params) -> str:
    return accounts.policy_arn(str(params.get("PolicyId", "")))


def _product(where: Where, params: Params) -> str:
    return str((params.get("Findings") or [{}])[0].get("ProductArn", ""))


RESOURCES: dict[str, dict[str, Resource]] = {
    "backup": {
        **dict.fromkeys(
            (
                "ListBackupVaults", "ListBackupPlans", "ListRestoreTestingPlans", "ListBackupJobs", "ListCopyJobs",
                "ListRestoreJobs", "DescribeRegionSettings", "DescribeGlobalSettings",
            ),
            _any,
        ),
        **dict.fromkeys(
            (
                "DescribeBackupVault", "GetBackupVaultAccessPolicy", "GetBackupVaultNotifications",
                "ListRecoveryPointsByBackupVault",
            ),
            _vault,
        ),
        **dict.fromkeys(("GetBackupPlan", "GetBackupSelection", "ListBackupSelections"), _plan),
        **dict.fromkeys(("GetRestoreTestingPlan", "ListRestoreTestingSelections"), _restore_plan),
    },
    "ec2": dict.fromkeys(
        ("GetEbsEncryptionByDefault", "GetEbsDefaultKmsKeyId", "GetAllowedImagesSettings"), _any
    ),
    "tagging": {"GetResources": _any},
    "account": {"ListRegions": _account},
    "kms": {
        **dict.fromkeys(("DescribeKey", "GetKeyPolicy", "GetKeyRotationStatus", "ListGrants"), _key),
        "ListAliases": _any,
    },
    "iam": {
        **dict.fromkeys(("GetRole", "GetRolePolicy", "ListRolePolicies", "ListAttachedRolePolicies"), _role),
        **dict.fromkeys(("GetPolicy", "GetPolicyVersion"), _policy),
        "ListRoles": _any,
    },
    "cloudtrail": {
        **dict.fromkeys(("DescribeTrails", "LookupEvents"), _any),
        **dict.fromkeys(("GetTrailStatus", "GetEventSelectors"), _trail),
    },
    "organizations": {
        **dict.fromkeys(
            (
                "DescribeOrganization", "ListAccounts", "ListRoots", "ListAWSServiceAccessForOrganization",
                "ListDelegatedAdministrators",
            ),
            _any,
        ),
        **dict.fromkeys(("ListParents", "ListPoliciesForTarget", "DescribeEffectivePolicy"), _target),
        "DescribePolicy": _organization_policy,
    },
    "securityhub": {"BatchImportFindings": _product},
}  # fmt: skip

# Parameters that are condition keys.
_CONDITIONS = {
    "PolicyType": "organizations:PolicyType",
    "Filter": "organizations:PolicyType",
    "ServicePrincipal": "organizations:ServicePrincipal",
}


def refusal(
    call: wire.Call, method: str, path: str, query: str, body: bytes, caller: accounts.Caller
) -> wire.WireError | None:
    """What AWS answers a session whose role may not make this read; `None` lets it pass."""
    resource_of = RESOURCES.get(call.service, {}).get(call.operation)
    if resource_of is None or not caller.role_arn:
        return None
    params = _parameters(call, method, path, query, body)
    resource = resource_of((caller.account_id, call.region), params)
    if call.service == "kms" and accounts.account_of(resource + ":::::") not in ("", caller.account_id):
        # A key of another account: its own module judges those.
        return None
    action = f"{_PREFIXES.get(call.service, call.service)}:{call.operation}"
    decision = _judge(action, resource, call, params, caller)
    if decision.allowed:
        return None
    why = calls.reason(decision, action)
    if decision.outcome == UNCERTAIN:
        why = "because the documents of AWS leave open whether its policies allow it"
    on = "" if resource == ANY else f" on resource: {resource}"
    return _denied(call, f"User: {caller.arn} is not authorized to perform: {action}{on} {why}")


def _denied(call: wire.Call, message: str) -> wire.WireError:
    code = {"ec2": "UnauthorizedOperation", "query": "AccessDenied"}.get(call.protocol, "AccessDeniedException")
    return wire.WireError(400 if call.protocol.startswith("json-") else 403, code, message)


def _parameters(call: wire.Call, method: str, path: str, query: str, body: bytes) -> Params:
    if call.service == "backup":
        try:
            return backup_wire.parameters(*backup_wire.route(method, path), query, body)
        except ApiError:
            # The service says what is wrong with it.
            return {}
    if call.protocol in ("query", "ec2"):
        return dict(parse_qsl(body.decode("utf-8", "replace")))
    return dict(json.loads(body or b"{}"))


def _judge(action: str, resource: str, call: wire.Call, params: Params, caller: accounts.Caller) -> Any:
    role = accounts.role_by_arn(caller.role_arn)
    context: dict[str, Any] = {
        "aws:PrincipalArn": caller.role_arn,
        "aws:PrincipalAccount": caller.account_id,
        "aws:PrincipalIsAWSService": "false",
        "aws:RequestedRegion": call.region,
        "aws:SecureTransport": "true",
        "aws:CurrentTime": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    organization, path = accounts.organization_of(caller.account_id), accounts.organization_path(caller.account_id)
    if organization:
        context |= {"aws:PrincipalOrgID": organization, "aws:ResourceOrgID": organization}
    if path:
        context["aws:PrincipalOrgPaths"] = [path]
    if call.service == "organizations":
        context |= {key: params[name] for name, key in _CONDITIONS.items() if params.get(name)}
    key = kms.key_by_arn(resource) if call.service == "kms" else None
    if key is not None:
        context |= {"kms:CallerAccount": caller.account_id, "aws:ResourceAccount": caller.account_id}
    return evaluate(
        # What a call without a resource policy asks for counts as its own account's, whatever ARN it has.
        Request(caller.arn, action, resource, caller.account_id, context),
        Policies(
            identity=accounts.identity_of_caller(caller),
            boundary=accounts.boundary_of(role) if role else None,
            scps=accounts.scp_levels(caller.account_id),
            rcps=accounts.rcp_levels(caller.account_id),
            resource=json.loads(kms.policy_of(key)) if key is not None else None,
            session=caller.session_policy,
            grants=kms.grants_of(key) if key is not None else (),
            management_account=accounts.management_account(),
            aws_managed_key=key is not None and key.key_manager == "AWS",
        ),
    )
