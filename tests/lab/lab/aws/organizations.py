"""The organization of the lab: fixed ids, every level with the policies that AWS attaches by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from moto.organizations.models import FakeAccount, OrganizationsBackend, organizations_backends

from . import managed_policies
from .accounts import PARTITION, service_linked_role_arn

ORGANIZATION_ID = "o-exampleorgid"
ROOT_ID = "r-exam"

_SERVICE_ROLE = "AWSBackupDefaultServiceRole"
_TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"backup.amazonaws.com"},"Action":"sts:AssumeRole"}]}'


def bootstrap(management_account: str, members: Mapping[str, str], region: str = "us-east-1") -> OrganizationsBackend:
    """Create the organization with its ids fixed. `members` maps account ids to names, the management one excluded."""
    backend = organizations_backends[management_account][PARTITION]
    if backend.org is None:
        backend.create_organization(region, FeatureSet="ALL")
    assert backend.org is not None
    root = backend.ou[0]
    backend.org.id, backend.org.root_id = ORGANIZATION_ID, ROOT_ID
    root.id, root.organization_id = ROOT_ID, ORGANIZATION_ID
    for policy in backend.policies:
        policy.organization_id = ORGANIZATION_ID
    for account in backend.accounts:
        account.parent_id, account.organization_id, account.name = ROOT_ID, ORGANIZATION_ID, "management"
    for account_id, name in members.items():
        add_account(backend, account_id, name)
    for policy_type in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
        if all(one["Type"] != policy_type for one in root.policy_types):  # type: ignore[attr-defined]
            root.add_policy_type(policy_type)  # type: ignore[attr-defined]
    return backend


def add_account(backend: OrganizationsBackend, account_id: str, name: str) -> FakeAccount:
    existing = next((one for one in backend.accounts if one.id == account_id), None)
    if existing is not None:
        return existing
    assert backend.org is not None
    account = FakeAccount(backend.org, AccountName=name, Email=f"{name}@example.com")
    # moto has made the admin role in the account of the random id; `create_admin_role` makes the one that counts.
    account.id = account_id
    account.parent_id = ROOT_ID
    backend.accounts.append(account)
    organizations_backends.master_accounts[account_id] = (backend.account_id, PARTITION)  # type: ignore[attr-defined]
    for policy_id in ("p-FullAWSAccess", "p-RCPFullAWSAccess"):
        backend.attach_policy(PolicyId=policy_id, TargetId=account_id)
    return account


def create_admin_role(account_id: str, management_account: str, name: str = "OrganizationAccountAccessRole") -> None:
    from moto.iam.models import iam_backends

    backend = iam_backends[account_id][PARTITION]
    if any(role.name == name for role in backend.roles.values()):
        return
    trust = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::'
        + management_account
        + ':root"},"Action":"sts:AssumeRole"}]}'
    )
    role = backend.create_role(name, trust, "/", None, "", [], "3600")
    role.policies["Administrator"] = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    )


def create_backup_roles(account_id: str) -> tuple[str, str]:
    """The default service role and the service-linked role of AWS Backup; returns their ARNs."""
    from moto.iam.models import iam_backends

    backend = iam_backends[account_id][PARTITION]
    names = {role.name: role for role in backend.roles.values()}
    role = names.get(_SERVICE_ROLE)
    if role is None:
        role = backend.create_role(_SERVICE_ROLE, _TRUST, "/service-role/", None, "", [], "3600")
        for arn in (managed_policies.BACKUP, managed_policies.RESTORES):
            backend.attach_role_policy(arn, _SERVICE_ROLE)
    if "AWSServiceRoleForBackup" not in names:
        backend.create_service_linked_role("backup.amazonaws.com", "", "")
    return role.arn, service_linked_role_arn(account_id)


def install() -> None:
    """Let the service-linked role have its real name and policy however it is created."""
    from moto.iam import models
    from moto.iam.exceptions import EntityAlreadyExists, IAMException

    models.SERVICE_NAME_CONVERSION["backup"] = "Backup"
    create = models.IAMBackend.create_service_linked_role

    def create_service_linked_role(self: Any, service_name: str, description: str, suffix: str) -> Any:
        try:
            role = create(self, service_name, description, suffix)
        except EntityAlreadyExists as there:
            name = str(there.message).removeprefix("Role with name ").partition(" ")[0]
            taken = f"Service role name {name} has been taken in this account, please try a different suffix."
            raise IAMException("InvalidInput", taken) from there
        if service_name == "backup.amazonaws.com":
            self.attach_role_policy(managed_policies.SERVICE_LINKED_ROLE, role.name)
        return role

    models.IAMBackend.create_service_linked_role = create_service_linked_role  # type: ignore[method-assign]
