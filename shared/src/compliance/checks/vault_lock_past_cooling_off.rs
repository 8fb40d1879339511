//! The grace time of vault locks is over.

use crate::compliance::say::quoted;
use crate::compliance::walk::air_gapped;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-025",
        name: "vault-lock-past-cooling-off",
        title: "The grace time of vault locks is over",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["backup:ListBackupVaults"],
        remedy: Grade::HumanOnly,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html"],
        page: include_str!("vault-lock-past-cooling-off.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_backup_account(|| {
        view.used_vaults(|subject, place, _, vault| {
            let vault = &vault.vault;
            match (vault.locked, vault.lock_date) {
                _ if air_gapped(vault) => Outcome::not_applicable(subject, "a logically air-gapped vault has no grace time"),
                (None, _) => Outcome::unknown(subject, "not seen: whether the vault is locked", Vec::new()),
                (Some(false), _) => Outcome::not_applicable(subject, "the vault is not locked"),
                (Some(true), None) => Outcome::not_applicable(subject, "a lock in governance mode has no grace time"),
                (Some(true), Some(date)) if date <= view.now => Outcome::pass(subject, format!("the lock holds for good since {date}")),
                (Some(true), Some(date)) => Outcome::fail(
                    subject,
                    format!("until {date} the lock can still be taken away"),
                    format!(
                        "{}: look at the retention range of the vault {} once more before {date}; then the lock holds by itself",
                        place.words(),
                        quoted(vault.arn.resource_name())
                    ),
                ),
            }
        })
    })
}
