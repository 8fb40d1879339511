//! The coverage of resources, Region by Region: every ill resource by itself, what is well and what is open in one line.

use std::collections::BTreeMap;

use super::say::{count, listed};
use super::{AccountView, Outcome};
use crate::arn::Region;
use crate::coverage::ResourceCoverage;

/// What a check sees in a resource.
pub(super) enum Look {
    /// Ill: what was seen, and what to do.
    Ill(String, String),
    /// Well.
    Well,
    /// It depends on what was not seen.
    Open,
    /// Not its affair.
    Other,
}

/// Looks at every resource; `well` says in what way.
pub(super) fn each(view: &AccountView<'_>, well: &str, look: impl Fn(&ResourceCoverage) -> Look) -> Vec<Outcome> {
    let mut by_region: BTreeMap<&Region, Vec<&ResourceCoverage>> = BTreeMap::new();
    for row in view.coverage {
        by_region.entry(&row.region).or_default().push(row);
    }
    view.in_regions(|place, region| {
        let rows = place.region.and_then(|region| by_region.get(region)).map_or(&[][..], Vec::as_slice);
        let mut outcomes = Vec::new();
        let (mut fine, mut open, mut gaps) = (0_usize, Vec::new(), Vec::new());
        for row in rows {
            match look(row) {
                Look::Ill(seen, remedy) => outcomes.push(Outcome::fail(place.of(&row.resource_arn), seen, remedy).from(evidence(row))),
                Look::Well => fine = fine.saturating_add(1),
                Look::Open => {
                    open.push(row.resource_arn.as_str());
                    gaps.extend(row.gaps.iter().cloned());
                }
                Look::Other => {}
            }
        }
        open.sort_unstable();
        if region.resources.known().is_none() {
            gaps.extend(region.resources.gap().cloned());
            outcomes.push(Outcome::unknown(place.here(), "not seen: all resources of the Region", gaps));
        } else if !open.is_empty() {
            let seen = format!("not seen: what decides for {} ({})", count(open.len(), "resource"), listed(&open));
            outcomes.push(Outcome::unknown(place.here(), seen, gaps));
        } else if fine > 0 {
            outcomes.push(Outcome::pass(place.here(), format!("{well}: {}", count(fine, "resource"))));
        } else if outcomes.is_empty() {
            outcomes.push(Outcome::not_applicable(place.here(), "it concerns no resource of the Region"));
        }
        outcomes
    })
}

/// The recovery points that a row rests on.
fn evidence(row: &ResourceCoverage) -> Vec<String> {
    let copies = row.copies.iter().filter_map(|landing| landing.newest.as_ref());
    row.newest_backup.iter().chain(copies).map(|newest| newest.recovery_point_arn.as_str().to_owned()).collect()
}
