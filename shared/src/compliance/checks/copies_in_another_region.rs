//! Resources have a copy in another Region.

use crate::compliance::rows::Look;
use crate::compliance::say::listed;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, rows};
use crate::coverage::{Landing, Protection, ResourceCoverage};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Fact, RegionInventory};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-071",
        name: "copies-in-another-region",
        title: "Resources have a copy in another Region",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:GetBackupPlan", "backup:ListRecoveryPointsByBackupVault"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/cross-region-backup.html",
        ],
        page: include_str!("copies-in-another-region.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    if !view.scope.baseline.copy_to_another_region {
        return vec![Outcome::not_applicable(view.place().here(), "the baseline asks for no copies in another Region")];
    }
    rows::each(view, "a copy is in another Region", |row| {
        let elsewhere = row.copies.iter().filter(|landing| landing.vault_arn.region().is_some_and(|region| region != row.region));
        let elsewhere = elsewhere.collect::<Vec<_>>();
        if elsewhere.iter().any(|landing| landing.newest.is_some()) {
            return Look::Well;
        }
        match row.protection {
            Protection::Protected | Protection::Stale | Protection::NeverCopied | Protection::SelectedNeverBackedUp => {
                let read = elsewhere.iter().all(|landing| landing.read);
                let all_rules = view.account.regions.get(&row.region).is_some_and(plans_are_read);
                if read && all_rules { ill(row, &elsewhere) } else { Look::Open }
            }
            Protection::Unknown => Look::Open,
            // That nothing selects it, or that somebody answers for it, others tell.
            Protection::Unprotected | Protection::OptInBlocked | Protection::Excepted => Look::Other,
        }
    })
}

/// Whether every rule that may copy a resource was seen.
fn plans_are_read(region: &RegionInventory) -> bool {
    let whole = |selections: &Vec<Fact<_>>| selections.iter().all(|selection| selection.known().is_some());
    let plans = region.plans.known();
    plans.is_some_and(|plans| plans.iter().all(|plan| plan.plan.known().is_some() && plan.selections.known().is_some_and(whole)))
}

fn ill(row: &ResourceCoverage, elsewhere: &[&Landing]) -> Look {
    if elsewhere.is_empty() {
        return Look::Ill(
            format!("no rule that selects it copies to another Region than {}", row.region),
            format!(
                "give a rule that selects it in account {}, {}, a copy action to a vault in another Region",
                row.account_id, row.region
            ),
        );
    }
    let vaults = elsewhere.iter().map(|landing| landing.vault_arn.as_str()).collect::<Vec<_>>();
    Look::Ill(
        format!("no copy of it ever landed in {}", listed(&vaults)),
        format!("look at the copy jobs of account {} in {}: nothing of it is in another Region", row.account_id, row.region),
    )
}
