"""What the organization and IAM backends of moto say about accounts, roles and callers.

Answers questions of the evaluator and of CloudTrail; must not know about backups.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.iam.models import Role, get_account_id_from, iam_backends
from moto.organizations.models import FakeAccount, OrganizationsBackend, organizations_backends
from moto.sts.models import sts_backends

MANAGEMENT_ACCOUNT = "333333333333"
PARTITION = "aws"

FULL_ACCESS: Mapping[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


@dataclass(frozen=True)
class Caller:
    """Who signed a request. `role_arn` is empty for the static credentials of the management account."""

    account_id: str
    arn: str
    role_arn: str
    access_key_id: str
    principal_id: str
    session_name: str
    session_policy: Mapping[str, Any] | None = None


def account_of(arn: str) -> str:
    return arn.split(":")[4]


def region_of(arn: str) -> str:
    return arn.split(":")[3]


# -- callers -----------------------------------------------------------------------------------------------------------


def caller_of(access_key_id: str) -> Caller:
    account_id = get_account_id_from(access_key_id)
    session = sts_backends[account_id][PARTITION].get_assumed_role_from_access_key(access_key_id)
    if session is not None:
        policy = json.loads(session.policy) if session.policy else None
        return Caller(
            account_id, session.arn, session.role_arn, access_key_id, session.user_id, session.session_name, policy
        )
    user = iam_backends[account_id][PARTITION].get_user_from_access_key_id(access_key_id)
    if user is not None:
        return Caller(account_id, user.arn, "", access_key_id, user.id, user.name)
    return Caller(account_id, f"arn:{PARTITION}:iam::{account_id}:root", "", access_key_id, account_id, "")


def identity_of_caller(caller: Caller) -> tuple[Mapping[str, Any], ...]:
    """The identity policies of whoever signed; the static credentials may do everything."""
    if not caller.role_arn:
        return (FULL_ACCESS,)
    role = role_by_arn(caller.role_arn)
    return identity_policies(role) if role else ()


# -- roles -------------------------------------------------------------------------------------------------------------


def service_linked_role_arn(account_id: str) -> str:
    return f"arn:{PARTITION}:iam::{account_id}:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"


def role_by_arn(arn: str) -> Role | None:
    if ":role/" not in arn:
        return None
    roles = iam_backends[account_of(arn)][PARTITION].roles.values()
    return next((role for role in list(roles) if role.arn == arn), None)


def role_arn_by_name(account_id: str, name: str) -> str | None:
    roles = iam_backends[account_id][PARTITION].roles.values()
    return next((role.arn for role in list(roles) if role.name == name), None)


def user_exists(arn: str) -> bool:
    users = iam_backends[account_of(arn)][PARTITION].users.values()
    return any(user.arn == arn for user in list(users))


def user_id(arn: str) -> str | None:
    users = iam_backends[account_of(arn)][PARTITION].users.values()
    return next((user.id for user in list(users) if user.arn == arn), None)


def _managed_document(policy: Any) -> Mapping[str, Any]:
    default = next(one for one in policy.versions if one.version_id == policy.default_version_id)
    document: Mapping[str, Any] = json.loads(default.document)
    return document


def identity_policies(role: Role) -> tuple[Mapping[str, Any], ...]:
    documents = [json.loads(text) for _, text in sorted(role.policies.items())]
    documents += [_managed_document(policy) for _, policy in sorted(role.managed_policies.items())]
    return tuple(documents)


def boundary_of(role: Role) -> Mapping[str, Any] | None:
    arn = role.permissions_boundary_arn
    if not arn:
        return None
    policy = iam_backends[role.account_id][PARTITION].managed_policies.get(arn)
    # A boundary that cannot be found allows nothing: AWS treats a deleted boundary as an empty one.
    return _managed_document(policy) if policy else {"Version": "2012-10-17", "Statement": []}


def trusts_backup(role: Role) -> bool:
    return trusts(role, "backup.amazonaws.com")


def trusts(role: Role, service: str) -> bool:
    """Whether a service gets into a role."""
    document = json.loads(role.assume_role_policy_document)
    statements = document.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        services = (statement.get("Principal") or {}).get("Service", [])
        services = services if isinstance(services, list) else [services]
        if statement.get("Effect") == "Allow" and service in services:
            return True
    return False


# -- the organization --------------------------------------------------------------------------------------------------

BACKUP_POLICY = "BACKUP_POLICY"


def _backend() -> OrganizationsBackend | None:
    for account_id in list(organizations_backends):
        backend = organizations_backends[account_id][PARTITION]
        if backend.org is not None:
            return backend
    return None


def management_account() -> str:
    backend = _backend()
    return backend.org.master_account_id if backend and backend.org else MANAGEMENT_ACCOUNT


def _account(account_id: str) -> FakeAccount | None:
    backend = _backend()
    if backend is None:
        return None
    return next((one for one in backend.accounts if one.id == account_id), None)


def organization_of(account_id: str) -> str | None:
    """The organization's id when the account is an active member of it (or its management account)."""
    backend = _backend()
    if backend is None or backend.org is None:
        return None
    if account_id == backend.org.master_account_id:
        return backend.org.id
    account = _account(account_id)
    return backend.org.id if account is not None and account.status == "ACTIVE" else None


