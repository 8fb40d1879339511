//! Every resource that should be backed up is.

use crate::compliance::rows::Look;
use crate::compliance::say::quoted;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, rows};
use crate::coverage::Protection;
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-063",
        name: "resources-protected",
        title: "Every resource that should be backed up is",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["tag:GetResources", "backup:ListBackupSelections", "backup:ListRecoveryPointsByBackupVault"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/assigning-resources.html",
        ],
        page: include_str!("resources-protected.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    rows::each(view, "backed up", |row| match row.protection {
        Protection::Unprotected => Look::Ill(
            format!("no selection selects it: {}", row.why),
            format!(
                "in account {}, {} give the resource {} the tag that a selection asks for, or a selection of its own",
                row.account_id,
                row.region,
                quoted(row.resource_arn.as_str())
            ),
        ),
        Protection::SelectedNeverBackedUp => Look::Ill(
            format!("a rule selects it, and it was never backed up: {}", row.why),
            format!(
                "in account {}, {} look at the backup jobs of the resource: {}",
                row.account_id,
                row.region,
                quoted(&command(
                    "aws backup list-backup-jobs",
                    &[("region", row.region.as_str()), ("by-resource-arn", row.resource_arn.as_str())]
                ))
            ),
        ),
        Protection::Unknown => Look::Open,
        Protection::OptInBlocked | Protection::Excepted => Look::Other,
        Protection::NeverCopied | Protection::Stale | Protection::Protected => Look::Well,
    })
}
