"""The organization before the guardian comes: accounts with fixed ids, administrators, and the roles of AWS Backup."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

from lab import accounts

BACKUP_ROLE_NAME = "AWSBackupDefaultServiceRole"
BACKUP_POLICIES = (
    "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup",
    "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores",
)
SERVICE_LINKED_ROLE_NAME = "AWSServiceRoleForBackup"
SERVICE_LINKED_POLICY = "arn:aws:iam::aws:policy/aws-service-role/AWSBackupServiceLinkedRolePolicyForBackup"


def bootstrap() -> None:
    """Create everything in moto's present, empty state."""
    for account_id in accounts.ALL:
        _roles(account_id)
    _organization()


def _organization() -> None:
    from moto.organizations import utils
    from moto.organizations.models import organizations_backends

    ids: Iterator[str] = iter(accounts.ALL)
    backend = organizations_backends[accounts.MANAGEMENT]["aws"]
    # moto draws ids; during the bootstrap it draws ours.
    with ExitStack() as fixed:
        fixed.enter_context(patch.object(utils, "make_random_org_id", lambda: accounts.ORGANIZATION_ID))
        fixed.enter_context(patch.object(utils, "make_random_root_id", lambda: accounts.ROOT_ID))
        fixed.enter_context(patch.object(utils, "make_random_account_id", lambda: next(ids)))
        backend.create_organization(region="us-east-1", FeatureSet="ALL")
        for account_id in accounts.ALL[1:]:
            name = accounts.NAMES[account_id]
            backend.create_account(AccountName=name, Email=f"{name}@example.com", RoleName=accounts.ADMIN_ROLE_NAME)
    for policy_type in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
        if all(one["Type"] != policy_type for one in backend.ou[0].policy_types):
            backend.enable_policy_type(RootId=accounts.ROOT_ID, PolicyType=policy_type)
    backend.get_account_by_id(accounts.MANAGEMENT).name = accounts.NAMES[accounts.MANAGEMENT]


def _roles(account_id: str) -> None:
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    _role(account_id, accounts.ADMIN_ROLE_NAME, "/", {"AWS": f"arn:aws:iam::{accounts.MANAGEMENT}:root"})
    _iam(account_id).put_role_policy(accounts.ADMIN_ROLE_NAME, "AdministratorAccess", json.dumps(everything))
    _role(account_id, BACKUP_ROLE_NAME, "/service-role/", {"Service": "backup.amazonaws.com"})
    for arn in BACKUP_POLICIES:
        _attach(account_id, BACKUP_ROLE_NAME, arn)
    _role(
        account_id,
        SERVICE_LINKED_ROLE_NAME,
        "/aws-service-role/backup.amazonaws.com/",
        {"Service": "backup.amazonaws.com"},
        linked_service="backup.amazonaws.com",
    )
    _attach(account_id, SERVICE_LINKED_ROLE_NAME, SERVICE_LINKED_POLICY)


def _role(account_id: str, name: str, path: str, principal: dict[str, str], linked_service: str | None = None) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}],
    }
    _iam(account_id).create_role(
        role_name=name,
        assume_role_policy_document=json.dumps(trust),
        path=path,
        permissions_boundary=None,
        description="",
        tags=[],
        max_session_duration="3600",
        linked_service=linked_service,
    )


def _attach(account_id: str, role_name: str, policy_arn: str) -> None:
    """Attach an AWS managed policy; moto gets it into this account only when it is needed (all of them take seconds)."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data
    from moto.iam.models import AWSManagedPolicy

    backend = _iam(account_id)
    if policy_arn not in backend.managed_policies:
        name = policy_arn.rsplit("/", 1)[-1]
        data = _managed_policies(aws_managed_policies_data)[name]
        backend.managed_policies[policy_arn] = AWSManagedPolicy.from_data(name, account_id, "aws", data)
    backend.attach_role_policy(policy_arn, role_name)


_parsed: dict[str, Any] = {}


def _managed_policies(text: str) -> dict[str, Any]:
    if not _parsed:
        _parsed.update(json.loads(text))
    return _parsed


def _iam(account_id: str) -> Any:
    from moto.iam.models import iam_backends

    return iam_backends[account_id]["aws"]
