//! The vaults that plans name exist.

use crate::arn::Arn;
use crate::compliance::say::{Place, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, Subject, ways};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{BackupPlan, RegionInventory};
use std::collections::BTreeSet;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-053",
        name: "plan-vault-exists",
        title: "The vaults that plans name exist",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:GetBackupPlan", "backup:ListBackupVaults", "backup:DescribeBackupVault"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/creating-a-backup-plan.html"],
        page: include_str!("plan-vault-exists.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.plans(|subject, place, region, _, plan| {
        let mut named = BTreeSet::new();
        for rule in &plan.rules {
            named.extend(plan.vault(&rule.target_vault));
        }
        let mut outcomes =
            named.into_iter().map(|arn| target(subject.clone().part(arn.as_str()), place, region, plan, &arn)).collect::<Vec<_>>();
        let destinations = plan.rules.iter().flat_map(|rule| &rule.copy_actions).map(|action| &action.destination_vault_arn);
        outcomes.extend(
            destinations
                .collect::<BTreeSet<_>>()
                .into_iter()
                .map(|arn| ways::destination_exists(view, subject.clone().part(arn.as_str()), arn)),
        );
        if outcomes.is_empty() {
            outcomes.push(Outcome::not_applicable(subject, "it has no rule"));
        }
        outcomes
    })
}

fn target(subject: Subject, place: Place<'_>, region: &RegionInventory, plan: &BackupPlan, arn: &Arn) -> Outcome {
    let Some(vaults) = region.vaults.known() else { return Outcome::unseen(subject, "the vaults", &region.vaults) };
    if vaults.iter().any(|vault| vault.vault.arn == *arn) {
        return Outcome::pass(subject, "the vault that backups go to exists");
    }
    let seen = format!("the plan {} backs up into the vault {}, which does not exist", quoted(&plan.name), quoted(arn.as_str()));
    Outcome::fail(subject, seen, format!("{}: {}", place.words(), quoted(&ways::create_vault(arn, arn.resource_name()))))
}
