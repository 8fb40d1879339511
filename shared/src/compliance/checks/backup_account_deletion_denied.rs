//! Service control policies deny the backup account to delete recovery points and to weaken vaults.

use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, guard};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-016",
        name: "backup-account-deletion-denied",
        title: "Service control policies deny the backup account to delete recovery points and to weaken vaults",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["organizations:ListPoliciesForTarget", "organizations:DescribePolicy", "iam:ListRoles"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html",
        ],
        page: include_str!("backup-account-deletion-denied.md"),
    },
    judge: Judge::Account(judge),
};

/// What must be denied, and to what.
const ACTIONS: &[(&str, &str)] = &[
    ("backup:DeleteRecoveryPoint", "arn:PARTITION:backup:REGION:ACCOUNT:recovery-point:00000000-0000-4000-8000-000000000000"),
    ("backup:UpdateRecoveryPointLifecycle", "arn:PARTITION:backup:REGION:ACCOUNT:recovery-point:00000000-0000-4000-8000-000000000000"),
    ("backup:DisassociateRecoveryPoint", "arn:PARTITION:backup:REGION:ACCOUNT:recovery-point:00000000-0000-4000-8000-000000000000"),
    ("backup:DeleteBackupVault", "arn:PARTITION:backup:REGION:ACCOUNT:backup-vault:vault"),
    ("backup:PutBackupVaultAccessPolicy", "arn:PARTITION:backup:REGION:ACCOUNT:backup-vault:vault"),
    ("backup:DeleteBackupVaultAccessPolicy", "arn:PARTITION:backup:REGION:ACCOUNT:backup-vault:vault"),
    ("backup:DeleteBackupVaultLockConfiguration", "arn:PARTITION:backup:REGION:ACCOUNT:backup-vault:vault"),
    ("backup:PutBackupVaultLockConfiguration", "arn:PARTITION:backup:REGION:ACCOUNT:backup-vault:vault"),
    ("ec2:DeleteSnapshot", "arn:PARTITION:ec2:REGION::snapshot/snap-00000000000000000"),
    ("ec2:DeregisterImage", "arn:PARTITION:ec2:REGION::image/ami-00000000000000000"),
    // Nobody restores from an image that is disabled.
    ("ec2:DisableImage", "arn:PARTITION:ec2:REGION::image/ami-00000000000000000"),
    ("fsx:DeleteBackup", "arn:PARTITION:fsx:REGION:ACCOUNT:backup/backup-00000000000000000"),
    ("rds:DeleteDBSnapshot", "arn:PARTITION:rds:REGION:ACCOUNT:snapshot:awsbackup:job"),
    ("rds:DeleteDBClusterSnapshot", "arn:PARTITION:rds:REGION:ACCOUNT:cluster-snapshot:awsbackup:job"),
];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    guard::denied_by_scps(
        view,
        ACTIONS,
        "whoever takes it over can delete copies that no lock holds",
        "service control policies deny an administrator of the account to delete recovery points and snapshots and to change vaults",
    )
}
