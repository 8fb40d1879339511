//! Vaults that keep copies are locked.

use crate::compliance::say::quoted;
use crate::compliance::walk::air_gapped;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-023",
        name: "vault-lock-enabled",
        title: "Vaults that keep copies are locked",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:ListBackupVaults"],
        remedy: Grade::HumanOnly,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html"],
        page: include_str!("vault-lock-enabled.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_backup_account(|| {
        view.used_vaults(|subject, place, _, vault| {
            let vault = &vault.vault;
            match vault.locked {
                _ if air_gapped(vault) => Outcome::pass(subject, "a logically air-gapped vault is always locked"),
                Some(true) => Outcome::pass(subject, "the vault is locked"),
                Some(false) => Outcome::fail(
                    subject,
                    "the vault has no lock: who may delete recovery points deletes the copies",
                    format!(
                        "{}: {}; first without, then with `--changeable-for-days 3`, after which nobody can take the lock away",
                        place.words(),
                        quoted(&command(
                            "aws backup put-backup-vault-lock-configuration",
                            &[
                                ("min-retention-days", &view.scope.baseline.retention_days.to_string()),
                                ("backup-vault-name", vault.arn.resource_name())
                            ]
                        ))
                    ),
                ),
                None => Outcome::unknown(subject, "not seen: whether the vault is locked", Vec::new()),
            }
        })
    })
}
