"""What the policies of the topology must let happen, and what they must keep whom from, statement by statement."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from lab.aws.evaluator import ALLOWED, UNCERTAIN, Policies, Request, evaluate

from .deployed import as_list
from .rendered import BACKUP, GLASS_KEEPER, MANAGEMENT, ORGANIZATION, REGION, SOURCE, TOPIC, UNIT, Documents

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
MEMBER, STRANGER = "555555555555", "999999999999"
SLR = "role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"
GLASS, COPIES_BACK, JOBS = "role/backup-break-glass", "role/backup-copy-back", "role/backup-jobs"
DEPLOYER, SSO = "role/stacksets-exec-0123", "role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef"
# Whoever has taken an account over, by whatever name.
ANYBODY = ("role/administrator", SSO, "root", "user/alice", "role/service-role/stacksets")

USE = [f"kms:{one}" for one in (
    "Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
)]  # fmt: skip
GRANTS = [f"kms:{one}" for one in ("CreateGrant", "ListGrants", "RevokeGrant")]
ENDS_KEY = [f"kms:{one}" for one in ("DeleteImportedKeyMaterial", "DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion")]
POINTS = [f"backup:{one}" for one in (
    "DeleteBackupVault", "DeleteRecoveryPoint", "DisassociateRecoveryPoint", "UpdateRecoveryPointLifecycle",
)]  # fmt: skip
LOCK = ["backup:DeleteBackupVaultLockConfiguration", "backup:PutBackupVaultLockConfiguration"]
VAULT_POLICY = ["backup:DeleteBackupVaultAccessPolicy", "backup:PutBackupVaultAccessPolicy"]
NOTIFICATIONS = ["backup:DeleteBackupVaultNotifications", "backup:PutBackupVaultNotifications"]
ROLE = [f"iam:{one}" for one in (
    "AttachRolePolicy", "CreateRole", "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy", "DetachRolePolicy",
    "PutRolePermissionsBoundary", "PutRolePolicy", "UpdateAssumeRolePolicy",
)]  # fmt: skip
USER = [f"iam:{one}" for one in (
    "AttachUserPolicy", "CreateAccessKey", "CreateLoginProfile", "DeactivateMFADevice", "DeleteAccessKey", "DeleteLoginProfile", "DeleteUser",
    "DeleteUserPermissionsBoundary", "DeleteUserPolicy", "DetachUserPolicy", "EnableMFADevice", "PutUserPermissionsBoundary", "PutUserPolicy",
    "UpdateAccessKey", "UpdateLoginProfile", "UpdateUser",
)]  # fmt: skip
RULE = [f"events:{one}" for one in ("DeleteRule", "DisableRule", "PutRule", "PutTargets", "RemoveTargets")]
LEAVING = ["account:CloseAccount", "organizations:LeaveOrganization"]
SERVICE_SIDE = [
    "ec2:DeleteSnapshot", "ec2:DeregisterImage", "ec2:DisableImage", "fsx:DeleteBackup", "rds:DeleteDBClusterSnapshot",
    "rds:DeleteDBSnapshot",
]  # fmt: skip


@dataclass(frozen=True)
class Question:
    """Whether a caller may do something, by the documents that are named; who has no `identity` has everything."""

    may: bool
    caller: str
    action: str
    resource: str
    by: str
    identity: str | None = ""
    context: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def named(self) -> set[str]:
        return {self.by, self.identity or ""} - {""}

    def answer(self, given: Documents) -> str:
        account = self.caller.split(":")[4] if self.caller.startswith("arn:") else ""
        organization = "o-anotherone" if account == STRANGER else ORGANIZATION
        context: dict[str, Any] = {
            "aws:PrincipalArn": self.caller, "aws:PrincipalAccount": account, "kms:CallerAccount": account,
            "aws:PrincipalOrgID": organization, "aws:PrincipalOrgPaths": [f"{organization}/r-ab12/ou-ab12-11111111/"],
            "aws:PrincipalType": {"root": "Account", "user": "User"}.get(self.caller.split(":")[-1].split("/")[0], "AssumedRole"),
            "aws:RequestedRegion": REGION,
        } if account else {}  # fmt: skip
        owner = self.resource.split(":")[4] if self.resource.count(":") > 4 else ""
        identity = () if self.identity is None else (given.get(self.identity, EVERYTHING),)
        bounds = self.by.startswith("management-account")
        decided = evaluate(
            Request(self.caller, self.action, self.resource, owner or account, context | self.context),
            Policies(
                identity=identity,
                scps=((EVERYTHING,), (EVERYTHING, given[self.by])) if bounds else (),
                resource=given[self.by]
                if self.by and not bounds
                else HOME_KEY
                if self.action.startswith("kms:")
                else None,
                management_account=MANAGEMENT,
            ),
        ).outcome
        return decided if decided in (ALLOWED, UNCERTAIN) else "denied"


HOME_KEY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{one}:root"}, "Action": "kms:*", "Resource": "*"}
        for one in (SOURCE, BACKUP)
    ],
}


def of(account: str, *names: str) -> list[str]:
    return [f"arn:aws:iam::{account}:{name}" for name in names]


def ask(
    may: bool, callers: list[str] | str, actions: list[str] | str, resources: list[str] | str, by: str,
    identity: str | None = "", **context: Any,
) -> list[Question]:  # fmt: skip
    named = {key.replace("__", ":").replace("_slash_", "/"): value for key, value in context.items()}
    return [
        Question(may, caller, action, resource, by, identity, named)
        for caller in as_list(callers)
        for action in as_list(actions)
        for resource in as_list(resources)
    ]


def key(account: str, name: str = "0000") -> str:
    return f"arn:aws:kms:{REGION}:{account}:key/{name}"


def vault(account: str, name: str) -> str:
    return f"arn:aws:backup:{REGION}:{account}:backup-vault:{name}"


def rule(account: str, name: str) -> str:
    return f"arn:aws:events:{REGION}:{account}:rule/{name}"


TAGGED = {"aws:ResourceTag/backup-vault": "local-backups"}
WATCHING = of(SOURCE, "role/backup-guardian-forwarder", "role/backup-guardian-reader")


def of_sources() -> list[Question]:
    by = "management-account.SourcePolicy.Content"
    anybody, deployer, here = of(SOURCE, *ANYBODY), of(SOURCE, DEPLOYER), vault(SOURCE, "local-backups")
    changes = [*POINTS, *LOCK, *VAULT_POLICY, "backup:DeleteBackupVaultNotifications", "backup:UpdateRegionSettings"]
    tables = of(SOURCE, f"role/backup-guardian-tables-{REGION}")
    setter = f"arn:aws:lambda:{REGION}:{SOURCE}:function:backup-guardian-tables"
    protected = [*of(SOURCE, JOBS, DEPLOYER, "role/stacksets-exec-attacker"), *WATCHING, *tables]
    found = [
        *ask(False, anybody, changes, here, by),
        *ask(True, deployer, changes, here, by),
        *ask(True, anybody, ["backup:StartBackupJob", "backup:PutBackupVaultNotifications"], here, by),
        *ask(False, anybody[0], ROLE, protected, by),
        *ask(False, anybody, "iam:CreateRole", protected, by),
        *ask(True, deployer, ROLE, protected, by),
        *ask(True, anybody, "iam:CreateRole", of(SOURCE, "role/application"), by),
        *ask(False, anybody, "iam:DeleteServiceLinkedRole", of(SOURCE, SLR), by),
        *ask(True, anybody, "iam:CreateServiceLinkedRole", of(SOURCE, SLR), by),
        *ask(True, anybody, "iam:PassRole", of(SOURCE, JOBS), by),
        *ask(True, tables, "backup:UpdateRegionSettings", here, by),
        *ask(False, tables, "backup:DeleteRecoveryPoint", here, by),
        *ask(False, anybody, "iam:PassRole", tables, by),
        *ask(False, anybody, ["lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"], setter, by),
        *ask(True, anybody, "lambda:UpdateFunctionCode", setter.replace("backup-guardian-tables", "application"), by),
        *ask(
            True,
            deployer,
            ["iam:PassRole", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"],
            [*tables, setter],
            by,
        ),
        *ask(False, anybody, RULE, rule(SOURCE, "backup-guardian-problem-events"), by),
        *ask(True, deployer, RULE, rule(SOURCE, "backup-guardian-problem-events"), by),
        # The guardian itself may lie in one of these accounts.
        *ask(True, anybody, RULE, [rule(SOURCE, "backup-guardian-sweep"), rule(SOURCE, "application")], by),
        *ask(True, anybody, "iam:DeleteRole", of(SOURCE, "role/backup-guardian-diagnose-job"), by),
        *ask(False, [*anybody, *deployer], LEAVING, "*", by),
    ]
    tags = ["kms:TagResource", "kms:UntagResource"]
    for action in [*(one for one in ENDS_KEY), *tags, "kms:RevokeGrant"]:
        found += [
            Question(False, who, action, key(SOURCE), by, "", TAGGED) for who in anybody
        ] + [
            Question(True, deployer[0], action, key(SOURCE), by, "", TAGGED),
            Question(True, anybody[0], action, key(SOURCE), by),
            Question(True, anybody[0], action, key(SOURCE), by, "", {"aws:ResourceTag/backup-vault": "another"}),
        ]  # fmt: skip
    found.append(
        Question(True, anybody[0], "kms:RevokeGrant", key(SOURCE), by, "", {**TAGGED, "kms:ViaService": "ec2"})
    )
    return found


def of_backup_account() -> list[Question]:
    by = "management-account.BackupAccountPolicy.Content"
    anybody, glass, deployer = of(BACKUP, *ANYBODY), of(BACKUP, GLASS), of(BACKUP, DEPLOYER)
    changes = [*LOCK, *VAULT_POLICY, *NOTIFICATIONS, "backup:UpdateRegionSettings"]
    keys = [*ENDS_KEY, "kms:DeleteAlias", "kms:RevokeGrant", "kms:UpdateAlias"]
    roles = of(BACKUP, GLASS, COPIES_BACK, DEPLOYER, "role/stacksets-exec-attacker")
    watching = [one.replace(SOURCE, BACKUP) for one in WATCHING]
    ours, theirs = rule(BACKUP, "backup-guardian-problem-events"), rule(BACKUP, "another")
    ends = [*POINTS, *SERVICE_SIDE, *LEAVING, "backup:UpdateGlobalSettings"]
    through = {"kms__ViaService": f"lambda.{REGION}.amazonaws.com"}
    return [
        *ask(False, [*anybody, *glass, *deployer], ends, vault(BACKUP, "central-backups"), by),
        *ask(False, [*anybody, *deployer], changes, vault(BACKUP, "central-backups"), by),
        *ask(True, glass, changes, vault(BACKUP, "central-backups"), by),
        *ask(False, [*anybody, *deployer], keys, key(BACKUP), by),
        *ask(True, glass, keys, key(BACKUP), by),
        *ask(True, anybody[0], "kms:RevokeGrant", key(BACKUP), by, **through),
        *ask(False, anybody[0], ENDS_KEY, key(BACKUP), by, **through),
        *ask(True, anybody, ["backup:StartCopyJob", "backup:StartRestoreJob"], vault(BACKUP, "central-backups"), by),
        *ask(False, anybody[0], ROLE, roles, by),
        *ask(False, [*anybody, *glass, *deployer], "iam:CreateRole", roles, by),
        # Whoever may break the glass is taken over by nobody: here a user, and a role below.
        *ask(False, [*anybody, *deployer, GLASS_KEEPER], USER, GLASS_KEEPER, by),
        *ask(True, anybody[0], [*USER, "iam:GetUser"], of(BACKUP, "user/alice"), by),
        *ask(True, GLASS_KEEPER, "iam:GetUser", GLASS_KEEPER, by),
        *ask(False, [*anybody, *deployer], "iam:DeleteServiceLinkedRole", of(BACKUP, SLR), by),
        *ask(True, anybody, "iam:CreateServiceLinkedRole", of(BACKUP, SLR), by),
        *ask(False, anybody[0], ROLE, watching, by),
        *ask(False, [*anybody, *glass], "iam:CreateRole", watching, by),
        *ask(True, deployer, ROLE, watching, by),
        *ask(True, anybody, "iam:CreateRole", of(BACKUP, "role/another"), by),
        *ask(False, [*anybody, *glass], RULE, ours, by),
        *ask(True, deployer, RULE, ours, by),
        *ask(True, anybody, RULE, theirs, by),
    ]


def of_central_key() -> list[Question]:
    by, here = "backup-account.VaultKey.KeyPolicy", key(BACKUP)
    theirs = of(SOURCE, SLR)
    others = [
        *of(STRANGER, SLR),
        *of(SOURCE, "role/administrator", "role/AWSServiceRoleForBackup"),
        *of(STRANGER, "role/administrator"),
    ]
    for_aws, not_for_aws = {"kms__GrantIsForAWSResource": "true"}, {"kms__GrantIsForAWSResource": "false"}
    return [
        *ask(True, of(BACKUP, "role/administrator", SLR), [*USE, *GRANTS, "kms:GetKeyPolicy"], here, by),
        *ask(False, of(BACKUP, *ANYBODY, DEPLOYER), ENDS_KEY, here, by),
        *ask(True, of(BACKUP, GLASS), ENDS_KEY, here, by),
        *ask(True, theirs, USE, here, by),
        *ask(True, theirs, GRANTS, here, by, **for_aws),
        *ask(False, theirs, [*GRANTS, "kms:RetireGrant", "kms:GetPublicKey"], here, by, **not_for_aws),
        *ask(False, theirs, ["kms:RetireGrant", "kms:GetPublicKey"], here, by, **for_aws),
        *ask(False, others, [*USE, *GRANTS], here, by, **for_aws),
    ]


def of_central_vaults() -> list[Question]:
    found = []
    inside, elsewhere = {}, {"aws:PrincipalOrgPaths": [f"{ORGANIZATION}/r-ab12/ou-ab12-99999999/"]}
    for name, logical_id in (("central-backups", "Vault"), ("air-gap", "AirGappedVault")):
        by, here = f"backup-account.{logical_id}.AccessPolicy", vault(BACKUP, name)
        copy = "backup:CopyIntoBackupVault"
        found += ask(True, of(SOURCE, JOBS, "role/administrator"), copy, here, by, **inside)
        found += ask(False, of(STRANGER, "role/administrator"), copy, here, by)
        found += ask(
            False, of(SOURCE, "role/administrator"), ["backup:DeleteRecoveryPoint", "backup:StartCopyJob"], here, by
        )
        found.append(Question(False, of(SOURCE, JOBS)[0], copy, here, by, "", elsewhere))
        # Of another organization that has a path of the same text.
        found.append(
            Question(False, of(STRANGER, JOBS)[0], copy, here, by, "", {"aws:PrincipalOrgPaths": [f"{UNIT}/"]})
        )
    by, here = "backup-account.Vault.AccessPolicy", vault(BACKUP, "central-backups")
    return [
        *found,
        *ask(False, of(BACKUP, *ANYBODY, GLASS, DEPLOYER), POINTS, here, by),
        *ask(False, of(BACKUP, *ANYBODY, DEPLOYER), VAULT_POLICY, here, by),
        *ask(True, of(BACKUP, GLASS), VAULT_POLICY, here, by),
    ]


def of_notifications() -> list[Question]:
    service, topic, by = (
        "backup.amazonaws.com",
        "backup-account.NotificationTopicPolicy.PolicyDocument",
        "backup-account.NotificationKey.KeyPolicy",
    )
    ours, theirs = {"aws__SourceAccount": BACKUP}, {"aws__SourceAccount": STRANGER}
    uses = ["kms:Decrypt", "kms:GenerateDataKey"]
    return [
        *ask(True, service, "sns:Publish", TOPIC, topic, None, **ours),
        *ask(False, service, "sns:Publish", TOPIC, topic, None, **theirs),
        *ask(False, service, "sns:Publish", TOPIC, topic, None),
        *ask(False, service, "sns:DeleteTopic", TOPIC, topic, None, **ours),
        *ask(False, service, "sns:Publish", TOPIC.replace("central", "other"), topic, None, **ours),
        *ask(
            False,
            ["ec2.amazonaws.com", *of(SOURCE, "role/administrator")],
            "sns:Publish",
            TOPIC,
            topic,
            aws__SourceAccount=BACKUP,
        ),
        *ask(True, of(BACKUP, "role/administrator"), [*uses, "kms:PutKeyPolicy"], key(BACKUP), by),
        # Whether KMS is told for whom it is, is not documented.
        *ask(True, service, uses, key(BACKUP), by, None, **ours),
        *ask(True, service, uses, key(BACKUP), by, None),
        *ask(False, service, uses, key(BACKUP), by, None, **theirs),
        *ask(False, service, "kms:Encrypt", key(BACKUP), by, None, **ours),
        *ask(False, ["ec2.amazonaws.com", *of(SOURCE, "role/administrator")], uses, key(BACKUP), by),
    ]


def of_roles() -> list[Question]:
    """Who gets into the roles, and what those of our own policies may."""
    found = []
    assume, tag, service = "sts:AssumeRole", "sts:TagSession", "backup.amazonaws.com"
    for by, account, name, who in (
        ("backup-account.CopyBackRole", BACKUP, COPIES_BACK, service),
        ("source-backup.JobRole", SOURCE, JOBS, service),
        ("source-backup.VolumeDefaultRole", SOURCE, "role/volume-default", "lambda.amazonaws.com"),
        ("source-backup.TablesRole", SOURCE, f"role/backup-guardian-tables-{REGION}", "lambda.amazonaws.com"),
    ):
        trust, role = f"{by}.AssumeRolePolicyDocument", of(account, name)
        others = [*of(account, "role/administrator"), *of(STRANGER, "role/administrator"), "ec2.amazonaws.com"]
        found += ask(True, who, assume, role, trust, None) + ask(False, who, tag, role, trust, None)
        found += ask(False, others, assume, role, trust, "")
    glass, trust = of(BACKUP, GLASS), "backup-account.BreakGlassRole.AssumeRolePolicyDocument"
    mfa, none = {"aws__MultiFactorAuthPresent": "true"}, {"aws__MultiFactorAuthPresent": "false"}
    others = [
        *of(BACKUP, "role/administrator", "user/alice"),
        *of(SOURCE, "role/administrator"),
        *of(STRANGER, "user/alice"),
    ]
    found += ask(True, GLASS_KEEPER, assume, glass, trust, None, **mfa) + ask(
        False, GLASS_KEEPER, assume, glass, trust, None, **none
    )
    found += ask(False, GLASS_KEEPER, assume, glass, trust, None) + ask(False, others, assume, glass, trust, **mfa)
    found += ask(False, GLASS_KEEPER, tag, glass, trust, None, **mfa)
    own = "backup-account.BreakGlassRole.Policies.0.PolicyDocument"
    central, reads = (
        vault(BACKUP, "central-backups"),
        ["backup:DescribeBackupVault", "backup:GetBackupVaultAccessPolicy"],
    )
    uses = [
        "kms:CancelKeyDeletion",
        "kms:DescribeKey",
        "kms:DisableKey",
        "kms:EnableKey",
        "kms:GetKeyPolicy",
        "kms:PutKeyPolicy",
        "kms:ScheduleKeyDeletion",
    ]
    vaults, alias = [*LOCK, *VAULT_POLICY, *NOTIFICATIONS, *reads], {"kms__ResourceAliases": ["alias/central-backups"]}
    of_central = "backup-account.VaultKey.KeyPolicy"
    found += ask(True, glass, vaults, central, "", own) + ask(False, glass, vaults, vault(BACKUP, "another"), "", own)
    found += ask(True, glass, VAULT_POLICY, central, "backup-account.Vault.AccessPolicy", own)
    found += ask(True, glass, uses, key(BACKUP), of_central, own, **alias)
    found += ask(False, glass, uses, [key(BACKUP), "*"], of_central, own, kms__ResourceAliases=["alias/another"])
    found += ask(False, glass, [*USE[:1], *GRANTS], key(BACKUP), of_central, own, **alias)
    # The keys of the volumes let this account look at them.
    found += ask(False, glass, "kms:DescribeKey", key(SOURCE), "source-backup.VolumeKey.KeyPolicy", own, **alias)
    found += ask(True, glass, "backup:UpdateRegionSettings", "*", "", own)
    found += ask(False, glass, [*POINTS, "backup:UpdateGlobalSettings", *ROLE, *LEAVING], [central, "*"], "", own)
    return found + of_settings()


def of_settings() -> list[Question]:
    own, role, keys = (
        "source-backup.VolumeDefaultRole.Policies.0.PolicyDocument",
        of(SOURCE, "role/volume-default"),
        "source-backup.VolumeKey.KeyPolicy",
    )
    tables = "source-backup.TablesRole.Policies.0.PolicyDocument"
    sets = ["ec2:EnableEbsEncryptionByDefault", "ec2:ModifyEbsDefaultKmsKeyId"]
    return [
        *ask(True, role, "backup:UpdateRegionSettings", "*", "", tables),
        *ask(False, role, "backup:UpdateRegionSettings", "*", "", tables, aws__RequestedRegion="eu-west-1"),
        *ask(False, role, ["backup:DeleteRecoveryPoint", "s3:GetObject"], "*", "", tables),
        *ask(True, role, sets, "*", "", own),
        *ask(False, role, sets, "*", "", own, aws__RequestedRegion="eu-west-1"),
        *ask(
            False, role, ["ec2:DisableEbsEncryptionByDefault", "ec2:TerminateInstances", "s3:GetObject"], "*", "", own
        ),
        *ask(True, role, "kms:DescribeKey", key(SOURCE, "volumes"), keys, own),
        *ask(False, role, "kms:DescribeKey", key(SOURCE, "another"), keys, own),
        *ask(False, role, ["kms:Decrypt", "s3:GetObject"], key(SOURCE, "volumes"), keys, own),
    ]


def of_source_keys() -> list[Question]:
    found = []
    central, for_aws, not_for_aws = (
        of(BACKUP, SLR, COPIES_BACK),
        {"kms__GrantIsForAWSResource": "true"},
        {"kms__GrantIsForAWSResource": "false"},
    )
    for name in ("VaultKey", "VolumeKey"):
        by, here = f"source-backup.{name}.KeyPolicy", key(SOURCE)
        found += ask(True, of(SOURCE, "role/administrator", SLR), [*USE, *GRANTS, "kms:PutKeyPolicy"], here, by)
        found += ask(True, central, USE, here, by) + ask(True, central, GRANTS, here, by, **for_aws)
        found += ask(False, central, [*GRANTS, "kms:RetireGrant", "kms:GetPublicKey"], here, by, **not_for_aws)
        found += ask(False, central, ["kms:RetireGrant", "kms:GetPublicKey"], here, by, **for_aws)
        found += ask(
            False, of(MEMBER, SLR) + of(STRANGER, SLR, "role/administrator"), [*USE, *GRANTS], here, by, **for_aws
        )
    by, scaling = (
        "source-backup.VolumeKey.KeyPolicy",
        of(SOURCE, "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"),
    )
    through = {"kms__ViaService": f"ec2.{REGION}.amazonaws.com"}
    found += ask(True, scaling, [*USE, "kms:CreateGrant"], key(SOURCE), by, None, **through)
    found += ask(
        False,
        scaling,
        ["kms:RevokeGrant", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"],
        key(SOURCE),
        by,
        None,
        **through,
    )
    found += ask(False, scaling, USE, key(SOURCE), by, None)
    found += ask(False, scaling, USE, key(SOURCE), by, None, kms__ViaService=f"rds.{REGION}.amazonaws.com")
    found += ask(False, of(STRANGER, "role/administrator"), USE, key(SOURCE), by, **through)
    by, here, copy = "source-backup.Vault.AccessPolicy", vault(SOURCE, "local-backups"), "backup:CopyIntoBackupVault"
    found += ask(True, of(BACKUP, COPIES_BACK), copy, here, by)
    found += ask(False, of(MEMBER, "role/administrator") + of(STRANGER, "role/administrator"), copy, here, by)
    return found + ask(False, of(BACKUP, COPIES_BACK), ["backup:DeleteRecoveryPoint", "backup:StartCopyJob"], here, by)


@cache
def questions() -> list[Question]:
    return [
        *of_sources(), *of_backup_account(), *of_central_key(), *of_central_vaults(), *of_notifications(), *of_roles(), *of_source_keys(),
    ]  # fmt: skip
