//! The copies of an account from what a sweep saw of it: nothing is asked for them that was not asked anyway.

use std::collections::{BTreeMap, BTreeSet};

use super::{Held, KeptLeg, KeptRoutes, ObjectId, Objects};
use crate::arn::{AccountId, Arn};
use crate::copy::{Leg, discover};
use crate::evidence::{
    AccountInventory, BackupPlan, Destination, Fact, OrganizationInventory, PlanInventory, PolicyLevels, RegionInventory, ResourcePoints,
    RuleTimes, Selection, StoredPoint, Vault, VaultInventory, VaultPolicy,
};

/// The copies that the plans of an account make, and what of their objects was seen. `bounds_of` tells the SCPs and RCPs of an account.
pub fn keep(
    account: &AccountInventory,
    destinations: &BTreeMap<Arn, Destination>,
    organization: &OrganizationInventory,
    bounds_of: impl Fn(&AccountId) -> (Fact<PolicyLevels>, Fact<PolicyLevels>),
) -> KeptRoutes {
    let regions = account.regions.values().filter(|region| region.enabled.known() != Some(&false));
    let complete = seen_whole(regions.clone());
    let plans = regions.clone().filter_map(|region| region.plans.known()).flatten();
    let plans = plans.filter_map(|inventory| {
        let selections = inventory.selections.known()?.iter().filter_map(Fact::known).cloned().collect::<Vec<_>>();
        Some((inventory.plan.known()?.clone(), selections))
    });
    let plans = plans.collect::<Vec<(BackupPlan, Vec<Selection>)>>();
    let vaults = regions.filter_map(|region| region.vaults.known()).flatten().collect::<Vec<_>>();
    let points = vaults.iter().filter_map(|vault| Some((vault.vault.arn.clone(), stored(vault.points.known()?))));
    let found = discover(&plans, &points.collect());
    let legs = found.legs.into_iter().map(|leg| KeptLeg { times: times(&plans, &leg), leg }).collect::<Vec<_>>();

    let mut objects = Objects::new();
    for leg in &legs {
        let leg = &leg.leg;
        for arn in [&leg.source_vault_arn, &leg.destination_vault_arn] {
            let seen = vaults.iter().find(|vault| vault.vault.arn == *arn).map(|vault| own(vault, account.at));
            let seen = seen.or_else(|| destinations.get(arn).map(|there| (there.vault.clone(), there.policy.clone())));
            if let Some((vault, policy)) = seen {
                objects.insert(ObjectId::Vault(arn.clone()), Held::Vault { vault, policy }.settled());
            }
        }
        if let Some(role) = account.roles.get(&leg.job_role_arn) {
            objects.insert(ObjectId::Role(leg.job_role_arn.clone()), Held::Role { role: role.clone() });
        }
        for id in [Some(leg.account_id.clone()), leg.destination_vault_arn.account()].into_iter().flatten() {
            let (scps, rcps) = bounds_of(&id);
            objects.insert(ObjectId::Account(id), Held::Account { scps, rcps });
        }
        let (organization, global_settings) = (organization.organization.clone(), organization.global_settings.clone());
        objects.insert(ObjectId::Organization, Held::Organization { organization, global_settings });
    }
    for leg in &legs {
        for id in leg.objects(&objects) {
            let ObjectId::Key(arn) = &id else { continue };
            let own = account.regions.values().find_map(|region| region.keys.get(arn)).map(|key| (key.key.clone(), key.policy.clone()));
            let there = || {
                let destination = destinations.get(&leg.leg.destination_vault_arn)?;
                let theirs = destination.vault.known()?.encryption_key_arn.as_ref() == Some(arn);
                theirs.then(|| (destination.key.clone(), destination.key_policy.clone()))
            };
            if let Some((key, policy)) = own.or_else(there) {
                objects.insert(id, Held::Key { key, policy, grants: Fact::NotAsked });
            }
        }
    }
    KeptRoutes { legs, objects, kept_already: BTreeSet::new(), complete }
}

/// Whether the plans, their selections and the points of the vaults that they back up into were all read.
fn seen_whole<'a>(mut regions: impl Iterator<Item = &'a RegionInventory>) -> bool {
    regions.all(|region| {
        let (Some(plans), Some(vaults)) = (region.plans.known(), region.vaults.known()) else { return false };
        let whole = |plan: &PlanInventory| {
            let selections = plan.selections.known();
            plan.plan.known().is_some() && selections.is_some_and(|selections| selections.iter().all(|one| one.known().is_some()))
        };
        let rules = plans.iter().filter_map(|plan| plan.plan.known()).flat_map(|plan| plan.rules.iter().map(move |rule| (plan, rule)));
        let mut targets = rules.filter(|(_, rule)| !rule.copy_actions.is_empty()).filter_map(|(plan, rule)| plan.vault(&rule.target_vault));
        let unread = |arn: &Arn| vaults.iter().any(|vault| vault.vault.arn == *arn && vault.points.known().is_none());
        plans.iter().all(whole) && !targets.any(|arn| unread(&arn))
    })
}

fn own(vault: &VaultInventory, at: jiff::Timestamp) -> (Fact<Vault>, Fact<VaultPolicy>) {
    (Fact::Known { value: vault.vault.clone(), source: "backup:ListBackupVaults".to_owned(), at }, vault.policy.clone())
}

/// The newest recovery points of a vault, one by one.
fn stored(points: &[ResourcePoints]) -> Vec<StoredPoint> {
    let newest = points.iter().filter_map(|of| Some((of, of.newest.first()?)));
    let stored = newest.map(|(of, point)| StoredPoint {
        arn: point.arn.clone(),
        resource_arn: Some(of.resource_arn.clone()),
        resource_type: of.resource_type.clone(),
        encryption_key_arn: point.key_arn.clone(),
        created_at: Some(point.created_at),
        plan_id: point.plan_id.clone(),
        copied_from: of.copied_from.clone(),
    });
    stored.collect()
}

/// When the rules run that make a kind of copy.
pub(super) fn times(plans: &[(BackupPlan, Vec<Selection>)], leg: &Leg) -> Vec<RuleTimes> {
    let mut times: Vec<RuleTimes> = Vec::new();
    for (plan, selections) in plans {
        if !selections.iter().any(|selection| selection.role_arn == leg.job_role_arn) {
            continue;
        }
        let rules = plan.rules.iter().filter(|rule| plan.vault(&rule.target_vault).as_ref() == Some(&leg.source_vault_arn));
        let rules = rules.filter(|rule| rule.copy_actions.iter().any(|action| action.destination_vault_arn == leg.destination_vault_arn));
        for rule in rules {
            if !times.contains(&rule.times) {
                times.push(rule.times.clone());
            }
        }
    }
    times
}
