"""One call of AWS Backup on behalf of a job: judged by the policies in the lab, and recorded where AWS records it.

A denied call across accounts is recorded in the caller's account only; a success in both, with one shared event id.
Sources: https://docs.aws.amazon.com/kms/latest/developerguide/logging-using-cloudtrail.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from moto.iam.models import Role
from moto.kms.models import Key

from lab import clock

from . import accounts, cloudtrail, controls, kms
from .evaluator import EXPLICITLY_DENIED, UNCERTAIN, Decision, Policies, Request, evaluate
from .requirements import Need

# One event of CloudTrail covers two actions of IAM.
_EVENT_NAMES = {"ReEncryptFrom": "ReEncrypt", "ReEncryptTo": "ReEncrypt"}
# Its record says which of the two keys. https://docs.aws.amazon.com/kms/latest/developerguide/ct-reencrypt.html
_RE_ENCRYPT_SIDES = {"kms:ReEncryptFrom": "source", "kms:ReEncryptTo": "destination"}
_ARTICLES = {"identity-based policy": "an"}


class UncertainOutcome(Exception):
    """Nobody can say whether AWS would allow a call."""


@dataclass(frozen=True)
class Failure:
    """Why a call failed: by the policies (`decision`) or by the state of the object (`code`)."""

    need: Need
    code: str
    message: str
    decision: Decision | None = None


@dataclass(frozen=True)
class Target:
    """The object of a call and the policies on its side."""

    arn: str
    account_id: str
    policy: str | None = None
    key: Key | None = None
    context: dict[str, Any] = field(default_factory=dict)
    # What the record of a snapshot copy says about it.
    new_snapshot: str = ""
    source_region: str = ""


def make(need: Need, role: Role, region: str, target: Target) -> Failure | None:
    """Make one call; None means that it succeeded."""
    principal = cloudtrail.service_identity(role.arn, role.id)
    decision = _judge(need, role, principal["arn"], region, target)
    if decision.outcome == UNCERTAIN:
        # The lab must not choose an outcome that AWS leaves open: the job fails with a text of the lab's own.
        raise UncertainOutcome(f"the documents of AWS leave open whether `{need.action}` on `{target.arn}` is allowed")
    if not decision.allowed:
        code, message = _denial(need, role, principal["arn"], target, decision)
        _record_failure(need, role, principal, region, target, code, message)
        return Failure(need, code, message, decision)
    state = kms.state_error(target.key) if target.key is not None and need.action != "kms:DescribeKey" else None
    if state is not None:
        _record_failure(need, role, principal, region, target, *state)
        return Failure(need, *state)
    _record_success(need, role, principal, region, target)
    return None


def _context(need: Need, role: Role, region: str, target: Target) -> dict[str, Any]:
    context: dict[str, Any] = {
        "aws:PrincipalArn": role.arn,
        "aws:PrincipalAccount": role.account_id,
        "aws:PrincipalIsAWSService": "false",
        "aws:PrincipalType": "AssumedRole",
        "aws:userid": f"{role.id}:AWSBackup-{role.name}",
        "aws:ResourceAccount": target.account_id,
        "aws:RequestedRegion": region,
        "aws:SecureTransport": "true",
        "aws:ViaAWSService": "true",
        "aws:CalledVia": ["backup.amazonaws.com"],
        "aws:CurrentTime": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    organization, path = accounts.organization_of(role.account_id), accounts.organization_path(role.account_id)
    if organization:
        context["aws:PrincipalOrgID"] = organization
    if path:
        context["aws:PrincipalOrgPaths"] = [path]
    owner_organization = accounts.organization_of(target.account_id)
    if owner_organization:
        context["aws:ResourceOrgID"] = owner_organization
    if need.action.startswith("kms:"):
        context["kms:CallerAccount"] = role.account_id
        if need.via:
            context["kms:ViaService"] = f"{need.via}.{region}.amazonaws.com"
        if need.action == "kms:CreateGrant":
            context["kms:GrantIsForAWSResource"] = "true"
            context["kms:GrantOperations"] = _grant_operations()
    return context | target.context


def _grant_operations() -> list[str]:
    return ["Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom"]


def _judge(need: Need, role: Role, principal: str, region: str, target: Target) -> Decision:
    request = Request(principal, need.action, target.arn, target.account_id, _context(need, role, region, target))
    identity = (accounts.FULL_ACCESS,) if need.identity_unpublished else accounts.identity_policies(role)
    return evaluate(
        request,
        Policies(
            identity=identity,
            boundary=accounts.boundary_of(role),
            scps=accounts.scp_levels(role.account_id),
            rcps=accounts.rcp_levels(target.account_id),
            resource=json.loads(target.policy) if target.policy else None,
            grants=kms.grants_of(target.key) if target.key is not None else (),
            management_account=accounts.management_account(),
            aws_managed_key=target.key is not None and target.key.key_manager == "AWS",
        ),
    )


# -- messages ----------------------------------------------------------------------------------------------------------


def reason(decision: Decision, action: str) -> str:
    if decision.outcome == EXPLICITLY_DENIED:
        article = _ARTICLES.get(decision.policy_type, "a")
        return f"with an explicit deny in {article} {decision.policy_type}"
    return f"because no {decision.policy_type} allows the {action} action"


def _denial(need: Need, role: Role, principal: str, target: Target, decision: Decision) -> tuple[str, str]:
    who = f"User: {principal} is not authorized to perform: {need.action}"
    if need.action.startswith("ec2:"):
        blob = {"allowed": False, "explicitDeny": decision.outcome == EXPLICITLY_DENIED, "action": need.action}
        encoded = base64.urlsafe_b64encode(json.dumps(blob, sort_keys=True).encode()).decode()
        return "Client.UnauthorizedOperation", (
            "You are not authorized to perform this operation. "
            f"{who} on resource: {target.arn} {reason(decision, need.action)}. "
            f"Encoded authorization failure message: {encoded}"
        )
    foreign_key = need.action.startswith("kms:") and target.account_id != role.account_id
    if foreign_key and controls.denial_form() == "vague":
        return "AccessDenied", (
            f"{who} on this resource because the resource does not exist in this Region, no resource-based policies "
            "allow access, or a resource-based policy explicitly denies access"
        )
    code = "AccessDeniedException" if need.action.startswith("backup:") else "AccessDenied"
    return code, f"{who} on resource: {target.arn} {reason(decision, need.action)}"


# -- records -----------------------------------------------------------------------------------------------------------


def _names(need: Need) -> tuple[str, str]:
    service, action = need.action.split(":", 1)
    return f"{service}.amazonaws.com", _EVENT_NAMES.get(action, action)


def _key_parameters(need: Need, target: Target) -> dict[str, Any]:
    side = _RE_ENCRYPT_SIDES.get(need.action)
    parameters: dict[str, Any] = {f"{side}KeyId" if side else "keyId": target.arn}
    encryption_context = {
        name.split(":", 2)[2]: value
        for name, value in target.context.items()
        if name.startswith("kms:EncryptionContext:")
    }
    if need.action == "kms:CreateGrant":
        parameters |= {"operations": _grant_operations(), "granteePrincipal": f"{need.via}.amazonaws.com"}
        if encryption_context:
            parameters["constraints"] = {"encryptionContextSubset": encryption_context}
    elif encryption_context:
        parameters[f"{side}EncryptionContext" if side else "encryptionContext"] = encryption_context
    return parameters


def _record_failure(
    need: Need, role: Role, principal: dict[str, Any], region: str, target: Target, code: str, message: str
) -> None:
    source, name = _names(need)
    on_key = source == "kms.amazonaws.com"
    # Records of denied KMS calls carry neither the parameters nor the key; those about the key's state carry both.
    by_state = on_key and not code.startswith("AccessDenied")
    cloudtrail.record(
        role.account_id,
        region,
        source,
        name,
        principal,
        request_parameters=_key_parameters(need, target) if by_state else None,
        error_code=code,
        error_message=message,
        resources=kms.record_resource(target.arn) if by_state else None,
        looked_up_as=(("AWS::KMS::Key", target.arn),) if by_state else (),
    )


def _record_success(need: Need, role: Role, principal: dict[str, Any], region: str, target: Target) -> None:
    source, name = _names(need)
    if source != "kms.amazonaws.com":
        parameters, response = _snapshot_parameters(need, target)
        cloudtrail.record(
            role.account_id, region, source, name, principal, request_parameters=parameters, response_elements=response
        )
        return
    shared = str(uuid.uuid4()) if role.account_id != target.account_id else ""
    grant = {"grantId": kms.new_grant_id(), "keyId": target.arn} if need.action == "kms:CreateGrant" else None
    common: dict[str, Any] = {
        "request_parameters": _key_parameters(need, target),
        "response_elements": grant,
        "resources": kms.record_resource(target.arn),
        "looked_up_as": (("AWS::KMS::Key", target.arn),),
        "shared_event_id": shared,
    }
    cloudtrail.record(role.account_id, region, source, name, principal, **common)
    if shared:
        stranger = {
            "type": "AWSAccount",
            "principalId": principal["principalId"],
            "accountId": role.account_id,
            "invokedBy": "backup.amazonaws.com",
        }
        cloudtrail.record(target.account_id, region, source, name, stranger, **common)


def _snapshot_parameters(need: Need, target: Target) -> tuple[dict[str, Any], dict[str, Any] | None]:
    last = target.arn.rsplit("/", 1)[-1]
    if need.action == "ec2:CopySnapshot":
        parameters = {"sourceSnapshotId": last, "sourceRegion": target.source_region}
        return parameters, {"snapshotId": target.new_snapshot}
    if need.action.startswith("backup:"):
        return {"resourceArn": target.arn}, None
    return {"resource": target.arn}, None
