//! Recovery points are kept long enough.

use crate::arn::Arn;
use crate::compliance::say::{Place, days_between, listed, quoted};
use crate::compliance::walk::Concern;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, points};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Point, RegionInventory, Vault};
use std::collections::BTreeMap;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-057",
        name: "recovery-points-retained",
        title: "Recovery points are kept long enough",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:ListRecoveryPointsByBackupVault", "backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html"],
        page: include_str!("recovery-points-retained.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let limit = view.scope.baseline.retention_days;
    points::each_of(
        view,
        |place, region, inventory| concern(view, place, region, &inventory.vault, limit),
        |subject, place, inventory, points| {
            let vault = &inventory.vault;
            if points.is_empty() {
                return Outcome::not_applicable(
                    subject,
                    "it holds only copies of other accounts, which are looked at with the account that they came from",
                );
            }
            // Short-lived points beside longer ones of the same resource are fine.
            let kept = |point: &Point| point.delete_at.is_none_or(|end| days_between(point.created_at, end) >= limit);
            let mut long_enough: BTreeMap<&Arn, bool> = BTreeMap::new();
            for points in points.iter().filter(|points| !points.newest.is_empty()) {
                *long_enough.entry(&points.resource_arn).or_default() |= points.newest.iter().any(kept);
            }
            let short = long_enough.iter().filter(|(_, enough)| !**enough).map(|(arn, _)| arn.as_str()).collect::<Vec<_>>();
            if short.is_empty() {
                return Outcome::pass(subject, format!("of every resource a recovery point is kept for {limit} days or longer"));
            }
            let seen = format!("no recovery point is kept for {limit} days of {}", listed(&short));
            let remedy = format!(
                "change the lifecycle of the rules that write into {} to at least {limit} days; what is there already can be kept longer {} by {}",
                quoted(vault.arn.resource_name()),
                place.words(),
                quoted(&command(
                    "aws backup update-recovery-point-lifecycle --recovery-point-arn ARN --lifecycle DeleteAfterDays=DAYS",
                    &[("backup-vault-name", vault.arn.resource_name())]
                ))
            );
            Outcome::fail(subject, seen, remedy).from(short)
        },
    )
}

/// Backups whose copies are kept long enough need not be.
fn concern(view: &AccountView<'_>, place: Place<'_>, region: &RegionInventory, vault: &Vault, limit: i64) -> Concern {
    if view.keeps_copies() {
        return Concern::Yes;
    }
    let Some(plans) = region.plans.known() else { return Concern::Open(region.plans.gap().cloned().into_iter().collect()) };
    let mut gaps = Vec::new();
    let mut open = false;
    for inventory in plans {
        let Some(plan) = inventory.plan.known() else {
            open = true;
            gaps.extend(inventory.plan.gap().cloned());
            continue;
        };
        let into = plan.rules.iter().filter(|rule| plan.vault(&rule.target_vault).as_ref() == Some(&vault.arn));
        let kept = into.flat_map(|rule| &rule.copy_actions).any(|action| {
            let outside = action.destination_vault_arn.account().is_some_and(|account| account != *place.account);
            outside && action.delete_after_days.is_none_or(|days| days >= limit)
        });
        if kept {
            return Concern::No("what is kept are the copies in another account".to_owned());
        }
    }
    if open { Concern::Open(gaps) } else { Concern::Yes }
}
