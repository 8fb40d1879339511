"""The state in which the lab starts: the organization, and the guardian deployed from its own templates."""

from __future__ import annotations

import copy
import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import HOME_REGION, accounts, authorizations, organization, stacks

log = logging.getLogger(__name__)


@dataclass
class Deployment:
    """What `/lab/info` tells about the stacks."""

    outputs: dict[str, str] = field(default_factory=dict)
    created_by_extension: list[str] = field(default_factory=list)
    not_created: list[str] = field(default_factory=list)
    binaries: dict[str, str] = field(default_factory=dict)


class Templates:
    """The templates of a project folder, read and translated once; a reset creates them again."""

    def __init__(self, root: Path) -> None:
        hub = stacks.read(root / "template.yaml")
        self.binaries = stacks.binaries_of(hub)
        self.hub = stacks.translate(hub)
        self.agent_global = _if_there(root / "deploy" / "agent-global.yaml")
        self.agent_regional = _if_there(root / "deploy" / "agent-regional.yaml")

    def with_hub(self, hub: stacks.Template) -> Templates:
        """The same agents, and another guardian."""
        other = copy.copy(self)
        other.binaries, other.hub = stacks.binaries_of(hub), stacks.translate(hub)
        return other


def _if_there(path: Path) -> stacks.Template | None:
    return stacks.translate(stacks.read(path)) if path.is_file() else None


PARAMETERS = {
    "OrganizationId": accounts.ORGANIZATION_ID,
    "BackupAccountIds": accounts.BACKUP,
    "Regions": ",".join(accounts.REGIONS),
    "GuardianAccountId": accounts.GUARDIAN,
    "HubRegion": HOME_REGION,
    "EnableDrills": "yes",
    "EnableRestoreDrills": "yes",
    "DrillVaultArns": "arn:aws:backup:*:*:backup-vault:*-vault-*",
    "DrillJobRoleArns": "arn:aws:iam::*:role/service-role/AWSBackupDefaultServiceRole",
    "DrillSchedule": "rate(7 days)",
    "ScheduledDrill": json.dumps(
        {
            "drill": "copy",
            "vault_arn": f"arn:aws:backup:{HOME_REGION}:{accounts.SOURCES[0]}:backup-vault:drill-vault-scheduled",
            "resource_arn": f"arn:aws:ec2:{HOME_REGION}:{accounts.SOURCES[0]}:volume/vol-scheduled",
            "destination_vault_arn": f"arn:aws:backup:{HOME_REGION}:{accounts.BACKUP}:backup-vault:drill-vault-scheduled",
            "retention_days": 3,
        }
    ),
    "OrganizationRoleArn": f"arn:aws:iam::{accounts.MANAGEMENT}:role/{accounts.READER_ROLE_NAME}",
}


def provision(templates: Templates | None, parameters: dict[str, str]) -> Deployment:
    """Fill an empty moto; without templates only the organization. `parameters` go before the lab's own."""
    organization.bootstrap()
    authorizations.reset()
    deployment = Deployment()
    if templates is None:
        return deployment
    given = {**PARAMETERS, **parameters}
    deployment.binaries = dict(templates.binaries)
    if key := given.get("OperationsKeyArn"):
        _make_key(key)
    stacks.provide_code(accounts.GUARDIAN, sorted(set(templates.binaries.values())))
    hub = stacks.create(accounts.GUARDIAN, HOME_REGION, accounts.STACK_NAME, templates.hub, given)
    deployment.outputs = dict(sorted(hub.outputs().items()))
    _note(deployment, accounts.GUARDIAN, HOME_REGION, hub)
    authorizations.deployed("template.yaml", hub)
    if templates.agent_global is not None:
        for account_id in accounts.ALL:
            for name, more in _agents(account_id, given):
                created = stacks.create(account_id, HOME_REGION, name, templates.agent_global, {**given, **more})
                _note(deployment, account_id, HOME_REGION, created)
                authorizations.deployed("deploy/agent-global.yaml", created)
    if templates.agent_regional is not None:
        for account_id in accounts.ALL:
            for region in (*accounts.REGIONS, accounts.GLOBAL_REGION):
                name = f"{accounts.STACK_NAME}-regional"
                _note(
                    deployment,
                    account_id,
                    region,
                    stacks.create(account_id, region, name, templates.agent_regional, given),
                )
    return deployment


def _make_key(arn: str) -> None:
    """A key of the guardian account under an ARN that is known before: it leaves all to IAM, and CloudWatch publishes under it."""
    from moto.kms.models import kms_backends

    _, _, _, region, account_id, name = arn.split(":", 5)
    root = {"AWS": f"arn:aws:iam::{account_id}:root"}
    alarms = {"Service": "cloudwatch.amazonaws.com"}
    statements = [
        {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": alarms, "Action": ["kms:Decrypt", "kms:GenerateDataKey*"], "Resource": "*"},
    ]
    backend = kms_backends[account_id][region]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    made = backend.create_key(policy, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "A key of one's own", None)
    backend.keys[name.removeprefix("key/")] = backend.keys.pop(made.id)
    made.id, made.arn = name.removeprefix("key/"), arn


def _agents(account_id: str, given: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    """The stacks of an account with the roles of the agent. Who reads the organization may be a role of its own beside the reader."""
    name = f"{accounts.STACK_NAME}-global"
    role = given["OrganizationRoleArn"].rsplit("/", 1)[-1]
    if account_id != accounts.MANAGEMENT or not role:
        return [(name, {"ReadOrganization": "no"})]
    if role == given.get("ReaderRoleName", accounts.READER_ROLE_NAME):
        return [(name, {"ReadOrganization": "yes"})]
    own = {
        "ReaderRoleName": role,
        "ForwarderRoleName": f"{role}-forwarder",
        "ReadOrganization": "yes",
        "EnableDrills": "no",
    }
    return [(name, {"ReadOrganization": "no"}), (f"{accounts.STACK_NAME}-organization", own)]


def _note(deployment: Deployment, account_id: str, region: str, created: stacks.Created) -> None:
    where = f"{account_id} {region} "
    deployment.created_by_extension += [where + one for one in created.by_extension]
    deployment.not_created += [where + one for one in created.skipped]


def clear() -> None:
    """Empty moto, as its own reset does."""
    from moto.core.base_backend import BackendDict
    from moto.core.model_instances import reset_model_data
    from moto.organizations.models import organizations_backends

    BackendDict.reset()
    reset_model_data()
    organizations_backends.master_accounts.clear()


def as_dict(deployment: Deployment) -> dict[str, Any]:
    return {
        "outputs": deployment.outputs,
        "created_by_extension": deployment.created_by_extension,
        "not_created": deployment.not_created,
    }
