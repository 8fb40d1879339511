//! AWS Backup has a delegated administrator.

use crate::arn::AccountId;
use crate::compliance::say::{listed, quoted};
use crate::compliance::{Check, Judge, Meta, OrganizationView, Outcome};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-004",
        name: "delegated-administrator-registered",
        title: "AWS Backup has a delegated administrator",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["organizations:ListDelegatedAdministrators"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/manage-cross-account.html"],
        page: include_str!("delegated-administrator-registered.md"),
    },
    judge: Judge::Organization(judge),
};

fn judge(view: &OrganizationView<'_>) -> Vec<Outcome> {
    view.judged(|subject| match view.organization.delegated_administrators.known() {
        None => Outcome::unseen(subject, "the delegated administrators of AWS Backup", &view.organization.delegated_administrators),
        Some(accounts) if accounts.is_empty() => {
            let account = view.scope.backup_accounts.first().map_or("ACCOUNT_ID", AccountId::as_str);
            Outcome::fail(
                subject,
                "AWS Backup has no delegated administrator, so every change of backup policies is made in the management account",
                format!(
                    "in the management account: {}; then delegate the backup policies by a resource policy of the organization",
                    quoted(&command(
                        "aws organizations register-delegated-administrator --service-principal backup.amazonaws.com",
                        &[("account-id", account)]
                    ))
                ),
            )
        }
        Some(accounts) => Outcome::pass(subject, format!("delegated to {}", listed(&sorted(accounts)))),
    })
}

fn sorted(accounts: &[AccountId]) -> Vec<&str> {
    let mut accounts = accounts.iter().map(AccountId::as_str).collect::<Vec<_>>();
    accounts.sort_unstable();
    accounts
}
