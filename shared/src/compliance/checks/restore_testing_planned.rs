//! Restores are tested by a plan.

use crate::arn::Region;
use crate::compliance::say::{listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::VaultInventory;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-060",
        name: "restore-testing-planned",
        title: "Restores are tested by a plan",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["backup:ListRestoreTestingPlans", "backup:ListBackupVaults"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing.html"],
        page: include_str!("restore-testing-planned.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_regions(|place, region| {
        let Some(vaults) = region.vaults.known() else { return vec![Outcome::unseen(place.here(), "the vaults", &region.vaults)] };
        let holds = |vault: &VaultInventory| match (vault.vault.points, vault.points.known()) {
            (Some(points), _) => Some(points > 0),
            (None, Some(points)) => Some(!points.is_empty() || !vault.copies.is_empty()),
            (None, None) => None,
        };
        let held = vaults.iter().map(holds).collect::<Vec<_>>();
        if !held.contains(&Some(true)) {
            return vec![match held.contains(&None) {
                true => Outcome::unknown(place.here(), "not seen: whether there are recovery points", Vec::new()),
                false => Outcome::not_applicable(place.here(), "there are no recovery points"),
            }];
        }
        let Some(testing) = region.restore_testing.known() else {
            return vec![Outcome::unseen(place.here(), "the restore testing plans", &region.restore_testing)];
        };
        let mut names = testing.plans.iter().map(String::as_str).collect::<Vec<_>>();
        names.sort_unstable();
        if !names.is_empty() {
            return vec![Outcome::pass(place.here(), format!("restores are tested by {}", listed(&names)))];
        }
        let name = place.region.map(Region::as_str).unwrap_or_default();
        let remedy = format!(
            "{}: {}, then a selection for each resource type",
            place.words(),
            quoted(&command("aws backup create-restore-testing-plan --restore-testing-plan file://plan.json", &[("region", name)]))
        );
        vec![Outcome::fail(place.here(), "nothing tests whether the recovery points can be restored", remedy)]
    })
}
