//! The recovery points of an account by resource: its own in each Region, and the copies that landed in the vaults that its rules name.
//!
//! INVARIANT: a copy counts only where the vault it came from belongs to the account. ARNs of some resources carry no account, so that two accounts
//! may have one of the same name.

use std::collections::BTreeMap;

use super::landed::{Arrivals, ArrivalsByVault, Newest};
use crate::arn::{AccountId, Arn};
use crate::copy::VaultKind;
use crate::evidence::{AccountInventory, Fact, Gap, Point, RegionInventory, ResourcePoints, Vault};

/// Recovery points of one resource in one vault.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    pub(super) vault: &'a Arn,
    pub(super) points: &'a ResourcePoints,
}

impl<'a> Held<'a> {
    fn newest(self) -> Option<(&'a Arn, &'a Point)> {
        let newest = self.points.newest.iter().max_by_key(|point| (point.created_at, &point.arn));
        newest.map(|point| (self.vault, point))
    }
}

/// The newest of several.
pub(super) fn newest<'a>(held: &[Held<'a>]) -> Option<(&'a Arn, &'a Point)> {
    held.iter().filter_map(|held| held.newest()).max_by_key(|(vault, point)| (point.created_at, &point.arn, *vault))
}

/// As the report shows it.
pub(super) fn told((vault, point): (&Arn, &Point)) -> Newest {
    Newest {
        vault_arn: vault.clone(),
        recovery_point_arn: point.arn.clone(),
        created_at: point.created_at,
        key_arn: point.key_arn.clone(),
        delete_at: point.delete_at,
    }
}

/// Whether the recovery points of a vault were read. Nobody asks for those of a vault that says it is empty.
fn is_read(vault: Option<&Vault>, points: &Fact<Vec<ResourcePoints>>) -> bool {
    match points {
        Fact::Known { .. } => true,
        Fact::Gap(_) => false,
        Fact::NotAsked => vault.is_some_and(|vault| vault.points == Some(0)),
    }
}

/// The recovery points that were made in the account, in one Region.
#[derive(Debug, Default)]
pub(super) struct Own<'a> {
    by_resource: BTreeMap<&'a Arn, Vec<Held<'a>>>,
    /// Whether every vault was read.
    pub(super) complete: bool,
    pub(super) gaps: Vec<&'a Gap>,
}

impl<'a> Own<'a> {
    pub(super) fn of(account: &AccountId, region: &'a RegionInventory) -> Self {
        let mut own =
            Self { complete: region.vaults.known().is_some(), gaps: region.vaults.gap().into_iter().collect(), ..Self::default() };
        for vault in region.vaults.known().into_iter().flatten() {
            own.gaps.extend(vault.points.gap());
            own.complete &= is_read(Some(&vault.vault), &vault.points);
            // A backup into an air-gapped vault arrives there as a copy of a recovery point that is removed afterwards
            // (https://docs.aws.amazon.com/aws-backup/latest/devguide/lag-vault-primary-backup.html).
            let air_gapped = VaultKind::named(vault.vault.vault_type.as_deref()) == VaultKind::AirGapped;
            let made_here = |points: &&ResourcePoints| {
                points.copied_from.as_ref().is_none_or(|from| air_gapped && from.account().as_ref() == Some(account))
            };
            for points in vault.points.known().into_iter().flatten().filter(made_here) {
                own.by_resource.entry(&points.resource_arn).or_default().push(Held { vault: &vault.vault.arn, points });
            }
        }
        own
    }

    pub(super) fn resources(&self) -> impl Iterator<Item = &'a Arn> {
        self.by_resource.keys().copied()
    }

    pub(super) fn of_resource(&self, resource: &Arn) -> &[Held<'a>] {
        self.by_resource.get(resource).map_or(&[], Vec::as_slice)
    }
}

/// A vault that copies go to.
#[derive(Debug, Default)]
pub(super) struct Landed<'a> {
    pub(super) vault: Option<&'a Vault>,
    by_resource: BTreeMap<&'a Arn, Vec<Held<'a>>>,
    /// Whether it was read.
    pub(super) read: bool,
    pub(super) gaps: Vec<&'a Gap>,
}

impl<'a> Landed<'a> {
    fn of(account: &AccountId, arn: &'a Arn, vault: Option<&'a Vault>, points: &'a Fact<Vec<ResourcePoints>>) -> Self {
        let mut landed =
            Self { vault, read: is_read(vault, points), gaps: points.gap().into_iter().collect(), by_resource: BTreeMap::new() };
        let ours = |points: &&ResourcePoints| points.copied_from.as_ref().and_then(Arn::account).as_ref() == Some(account);
        for points in points.known().into_iter().flatten().filter(ours) {
            landed.by_resource.entry(&points.resource_arn).or_default().push(Held { vault: arn, points });
        }
        landed
    }

    pub(super) fn of_resource(&self, resource: &Arn) -> &[Held<'a>] {
        self.by_resource.get(resource).map_or(&[], Vec::as_slice)
    }
}

/// The vaults that copies go to: those of other accounts as they were read for this one, those of the account itself from its own inventory.
pub(super) fn destinations<'a>(
    account: &'a AccountInventory,
    arrivals: &'a ArrivalsByVault,
    named: impl Iterator<Item = &'a Arn>,
) -> BTreeMap<&'a Arn, Landed<'a>> {
    let mut found = BTreeMap::new();
    for arn in named {
        found.entry(arn).or_insert_with(|| match arrivals.get(arn) {
            Some(Arrivals { vault, points }) => Landed::of(&account.account_id, arn, vault.known(), points),
            None => within(account, arn),
        });
    }
    found
}

fn within<'a>(account: &'a AccountInventory, arn: &'a Arn) -> Landed<'a> {
    let region =
        arn.region().filter(|_| arn.account().as_ref() == Some(&account.account_id)).and_then(|region| account.regions.get(&region));
    let Some(region) = region else { return Landed::default() };
    let vault = region.vaults.known().into_iter().flatten().find(|vault| vault.vault.arn == *arn);
    match vault {
        Some(vault) => Landed::of(&account.account_id, arn, Some(&vault.vault), &vault.points),
        // A vault that is not in the list does not exist, and nothing is in it.
        None => Landed { read: region.vaults.known().is_some(), gaps: region.vaults.gap().into_iter().collect(), ..Landed::default() },
    }
}
