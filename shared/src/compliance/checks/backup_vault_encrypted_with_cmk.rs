//! Vaults of the backup account are under customer managed keys.

use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, keyed};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-020",
        name: "backup-vault-encrypted-with-cmk",
        title: "Vaults of the backup account are under customer managed keys",
        severity: Severity::Critical,
        since: "0.1.0",
        needs: &["backup:ListBackupVaults", "kms:DescribeKey"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
        ],
        page: include_str!("backup-vault-encrypted-with-cmk.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_backup_account(|| {
        view.used_vaults(|subject, _, region, vault| keyed::by_customer(subject, region, &vault.vault, "the vault that keeps the copies"))
    })
}
