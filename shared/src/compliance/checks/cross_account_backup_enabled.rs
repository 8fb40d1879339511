//! Copies into other accounts are allowed for the organization.

use crate::compliance::{Check, Judge, Meta, OrganizationView, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-003",
        name: "cross-account-backup-enabled",
        title: "Copies into other accounts are allowed for the organization",
        severity: Severity::Critical,
        since: "0.1.0",
        needs: &["backup:DescribeGlobalSettings"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/manage-cross-account.html",
        ],
        page: include_str!("cross-account-backup-enabled.md"),
    },
    judge: Judge::Organization(judge),
};

fn judge(view: &OrganizationView<'_>) -> Vec<Outcome> {
    view.judged(|subject| {
        if view.scope.backup_accounts.is_empty() {
            return Outcome::not_applicable(subject, "no account is named that keeps copies");
        }
        match view.organization.global_settings.known() {
            None => Outcome::unseen(subject, "the global settings of AWS Backup", &view.organization.global_settings),
            Some(settings) if settings.cross_account_backup => {
                Outcome::pass(subject, format!("cross-account backup is on in management account {}", settings.management_account))
            }
            Some(settings) => Outcome::fail(
                subject,
                format!(
                    "cross-account backup is off in management account {}: every copy into another account fails",
                    settings.management_account
                ),
                format!(
                    "in account {}: `aws backup update-global-settings --global-settings isCrossAccountBackupEnabled=true`",
                    settings.management_account
                ),
            ),
        }
    })
}
