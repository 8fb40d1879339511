"""An estate that is set up by the commands of a plan, each in the account and the Region that the plan names, in its order."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from samtranslator.yaml_helper import yaml_parse

from .cli_arguments import request
from .estate import (
    COPY_KEPT_DAYS,
    DUE_HOURS_AGO,
    KEPT_DAYS,
    Estate,
    Source,
    encrypt_by_default,
    fill,
    organization_trail,
    protect_every_type,
    restore_to_test,
)
from .organization import ROOT, Json, Lab
from .terminal import Terminal

# The lab deploys the guardian and its agents by itself, from the same templates; that their parameters fit is tested without it.
DEPLOYED_BY_THE_LAB = {"agent-global", "agent-regional"}


def answers(lab: Lab, unit: str, root: str, due: datetime) -> Json:
    return {
        "schema": "backup-guardian/topology-answers/v1",
        "organization": {"id": lab.organization_id, "root_id": root, "management_account": lab.management},
        "regions": lab.info["regions"],
        "sources": {"targets": [unit]},
        "backup": {
            "account": lab.backup,
            "region": lab.region,
            "break_glass_principal": f"arn:aws:iam::{lab.backup}:user/two-people-and-a-safe",
            "lock": {"mode": "compliance", "acknowledgement": "nobody can undo this lock", "grace_days": 3, "min_days": KEPT_DAYS},
        },
        "policies": [
            {
                "name": "backups",
                "daily": {"schedule": f"cron({due.minute} {due.hour} ? * * *)", "keep_days": KEPT_DAYS, "keep_copies_days": COPY_KEPT_DAYS},
            }
        ],
        "guardian": {"account": lab.guardian, "region": lab.region},
        "delegated_administrator": lab.backup,
        "resource_types": ["Aurora", "DynamoDB", "EBS", "EC2", "EFS", "RDS", "S3"],
    }  # fmt: skip


@dataclass
class Doing:
    """Does commands as the AWS CLI would, but for StackSets, which the lab has not."""

    lab: Lab
    folder: Path
    targets: list[str]
    stack_sets: dict[str, Json] = field(default_factory=dict)
    outputs: dict[tuple[str, str, str], dict[str, str]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def step(self, step: Json) -> None:
        for one in step["commands"]:
            if one["command"][0] == "aws":
                self._command(step["account_id"], one)
                self.done.append(" ".join(one["command"][1:3]))

    def _command(self, account: str, one: Json) -> None:
        words = one["command"]
        service, operation, sent = request(words[1:], self.folder)
        region = words[words.index("--region") + 1] if "--region" in words else self.lab.region
        if operation == "deploy":
            name = words[words.index("--stack-name") + 1]
            self._stack(account, region, name, sent["template"], sent["parameters"])
        elif operation == "CreateStackSet":
            assert account == self.lab.management
            path = words[words.index("--template-body") + 1].removeprefix("file://")
            self.stack_sets[sent["StackSetName"]] = {
                "path": path,
                "parameters": {one["ParameterKey"]: one["ParameterValue"] for one in sent["Parameters"]},
            }
        elif operation == "CreateStackInstances":
            made = self.stack_sets[sent["StackSetName"]]
            for target in self._accounts(sent["DeploymentTargets"]["OrganizationalUnitIds"]):
                for each in sent["Regions"]:
                    self._stack(target, each, sent["StackSetName"], made["path"], made["parameters"])
        elif operation != "ActivateOrganizationsAccess":
            self._call(account, region, service, words[2].replace("-", "_"), sent, one.get("fine_if_it_says"))

    def _call(self, account: str, region: str, service: str, method: str, sent: Json, fine: str | None) -> None:
        client = self.lab.client(account, service, region)
        try:
            getattr(client, method)(**sent)
        except client.exceptions.ClientError as error:
            assert fine and fine in str(error), error

    def _accounts(self, units: list[str]) -> list[str]:
        """Service-managed StackSets never reach the management account."""
        organizations = self.lab.client(self.lab.management, "organizations")
        found = [
            one["Id"] for unit in units for one in organizations.list_accounts_for_parent(ParentId=unit)["Accounts"]
        ]
        return [one for one in found if one != self.lab.management]

    def _stack(self, account: str, region: str, name: str, path: str, parameters: dict[str, str]) -> None:
        if Path(path).stem in DEPLOYED_BY_THE_LAB:
            return
        place = {"account_id": account, "region": region, "name": name}
        template = yaml_parse((ROOT / path).read_text(encoding="utf-8"))
        made = self.lab.control("stack", place | {"template": template, "parameters": parameters})
        assert {one.rpartition(" ")[2] for one in made["not_created"]} <= {"(AWS::CloudFormation::WaitConditionHandle)"}
        self.outputs[account, region, name] = made["outputs"]


def plan(lab: Lab, given: Json, folder: Path) -> Json:
    (folder / "answers.json").write_text(json.dumps(given), encoding="utf-8")
    made = Terminal(lab).run(
        "topology", "plan", str(folder / "answers.json"), "--out", str(folder / "setup"), "--format", "json"
    )
    assert made.code == 0, made.errors
    return made.json


def planned_estate(lab: Lab, folder: Path, nights: int = 3) -> tuple[Estate, Doing]:
    """What no plan does is a trail, and backups."""
    lab.cloudtrail_delay(0)
    due = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=DUE_HOURS_AGO)
    estate = Estate(lab, nights, due)
    with estate.at(due - timedelta(days=nights + 1)):
        organizations = lab.client(lab.management, "organizations")
        (root,) = organizations.list_roots()["Roots"]
        unit = organizations.create_organizational_unit(ParentId=root["Id"], Name="Workloads")["OrganizationalUnit"]
        for account in lab.accounts["sources"]:
            organizations.move_account(AccountId=account, SourceParentId=root["Id"], DestinationParentId=unit["Id"])
        estate.trail_arn = organization_trail(lab)
        doing = Doing(lab, folder, [unit["Id"]])
        for step in plan(lab, answers(lab, unit["Id"], root["Id"], due), folder)["steps"]:
            doing.step(step)
        # As the notes of the plan say.
        protect_every_type(lab, lab.accounts["sources"])
        _name_what_was_made(estate, doing)
        for account in (lab.management, lab.guardian, lab.backup):
            encrypt_by_default(estate, account)
        lab.control("backup-policies", {})
    for ago in range(nights, -1, -1):
        estate.night(ago)
    restore_to_test(estate)
    return estate, doing


def _name_what_was_made(estate: Estate, doing: Doing) -> None:
    lab = estate.lab
    central = doing.outputs[lab.backup, lab.region, "backup-account"]
    estate.central_vault_arn, estate.central_key_arn = central["VaultArn"], central["VaultKeyArn"]
    estate.policy_id = doing.outputs[lab.management, lab.region, "backup-policy-backups"]["BackupPolicyId"]
    for account in lab.accounts["sources"]:
        made = doing.outputs[account, lab.region, "source-backup"]
        vault = lab.client(account, "backup").describe_backup_vault(BackupVaultName="local-backups")
        source = Source(account, made["VolumeKeyArn"], vault["EncryptionKeyArn"])
        fill(lab, source)
        estate.sources.append(source)
