"""The sweep as a good Python program: boto3, threads, the fewest calls, recovery points folded by resource, and the states of coverage.

It is here to be measured beside `guardian sweep`: it makes the same calls, and comes to the same states. It says nothing else: no checks, no reasons,
no gaps, no report. A test compares both.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

LINKED_ROLE = "AWSServiceRoleForBackup"
# What the guardian allows: an hour for clocks and lists, a day for a copy to land.
GRACE, COPY_WITHIN = timedelta(hours=1), timedelta(hours=24)
KEPT = 64

Json = dict[str, Any]


@dataclass
class Folded:
    """The recovery points of one resource that came the same way."""

    kind: str
    newest: list[tuple[datetime, str, str]] = field(default_factory=list)

    def add(self, point: Json) -> None:
        if point["Status"] not in ("COMPLETED", "AVAILABLE", "STOPPED"):
            return
        made = point.get("CreatedBy", {})
        self.newest.append((point["CreationDate"], made.get("BackupPlanId", ""), made.get("BackupRuleId", "")))
        if len(self.newest) > 4 * KEPT:
            self.trim()

    def trim(self) -> None:
        self.newest.sort(reverse=True)
        del self.newest[KEPT:]


# By the resource and the vault that a copy came from.
Points = dict[tuple[str, str | None], Folded]


@dataclass
class Place:
    """An account in a Region, as far as coverage needs it."""

    opted_in: dict[str, bool] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    plans: list[tuple[Json, list[Json]]] = field(default_factory=list)
    vaults: dict[str, Points] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)
    left_alone: set[str] = field(default_factory=set)


class Clients:
    """Clients of one account. Making one is slow and not safe in threads, but the models behind them are shared."""

    config = Config(retries={"mode": "standard", "max_attempts": 3}, parameter_validation=False, max_pool_connections=4)
    session = boto3.Session()
    lock = threading.Lock()
    spent = 0.0

    def __init__(self, region: str, credentials: Json | None = None) -> None:
        self.region = region
        self.keys = {}
        if credentials:
            self.keys = {
                "aws_access_key_id": credentials["AccessKeyId"],
                "aws_secret_access_key": credentials["SecretAccessKey"],
                "aws_session_token": credentials["SessionToken"],
            }

    def client(self, service: str, region: str | None = None) -> Any:
        with self.lock:
            start = time.thread_time()
            client = self.session.client(service, region_name=region or self.region, config=self.config, **self.keys)
            Clients.spent += time.thread_time() - start
        return client


class Sweep:
    def __init__(self, regions: list[str], reader: str, management: str, backup: str) -> None:
        self.regions, self.reader, self.management, self.backup = regions, reader, management, backup
        self.sts = Clients(regions[0]).client("sts")
        self.now = datetime.now(UTC)
        owner = self.assumed(management)
        self.organizations = owner.client("organizations")
        self.owner = owner
        # What landed in the vaults of the backup account: by vault, by source account.
        self.landed: dict[str, dict[str, Points]] = defaultdict(dict)

    def assumed(self, account: str) -> Clients:
        role = f"arn:aws:iam::{account}:role/{self.reader}"
        answer = self.sts.assume_role(RoleArn=role, RoleSessionName="twin")
        return Clients(self.regions[0], answer["Credentials"])

    def organization(self) -> list[str]:
        """The accounts; and what bounds them, which is read and not judged."""
        organizations = self.organizations
        organizations.describe_organization()
        self.owner.client("backup").describe_global_settings()
        organizations.list_aws_service_access_for_organization()
        organizations.list_delegated_administrators(ServicePrincipal="backup.amazonaws.com")
        kinds = [
            kind["Type"]
            for root in organizations.list_roots()["Roots"]
            for kind in root["PolicyTypes"]
            if kind["Status"] == "ENABLED"
        ]
        for kind in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
            if kind not in kinds:
                continue
            for policy in pages(organizations, "list_policies", "Policies", Filter=kind):
                json.loads(organizations.describe_policy(PolicyId=policy["Id"])["Policy"]["Content"])
                list(pages(organizations, "list_targets_for_policy", "Targets", PolicyId=policy["Id"]))
        return [account["Id"] for account in pages(organizations, "list_accounts", "Accounts")]

    def account(self, account: str) -> dict[str, str]:
        """Reads an account, and judges its resources."""
        clients = self.owner if account == self.management else self.assumed(account)
        iam = clients.client("iam")
        self.role(iam, LINKED_ROLE)
        effective = self.organizations.describe_effective_policy(PolicyType="BACKUP_POLICY", TargetId=account)
        json.loads(effective["EffectivePolicy"]["PolicyContent"])
        places = {region: self.place(clients, account, region) for region in self.regions}
        selections = [one for place in places.values() for _, selections in place.plans for one in selections]
        for role in sorted({one["IamRoleArn"].rsplit("/")[-1] for one in selections}):
            self.role(iam, role)
        if account == self.backup:
            list(pages(iam, "list_roles", "Roles"))
            for role in sorted(set().union(*(place.left_alone for place in places.values()))):
                self.role(iam, role)
            self.arrived(places)
        return {resource: state for place in places.values() for resource, state in self.judged(account, place)}

    @staticmethod
    def role(iam: Any, name: str) -> None:
        iam.get_role(RoleName=name)
        for policy in pages(iam, "list_role_policies", "PolicyNames", RoleName=name):
            iam.get_role_policy(RoleName=name, PolicyName=policy)
        for policy in pages(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=name):
            version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
            iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)

    def place(self, clients: Clients, account: str, region: str) -> Place:
        place = Place()
        backup, kms, ec2 = (clients.client(service, region) for service in ("backup", "kms", "ec2"))
        place.opted_in = backup.describe_region_settings()["ResourceTypeOptInPreference"]
        if ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"]:
            place.keys.add(ec2.get_ebs_default_kms_key_id()["KmsKeyId"])
        ec2.get_allowed_images_settings()
        for vault in pages(backup, "list_backup_vaults", "BackupVaultList"):
            name, arn = vault["BackupVaultName"], vault["BackupVaultArn"]
            place.keys.add(vault["EncryptionKeyArn"])
            policy = optional(backup.get_backup_vault_access_policy, BackupVaultName=name)
            place.left_alone |= left_alone(json.loads(policy["Policy"])) if policy else set()
            optional(backup.get_backup_vault_notifications, BackupVaultName=name)
            place.vaults[arn] = folded(backup, name) if vault["NumberOfRecoveryPoints"] else {}
        for plan in pages(backup, "list_backup_plans", "BackupPlansList"):
            plan_id = plan["BackupPlanId"]
            rules = backup.get_backup_plan(BackupPlanId=plan_id)
            listed = pages(backup, "list_backup_selections", "BackupSelectionsList", BackupPlanId=plan_id)
            ids = [one["SelectionId"] for one in listed]
            got = [backup.get_backup_selection(BackupPlanId=plan_id, SelectionId=one) for one in ids]
            place.plans.append((rules, [one["BackupSelection"] for one in got]))
        tagging = clients.client("resourcegroupstaggingapi", region)
        for resource in pages(tagging, "get_resources", "ResourceTagMappingList", ResourcesPerPage=100):
            place.tags[resource["ResourceARN"]] = {tag["Key"]: tag["Value"] for tag in resource["Tags"]}
        list(pages(backup, "list_restore_testing_plans", "RestoreTestingPlans"))
        list(pages(backup, "list_restore_jobs", "RestoreJobs", ByStatus="COMPLETED"))
        done: Json = {"ByState": "COMPLETED", "ByCompleteAfter": self.now - timedelta(days=1)}
        list(pages(backup, "list_backup_jobs", "BackupJobs", **done))
        list(pages(backup, "list_copy_jobs", "CopyJobs", **done))
        clients.client("cloudtrail", region).describe_trails()
        for key in sorted(place.keys):
            if key.startswith(f"arn:aws:kms:{region}:{account}:"):
                kms.describe_key(KeyId=key)
                json.loads(kms.get_key_policy(KeyId=key)["Policy"])
                kms.get_key_rotation_status(KeyId=key)
        return place

    def arrived(self, places: dict[str, Place]) -> None:
        for place in places.values():
            for vault, points in place.vaults.items():
                for (resource, source), folded in points.items():
                    if source:
                        self.landed[vault].setdefault(source.split(":")[4], {})[resource, source] = folded

    def judged(self, account: str, place: Place) -> Iterator[tuple[str, str]]:
        """The state of every resource that is listed: each rule that selects it promises a backup, and a copy where it copies to."""
        own: dict[str, list[tuple[datetime, str, str]]] = defaultdict(list)
        for points in place.vaults.values():
            for (resource, source), folded in points.items():
                if source is None:
                    own[resource] += folded.newest
        for points in own.values():
            points.sort(reverse=True)
        for resource, tags in place.tags.items():
            rules = [
                (plan["BackupPlanId"], rule)
                for plan, selections in place.plans
                for selection in selections
                if selects(selection, tags)
                for rule in plan["BackupPlan"]["Rules"]
            ]
            if not rules:
                yield resource, "unprotected"
            elif not place.opted_in.get(kind(resource), False):
                yield resource, "opt-in-blocked"
            else:
                yield (
                    resource,
                    min((self.kept(account, resource, own[resource], *rule) for rule in rules), key=WORST.index),
                )

    def kept(self, account: str, resource: str, own: list[tuple[datetime, str, str]], plan: str, rule: Json) -> str:
        window = timedelta(minutes=rule["StartWindowMinutes"])
        # Nightly, as every plan of the estate.
        within = timedelta(hours=24) + 2 * window + GRACE
        if not own:
            return "selected-never-backed-up"
        states = ["protected" if self.now - own[0][0] <= within else "stale"]
        made = [at for at, made_by, made_rule in own if (made_by, made_rule) == (plan, rule["RuleId"])]
        for action in rule.get("CopyActions", []):
            there = self.landed.get(action["DestinationBackupVaultArn"], {}).get(account, {})
            copies = [
                folded.newest[0][0] for (copied, _), folded in there.items() if copied == resource and folded.newest
            ]
            if not copies:
                late = any(self.now - at > COPY_WITHIN + 2 * window + GRACE for at in made)
                states.append("never-copied" if late else "unknown")
            elif any(at > max(copies) and self.now - at > COPY_WITHIN for at in made):
                states.append("stale")
            else:
                states.append("protected" if self.now - max(copies) <= within + COPY_WITHIN else "stale")
        return min(states, key=WORST.index)


WORST = ["selected-never-backed-up", "never-copied", "stale", "unknown", "protected"]


def kind(resource: str) -> str:
    """Of the estate: everything is a volume."""
    return {"ec2": "EBS"}.get(resource.split(":")[2], "unknown")


def selects(selection: Json, tags: dict[str, str]) -> bool:
    return any(
        tags.get(test["ConditionKey"]) == test["ConditionValue"]
        for test in selection.get("ListOfTags", [])
        if test["ConditionType"] == "STRINGEQUALS"
    )


def pages(client: Any, operation: str, items: str, **parameters: Any) -> Iterator[Any]:
    if not client.can_paginate(operation):
        yield from getattr(client, operation)(**parameters)[items]
        return
    for page in client.get_paginator(operation).paginate(**parameters):
        yield from page[items]


def optional(ask: Any, **parameters: Any) -> Json | None:
    """What a vault need not have."""
    try:
        return ask(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return None


def left_alone(policy: Json) -> set[str]:
    """The names of the roles that the Denys of a policy leave alone."""
    denies = [one["Condition"].get("ArnNotLike", {}) for one in policy["Statement"] if one["Effect"] == "Deny"]
    named = [one["aws:PrincipalArn"] for one in denies if "aws:PrincipalArn" in one]
    return {arn.rsplit("/", 1)[1] for arn in named if "*" not in arn}


def folded(backup: Any, vault: str) -> Points:
    points: Points = {}
    for point in pages(backup, "list_recovery_points_by_backup_vault", "RecoveryPoints", BackupVaultName=vault):
        key = (point["ResourceArn"], point.get("SourceBackupVaultArn"))
        if key not in points:
            points[key] = Folded(point["ResourceType"])
        points[key].add(point)
    for one in points.values():
        one.trim()
    return points


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", required=True, help="comma-separated")
    parser.add_argument("--reader", default="backup-guardian-reader")
    parser.add_argument("--management", required=True)
    parser.add_argument("--backup", required=True)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--out", type=Path, required=True, help="states by resource, as JSON")
    given = parser.parse_args()
    sweep = Sweep(given.regions.split(","), given.reader, given.management, given.backup)
    accounts = sweep.organization()
    states: dict[str, str] = {}
    if given.backup in accounts:
        # First: the others are judged by what landed there.
        accounts.remove(given.backup)
        states |= sweep.account(given.backup)
    with ThreadPoolExecutor(given.threads) as pool:
        for judged in pool.map(sweep.account, accounts):
            states |= judged
    given.out.write_text(json.dumps(states), encoding="utf-8")
    print(json.dumps({"accounts": len(accounts), "resources": len(states), "clients_seconds": round(Clients.spent, 3)}))
    return 0


if __name__ == "__main__":
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    sys.exit(main())
