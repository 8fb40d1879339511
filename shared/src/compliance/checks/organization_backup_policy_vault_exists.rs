//! The vaults that the organization's backup policy names exist.

use crate::arn::{Arn, backup_vault};
use crate::compliance::say::{Place, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, ways};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::RegionInventory;
use std::collections::BTreeSet;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-011",
        name: "organization-backup-policy-vault-exists",
        title: "The vaults that the organization's backup policy names exist",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["organizations:DescribeEffectivePolicy", "backup:ListBackupVaults", "backup:DescribeBackupVault"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_backup_syntax.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_backup_best-practices.html",
        ],
        page: include_str!("organization-backup-policy-vault-exists.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let Some(plans) = view.account.wanted_plans.known() else {
        return vec![Outcome::unseen(view.place().here(), "the effective backup policy", &view.account.wanted_plans)];
    };
    if plans.is_empty() {
        return vec![Outcome::not_applicable(view.place().here(), "no backup policy is in force")];
    }
    view.in_regions(|place, region| {
        let Some(name) = place.region else { return Vec::new() };
        let here = |text: &str| text.replace("$account", place.account.as_str()).replace("$region", name.as_str());
        let wanted = plans.iter().filter(|plan| plan.regions.iter().any(|wanted| wanted == name.as_str()));
        let (mut targets, mut destinations) = (BTreeSet::new(), BTreeSet::new());
        for rule in wanted.flat_map(|plan| &plan.rules) {
            targets.extend(backup_vault(place.account, name, &here(&rule.target_vault)));
            destinations.extend(rule.destinations.iter().filter_map(|arn| Arn::parse(&here(arn)).ok()));
        }
        if targets.is_empty() && destinations.is_empty() {
            return vec![Outcome::not_applicable(place.here(), "no backup policy is in force for this Region")];
        }
        let targets = targets.iter().map(|arn| target(place, region, arn));
        targets
            .chain(destinations.iter().map(|arn| ways::destination_exists(view, place.there(arn).part(place.account.as_str()), arn)))
            .collect()
    })
}

fn target(place: Place<'_>, region: &RegionInventory, arn: &Arn) -> Outcome {
    let subject = place.of(arn);
    match region.vaults.known() {
        None => Outcome::unseen(subject, "the vaults", &region.vaults),
        Some(vaults) if vaults.iter().any(|vault| vault.vault.arn == *arn) => Outcome::pass(subject, "the vault that backups go to exists"),
        Some(_) => Outcome::fail(
            subject,
            format!("the backup policy backs up into the vault {}, which does not exist", quoted(arn.as_str())),
            format!("{}: {}", place.words(), quoted(&ways::create_vault(arn, arn.resource_name()))),
        ),
    }
}
