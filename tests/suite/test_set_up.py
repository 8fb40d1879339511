"""The topology of `deploy/`, created in the order of README.md: nothing is wrong with it, copies go both ways, and without any one of its statements, or
of the policies of its roles, a check says so and the route that needs it breaks."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from templates.rendered import documents

from .estate import BASELINE, COPY_KEPT_DAYS, TAG, Estate, Source
from .organization import JOB_ROLE, Json, Lab, running_lab
from .set_up import (
    AIR_GAPPED_VAULT,
    CENTRAL_VAULT,
    COPY_BACK_ROLE,
    GLASS_ROLE,
    KEEPER,
    ROLE,
    VAULT,
    set_up_estate,
)
from .test_sweep import grave, protection, sweep

NIGHTS = 3
# Both ways of a volume, under the key of the volume, and of a table, under the key of its vault; and out into the air-gapped vault.
OUT, BACK, TABLE_OUT, TABLE_BACK, GAP = "out", "back", "table out", "table back", "into the air gap"
EMAIL = "backups@example.com"
# What the vault announces, and what whoever breaks the glass changes.
NEWS, GLASS_VAULT, GLASS_KEY, GLASS_SETTINGS = "news", "vault by glass", "key by glass", "settings by glass"


@dataclass(frozen=True)
class Without:
    """What is noticed when a statement is gone: a check that says so, and the ways that break."""

    check: str
    ways: frozenset[str]


def without(check: str, *ways: str) -> Without:
    return Without(check, frozenset(ways))


STATEMENTS: dict[str, dict[str, Without]] = {
    "key of the central vault": {
        "AccountDecidesByIam": without("key-held-by-its-account", BACK, GLASS_KEY),
        "NobodyEndsTheKey": without("copy-key-policy-denies-deletion"),
        "CopiesBackUse": without("backup-vault-key-usable-for-way-back", BACK, TABLE_BACK),
        "CopiesBackGrant": without("backup-vault-key-usable-for-way-back", BACK, TABLE_BACK),
    },
    "central vault": {
        "OrganizationCopiesIn": without("destination-vault-admits-account", OUT, TABLE_OUT),
        "NobodyDeletes": without("vault-deletion-denied"),
        "NobodyElseChangesThis": without("vault-deletion-denied"),
    },
    "air-gapped vault": {"OrganizationCopiesIn": without("vault-policy-admits-only-organization", GAP)},
    "key of the notifications": {
        "AccountDecidesByIam": without("key-held-by-its-account"),
        "BackupPublishes": without("vault-notifications-reach-topic", NEWS),
    },
    "topic of the notifications": {"BackupPublishes": without("vault-notifications-reach-topic", NEWS)},
    "role that breaks the glass": {
        "Vaults": without("break-glass-role-usable", GLASS_VAULT),
        "Settings": without("break-glass-role-usable", GLASS_SETTINGS),
        "Keys": without("break-glass-role-usable", GLASS_KEY),
    },
    "key of the local vault": {
        "AccountDecidesByIam": without("key-held-by-its-account", BACK, TABLE_BACK),
        "BackupAccountUses": without("vault-key-lets-backup-account-use", TABLE_OUT),
        "BackupAccountGrants": without("vault-key-lets-backup-account-grant", TABLE_OUT),
    },
    "local vault": {"BackupAccountCopiesBack": without("source-vault-accepts-copy-back", BACK, TABLE_BACK)},
    "key of the volumes": {
        "AccountDecidesByIam": without("key-held-by-its-account", GAP),
        "ThisAccountThroughEc2": without("ebs-default-key-usable-through-ec2"),
        "BackupAccountUses": without("ebs-key-lets-backup-account-use", OUT),
        "BackupAccountGrants": without("ebs-key-lets-backup-account-grant", OUT),
    },
    "backups-protect-copies": {
        "Copies": without("backup-account-deletion-denied"),
        "VaultsAndKeys": without("backup-account-key-deletion-denied"),
        "Grants": without("backup-account-key-deletion-denied"),
        # Without it anybody is the break-glass role, whom the other statement leaves alone.
        "Roles": without("backup-account-key-deletion-denied"),
        "Watching": without("guardian-silencing-denied"),
    },
    "backups-protect-sources": {
        "Backups": without("source-backup-deletion-denied"),
        "Settings": without("backup-settings-change-denied"),
        # Without it anybody has the role whom the other statement leaves alone.
        "Setters": without("backup-settings-change-denied"),
        "Keys": without("source-vault-key-deletion-denied"),
        "Grants": without("source-vault-key-deletion-denied"),
        "Roles": without("backup-role-change-denied"),
        "Watching": without("guardian-silencing-denied"),
        "Membership": without("source-backup-deletion-denied"),
    },
}
# Where the policies lie in the templates.
# `GUARDIAN_SOAK=1` takes away all of them.
EACH = [(name, sid) for name, statements in STATEMENTS.items() for sid in statements]
TAKEN_AWAY = EACH if os.environ.get("GUARDIAN_SOAK") == "1" else random.Random(2021).sample(EACH, len(EACH) // 3)
WRITTEN = {
    "key of the central vault": "backup-account.VaultKey.KeyPolicy",
    "central vault": "backup-account.Vault.AccessPolicy",
    "air-gapped vault": "backup-account.AirGappedVault.AccessPolicy",
    "key of the notifications": "backup-account.NotificationKey.KeyPolicy",
    "topic of the notifications": "backup-account.NotificationTopicPolicy.PolicyDocument",
    "role that breaks the glass": "backup-account.BreakGlassRole.Policies.0.PolicyDocument",
    "key of the local vault": "source-backup.VaultKey.KeyPolicy",
    "local vault": "source-backup.Vault.AccessPolicy",
    "key of the volumes": "source-backup.VolumeKey.KeyPolicy",
    "backups-protect-copies": "management-account.BackupAccountPolicy.Content",
    "backups-protect-sources": "management-account.SourcePolicy.Content",
}
# The trust policies of the roles: without theirs AWS Backup gets into neither of its own, and nobody breaks the glass.
TRUSTS: dict[str, Without] = {
    "backup-account.CopyBackRole.AssumeRolePolicyDocument": without("copy-back-role-permitted", BACK, TABLE_BACK),
    "source-backup.JobRole.AssumeRolePolicyDocument": without("backup-role-trusted-by-service", OUT, TABLE_OUT, GAP),
    "backup-account.BreakGlassRole.AssumeRolePolicyDocument": without(
        "break-glass-role-usable", GLASS_VAULT, GLASS_KEY, GLASS_SETTINGS
    ),
}
# What the functions of the stack need to set what CloudFormation has no type for. Without it they set nothing, and backups made then are not copied.
SETTERS: dict[tuple[str, str | None], Without] = {
    ("source-backup.VolumeDefaultRole.AssumeRolePolicyDocument", None): without("ebs-default-key-is-cmk", OUT),
    ("source-backup.VolumeDefaultRole.Policies.0.PolicyDocument", "DefaultEncryption"): without(
        "ebs-default-key-is-cmk", OUT
    ),
    ("source-backup.VolumeDefaultRole.Policies.0.PolicyDocument", "TheKey"): without("ebs-default-key-is-cmk", OUT),
    ("source-backup.TablesRole.AssumeRolePolicyDocument", None): without("tables-managed-by-aws-backup", TABLE_OUT),
    ("source-backup.TablesRole.Policies.0.PolicyDocument", "Settings"): without(
        "tables-managed-by-aws-backup", TABLE_OUT
    ),
}
MANAGED = "arn:aws:iam::aws:policy"
BACKS_UP = f"{MANAGED}/service-role/AWSBackupServiceRolePolicyForBackup"
RESTORES = f"{MANAGED}/service-role/AWSBackupServiceRolePolicyForRestores"
RESTORES_BUCKETS = f"{MANAGED}/AWSBackupServiceRolePolicyForS3Restore"
# The managed policies of the role of the jobs in the source account, and of the role that copies back.
OF_JOBS: dict[str, Without] = {
    BACKS_UP: without("backup-role-permitted", OUT, TABLE_OUT, GAP),
    RESTORES: without("backup-role-restores"),
    f"{MANAGED}/AWSBackupServiceRolePolicyForS3Backup": without("backup-role-backs-up"),
    RESTORES_BUCKETS: without("backup-role-restores"),
}
OF_COPIES_BACK: dict[str, Without] = {
    BACKS_UP: without("copy-back-role-permitted", BACK, TABLE_BACK),
    RESTORES: without("backup-role-restores"),
    RESTORES_BUCKETS: without("backup-role-restores"),
}


@pytest.fixture(scope="module")
def estate() -> Iterator[Estate]:
    with running_lab("set-up-lab.log") as lab:
        yield set_up_estate(lab, NIGHTS)


@pytest.fixture(scope="module")
def topology(estate: Estate) -> Topology:
    return Topology(estate)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set-up")
    (folder / "baseline.json").write_text(json.dumps(BASELINE), encoding="utf-8")
    return folder


@dataclass
class Policy:
    """A policy as it lies in the account now."""

    read: Callable[[], Json]
    write: Callable[[Json], object]

    @contextmanager
    def without(self, sid: str) -> Iterator[None]:
        whole = self.read()
        rest = copy.deepcopy(whole)
        rest["Statement"] = [one for one in whole["Statement"] if one.get("Sid") != sid]
        assert len(rest["Statement"]) == len(whole["Statement"]) - 1
        self.write(rest)
        try:
            yield
        finally:
            self.write(whole)


class Topology:
    """The first source account and the backup account."""

    def __init__(self, estate: Estate) -> None:
        self.estate, self.lab, self.source = estate, estate.lab, estate.sources[0]
        self.here, self.there = (
            self.lab.client(account, "backup") for account in (self.source.account, self.lab.backup)
        )
        self.keeper = _keeper(self.lab)
        sns = self.lab.client(self.lab.backup, "sns")
        sns.subscribe(TopicArn=self._topic_arn(), Protocol="email", Endpoint=EMAIL)
        self.local_vault_arn = self.here.describe_backup_vault(BackupVaultName=VAULT)["BackupVaultArn"]
        self.ways = self._ways()

    def policies(self) -> dict[str, Policy]:
        organizations = self.lab.client(self.lab.management, "organizations")
        listed = organizations.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]
        bounds = {one["Name"]: self._bound(organizations, one["Id"]) for one in listed if not one["AwsManaged"]}
        return {
            "key of the central vault": self._key(self.estate.central_key_arn),
            "central vault": self._vault(self.there, CENTRAL_VAULT),
            "air-gapped vault": self._vault(self.there, AIR_GAPPED_VAULT),
            "key of the notifications": self._key(self._attributes()["KmsMasterKeyId"]),
            "topic of the notifications": self._topic(),
            "role that breaks the glass": self.role(self.lab.backup, GLASS_ROLE),
            "key of the local vault": self._key(self.source.vault_key_arn),
            "local vault": self._vault(self.here, VAULT),
            "key of the volumes": self._key(self.source.key_arn),
            **bounds,
        }

    def _topic_arn(self) -> str:
        return self.there.get_backup_vault_notifications(BackupVaultName=CENTRAL_VAULT)["SNSTopicArn"]

    def _attributes(self) -> dict[str, str]:
        sns = self.lab.client(self.lab.backup, "sns")
        return sns.get_topic_attributes(TopicArn=self._topic_arn())["Attributes"]

    def _topic(self) -> Policy:
        sns, arn = self.lab.client(self.lab.backup, "sns"), self._topic_arn()
        return Policy(
            lambda: json.loads(self._attributes()["Policy"]),
            lambda policy: sns.set_topic_attributes(
                TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(policy)
            ),
        )

    def role(self, account: str, role: str) -> Policy:
        iam = self.lab.client(account, "iam")
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]

        def write(policy: Json) -> None:
            if policy["Statement"]:
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))
            else:
                iam.delete_role_policy(RoleName=role, PolicyName=name)

        return Policy(lambda: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"], write)

    def _key(self, arn: str) -> Policy:
        if not arn.startswith("arn:"):
            arn = f"arn:aws:kms:{self.lab.region}:{self.lab.backup}:key/{arn}"
        kms = self.lab.client(arn.split(":")[4], "kms", arn.split(":")[3])
        return Policy(
            lambda: json.loads(kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]),
            lambda policy: kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=json.dumps(policy)),
        )

    @staticmethod
    def _vault(backup: object, name: str) -> Policy:
        def write(policy: Json) -> None:
            if policy["Statement"]:
                backup.put_backup_vault_access_policy(BackupVaultName=name, Policy=json.dumps(policy))
            else:
                backup.delete_backup_vault_access_policy(BackupVaultName=name)

        return Policy(lambda: json.loads(backup.get_backup_vault_access_policy(BackupVaultName=name)["Policy"]), write)

    @staticmethod
    def _bound(organizations: object, policy_id: str) -> Policy:
        return Policy(
            lambda: json.loads(organizations.describe_policy(PolicyId=policy_id)["Policy"]["Content"]),
            lambda policy: organizations.update_policy(PolicyId=policy_id, Content=json.dumps(policy)),
        )

    def broken(self) -> set[str]:
        """The ways on which nothing gets through now."""
        return {name for name, works in self.ways.items() if not works()}

    def _ways(self) -> dict[str, Callable[[], bool]]:
        """A recovery point that was made here goes out, the copy of it comes back; what is announced arrives, and the glass can be broken."""
        volume, table, central = self.source.volumes[0], self.source.table, self.estate.central_vault_arn
        there = f"arn:aws:iam::{self.lab.backup}:role/{COPY_BACK_ROLE}"
        gap = central.replace(CENTRAL_VAULT, AIR_GAPPED_VAULT)

        def out(resource: str, vault: str) -> Callable[[], bool]:
            point = _point(self.here, VAULT, resource)
            return lambda: self.copies(point, vault)

        def back(resource: str) -> Callable[[], bool]:
            point = _point(self.there, CENTRAL_VAULT, resource)
            return lambda: self._copy(self.there, CENTRAL_VAULT, point, self.local_vault_arn, there)

        return {
            OUT: out(volume, central),
            TABLE_OUT: out(table, central),
            GAP: out(volume, gap),
            BACK: back(volume),
            TABLE_BACK: back(table),
            NEWS: self._hears,
            GLASS_VAULT: lambda: self._breaks("backup", self._rewrites_vault),
            GLASS_KEY: lambda: self._breaks("kms", self._rewrites_key),
            GLASS_SETTINGS: lambda: self._breaks("backup", lambda backup: backup.update_region_settings()),
        }

    def copies(self, point: str, vault: str) -> bool:
        """Whether a recovery point of the source account gets into a vault of the backup account."""
        here = f"arn:aws:iam::{self.source.account}:role/{ROLE}"
        return self._copy(self.here, VAULT, point, vault, here)

    def _hears(self) -> bool:
        """Whether a mail comes of what the central vault announces."""
        place = {"account_id": self.lab.backup, "region": self.lab.region, "vault": CENTRAL_VAULT}
        message = self.lab.unique("a copy failed")
        with suppress(RuntimeError):
            self.lab.control("vault-notification", place | {"event": "COPY_JOB_FAILED", "message": message})
        self.lab.idle()
        return any(message in mail["body"] for mail in self.lab.control(f"mailbox?protocol=email&endpoint={EMAIL}"))

    def _breaks(self, service: str, change: Callable[[Any], object]) -> bool:
        """Whether the keeper of the glass gets into its role, with his second factor, and changes something."""
        role = f"arn:aws:iam::{self.lab.backup}:role/{GLASS_ROLE}"
        factor = {"SerialNumber": f"arn:aws:iam::{self.lab.backup}:mfa/safe", "TokenCode": "123456"}
        try:
            session = self.keeper.assume_role(RoleArn=role, RoleSessionName="glass", **factor)["Credentials"]
            change(_client(self.lab, service, session))
        except ClientError as refused:
            assert "AccessDenied" in refused.response["Error"]["Code"], refused
            return False
        return True

    def _rewrites_vault(self, backup: Any) -> None:
        whole = self.there.get_backup_vault_access_policy(BackupVaultName=CENTRAL_VAULT)["Policy"]
        backup.put_backup_vault_access_policy(BackupVaultName=CENTRAL_VAULT, Policy=whole)

    def _rewrites_key(self, kms: Any) -> None:
        arn = self.estate.central_key_arn
        whole = self.lab.client(self.lab.backup, "kms").get_key_policy(KeyId=arn, PolicyName="default")["Policy"]
        kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=whole)

    def _copy(self, backup: object, vault: str, point: str, destination: str, role: str) -> bool:
        job = backup.start_copy_job(
            RecoveryPointArn=point,
            SourceBackupVaultName=vault,
            DestinationBackupVaultArn=destination,
            IamRoleArn=role,
            Lifecycle={"DeleteAfterDays": COPY_KEPT_DAYS},
        )
        self.lab.idle()
        return backup.describe_copy_job(CopyJobId=job["CopyJobId"])["CopyJob"]["State"] == "COMPLETED"


def _client(lab: Lab, service: str, credentials: Json) -> Any:
    return boto3.client(
        service,
        endpoint_url=lab.endpoint,
        region_name=lab.region,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials.get("SessionToken"),
    )


def _keeper(lab: Lab) -> Any:
    """STS, asked by the user who keeps the glass."""
    iam = lab.client(lab.backup, "iam")
    if KEEPER not in {one["UserName"] for one in iam.list_users()["Users"]}:
        iam.create_user(UserName=KEEPER)
    return _client(lab, "sts", iam.create_access_key(UserName=KEEPER)["AccessKey"])


def _point(backup: object, vault: str, resource: str) -> str:
    """The oldest: later ones may be copies of copies, which are under another key."""
    listed = backup.list_recovery_points_by_backup_vault(BackupVaultName=vault, ByResourceArn=resource)
    return min(listed["RecoveryPoints"], key=lambda point: point["CreationDate"])["RecoveryPointArn"]


Failure = tuple[str, str, str | None]


def failing(estate: Estate, folder: Path) -> set[Failure]:
    """The checks that fail, each with the account and the thing."""
    sweep(estate, folder, "--json", folder / "report.json")
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    parts = [report["organization"], *report["accounts"]]
    return {
        (one["check"], one["subject"]["account_id"], one["subject"].get("resource_arn"))
        for part in parts
        for one in part["outcomes"]
        if one["status"] == "fail"
    }


def test_nothing_is_wrong_with_what_the_templates_make_and_every_resource_is_protected(
    estate: Estate, folder: Path
) -> None:
    ended = sweep(estate, folder, "--json", folder / "well.json")
    report = json.loads((folder / "well.json").read_text(encoding="utf-8"))
    assert grave(report) == [], ended.out
    resources = {resource for source in estate.sources for resource in source.resources}
    assert protection(report) == dict.fromkeys(resources, "protected")
    assert [account["not_evaluated"] for account in report["accounts"]] == [[]] * len(report["accounts"])
    # Whatever its severity: what the templates make in an account that is backed up passes every check.
    made = {source.account for source in estate.sources}
    outcomes = [one for account in report["accounts"] if account["account_id"] in made for one in account["outcomes"]]
    assert [one for one in outcomes if one["status"] not in ("pass", "not-applicable")] == []


def test_new_volumes_are_encrypted_with_the_key_that_the_backup_account_may_use(estate: Estate) -> None:
    ec2 = estate.lab.client(estate.sources[0].account, "ec2")
    assert ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == estate.sources[0].key_arn


def test_tables_use_the_features_without_which_none_is_copied_abroad(estate: Estate) -> None:
    lab = estate.lab
    for source in estate.sources:
        for region in lab.info["regions"]:
            settings = lab.client(source.account, "backup", region).describe_region_settings()
            assert settings["ResourceTypeManagementPreference"]["DynamoDB"] is True, (source.account, region)


def test_without_any_one_statement_its_way_breaks_and_a_check_says_so(
    estate: Estate, topology: Topology, folder: Path, subtests: pytest.Subtests
) -> None:
    policies = topology.policies()
    there = {name: {one["Sid"] for one in policy.read()["Statement"]} for name, policy in policies.items()}
    assert there == {name: set(statements) for name, statements in STATEMENTS.items()}, "each is looked at"
    assert topology.broken() == set()
    before = failing(estate, folder)
    for name, sid in TAKEN_AWAY:
        noticed = STATEMENTS[name][sid]
        with subtests.test(policy=name, statement=sid), policies[name].without(sid):
            assert topology.broken() == noticed.ways
            new = failing(estate, folder) - before
            assert noticed.check in {check for check, *_ in new}, new
    assert topology.broken() == set()
    assert failing(estate, folder) == before


def test_every_statement_of_the_templates_is_taken_away_here() -> None:
    written = {(path, one.get("Sid")) for path, document in documents().items() for one in document["Statement"]}
    here = {(WRITTEN[name], sid) for name, statements in STATEMENTS.items() for sid in statements}
    assert written == here | {(path, None) for path in TRUSTS} | set(SETTERS)


@contextmanager
def detached(iam: Any, role: str, policy: str) -> Iterator[None]:
    iam.detach_role_policy(RoleName=role, PolicyArn=policy)
    try:
        yield
    finally:
        iam.attach_role_policy(RoleName=role, PolicyArn=policy)


def test_without_any_one_of_its_policies_the_role_that_copies_back_does_less_and_a_check_says_so(
    estate: Estate, topology: Topology, folder: Path, subtests: pytest.Subtests
) -> None:
    lab = topology.lab
    a_bucket_with_a_backup(estate, topology.source)
    iam = lab.client(lab.backup, "iam")
    attached = iam.list_attached_role_policies(RoleName=COPY_BACK_ROLE)["AttachedPolicies"]
    assert {one["PolicyArn"] for one in attached} == set(OF_COPIES_BACK), "each is looked at"
    with alone(lab):
        before = failing(estate, folder)
        for policy, noticed in OF_COPIES_BACK.items():
            with subtests.test(policy=policy), detached(iam, COPY_BACK_ROLE, policy):
                assert topology.broken() == noticed.ways
                new = failing(estate, folder) - before
                assert (noticed.check, lab.backup, None) in new, new
        assert failing(estate, folder) == before


@contextmanager
def alone(lab: Lab) -> Iterator[None]:
    """The role that copies back, without the one that the console makes: that could carry copies back and restore them as well."""
    with trusting_another(lab.client(lab.backup, "iam"), JOB_ROLE.rpartition("/")[2]):
        yield


@contextmanager
def trusting_another(iam: Any, role: str) -> Iterator[None]:
    """IAM takes no trust policy without a statement, so it names a service that has nothing to do with it."""
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    (statement,) = trust["Statement"]
    other = {**trust, "Statement": [{**statement, "Principal": {"Service": "ec2.amazonaws.com"}}]}
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(other))
    try:
        yield
    finally:
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))


def test_without_its_trust_policy_nobody_gets_into_a_role_and_a_check_says_so(
    estate: Estate, topology: Topology, folder: Path, subtests: pytest.Subtests
) -> None:
    lab = topology.lab
    roles = [(lab.backup, COPY_BACK_ROLE), (topology.source.account, ROLE), (lab.backup, GLASS_ROLE)]
    with alone(lab):
        before = failing(estate, folder)
        for (path, noticed), (account, role) in zip(TRUSTS.items(), roles, strict=True):
            with subtests.test(path=path), trusting_another(lab.client(account, "iam"), role):
                assert topology.broken() == noticed.ways
                new = failing(estate, folder) - before
                assert noticed.check in {check for check, where, _ in new if where == account}, new
            assert failing(estate, folder) == before


class Setters:
    """The functions of the stack of the source account that set what CloudFormation has no type for, before they have run."""

    def __init__(self, topology: Topology) -> None:
        self.topology, self.lab, self.account = topology, topology.lab, topology.source.account
        functions = self.lab.client(self.account, "lambda")
        names = {"VolumeDefaultRole": "backup-guardian-volume-default", "TablesRole": "backup-guardian-tables"}
        of = {key: functions.get_function(FunctionName=name)["Configuration"] for key, name in names.items()}
        self.functions = {key: one["FunctionArn"] for key, one in of.items()}
        self.roles = {key: one["Role"].rpartition("/")[2] for key, one in of.items()}

    def undo(self) -> None:
        """As an account is that nobody set up: volumes under the key that AWS manages, tables without the advanced features."""
        self.lab.client(self.account, "ec2").reset_ebs_default_kms_key_id()
        off = {"DynamoDB": False}
        self.topology.here.update_region_settings(ResourceTypeManagementPreference=off)

    def set(self) -> list[str]:
        """What a stack asks of both functions; what it says of those that did not succeed."""
        refused = []
        for kind in ("VolumeDefault", "Tables"):
            given = {"ServiceToken": self.functions[f"{kind}Role"], "KeyArn": self.topology.source.key_arn}
            resources = {
                "Marker": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
                kind: {"Type": f"Custom::{kind}", "Properties": given},
            }
            place = {"account_id": self.account, "region": self.lab.region, "name": self.lab.unique("set")}
            try:
                self.lab.control("stack", place | {"template": {"Resources": resources}, "parameters": {}})
            except RuntimeError as error:
                refused.append(str(error))
        return refused

    def without(self, path: str, sid: str | None) -> AbstractContextManager[None]:
        role = self.roles[path.split(".")[1]]
        if sid is None:
            return trusting_another(self.lab.client(self.account, "iam"), role)
        return self.topology.role(self.account, role).without(sid)

    def broken(self) -> set[str]:
        """The ways on which a backup that is made now does not get out: of a new volume, and of a table."""
        return {name for name, made in ((OUT, self._volume), (TABLE_OUT, self._table)) if not made()}

    def _volume(self) -> bool:
        ec2 = self.lab.client(self.account, "ec2")
        volume = ec2.create_volume(AvailabilityZone=f"{self.lab.region}a", Size=1)["VolumeId"]
        try:
            return self._gets_out(f"arn:aws:ec2:{self.lab.region}:{self.account}:volume/{volume}")
        finally:
            ec2.delete_volume(VolumeId=volume)

    def _table(self) -> bool:
        return self._gets_out(self.topology.source.table)

    def _gets_out(self, resource: str) -> bool:
        here, role = self.topology.here, f"arn:aws:iam::{self.account}:role/{ROLE}"
        job = here.start_backup_job(BackupVaultName=VAULT, ResourceArn=resource, IamRoleArn=role)["BackupJobId"]
        self.lab.idle()
        point = here.describe_backup_job(BackupJobId=job)["RecoveryPointArn"]
        try:
            return self.topology.copies(point, self.topology.estate.central_vault_arn)
        finally:
            here.delete_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=point)


def test_without_any_one_of_its_permissions_a_function_sets_nothing_and_a_check_says_so(
    estate: Estate, topology: Topology, folder: Path, subtests: pytest.Subtests
) -> None:
    setters = Setters(topology)
    before = failing(estate, folder)
    for (path, sid), noticed in SETTERS.items():
        with subtests.test(path=path, statement=sid):
            setters.undo()
            with setters.without(path, sid):
                assert len(setters.set()) == 1
                new = failing(estate, folder) - before
                assert (noticed.check, setters.account, None) in new, new
                assert setters.broken() == noticed.ways
    setters.undo()
    assert setters.set() == []
    assert setters.broken() == set()
    assert failing(estate, folder) == before


def test_without_any_one_of_its_policies_the_role_of_the_jobs_does_less_and_a_check_says_so(
    estate: Estate, topology: Topology, folder: Path, subtests: pytest.Subtests
) -> None:
    account = topology.source.account
    a_bucket_with_a_backup(estate, topology.source)
    iam = topology.lab.client(account, "iam")
    attached = iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
    assert {one["PolicyArn"] for one in attached} == set(OF_JOBS), "each is looked at"
    before = failing(estate, folder)
    for policy, noticed in OF_JOBS.items():
        with subtests.test(policy=policy), detached(iam, ROLE, policy):
            assert topology.broken() == noticed.ways
            new = failing(estate, folder) - before
            assert (noticed.check, account, f"arn:aws:iam::{account}:role/{ROLE}") in new, new
    assert failing(estate, folder) == before


def a_bucket_with_a_backup(estate: Estate, source: Source) -> None:
    """The estate has none: a bucket needs permissions of its own."""
    lab = estate.lab
    s3 = lab.client(source.account, "s3")
    name = f"orders-{source.account}"
    if name in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}:
        return
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": lab.region})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in TAG.items()]})
    estate.run(source, 0, f"arn:aws:s3:::{name}")
