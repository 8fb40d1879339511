//! Which resources of an account are protected, and by what.
//!
//! The resources are those of the list of tagged resources whose type AWS Backup supports, those that have recovery points of their own, and those
//! that selections name. Each belongs to one Region. A Region that is switched off has none.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::holdings::{Landed, destinations};
use super::judge::judge;
use super::landed::{ArrivalsByVault, ExceptedBy, Protection, ResourceCoverage};
use super::place::Place;
use crate::arn::{Arn, Region};
use crate::compliance::Scope;
use crate::evidence::{AccountInventory, OrganizationInventory};

/// What holds while an account is judged.
pub(super) struct Ground<'a> {
    pub(super) scope: &'a Scope,
    pub(super) now: Timestamp,
    /// How long after a backup its copy may land.
    pub(super) copy: SignedDuration,
    pub(super) destinations: BTreeMap<&'a Arn, Landed<'a>>,
}

/// The resources of an account, by ARN, each once.
pub fn cover(
    account: &AccountInventory,
    arrivals: &ArrivalsByVault,
    organization: &OrganizationInventory,
    scope: &Scope,
    now: Timestamp,
) -> Vec<ResourceCoverage> {
    let regions = account.regions.iter().filter(|(_, inventory)| inventory.enabled.known() != Some(&false));
    let places =
        regions.map(|(region, inventory)| (region, Place::new(account, region, inventory, organization, now))).collect::<BTreeMap<_, _>>();
    let promises = places.values().flat_map(|place| &place.plans).flat_map(|plan| plan.promises.iter().flatten());
    let named = promises.flat_map(|promise| &promise.rule.copy_actions).map(|action| &action.destination_vault_arn);
    let ground = Ground {
        scope,
        now,
        copy: SignedDuration::from_hours(scope.baseline.copy_within_hours.clamp(0, 24 * 366)),
        destinations: destinations(account, arrivals, named),
    };
    let mut covered = Vec::new();
    for (resource, region) in homes(&places) {
        let judged = places.get(region).and_then(|place| judge(place, &ground, &resource));
        covered.extend(judged.map(|judged| excepted(judged, &ground)));
    }
    covered
}

/// Every resource with its Region. ARNs of buckets have none: they are where they are listed, else where they are backed up, else where they are named.
fn homes<'a>(places: &BTreeMap<&'a Region, Place<'a>>) -> BTreeMap<Arn, &'a Region> {
    let mut homes = BTreeMap::<Arn, (u8, &Region)>::new();
    for (region, place) in places {
        for (rank, arn) in place.candidates() {
            let here = (rank, *region);
            homes.entry(arn).and_modify(|known| *known = here.min(*known)).or_insert(here);
        }
    }
    homes.into_iter().map(|(arn, (_, region))| (arn, region)).collect()
}

/// An ill resource for which somebody took responsibility is excepted; it keeps its reasons.
fn excepted(judged: ResourceCoverage, ground: &Ground<'_>) -> ResourceCoverage {
    if matches!(judged.protection, Protection::Unknown | Protection::Protected | Protection::Excepted) {
        return judged;
    }
    let exception =
        ground.scope.baseline.exception(&["coverage"], &judged.account_id, Some(&judged.region), Some(&judged.resource_arn), ground.now);
    let Some(exception) = exception else { return judged };
    let by = ExceptedBy { owner: exception.owner.clone(), reason: exception.reason.clone(), until: exception.until };
    ResourceCoverage { protection: Protection::Excepted, exception: Some(by), ..judged }
}
