//! Copies are under the key of the vault that holds them.

use crate::compliance::rows::Look;
use crate::compliance::say::quoted;
use crate::compliance::walk::air_gapped;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, rows};
use crate::coverage::{Landing, Protection};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-067",
        name: "copies-under-expected-key",
        title: "Copies are under the key of the vault that holds them",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:ListRecoveryPointsByBackupVault", "backup:DescribeBackupVault"],
        remedy: Grade::HumanOnly,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html"],
        page: include_str!("copies-under-expected-key.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    rows::each(view, "the newest copy is under the key of its vault", |row| {
        let mut open = matches!(row.protection, Protection::Unknown) && row.copies.iter().any(|landing| !landing.read);
        let mut well = false;
        for landing in &row.copies {
            let Some(newest) = &landing.newest else { continue };
            if owned_by_aws(view, landing) {
                continue;
            }
            match landing.under_vault_key {
                Some(true) => well = true,
                None => open = true,
                Some(false) => {
                    let key = newest.key_arn.as_ref().map_or("no key".to_owned(), |key| quoted(key.as_str()));
                    return Look::Ill(
                        format!("its newest copy in {} is under {key}, not under the key of the vault", quoted(landing.vault_arn.as_str())),
                        format!(
                            "find out why: unencrypted Aurora, DocumentDB and Neptune clusters stay unencrypted, so encrypt the resource {}; or the vault was made anew under another key",
                            quoted(row.resource_arn.as_str())
                        ),
                    );
                }
            }
        }
        if open {
            Look::Open
        } else if well {
            Look::Well
        } else {
            Look::Other
        }
    })
}

/// A logically air-gapped vault under a key that AWS owns names no key.
fn owned_by_aws(view: &AccountView<'_>, landing: &Landing) -> bool {
    let vault = view.destinations.get(&landing.vault_arn).and_then(|destination| destination.vault.known());
    vault.is_some_and(|vault| air_gapped(vault) && vault.encryption_key_arn.is_none())
}
