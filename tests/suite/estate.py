"""An organization whose backups are healthy, with a history of some nights, and four switches that each break one thing.

Everything goes through the APIs of AWS and the documented `/lab/*` controls. It changes the whole organization, so it needs a lab of its own:

    with running_lab("estate-lab.log") as lab:
        estate = demo_estate(lab)           # nothing is wrong
        estate.break_everything()           # now exactly four things are

The history ends at this machine's present, because the functions of the lab have no other clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from .guardian import READER_ROLE
from .organization import JOB_ROLE, ORGANIZATION_ROLE, SLR, Json, Lab, grant_statement, key_policy, use_statement

CENTRAL_VAULT, LOCAL_VAULT = "central", "nightly"
PLAN, RULE, TAG = "Nightly", "night", {"backup": "daily"}
# A tag by which somebody asks for backups, with a value that no plan knows.
FORGOTTEN_TAG = {"backup": "hourly"}
KEPT_DAYS, COPY_KEPT_DAYS = 35, 90
DUE_HOURS_AGO = 3
# How many of the newest nights had no copy of what is stale.
MISSED_NIGHTS = 3
# What the estate keeps to; for `guardian sweep`. The lab itself works through the role by which AWS lets the management account in.
BASELINE = {
    "schema": "backup-guardian/baseline/v1",
    "retention_days": KEPT_DAYS,
    "wanted_tags": [{"key": "backup"}],
    "outside_roles": [READER_ROLE, ORGANIZATION_ROLE, "OrganizationAccountAccessRole"],
}
# What nobody in the backup account may do.
DENIED = [
    "account:CloseAccount",
    "backup:DeleteBackupVault",
    "backup:DeleteBackupVaultAccessPolicy",
    "backup:DeleteBackupVaultLockConfiguration",
    "backup:DeleteRecoveryPoint",
    "backup:DisassociateRecoveryPoint",
    "backup:PutBackupVaultAccessPolicy",
    "backup:PutBackupVaultLockConfiguration",
    "backup:UpdateRecoveryPointLifecycle",
    "ec2:DeleteSnapshot",
    "ec2:DeregisterImage",
    "ec2:DisableImage",
    "fsx:DeleteBackup",
    "kms:DeleteImportedKeyMaterial",
    "kms:DisableKey",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "organizations:LeaveOrganization",
    "rds:DeleteDBClusterSnapshot",
    "rds:DeleteDBSnapshot",
]


@dataclass
class Source:
    """A source account: two volumes under one key, a table, and the vault of the night."""

    account: str
    key_arn: str = ""
    vault_key_arn: str = ""
    volumes: list[str] = field(default_factory=list)
    table: str = ""

    @property
    def resources(self) -> list[str]:
        return [*self.volumes, self.table]


@dataclass
class Estate:
    lab: Lab
    nights: int
    due: datetime
    central_vault_arn: str = ""
    central_key_arn: str = ""
    trail_arn: str = ""
    policy_id: str = ""
    sources: list[Source] = field(default_factory=list)

    # -- four switches -----------------------------------------------------------------------------------------------

    def break_key_policy(self) -> str:
        """The statement for grants is gone from the key of the volumes of the first source account. Returns the key."""
        source = self.sources[0]
        policy = key_policy(source.account, use_statement(SLR.format(account=self.lab.backup)))
        _put_key_policy(self.lab, source.key_arn, policy)
        return source.key_arn

    def let_a_copy_go_stale(self) -> str:
        """A volume of the second source account was backed up every night, but lately no copy landed. Returns the volume."""
        source = self.sources[1]
        volume = _volume(self.lab, source, TAG)
        for ago in range(self.nights, -1, -1):
            if ago < MISSED_NIGHTS:
                failure = {
                    "account_id": source.account,
                    "region": self.lab.region,
                    "job_type": "copy",
                    "state": "FAILED",
                }
                message = {"status_message": "Copy job encountered a fatal error.", "message_category": "FatalError"}
                self.lab.control("next-job", failure | message)
            self.run(source, ago, volume)
        return volume

    def leave_unprotected(self) -> str:
        """A volume of the second source account has a tag that no plan selects. Returns the volume."""
        return _volume(self.lab, self.sources[1], FORGOTTEN_TAG)

    def lock_the_reader_out(self) -> str:
        """The reader role of the third source account is deleted. Returns the account."""
        account = self.sources[2].account
        iam = self.lab.client(account, "iam")
        for name in iam.list_role_policies(RoleName=READER_ROLE)["PolicyNames"]:
            iam.delete_role_policy(RoleName=READER_ROLE, PolicyName=name)
        for policy in iam.list_attached_role_policies(RoleName=READER_ROLE)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=READER_ROLE, PolicyArn=policy["PolicyArn"])
        iam.delete_role(RoleName=READER_ROLE)
        return account

    def break_everything(self) -> Json:
        """All four; what each of them broke."""
        return {
            "key": self.break_key_policy(),
            "stale": self.let_a_copy_go_stale(),
            "unprotected": self.leave_unprotected(),
            "unreachable": self.lock_the_reader_out(),
        }

    # -- nights ------------------------------------------------------------------------------------------------------

    @contextmanager
    def at(self, moment: datetime) -> Iterator[None]:
        """The lab's clock shows another time meanwhile."""
        ago = (datetime.now(UTC) - moment).total_seconds()
        self.lab.control("clock", {"advance_seconds": -ago})
        try:
            yield
            self.lab.idle()
        finally:
            self.lab.control("clock", {"advance_seconds": ago})

    def night(self, ago: int) -> None:
        """The plan of the organization runs in every source account, so many nights ago."""
        for source in self.sources:
            self.run(source, ago)

    def run(self, source: Source, ago: int, resource: str | None = None) -> None:
        """The plan runs in one account; perhaps for one resource only."""
        backup = self.lab.client(source.account, "backup")
        (plan,) = backup.list_backup_plans()["BackupPlansList"]
        place = {"account_id": source.account, "region": self.lab.region, "plan_id": plan["BackupPlanId"]}
        with self.at(self.due - timedelta(days=ago)):
            self.lab.control("plan-run", place | ({"resource_arn": resource} if resource else {}))


