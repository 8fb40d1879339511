"""The estate of `estate.py`, set up by the templates of `deploy/` in the order of README.md instead of call by call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from samtranslator.yaml_helper import yaml_parse

from .estate import (
    COPY_KEPT_DAYS,
    DUE_HOURS_AGO,
    KEPT_DAYS,
    Estate,
    Source,
    encrypt_by_default,
    fill,
    organization_trail,
    restore_to_test,
    switch_on,
)
from .organization import ROOT, Json, Lab

BACKUP_ACCOUNT, SOURCE, MANAGEMENT = "backup-account", "source-backup", "management-account"
ROLE, VAULT, CENTRAL_VAULT, COPY_BACK_ROLE = "backup-jobs", "local-backups", "central-backups", "backup-copy-back"
AIR_GAPPED_VAULT, GLASS_ROLE = "air-gap", "backup-break-glass"


KEEPER = "two-people-and-a-safe"
# Longer than the nights: until the grace is over only policies keep copies from being deleted.
GRACE_DAYS = 14


def keeper(lab: Lab) -> str:
    """Who may break the glass: a user, for only users have a second factor."""
    return f"arn:aws:iam::{lab.backup}:user/{KEEPER}"


def template(name: str) -> Json:
    return yaml_parse((ROOT / "deploy" / f"{name}.yaml").read_text(encoding="utf-8"))


def stack(lab: Lab, account: str, region: str, name: str, **parameters: str) -> dict[str, str]:
    """Creates the stack of a template; its outputs."""
    place = {"account_id": account, "region": region, "name": name}
    made = lab.control("stack", place | {"template": template(name), "parameters": parameters})
    assert {one.rpartition(" ")[2] for one in made["not_created"]} <= {"(AWS::CloudFormation::WaitConditionHandle)"}
    return made["outputs"]


def set_up_estate(lab: Lab, nights: int = 5) -> Estate:
    """Every account in its first Region; the last of the nights was this one."""
    lab.cloudtrail_delay(0)
    due = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=DUE_HOURS_AGO)
    estate = Estate(lab, nights, due)
    with estate.at(due - timedelta(days=nights + 1)):
        switch_on(lab)
        estate.trail_arn = organization_trail(lab)
        for region in lab.info["regions"]:
            made = stack(
                lab, lab.backup, region, BACKUP_ACCOUNT,
                OrganizationId=lab.organization_id, RolesRegion=lab.region, LockMode="compliance", LockGraceDays=str(GRACE_DAYS),
                LockAcknowledgement="nobody can undo this lock", MinRetentionDays=str(KEPT_DAYS), MaxRetentionDays="365",
                BreakGlassPrincipalArn=keeper(lab), AirGappedVaultName=AIR_GAPPED_VAULT,
            )  # fmt: skip
            if region == lab.region:
                estate.central_vault_arn, estate.central_key_arn = made["VaultArn"], made["VaultKeyArn"]
        estate.sources = list(_sources(estate))
        for account in (lab.management, lab.guardian, lab.backup):
            encrypt_by_default(estate, account)
        organizations = lab.client(lab.management, "organizations")
        (root,) = organizations.list_roots()["Roots"]
        unit = organizations.create_organizational_unit(ParentId=root["Id"], Name="Workloads")["OrganizationalUnit"]
        for source in estate.sources:
            organizations.move_account(
                AccountId=source.account, SourceParentId=root["Id"], DestinationParentId=unit["Id"]
            )
        made = stack(
            lab, lab.management, lab.region, MANAGEMENT,
            TargetIds=unit["Id"], BackupRegions=lab.region, CentralVaultArn=estate.central_vault_arn,
            DailySchedule=f"cron({due.minute} {due.hour} ? * * *)",
            DailyRetentionDays=str(KEPT_DAYS), DailyCopyRetentionDays=str(COPY_KEPT_DAYS),
            ProtectSources="yes", ProtectBackupAccountId=lab.backup, BreakGlassPrincipalArn=keeper(lab),
        )  # fmt: skip
        estate.policy_id = made["BackupPolicyId"]
        lab.control("backup-policies", {})
    for ago in range(nights, -1, -1):
        estate.night(ago)
    restore_to_test(estate)
    return estate


def _sources(estate: Estate) -> Iterator[Source]:
    lab = estate.lab
    for account in lab.accounts["sources"]:
        source = Source(account)
        for region in lab.info["regions"]:
            # The stack switches it on.
            lab.client(account, "backup", region).update_region_settings(
                ResourceTypeManagementPreference={"DynamoDB": False}
            )
            made = stack(
                lab, account, region, SOURCE,
                BackupAccountId=lab.backup, RolesRegion=lab.region, MakeRole="yes", MakeVolumeKey="yes", VolumesUseTheKey="yes",
                TablesUseAdvancedFeatures="yes",
            )  # fmt: skip
            if region == lab.region:
                source.key_arn = made["VolumeKeyArn"]
                vault = lab.client(account, "backup").describe_backup_vault(BackupVaultName=VAULT)
                source.vault_key_arn = vault["EncryptionKeyArn"]
        fill(lab, source)
        yield source
