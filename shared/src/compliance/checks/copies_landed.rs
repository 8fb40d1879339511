//! Copies of every resource that a rule copies have landed.

use crate::compliance::rows::Look;
use crate::compliance::say::{listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, rows};
use crate::coverage::Protection;
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-065",
        name: "copies-landed",
        title: "Copies of every resource that a rule copies have landed",
        severity: Severity::Critical,
        since: "0.1.0",
        needs: &["backup:ListRecoveryPointsByBackupVault"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
        ],
        page: include_str!("copies-landed.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    rows::each(view, "a copy is in every vault that the rules name", |row| {
        if row.copies.is_empty() {
            return Look::Other;
        }
        let vaults =
            row.copies.iter().filter(|landing| landing.newest.is_none()).map(|landing| landing.vault_arn.as_str()).collect::<Vec<_>>();
        match row.protection {
            Protection::NeverCopied => Look::Ill(
                format!("it is backed up, and no copy of it ever landed in {}: {}", listed(&vaults), row.why),
                format!(
                    "look at the copy jobs of account {} in {} ({}), and at `guardian preflight` for what would stop the next one",
                    row.account_id,
                    row.region,
                    quoted(&command(
                        "aws backup list-copy-jobs",
                        &[("region", row.region.as_str()), ("by-resource-arn", row.resource_arn.as_str())]
                    ))
                ),
            ),
            Protection::Unknown => Look::Open,
            Protection::Protected | Protection::Stale if row.copies.iter().all(|landing| landing.read) => Look::Well,
            Protection::Protected | Protection::Stale => Look::Open,
            _ => Look::Other,
        }
    })
}