def demo_estate(lab: Lab, nights: int = 5) -> Estate:
    """Makes the estate; the last of its nights was this one, and `nights` came before."""
    assert nights >= MISSED_NIGHTS
    lab.cloudtrail_delay(0)
    due = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=DUE_HOURS_AGO)
    estate = Estate(lab, nights, due)
    with estate.at(due - timedelta(days=nights + 1)):
        switch_on(lab)
        estate.trail_arn = organization_trail(lab)
        _central(estate)
        estate.sources = [_source(estate, account) for account in lab.accounts["sources"]]
        for account in _accounts(lab):
            encrypt_by_default(estate, account)
        estate.policy_id = _backup_policy(estate)
        lab.control("backup-policies", {})
    for ago in range(nights, -1, -1):
        estate.night(ago)
    restore_to_test(estate)
    _guard_the_copies(estate)
    return estate


def _accounts(lab: Lab) -> list[str]:
    return [lab.management, lab.guardian, lab.backup, *lab.accounts["sources"]]


# -- the organization --------------------------------------------------------------------------------------------------


def switch_on(lab: Lab) -> None:
    """Trusted access, backup policies, a delegated administrator, copies across accounts, and every type of resource."""
    organizations = lab.client(lab.management, "organizations")
    organizations.enable_aws_service_access(ServicePrincipal="backup.amazonaws.com")
    (root,) = organizations.list_roots()["Roots"]
    organizations.enable_policy_type(RootId=root["Id"], PolicyType="BACKUP_POLICY")
    organizations.register_delegated_administrator(AccountId=lab.backup, ServicePrincipal="backup.amazonaws.com")
    settings = {"isCrossAccountBackupEnabled": "true", "isDelegatedAdministratorEnabled": "true"}
    lab.client(lab.management, "backup").update_global_settings(GlobalSettings=settings)
    protect_every_type(lab, _accounts(lab))


def protect_every_type(lab: Lab, accounts: list[str]) -> None:
    """Every type of resource, with the advanced features of tables: without them AWS copies no table into another account."""
    for account in accounts:
        for region in lab.info["regions"]:
            backup = lab.client(account, "backup", region)
            types = backup.describe_region_settings()["ResourceTypeOptInPreference"]
            backup.update_region_settings(
                ResourceTypeOptInPreference=dict.fromkeys(types, True),
                ResourceTypeManagementPreference={"DynamoDB": True, "EFS": True},
            )


def _guard_the_copies(estate: Estate) -> None:
    """Whoever takes the backup account over can neither delete copies nor their keys, nor leave with them."""
    organizations = estate.lab.client(estate.lab.management, "organizations")
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": DENIED, "Resource": "*"}],
    }
    made = organizations.create_policy(
        Name="guard-the-copies", Description="", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(policy)
    )
    organizations.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=estate.lab.backup)


