"""Calls judged by the policies of the role whose session makes them, before any service sees them.

Identity policies, boundary, session policy, SCPs and, of a key or of a vault that is changed, its policy. Static credentials and users may do everything, and what neither `reads` nor
`uses` knows is not judged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from lab import authorizations, clock, wire
from lab.accounts import ADMIN_ROLE_NAME

from . import accounts, calls, kms, reads, uses
from .backup import store
from .backup import wire as backup_wire
from .errors import ApiError
from .evaluator import UNCERTAIN, Decision, Policies, Request, evaluate
from .reads import ANY, Params

# Services of which some call is judged.
SERVICES = {*reads.RESOURCES, *uses.OF_SERVICES, *(service for service, _ in uses.OF_OPERATIONS)}
# Where the prefix of the actions is not the signing name.
_PREFIXES = {"tagging": "tag"}
# Judged where they are answered.
_ELSEWHERE = {("sts", "AssumeRole")}
# What a copy asks for in the name of its job role, and of who starts it.
_OF_THE_JOB = {"backup:CopyFromBackupVault", "backup:CopyIntoBackupVault"}
# Judged by the policy of the vault as well.
_OF_VAULTS = {f"{service}:{name}" for (service, name) in uses.CHANGES if service == "backup"}
# Needs no permission. https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
_FREE = {("sts", "GetCallerIdentity")}


def refusal(
    call: wire.Call,
    method: str,
    path: str,
    query: str,
    body: bytes,
    caller: accounts.Caller,
    headers: Mapping[str, str],
) -> wire.WireError | None:
    """What AWS answers a session whose role may not make this call; `None` lets it pass."""
    changes = (call.service, call.operation) in uses.CHANGES
    if not caller.role_arn or (changes and caller.role_arn.endswith(f":role/{ADMIN_ROLE_NAME}")):
        return None
    params = _parameters(call, method, path, query, body)
    needs = _needs(call, path, params, caller, headers)
    if needs is None:
        if (call.service, call.operation) not in _ELSEWHERE | _FREE:
            authorizations.unknown(caller.role_arn, f"{call.service}:{call.operation}")
        return None
    for action, resource in needs:
        context = _context(action, resource, call, params, caller)
        entailed = uses.of_key(caller.role_arn, call.region, action, resource)
        for one in ((action, resource, context), *((use, key, context | more) for use, key, more in entailed)):
            if (refused := _refused(*one, call, caller)) is not None:
                return refused
    return None


def _needs(
    call: wire.Call, path: str, params: Params, caller: accounts.Caller, headers: Mapping[str, str]
) -> list[uses.Need] | None:
    where = (caller.account_id, call.region)
    resource_of = reads.RESOURCES.get(call.service, {}).get(call.operation)
    if resource_of is not None:
        action = f"{_PREFIXES.get(call.service, call.service)}:{call.operation}"
        return [(action, resource_of(where, params))]
    return uses.needs(call.service, uses.Asked(call.operation, where, params, path, dict(headers)))


def _refused(
    action: str, resource: str, context: dict[str, Any], call: wire.Call, caller: accounts.Caller
) -> wire.WireError | None:
    authorizations.asked(caller.role_arn, action, resource, context)
    if call.service == "kms" and accounts.account_of(resource + ":::::") not in ("", caller.account_id):
        # A key of another account: its own module judges those.
        return None
    decision = _judge(action, resource, context, caller)
    if decision.allowed:
        return None
    why = calls.reason(decision, action)
    if decision.outcome == UNCERTAIN:
        why = "because the documents of AWS leave open whether its policies allow it"
    on = "" if resource == ANY else f" on resource: {resource}"
    return _denied(call, f"User: {caller.arn} is not authorized to perform: {action}{on} {why}")


def _denied(call: wire.Call, message: str) -> wire.WireError:
    denied = {"ec2": "UnauthorizedOperation", "query": "AccessDenied", "rest-xml": "AccessDenied"}
    code = denied.get(call.protocol, "AccessDeniedException")
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
    if call.service in ("s3", "lambda"):
        # All that counts is in the path and the headers.
        return {}
    return dict(json.loads(body or b"{}"))


def _context(action: str, resource: str, call: wire.Call, params: Params, caller: accounts.Caller) -> dict[str, Any]:
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
        context |= {key: params[name] for name, key in reads.CONDITIONS.items() if params.get(name)}
    if call.service == "backup" and action == "backup:CopyFromBackupVault":
        context["backup:CopyTargets"] = str(params.get("DestinationBackupVaultArn", ""))
    if call.service == "backup" and action == "iam:PassRole":
        context["iam:PassedToService"] = "backup.amazonaws.com"
    if action.startswith("kms:") and kms.key_by_arn(resource) is not None:
        context |= {"kms:CallerAccount": caller.account_id, "aws:ResourceAccount": accounts.account_of(resource)}
        context["kms:ResourceAliases"] = kms.aliases_of(resource)
    return context


def _judge(action: str, resource: str, context: dict[str, Any], caller: accounts.Caller) -> Decision:
    role = accounts.role_by_arn(caller.role_arn)
    key = kms.key_by_arn(resource) if action.startswith("kms:") else None
    vault = store.vault_by_arn(resource) if action in _OF_VAULTS else None
    policy = kms.policy_of(key) if key is not None else vault.policy if vault is not None else None
    return evaluate(
        # What a call without a resource policy asks for counts as its own account's, whatever ARN it has.
        Request(caller.arn, action, resource, caller.account_id, context),
        Policies(
            identity=accounts.identity_of_caller(caller),
            boundary=accounts.boundary_of(role) if role else None,
            # Whether an SCP on a copy stops who starts the job, or the job, no document says: here the job tells it.
            scps=() if action in _OF_THE_JOB else accounts.scp_levels(caller.account_id),
            rcps=accounts.rcp_levels(caller.account_id),
            resource=json.loads(policy) if policy else None,
            session=caller.session_policy,
            grants=kms.grants_of(key) if key is not None else (),
            management_account=accounts.management_account(),
            aws_managed_key=key is not None and key.key_manager == "AWS",
        ),
    )
