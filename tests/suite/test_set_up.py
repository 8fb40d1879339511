"""The topology of `deploy/`, created in the order of README.md: nothing is wrong with it, copies go both ways, and without any one of its statements, or
of the policies of its roles, a check says so and the route that needs it breaks."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from templates.questions import questions
from templates.rendered import documents

from .estate import BASELINE, COPY_KEPT_DAYS, TAG, Estate, Source
from .organization import JOB_ROLE, Json, running_lab
from .set_up import CENTRAL_VAULT, COPY_BACK_ROLE, ROLE, VAULT, set_up_estate
from .test_sweep import grave, protection, sweep

NIGHTS = 3
# Both ways of a volume, under the key of the volume, and of a table, under the key of its vault.
OUT, BACK, TABLE_OUT, TABLE_BACK = "out", "back", "table out", "table back"


@dataclass(frozen=True)
class Without:
    """What is noticed when a statement is gone: a check that says so, and the ways that break."""

    check: str
    ways: frozenset[str]


def without(check: str, *ways: str) -> Without:
    return Without(check, frozenset(ways))


STATEMENTS: dict[str, dict[str, Without]] = {
    "key of the central vault": {
        "AccountDecidesByIam": without("key-held-by-its-account", BACK),
        "NobodyEndsTheKey": without("copy-key-policy-denies-deletion"),
        "CopiesBackUse": without("backup-vault-key-usable-for-way-back", BACK, TABLE_BACK),
        "CopiesBackGrant": without("backup-vault-key-usable-for-way-back", BACK, TABLE_BACK),
    },
    "central vault": {
        "OrganizationCopiesIn": without("destination-vault-admits-account", OUT, TABLE_OUT),
        "NobodyDeletes": without("vault-deletion-denied"),
        "NobodyElseChangesThis": without("vault-deletion-denied"),
    },
    "key of the local vault": {
        "AccountDecidesByIam": without("key-held-by-its-account", BACK, TABLE_BACK),
        "BackupAccountUses": without("vault-key-lets-backup-account-use", TABLE_OUT),
        "BackupAccountGrants": without("vault-key-lets-backup-account-grant", TABLE_OUT),
    },
    "local vault": {"BackupAccountCopiesBack": without("source-vault-accepts-copy-back", BACK, TABLE_BACK)},
    "key of the volumes": {
        "AccountDecidesByIam": without("key-held-by-its-account"),
        "ThisAccountThroughEc2": without("ebs-default-key-usable-through-ec2"),
        "BackupAccountUses": without("ebs-key-lets-backup-account-use", OUT),
        "BackupAccountGrants": without("ebs-key-lets-backup-account-grant", OUT),
    },
    "backups-protect-copies": {
        "Copies": without("backup-account-deletion-denied"),
        "VaultsAndKeys": without("backup-account-key-deletion-denied"),
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
WRITTEN = {
    "key of the central vault": "backup-account.VaultKey.KeyPolicy",
    "central vault": "backup-account.Vault.AccessPolicy",
    "key of the local vault": "source-backup.VaultKey.KeyPolicy",
    "local vault": "source-backup.Vault.AccessPolicy",
    "key of the volumes": "source-backup.VolumeKey.KeyPolicy",
    "backups-protect-copies": "management-account.BackupAccountPolicy.Content",
    "backups-protect-sources": "management-account.SourcePolicy.Content",
}
# No check asks about these and no copy depends on them: what each of them lets happen is asked in tests/templates/test_topology.py, where the answers
# change without any one of them.
ASKED_ELSEWHERE = {
    ("backup-account.AirGappedVault.AccessPolicy", "OrganizationCopiesIn"),
    ("backup-account.NotificationKey.KeyPolicy", "AccountDecidesByIam"),
    ("backup-account.NotificationKey.KeyPolicy", "BackupPublishes"),
    ("backup-account.NotificationTopicPolicy.PolicyDocument", "BackupPublishes"),
    ("backup-account.BreakGlassRole.AssumeRolePolicyDocument", None),
    *(("backup-account.BreakGlassRole.Policies.0.PolicyDocument", sid) for sid in ("Vaults", "Settings", "Keys")),
    ("source-backup.VolumeDefaultRole.AssumeRolePolicyDocument", None),
    ("source-backup.TablesRole.AssumeRolePolicyDocument", None),
    ("source-backup.TablesRole.Policies.0.PolicyDocument", "Settings"),
    *(("source-backup.VolumeDefaultRole.Policies.0.PolicyDocument", sid) for sid in ("DefaultEncryption", "TheKey")),
}
# The trust policies of the roles with which AWS Backup works: without theirs it gets into neither.
TRUSTS: dict[str, Without] = {
    "backup-account.CopyBackRole.AssumeRolePolicyDocument": without("copy-back-role-permitted", BACK, TABLE_BACK),
    "source-backup.JobRole.AssumeRolePolicyDocument": without("backup-role-trusted-by-service", OUT, TABLE_OUT),
}
MANAGED = "arn:aws:iam::aws:policy"
BACKS_UP = f"{MANAGED}/service-role/AWSBackupServiceRolePolicyForBackup"
# The managed policies of the role of the jobs in the source account, and of the role that copies back.
OF_JOBS: dict[str, Without] = {
    BACKS_UP: without("backup-role-permitted", OUT, TABLE_OUT),
    f"{MANAGED}/service-role/AWSBackupServiceRolePolicyForRestores": without("backup-role-restores"),
    f"{MANAGED}/AWSBackupServiceRolePolicyForS3Backup": without("backup-role-backs-up"),
    f"{MANAGED}/AWSBackupServiceRolePolicyForS3Restore": without("backup-role-restores"),
}


@pytest.fixture(scope="module")
def estate() -> Iterator[Estate]:
    with running_lab("set-up-lab.log") as lab:
        yield set_up_estate(lab, NIGHTS)


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
        rest["Statement"] = [one for one in whole["Statement"] if one["Sid"] != sid]
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
        self.local_vault_arn = self.here.describe_backup_vault(BackupVaultName=VAULT)["BackupVaultArn"]
        self.ways = self._ways()

    def policies(self) -> dict[str, Policy]:
        organizations = self.lab.client(self.lab.management, "organizations")
        listed = organizations.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]
        bounds = {one["Name"]: self._bound(organizations, one["Id"]) for one in listed if not one["AwsManaged"]}
        return {
            "key of the central vault": self._key(self.estate.central_key_arn),
            "central vault": self._vault(self.there, CENTRAL_VAULT),
            "key of the local vault": self._key(self.source.vault_key_arn),
            "local vault": self._vault(self.here, VAULT),
            "key of the volumes": self._key(self.source.key_arn),
            **bounds,
        }

    def _key(self, arn: str) -> Policy:
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
        """The ways on which a copy fails now."""
        return {name for name, way in self.ways.items() if self._copy(*way) != "COMPLETED"}

    def _ways(self) -> dict[str, tuple[object, str, str, str, str]]:
        """A recovery point that was made here goes out, the copy of it comes back."""
        volume, table, central = self.source.volumes[0], self.source.table, self.estate.central_vault_arn
        there = f"arn:aws:iam::{self.lab.backup}:role/{COPY_BACK_ROLE}"
        here = f"arn:aws:iam::{self.source.account}:role/{ROLE}"
        return {
            OUT: (self.here, VAULT, _point(self.here, VAULT, volume), central, here),
            TABLE_OUT: (self.here, VAULT, _point(self.here, VAULT, table), central, here),
            BACK: (self.there, CENTRAL_VAULT, _point(self.there, CENTRAL_VAULT, volume), self.local_vault_arn, there),
            TABLE_BACK: (
                self.there,
                CENTRAL_VAULT,
                _point(self.there, CENTRAL_VAULT, table),
                self.local_vault_arn,
                there,
            ),
        }

    def _copy(self, backup: object, vault: str, point: str, destination: str, role: str) -> str:
        job = backup.start_copy_job(
            RecoveryPointArn=point,
            SourceBackupVaultName=vault,
            DestinationBackupVaultArn=destination,
            IamRoleArn=role,
            Lifecycle={"DeleteAfterDays": COPY_KEPT_DAYS},
        )
        self.lab.idle()
        return backup.describe_copy_job(CopyJobId=job["CopyJobId"])["CopyJob"]["State"]


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
    estate: Estate, folder: Path, subtests: pytest.Subtests
) -> None:
    topology = Topology(estate)
    policies = topology.policies()
    there = {name: {one["Sid"] for one in policy.read()["Statement"]} for name, policy in policies.items()}
    elsewhere = {name: {sid for path, sid in ASKED_ELSEWHERE if path == written} for name, written in WRITTEN.items()}
    assert there == {name: {*statements, *elsewhere[name]} for name, statements in STATEMENTS.items()}, (
        "each is looked at"
    )
    assert topology.broken() == set()
    before = failing(estate, folder)
    for name, statements in STATEMENTS.items():
        for sid, noticed in statements.items():
            with subtests.test(policy=name, statement=sid), policies[name].without(sid):
                assert topology.broken() == noticed.ways
                new = failing(estate, folder) - before
                assert noticed.check in {check for check, *_ in new}, new
    assert topology.broken() == set()
    assert failing(estate, folder) == before


def test_every_statement_of_the_templates_is_taken_away_here_or_asked_about_elsewhere() -> None:
    written = {(path, one.get("Sid")) for path, document in documents().items() for one in document["Statement"]}
    here = {(WRITTEN[name], sid) for name, statements in STATEMENTS.items() for sid in statements}
    here |= {(path, None) for path in TRUSTS}
    assert not here & ASKED_ELSEWHERE
    assert written == here | ASKED_ELSEWHERE
    assert {(name, one.get("Sid")) for name in asked() for one in documents()[name]["Statement"]} >= ASKED_ELSEWHERE


def asked() -> set[str]:
    """The documents that questions are asked about."""
    return {name for one in questions() for name in one.named}


@contextmanager
def detached(iam: Any, role: str, policy: str) -> Iterator[None]:
    iam.detach_role_policy(RoleName=role, PolicyArn=policy)
    try:
        yield
    finally:
        iam.attach_role_policy(RoleName=role, PolicyArn=policy)


def test_without_its_policy_for_backups_the_role_that_copies_back_does_not(estate: Estate, folder: Path) -> None:
    topology = Topology(estate)
    iam = topology.lab.client(topology.lab.backup, "iam")
    # The console makes this role, and it could carry copies back as well.
    with detached(iam, JOB_ROLE.rpartition("/")[2], BACKS_UP):
        before = failing(estate, folder)
        with detached(iam, COPY_BACK_ROLE, BACKS_UP):
            assert topology.broken() == {BACK, TABLE_BACK}
            new = failing(estate, folder) - before
            assert ("copy-back-role-permitted", topology.lab.backup, None) in new
        assert failing(estate, folder) == before


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


def test_a_role_that_aws_backup_does_not_get_into_carries_nothing_and_a_check_says_so(
    estate: Estate, folder: Path, subtests: pytest.Subtests
) -> None:
    topology = Topology(estate)
    for (path, noticed), (account, role) in zip(
        TRUSTS.items(), [(topology.lab.backup, COPY_BACK_ROLE), (topology.source.account, ROLE)], strict=True
    ):
        iam = topology.lab.client(account, "iam")
        # The console makes this role, and it could carry copies back as well.
        with detached(topology.lab.client(topology.lab.backup, "iam"), JOB_ROLE.rpartition("/")[2], BACKS_UP):
            before = failing(estate, folder)
            with subtests.test(path=path), trusting_another(iam, role):
                assert topology.broken() == noticed.ways
                new = failing(estate, folder) - before
                assert noticed.check in {check for check, where, _ in new if where == account}, new
            assert failing(estate, folder) == before


def test_without_any_one_of_its_policies_the_role_of_the_jobs_does_less_and_a_check_says_so(
    estate: Estate, folder: Path, subtests: pytest.Subtests
) -> None:
    topology = Topology(estate)
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
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": lab.region})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in TAG.items()]})
    estate.run(source, 0, f"arn:aws:s3:::{name}")
