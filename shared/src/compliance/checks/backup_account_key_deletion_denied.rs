//! Service control policies deny the backup account to make its keys unusable.

use crate::compliance::say::{every, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, probe};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-017",
        name: "backup-account-key-deletion-denied",
        title: "Service control policies deny the backup account to make its keys unusable",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["organizations:ListPoliciesForTarget", "organizations:DescribePolicy"],
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
    view.in_backup_account(|| {
        let subject = view.place().here();
        let account = &view.account.account_id;
        let Some(levels) = view.account.scps.known() else {
            return vec![Outcome::unseen(subject, "the service control policies", &view.account.scps)];
        };
        let Some(management) = view.is_management_account() else {
            return vec![Outcome::unseen(subject, "which account is the management account", &view.organization.organization)];
        };
        let (left, open) = probe::left_by_scps(view, levels, ACTIONS);
        let policies = levels.levels.iter().flatten().map(|policy| policy.name.clone());
        let outcome = if management {
            Outcome::fail(
                subject,
                format!("account {account} is the management account, which no service control policy binds"),
                "keep the copies in an account of their own",
            )
        } else if !left.is_empty() {
            Outcome::fail(
                subject,
                format!("no service control policy denies an administrator of account {account} {}, so whoever takes it over makes every copy unreadable without deleting one", listed(&left)),
                format!(
                    "attach to account {account}, or to its unit, a service control policy that denies {} to everybody but the role that needs it",
                    every(&left)
                ),
            )
        } else if let Some((action, on)) = open.first() {
            Outcome::unknown(subject, format!("whether {} is denied depends on {}", quoted(action), listed(on)), Vec::new())
        } else {
            Outcome::pass(subject, "service control policies deny an administrator of the account to delete, disable or lock up keys")
        };
        vec![outcome.from(policies)]
    })
}
