//! Service control policies deny the backup account to make its keys unusable.

use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, guard};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-017",
        name: "backup-account-key-deletion-denied",
        title: "Service control policies deny the backup account to make its keys unusable",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["organizations:ListPoliciesForTarget", "organizations:DescribePolicy", "iam:ListRoles"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
            "https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html",
        ],
        page: include_str!("backup-account-key-deletion-denied.md"),
    },
    judge: Judge::Account(judge),
};

/// What must be denied, and to what.
const ACTIONS: &[(&str, &str)] = &[
    ("kms:ScheduleKeyDeletion", "arn:PARTITION:kms:REGION:ACCOUNT:key/00000000-0000-4000-8000-000000000000"),
    ("kms:DisableKey", "arn:PARTITION:kms:REGION:ACCOUNT:key/00000000-0000-4000-8000-000000000000"),
    ("kms:PutKeyPolicy", "arn:PARTITION:kms:REGION:ACCOUNT:key/00000000-0000-4000-8000-000000000000"),
    ("kms:RevokeGrant", "arn:PARTITION:kms:REGION:ACCOUNT:key/00000000-0000-4000-8000-000000000000"),
    ("kms:DeleteImportedKeyMaterial", "arn:PARTITION:kms:REGION:ACCOUNT:key/00000000-0000-4000-8000-000000000000"),
];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    guard::denied_by_scps(
        view,
        ACTIONS,
        "whoever takes it over makes every copy unreadable without deleting one",
        "service control policies deny an administrator of the account to delete, disable or lock up keys",
    )
}
