//! The backup account has a logically air-gapped vault.

use crate::compliance::say::{listed, quoted};
use crate::compliance::walk::air_gapped;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-031",
        name: "air-gapped-vault-present",
        title: "The backup account has a logically air-gapped vault",
        severity: Severity::Info,
        since: "0.1.0",
        needs: &["backup:ListBackupVaults"],
        remedy: Grade::HumanOnly,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/logicallyairgappedvault.html"],
        page: include_str!("air-gapped-vault-present.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_backup_account(|| {
        view.in_regions(|place, region| {
            let Some(vaults) = region.vaults.known() else { return vec![Outcome::unseen(place.here(), "the vaults", &region.vaults)] };
            if vaults.is_empty() {
                return vec![Outcome::not_applicable(place.here(), "there is no vault")];
            }
            let mut names = vaults.iter().filter(|vault| air_gapped(&vault.vault)).map(|vault| vault.vault.arn.resource_name()).collect::<Vec<_>>();
            names.sort_unstable();
            if !names.is_empty() {
                return vec![Outcome::pass(place.here(), format!("there is {}", listed(&names)))];
            }
            let remedy = format!(
                "{}: {}",
                place.words(),
                quoted("aws backup create-logically-air-gapped-backup-vault --backup-vault-name NAME --min-retention-days 7 --max-retention-days 400")
            );
            vec![Outcome::fail(place.here(), "no vault is logically air-gapped: the copies live in the account itself", remedy)]
        })
    })
}
