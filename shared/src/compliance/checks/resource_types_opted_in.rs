//! AWS Backup is switched on for every type of resource that a rule selects.

use crate::arn::Region;
use crate::compliance::say::{count, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::coverage::Protection;
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};
use std::collections::BTreeMap;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-064",
        name: "resource-types-opted-in",
        title: "AWS Backup is switched on for every type of resource that a rule selects",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:DescribeRegionSettings", "tag:GetResources"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/assigning-resources.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_backup.html",
        ],
        page: include_str!("resource-types-opted-in.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_regions(|place, region| {
        if region.settings.known().is_none() {
            return vec![Outcome::unseen(place.here(), "which types are switched on", &region.settings)];
        }
        if region.resources.known().is_none() {
            return vec![Outcome::unseen(place.here(), "the resources of the Region", &region.resources)];
        }
        let rows = view.coverage.iter().filter(|row| Some(&row.region) == place.region);
        let mut blocked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut selected = 0_usize;
        for row in rows {
            match row.protection {
                Protection::OptInBlocked => blocked.entry(&row.resource_type).or_default().push(row.resource_arn.as_str()),
                Protection::Unprotected | Protection::Excepted | Protection::Unknown => {}
                _ => selected = selected.saturating_add(1),
            }
        }
        if blocked.is_empty() {
            return vec![match selected {
                0 => Outcome::not_applicable(place.here(), "no rule selects a resource of the Region"),
                number => Outcome::pass(place.here(), format!("switched on for what rules select: {}", count(number, "resource"))),
            }];
        }
        let outcomes = blocked.into_iter().map(|(kind, mut resources)| {
            resources.sort_unstable();
            let seen = format!(
                "AWS Backup is switched off for {}, so nothing backs up what rules select: {} ({})",
                quoted(kind),
                count(resources.len(), "resource"),
                listed(&resources)
            );
            let name = place.region.map(Region::as_str).unwrap_or_default();
            let preference = format!("{kind}=true");
            let remedy = format!(
                "in account {} (for plans of the organization's backup policy in the management account): {}",
                place.account,
                quoted(&command(
                    "aws backup update-region-settings",
                    &[("region", name), ("resource-type-opt-in-preference", preference.as_str())]
                ))
            );
            Outcome::fail(place.here().part(kind), seen, remedy).from(resources)
        });
        outcomes.collect()
    })
}
