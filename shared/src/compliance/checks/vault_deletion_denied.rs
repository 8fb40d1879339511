//! Policies of vaults that keep copies deny deletion.

use crate::compliance::say::{listed, quoted};
use crate::compliance::walk::air_gapped;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, probe};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-028",
        name: "vault-deletion-denied",
        title: "Policies of vaults that keep copies deny deletion",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:GetBackupVaultAccessPolicy", "backup:ListBackupVaults"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html",
        ],
        page: include_str!("vault-deletion-denied.md"),
    },
    judge: Judge::Account(judge),
};

/// What deletes copies, or makes them deletable: of a recovery point, which a lock holds as well, and of the vault.
const POINTS: &[&str] = &["backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle", "backup:DisassociateRecoveryPoint"];
const VAULT: &[&str] = &["backup:PutBackupVaultAccessPolicy", "backup:DeleteBackupVaultAccessPolicy", "backup:DeleteBackupVault"];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_backup_account(|| {
        view.used_vaults(|subject, place, _, inventory| {
            let vault = &inventory.vault;
            let held = air_gapped(vault) || vault.locked == Some(true) && vault.lock_date.is_some_and(|date| date <= view.now);
            if held {
                return Outcome::pass(subject, "a lock that nobody can take away holds the recovery points and the vault");
            }
            let Some(policy) = inventory.policy.known() else {
                return Outcome::unseen(subject, "the policy of the vault", &inventory.policy);
            };
            let region = vault.arn.region().map(|region| region.as_str().to_owned()).unwrap_or_default();
            let point = format!(
                "arn:{}:backup:{region}:{}:recovery-point:00000000-0000-4000-8000-000000000000",
                vault.arn.partition(),
                place.account
            );
            let list =
                POINTS.iter().map(|action| (*action, point.as_str())).chain(VAULT.iter().map(|action| (*action, vault.arn.as_str())));
            let probe::Left { left, open, .. } =
                probe::left_by_policy(view, vault.arn.partition(), policy.document.as_ref(), &list.collect::<Vec<_>>());
            if !left.is_empty() {
                let seen = format!("its policy leaves {} to an administrator of the account", listed(&left));
                let actions = left.iter().map(|action| format!("\"{action}\"")).collect::<Vec<_>>().join(",");
                let statement = format!(r#"{{"Effect":"Deny","Principal":"*","Action":[{actions}],"Resource":"*"}}"#);
                let remedy = format!(
                    "{} add to the policy of the vault {}: {}",
                    place.words(),
                    quoted(vault.arn.resource_name()),
                    quoted(&statement)
                );
                return Outcome::fail(subject, seen, remedy);
            }
            match open.first() {
                Some((action, on)) => {
                    Outcome::unknown(subject, format!("whether {} is denied depends on {}", quoted(action), listed(on)), Vec::new())
                }
                None => {
                    Outcome::pass(subject, "its policy denies an administrator of the account to delete copies and to change the policy")
                }
            }
        })
    })
}
