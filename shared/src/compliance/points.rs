//! The recovery points of vaults.

use super::say::Place;
use super::walk::Concern;
use super::{AccountView, Outcome, Subject};
use crate::evidence::{RegionInventory, ResourcePoints, Vault};

/// Asks about the recovery points of every vault that holds some.
pub(super) fn each(view: &AccountView<'_>, judge: impl FnMut(Subject, Place<'_>, &Vault, &[ResourcePoints]) -> Outcome) -> Vec<Outcome> {
    each_of(view, |_, _, _| Concern::Yes, judge)
}

/// The same, of the vaults that concern a check.
pub(super) fn each_of(
    view: &AccountView<'_>,
    mut concern: impl FnMut(Place<'_>, &RegionInventory, &Vault) -> Concern,
    mut judge: impl FnMut(Subject, Place<'_>, &Vault, &[ResourcePoints]) -> Outcome,
) -> Vec<Outcome> {
    view.vaults(|place, region, inventory| {
        let subject = place.of(&inventory.vault.arn);
        match inventory.points.known() {
            // Vaults that are known to be empty are not read.
            None if inventory.vault.points == Some(0) => Outcome::not_applicable(subject, "it holds no recovery points"),
            None => Outcome::unseen(subject, "the recovery points of the vault", &inventory.points),
            Some(points) if points.is_empty() => Outcome::not_applicable(subject, "it holds no recovery points"),
            Some(points) => {
                concern(place, region, &inventory.vault).then(subject, |subject| judge(subject, place, &inventory.vault, points))
            }
        }
    })
}