def _chain(account_id: str) -> list[Any]:
    """Root, organizational units and account, in this order."""
    backend, account = _backend(), _account(account_id)
    if backend is None or account is None:
        return []
    chain: list[Any] = [account]
    parent = account.parent_id
    units = {unit.id: unit for unit in backend.ou}
    while parent in units:
        chain.append(units[parent])
        parent = units[parent].parent_id
    return chain[::-1]


def organization_path(account_id: str) -> str | None:
    backend = _backend()
    chain = _chain(account_id)
    if backend is None or backend.org is None or not chain:
        return None
    return "/".join([backend.org.id, *[one.id for one in chain[:-1]]]) + "/"


def _levels(account_id: str, policy_type: str) -> tuple[tuple[Mapping[str, Any], ...], ...]:
    return tuple(
        tuple(json.loads(policy.content) for policy in target.attached_policies if policy.type == policy_type)
        for target in _chain(account_id)
    )


def scp_levels(account_id: str) -> tuple[tuple[Mapping[str, Any], ...], ...]:
    """SCPs level by level, from the root down to the account; empty outside the organization."""
    return _levels(account_id, "SERVICE_CONTROL_POLICY")


def rcp_levels(account_id: str) -> tuple[tuple[Mapping[str, Any], ...], ...]:
    return _levels(account_id, "RESOURCE_CONTROL_POLICY")


def backup_policy_levels(account_id: str) -> tuple[tuple[Mapping[str, Any], ...], ...] | None:
    """Likewise of backup policies; `None` where the organization has them switched off."""
    chain = _chain(account_id)
    if not chain or all(one["Type"] != BACKUP_POLICY for one in chain[0].policy_types):
        return None
    return _levels(account_id, BACKUP_POLICY)


def reads_the_organization(account_id: str) -> bool:
    """The management account and delegated administrators do, of whatever service."""
    backend = _backend()
    admins = [admin.account.id for admin in backend.admins] if backend else []
    return account_id in (management_account(), *admins)


def target_arn(target_id: str) -> str:
    """The ARN of an account, a unit or a root of the organization, by its id."""
    backend = _backend()
    if backend is None or backend.org is None:
        return target_id
    found = next((str(one.arn) for one in (*backend.accounts, *backend.ou) if one.id == target_id), None)
    return found or f"arn:{PARTITION}:organizations::{management_account()}:account/{backend.org.id}/{target_id}"


def policy_arn(policy_id: str) -> str:
    """Likewise of a policy; those of AWS belong to `aws`."""
    backend = _backend()
    policy = next((one for one in backend.policies if one.id == policy_id), None) if backend else None
    if policy is None or not policy.aws_managed:
        return str(policy.arn) if policy else policy_id
    return f"arn:{PARTITION}:organizations::aws:policy/{policy.type.lower()}/{policy_id}"


def members() -> list[str]:
    """Every account of the organization."""
    backend = _backend()
    return sorted(account.id for account in backend.accounts) if backend else []
