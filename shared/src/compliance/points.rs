//! The recovery points of vaults.

use super::say::{Place, count, listed};
use super::walk::Concern;
use super::{AccountView, Outcome, Subject};
use crate::evidence::{Counted, RegionInventory, ResourcePoints, VaultInventory};

/// Asks about the recovery points of every vault that holds some.
pub(super) fn each(
    view: &AccountView<'_>,
    judge: impl FnMut(Subject, Place<'_>, &VaultInventory, &[ResourcePoints]) -> Outcome,
) -> Vec<Outcome> {
    each_of(view, |_, _, _| Concern::Yes, judge)
}

/// The same, of the vaults that concern a check.
pub(super) fn each_of(
    view: &AccountView<'_>,
    mut concern: impl FnMut(Place<'_>, &RegionInventory, &VaultInventory) -> Concern,
    mut judge: impl FnMut(Subject, Place<'_>, &VaultInventory, &[ResourcePoints]) -> Outcome,
) -> Vec<Outcome> {
    view.vaults(|place, region, inventory| {
        let subject = place.of(&inventory.vault.arn);
        match inventory.points.known() {
            // Vaults that are known to be empty are not read.
            None if inventory.vault.points == Some(0) => Outcome::not_applicable(subject, "it holds no recovery points"),
            None => Outcome::unseen(subject, "the recovery points of the vault", &inventory.points),
            Some(points) if points.is_empty() && inventory.copies.is_empty() => {
                Outcome::not_applicable(subject, "it holds no recovery points")
            }
            Some(points) => concern(place, region, inventory).then(subject, |subject| judge(subject, place, inventory, points)),
        }
    })
}

/// Recovery points of one kind in a vault: of this account, and copied there from others.
pub(super) struct Kind<'a> {
    /// Their resources, as far as they are kept by name.
    pub(super) resources: Vec<&'a str>,
    total: u64,
    /// Whether there may be other resources.
    open: bool,
}

impl<'a> Kind<'a> {
    pub(super) fn of(own: &'a [ResourcePoints], how_many: fn(&ResourcePoints) -> u64, copied: &'a Counted) -> Self {
        let own = own.iter().filter(|points| how_many(points) > 0);
        let total = own.clone().map(how_many).fold(copied.points, u64::saturating_add);
        let mut resources = own.map(|points| points.resource_arn.as_str()).collect::<Vec<_>>();
        resources.extend(copied.resources.iter().map(crate::arn::Arn::as_str));
        resources.sort_unstable();
        resources.dedup();
        Self { resources, total, open: copied.resources.len() >= Counted::NAMED }
    }

    pub(super) fn is_none(&self) -> bool {
        self.total == 0
    }

    /// `2 recovery points of ...`.
    pub(super) fn words(&self) -> String {
        let others = if self.open { ", and perhaps of others" } else { "" };
        format!("{} of {}{others}", count(usize::try_from(self.total).unwrap_or(usize::MAX), "recovery point"), listed(&self.resources))
    }
}
