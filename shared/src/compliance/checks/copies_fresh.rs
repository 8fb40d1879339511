//! Backups and copies of every resource are as fresh as its schedule.

use crate::compliance::rows::Look;
use crate::compliance::say::quoted;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, rows};
use crate::coverage::Protection;
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-066",
        name: "copies-fresh",
        title: "Backups and copies of every resource are as fresh as its schedule",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:ListRecoveryPointsByBackupVault", "backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html"],
        page: include_str!("copies-fresh.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    rows::each(view, "as fresh as the schedule", |row| match row.protection {
        Protection::Stale => Look::Ill(
            format!("the newest backup or copy is too old: {}", row.why),
            format!(
                "look at the last backup and copy jobs of the resource in account {}, {}: {}",
                row.account_id,
                row.region,
                quoted(&command(
                    "aws backup list-copy-jobs",
                    &[("region", row.region.as_str()), ("by-resource-arn", row.resource_arn.as_str())]
                ))
            ),
        ),
        Protection::Protected => Look::Well,
        Protection::Unknown => Look::Open,
        _ => Look::Other,
    })
}