def organization_trail(lab: Lab) -> str:
    bucket = "trail-of-the-organization"
    place = {"LocationConstraint": lab.region}
    lab.client(lab.management, "s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    trail = lab.client(lab.management, "cloudtrail")
    made = trail.create_trail(
        Name="organization",
        S3BucketName=bucket,
        IsMultiRegionTrail=True,
        IsOrganizationTrail=True,
        EnableLogFileValidation=True,
    )
    everything = {"ReadWriteType": "All", "IncludeManagementEvents": True, "ExcludeManagementEventSources": []}
    trail.put_event_selectors(TrailName="organization", EventSelectors=[everything])
    trail.start_logging(Name="organization")
    return made["TrailARN"]


def _backup_policy(estate: Estate) -> str:
    """The plan of the night for everything with the tag, in an organizational unit of its own."""
    lab, due = estate.lab, estate.due
    organizations = lab.client(lab.management, "organizations")
    (root,) = organizations.list_roots()["Roots"]
    unit = organizations.create_organizational_unit(ParentId=root["Id"], Name="Workloads")["OrganizationalUnit"]["Id"]
    for source in estate.sources:
        organizations.move_account(AccountId=source.account, SourceParentId=root["Id"], DestinationParentId=unit)
    central = estate.central_vault_arn
    ((tag_key, tag_value),) = TAG.items()
    rule = {
        "schedule_expression": {"@@assign": f"cron({due.minute} {due.hour} ? * * *)"},
        "start_backup_window_minutes": {"@@assign": "60"},
        "complete_backup_window_minutes": {"@@assign": "720"},
        "target_backup_vault_name": {"@@assign": LOCAL_VAULT},
        "lifecycle": {"delete_after_days": {"@@assign": str(KEPT_DAYS)}},
        "copy_actions": {
            central: {
                "target_backup_vault_arn": {"@@assign": central},
                "lifecycle": {"delete_after_days": {"@@assign": str(COPY_KEPT_DAYS)}},
            }
        },
    }
    by_tag = {
        "iam_role_arn": {"@@assign": JOB_ROLE.format(account="$account")},
        "tag_key": {"@@assign": tag_key},
        "tag_value": {"@@assign": [tag_value]},
    }
    plan = {
        "regions": {"@@assign": [lab.region]},
        "rules": {RULE: rule},
        "selections": {"tags": {"by_tag": by_tag}},
    }
    made = organizations.create_policy(
        Name="nightly-backups",
        Description="Everything with the tag, every night, copied to the backup account",
        Type="BACKUP_POLICY",
        Content=json.dumps({"plans": {PLAN: plan}}),
    )
    policy_id = made["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=policy_id, TargetId=unit)
    return policy_id


# -- accounts ----------------------------------------------------------------------------------------------------------


def _key(lab: Lab, account: str, region: str, description: str, *users: str) -> str:
    """A key that rotates; AWS Backup in the accounts `users` may use it and have grants."""
    kms = lab.client(account, "kms", region)
    roles = [SLR.format(account=user) for user in users]
    policy = key_policy(
        account,
        *(use_statement(role, Sid=f"Use{number}") for number, role in enumerate(roles)),
        *(grant_statement(role, Sid=f"Grant{number}") for number, role in enumerate(roles)),
    )
    made = kms.create_key(Policy=json.dumps(policy), Description=description)["KeyMetadata"]
    kms.enable_key_rotation(KeyId=made["KeyId"])
    return made["Arn"]


def _put_key_policy(lab: Lab, key_arn: str, policy: Json) -> None:
    _, _, _, region, account, _ = key_arn.split(":", 5)
    lab.client(account, "kms", region).put_key_policy(KeyId=key_arn, PolicyName="default", Policy=json.dumps(policy))


def _vault(lab: Lab, account: str, name: str, key_arn: str, copies: Json, lock: Json) -> str:
    """A locked vault from which nobody deletes, that tells of trouble; `copies` says whose copies it takes."""
    backup = lab.client(account, "backup")
    arn = backup.create_backup_vault(BackupVaultName=name, EncryptionKeyArn=key_arn)["BackupVaultArn"]
    take = {"Sid": "Copy", "Effect": "Allow", "Action": "backup:CopyIntoBackupVault", "Resource": "*", **copies}
    keep = {
        "Sid": "Keep",
        "Effect": "Deny",
        "Principal": "*",
        "Action": [
            "backup:DeleteBackupVault",
            "backup:DeleteBackupVaultAccessPolicy",
            "backup:DeleteRecoveryPoint",
            "backup:UpdateRecoveryPointLifecycle",
        ],
        "Resource": "*",
    }
    policy = {"Version": "2012-10-17", "Statement": [take, keep]}
    backup.put_backup_vault_access_policy(BackupVaultName=name, Policy=json.dumps(policy))
    backup.put_backup_vault_lock_configuration(BackupVaultName=name, **lock)
    sns = lab.client(account, "sns")
    topic = sns.create_topic(Name="backup-vault-events")["TopicArn"]
    publish = {
        "Effect": "Allow",
        "Principal": {"Service": "backup.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic,
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [publish]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document)
    backup.put_backup_vault_notifications(
        BackupVaultName=name, SNSTopicArn=topic, BackupVaultEvents=["BACKUP_JOB_COMPLETED", "COPY_JOB_FAILED"]
    )
    return arn


def _central(estate: Estate) -> None:
    """The vault of all copies; its key serves the way back, too. Its lock cannot be changed any more when the nights are over."""
    lab = estate.lab
    estate.central_key_arn = _key(lab, lab.backup, lab.region, "copies of all accounts", *lab.accounts["sources"])
    everybody = {
        "Principal": "*",
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": [lab.organization_id]}},
    }
    lock = {"MinRetentionDays": KEPT_DAYS, "MaxRetentionDays": 365, "ChangeableForDays": 3}
    estate.central_vault_arn = _vault(lab, lab.backup, CENTRAL_VAULT, estate.central_key_arn, everybody, lock)


def _source(estate: Estate, account: str) -> Source:
    lab = estate.lab
    source = Source(account)
    source.key_arn = _key(lab, account, lab.region, "volumes", lab.backup)
    source.vault_key_arn = _key(lab, account, lab.region, "backups of the night", lab.backup)
    back = {"Principal": {"AWS": f"arn:aws:iam::{lab.backup}:root"}}
    lock = {"MinRetentionDays": 7, "MaxRetentionDays": 365}
    _vault(lab, account, LOCAL_VAULT, source.vault_key_arn, back, lock)
    fill(lab, source)
    return source


def fill(lab: Lab, source: Source) -> None:
    """What is backed up: two volumes under the key of the account, and a table."""
    source.volumes = [_volume(lab, source, TAG) for _ in range(2)]
    table = lab.client(source.account, "dynamodb").create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=_tags(TAG),
    )
    source.table = table["TableDescription"]["TableArn"]


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _volume(lab: Lab, source: Source, tags: dict[str, str]) -> str:
    made = lab.client(source.account, "ec2").create_volume(
        AvailabilityZone=f"{lab.region}a",
        Size=1,
        Encrypted=True,
        KmsKeyId=source.key_arn,
        TagSpecifications=[{"ResourceType": "volume", "Tags": _tags(tags)}],
    )
    return f"arn:aws:ec2:{lab.region}:{source.account}:volume/{made['VolumeId']}"


def encrypt_by_default(estate: Estate, account: str) -> None:
    """New volumes are encrypted with a key that the backup account may copy from."""
    lab = estate.lab
    of_source = {source.account: source.key_arn for source in estate.sources}
    for region in lab.info["regions"]:
        ec2 = lab.client(account, "ec2", region)
        at_home = of_source.get(account) if region == lab.region else None
        key = at_home or _key(lab, account, region, "new volumes", lab.backup)
        ec2.enable_ebs_encryption_by_default()
        ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)


def restore_to_test(estate: Estate) -> None:
    """One volume and one table of every account with backups were restored an hour after the last night."""
    lab = estate.lab
    with estate.at(estate.due + timedelta(hours=1)):
        for account in (lab.backup, *lab.accounts["sources"]):
            backup = lab.client(account, "backup")
            backup.create_restore_testing_plan(
                RestoreTestingPlan={
                    "RestoreTestingPlanName": "monthly",
                    "ScheduleExpression": "cron(0 6 1 * ? *)",
                    "RecoveryPointSelection": {
                        "Algorithm": "LATEST_WITHIN_WINDOW",
                        "IncludeVaults": ["*"],
                        "RecoveryPointTypes": ["SNAPSHOT"],
                    },
                }
            )
            for kind in ("EBS", "DynamoDB"):
                backup.create_restore_testing_selection(
                    RestoreTestingPlanName="monthly",
                    RestoreTestingSelection={
                        "RestoreTestingSelectionName": kind,
                        "ProtectedResourceType": kind,
                        "ProtectedResourceArns": ["*"],
                        "IamRoleArn": JOB_ROLE.format(account=account),
                    },
                )
            place = {"account_id": account, "region": lab.region, "plan": "monthly"}
            lab.control("restore-test", place)
