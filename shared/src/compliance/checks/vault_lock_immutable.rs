//! Locks of vaults that keep copies are in compliance mode.

use crate::compliance::say::quoted;
use crate::compliance::walk::air_gapped;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::Vault;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-024",
        name: "vault-lock-immutable",
        title: "Locks of vaults that keep copies are in compliance mode",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:ListBackupVaults"],
        remedy: Grade::HumanOnly,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html"],
        page: include_str!("vault-lock-immutable.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_backup_account(|| {
        view.used_vaults(|subject, place, _, vault| {
            let vault = &vault.vault;
            match (vault.locked, vault.lock_date) {
                _ if air_gapped(vault) => Outcome::pass(subject, "a logically air-gapped vault is always in compliance mode"),
                (None, _) => Outcome::unknown(subject, "not seen: whether the vault is locked", Vec::new()),
                (Some(false), _) => Outcome::not_applicable(subject, "the vault is not locked"),
                (Some(true), Some(date)) => Outcome::pass(subject, format!("the lock is in compliance mode, for good from {date} on")),
                (Some(true), None) => Outcome::fail(
                    subject,
                    "the lock is in governance mode: `backup:DeleteBackupVaultLockConfiguration` takes it away",
                    format!("{}, when the retention range is settled for good: {}", place.words(), quoted(&again(vault))),
                ),
            }
        })
    })
}

/// The same lock in compliance mode: a range that is not said again is gone.
fn again(vault: &Vault) -> String {
    let numbers = [("min-retention-days", vault.min_retention_days), ("max-retention-days", vault.max_retention_days)];
    let numbers = numbers.into_iter().filter_map(|(option, days)| Some((option, days?.to_string()))).collect::<Vec<_>>();
    let mut options = numbers.iter().map(|(option, days)| (*option, days.as_str())).collect::<Vec<_>>();
    options.push(("backup-vault-name", vault.arn.resource_name()));
    command("aws backup put-backup-vault-lock-configuration --changeable-for-days 3", &options)
}
