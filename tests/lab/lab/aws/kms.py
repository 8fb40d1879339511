"""KMS across accounts: keys by ARN, key states, AWS managed keys, grants, and principals that must exist.

Sources: https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html,
https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.kms.models import Key, kms_backends
from moto.kms.responses import KmsResponse

from . import accounts
from .evaluator import Policies, Request, evaluate
from .matching import as_list

# Operations on a key of another account, of those that the lab answers.
ACROSS_ACCOUNTS = {
    "describe_key": "DescribeKey",
    "create_grant": "CreateGrant",
    "list_grants": "ListGrants",
    "revoke_grant": "RevokeGrant",
    "retire_grant": "RetireGrant",
    "get_key_rotation_status": "GetKeyRotationStatus",
    "encrypt": "Encrypt",
    "decrypt": "Decrypt",
    "re_encrypt": "ReEncryptTo",
    "generate_data_key": "GenerateDataKey",
    "generate_data_key_without_plaintext": "GenerateDataKeyWithoutPlaintext",
}
ONLY_IN_THE_OWNERS_ACCOUNT = {
    "get_key_policy": "GetKeyPolicy",
    "put_key_policy": "PutKeyPolicy",
    "list_key_policies": "ListKeyPolicies",
    "disable_key": "DisableKey",
    "enable_key": "EnableKey",
    "schedule_key_deletion": "ScheduleKeyDeletion",
    "cancel_key_deletion": "CancelKeyDeletion",
    "update_key_description": "UpdateKeyDescription",
    "tag_resource": "TagResource",
    "untag_resource": "UntagResource",
    "list_resource_tags": "ListResourceTags",
}
_NEEDS_ENABLED_KEY = ("create_grant", "encrypt", "re_encrypt", "generate_data_key")


def error(code: str, message: str) -> JsonRESTError:
    return JsonRESTError(code, message)


def key_by_arn(arn: str | None) -> Key | None:
    if not arn or ":key/" not in arn:
        return None
    return kms_backends[accounts.account_of(arn)][accounts.region_of(arn)].keys.get(arn.split(":key/")[1])


def aliases_of(arn: str) -> list[str]:
    """The aliases of a key, by which policies may know it."""
    key = key_by_arn(arn)
    return sorted(key.aliases) if key is not None else []


def arn_of(key_id: str, account_id: str, region: str) -> str:
    """The ARN of a key as a request names it: by ARN, id or alias."""
    if ":key/" in key_id:
        return key_id
    alias = key_id.split(":", 5)[-1]
    if alias.startswith("alias/"):
        if alias.startswith("alias/aws/"):
            return str(managed_key(account_id, region, alias).arn)
        key_id = kms_backends[account_id][region].get_key_id_from_alias(alias) or alias
    return f"arn:aws:kms:{region}:{account_id}:key/{key_id}"


def managed_key(account_id: str, region: str, alias: str) -> Key:
    """The AWS managed key behind `alias` (such as `alias/aws/ebs`); made when it is asked for the first time."""
    backend = kms_backends[account_id][region]
    key_id = backend.get_key_id_from_alias(alias)
    if key_id is None:
        key = backend.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", _description(alias), None)
        backend.create_alias(key.id, alias)
        key_id = key.id
    key = backend.keys[key_id]
    if key.key_manager != "AWS":
        key.key_manager = "AWS"
        key.description = _description(alias)
        key.policy = json.dumps(_managed_policy(account_id, region, alias.removeprefix("alias/aws/")))
    return key


def _description(alias: str) -> str:
    service = alias.removeprefix("alias/aws/")
    return f"Default key that protects my {service} data when no other key is defined"


def _managed_policy(account_id: str, region: str, service: str) -> dict[str, Any]:
    via = {"ebs": "ec2"}.get(service, service)
    return {
        "Version": "2012-10-17",
        "Id": f"auto-{service}-1",
        "Statement": [
            {
                "Sid": f"Allow access through {service} for all principals in the account that are authorized to use it",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [
                    "kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant",
                    "kms:DescribeKey",
                ],
                "Resource": "*",
                "Condition": {
                    "StringEquals": {
                        "kms:CallerAccount": account_id,
                        "kms:ViaService": f"{via}.{region}.amazonaws.com",
                    }
                },
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account_id}:root"},
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"],
                "Resource": "*",
            },
        ],
    }  # fmt: skip


# -- principals in key policies ----------------------------------------------------------------------------------------


def _unique_id(arn: str) -> str | None:
    role = accounts.role_by_arn(arn)
    return role.id if role is not None else accounts.user_id(arn)


def _named_principals(policy: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for statement in as_list(policy.get("Statement")):
        for element in ("Principal", "NotPrincipal"):
            principal = statement.get(element)
            if isinstance(principal, dict):
                found += [
                    value
                    for value in as_list(principal.get("AWS"))
                    if isinstance(value, str) and value.startswith("arn:") and (":role/" in value or ":user/" in value)
                ]
    return found


def check_policy(text: str) -> dict[str, str]:
    """The unique ids of the roles and users that a new key policy names; refuses what AWS refuses."""
    try:
        policy = json.loads(text)
        statements = as_list(policy["Statement"])
        for statement in statements:
            statement["Effect"]
    except (ValueError, KeyError, TypeError):
        raise error("MalformedPolicyDocumentException", "The policy document is malformed.") from None
    ids: dict[str, str] = {}
    for arn in _named_principals(policy):
        unique = _unique_id(arn)
        if unique is None:
            raise error(
                "MalformedPolicyDocumentException",
                "Policy contains a statement with one or more invalid principals.",
            )
        ids[arn] = unique
    return ids


def policy_of(key: Key) -> str:
    """The key policy as GetKeyPolicy shows it: a role that was deleted appears as its unique id."""
    text = key.policy or "{}"
    remembered: dict[str, str] = key.__dict__.setdefault("lab_principals", {})
    try:
        policy = json.loads(text)
    except ValueError:
        return text
    changed = False
    for arn in _named_principals(policy):
        present = _unique_id(arn)
        stored = remembered.get(arn)
        if stored is None and present is not None:
            # A key from a template: its principals are seen here for the first time.
            remembered[arn] = present
        elif stored is not None and stored != present:
            _replace_principal(policy, arn, stored)
            changed = True
    return json.dumps(policy) if changed else text


def _replace_principal(policy: Mapping[str, Any], arn: str, unique: str) -> None:
    for statement in as_list(policy.get("Statement")):
        for element in ("Principal", "NotPrincipal"):
            principal = statement.get(element)
            if isinstance(principal, dict) and "AWS" in principal:
                if isinstance(principal["AWS"], list):
                    principal["AWS"] = [unique if value == arn else value for value in principal["AWS"]]
                elif principal["AWS"] == arn:
                    principal["AWS"] = unique


def grants_of(key: Key) -> tuple[dict[str, Any], ...]:
    return tuple(grant.to_json() for _, grant in sorted(key.grants.items()))


# -- the wire ----------------------------------------------------------------------------------------------------------


def _foreign_denied(response: KmsResponse, operation: str, key_arn: str) -> None:
    """A caller of another account needs the key policy and its own policies, and an operation that crosses accounts."""
    caller = accounts.caller_of(response.access_key)
    key = key_by_arn(key_arn)
    if operation in ONLY_IN_THE_OWNERS_ACCOUNT:
        raise _access_denied(caller, ONLY_IN_THE_OWNERS_ACCOUNT[operation], key_arn)
    if operation not in ACROSS_ACCOUNTS:
        return
    action = ACROSS_ACCOUNTS[operation]
    role = accounts.role_by_arn(caller.role_arn) if caller.role_arn else None
    context: dict[str, Any] = {
        "aws:PrincipalArn": caller.role_arn or caller.arn,
        "aws:PrincipalAccount": caller.account_id,
        "kms:CallerAccount": caller.account_id,
        "aws:PrincipalIsAWSService": "false",
    }
    organization = accounts.organization_of(caller.account_id)
    if organization:
        context["aws:PrincipalOrgID"] = organization
    owner = accounts.account_of(key_arn)
    decision = evaluate(
        Request(caller.arn, f"kms:{action}", key_arn, owner, context),
        Policies(
            identity=accounts.identity_of_caller(caller),
            boundary=accounts.boundary_of(role) if role else None,
            scps=accounts.scp_levels(caller.account_id),
            rcps=accounts.rcp_levels(owner),
            resource=json.loads(policy_of(key)) if key else None,
            session=caller.session_policy,
            grants=grants_of(key) if key else (),
            management_account=accounts.management_account(),
            aws_managed_key=key is not None and key.key_manager == "AWS",
        ),
    )
    if not decision.allowed:
        raise _access_denied(caller, action, key_arn)


def _access_denied(caller: accounts.Caller, action: str, key_arn: str) -> JsonRESTError:
    return error(
        "AccessDeniedException",
        f"User: {caller.arn} is not authorized to perform: kms:{action} on resource: {key_arn} because the resource "
        "does not exist in this Region, no resource-based policies allow access, or a resource-based policy "
        "explicitly denies access",
    )


def state_error(key: Key) -> tuple[str, str] | None:
    """What a cryptographic operation or CreateGrant answers because of the state of the key."""
    if key.key_state == "PendingDeletion":
        return "KMSInvalidStateException", f"{key.arn} is pending deletion (or pending replica deletion)."
    if not key.enabled or key.key_state == "Disabled":
        return "DisabledException", f"{key.arn} is disabled."
    return None


def _wrap(operation: str) -> None:
    answer = getattr(KmsResponse, operation)

    def call(self: KmsResponse) -> Any:
        sent = str(json.loads(self.body).get("KeyId") or "")
        if sent.startswith("alias/aws/") or ":alias/aws/" in sent:
            managed_key(self.current_account, self.region, "alias/aws/" + sent.rsplit("/", 1)[-1])
        if ":key/" in sent:
            if accounts.region_of(sent) != self.region:
                raise error("NotFoundException", f"Invalid arn {accounts.region_of(sent)}")
            if accounts.account_of(sent) != self.current_account:
                _foreign_denied(self, operation, sent)
            elif key_by_arn(sent) is None:
                raise error("NotFoundException", f"Key '{sent}' does not exist")
        backend = self.kms_backend
        key = backend.keys.get(backend.get_key_id(sent))
        if key is not None:
            state = state_error(key) if operation in _NEEDS_ENABLED_KEY else None
            if operation in ("enable_key", "disable_key") and key.key_state == "PendingDeletion":
                state = state_error(key)
            if state:
                raise error(*state)
        return answer(self)

    call.__name__ = operation
    setattr(KmsResponse, operation, call)


def install() -> None:
    read_parameter = KmsResponse._get_param

    def get_param(self: KmsResponse, param_name: str, if_none: Any = None) -> Any:
        value = read_parameter(self, param_name, if_none)
        # moto's models know bare ids; an ARN of any account leads to the backend of its owner below.
        if param_name == "KeyId" and isinstance(value, str) and ":key/" in value:
            return value.split(":key/")[1]
        return value

    def backend(self: KmsResponse) -> Any:
        sent = json.loads(self.body or "{}").get("KeyId") if self.body else None
        if isinstance(sent, str) and ":key/" in sent:
            return kms_backends[accounts.account_of(sent)][accounts.region_of(sent)]
        return kms_backends[self.current_account][self.region]

    KmsResponse._get_param = get_param  # type: ignore[method-assign]
    KmsResponse.kms_backend = property(backend)  # type: ignore[assignment]
    # The check of moto knows only one form of a deny; the evaluator decides instead.
    KmsResponse._validate_key_policy = lambda self, key_id, action: None  # type: ignore[method-assign]
    KmsResponse.put_key_policy = _put_key_policy  # type: ignore[method-assign]
    KmsResponse.get_key_policy = _get_key_policy  # type: ignore[method-assign]
    KmsResponse.create_key = _create_key(KmsResponse.create_key)  # type: ignore[method-assign]
    _mark_default_keys()
    for operation in sorted({*ACROSS_ACCOUNTS, *ONLY_IN_THE_OWNERS_ACCOUNT}):
        _wrap(operation)


def _mark_default_keys() -> None:
    """Keys that moto makes for services (a volume without a chosen key) are AWS managed keys."""
    from moto.kms.models import KmsBackend

    create = KmsBackend.create_alias

    def create_alias(self: KmsBackend, target_key_id: str, alias_name: str) -> Any:
        alias = create(self, target_key_id, alias_name)
        if alias_name.startswith("alias/aws/"):
            managed_key(self.account_id, self.region_name, alias_name)
        return alias

    KmsBackend.create_alias = create_alias  # type: ignore[method-assign]


def key_of(response: KmsResponse) -> Key:
    key_id = response._get_param("KeyId")
    response._validate_cmk_id(key_id)
    return response.kms_backend.keys[response.kms_backend.get_key_id(key_id)]


def _put_key_policy(self: KmsResponse) -> str:
    key = key_of(self)
    if key.key_manager == "AWS":
        raise error("AccessDeniedException", f"The policy of the AWS managed key {key.arn} cannot be changed")
    text = self._get_param("Policy")
    ids = check_policy(text)
    key.policy = text
    key.__dict__["lab_principals"] = ids
    return json.dumps({})


def _get_key_policy(self: KmsResponse) -> str:
    return json.dumps({"Policy": policy_of(key_of(self)), "PolicyName": "default"})


def _create_key(answer: Any) -> Any:
    def create_key(self: KmsResponse) -> str:
        text = self._get_param("Policy")
        ids = check_policy(text) if text else {}
        result = answer(self)
        key = key_by_arn(json.loads(result)["KeyMetadata"]["Arn"])
        assert key is not None
        key.__dict__["lab_principals"] = ids
        return result

    return create_key


def record_resource(key_arn: str) -> list[dict[str, str]]:
    return [{"accountId": accounts.account_of(key_arn), "type": "AWS::KMS::Key", "ARN": key_arn}]


def new_grant_id() -> str:
    return uuid.uuid4().hex * 2
