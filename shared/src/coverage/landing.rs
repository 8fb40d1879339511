//! Whether the copies of one resource landed where its rules send them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::choice::Claim;
use super::cover::Ground;
use super::holdings::{Held, newest, told};
use super::judge::Found;
use super::landed::{Landing, Protection};
use super::promise::FirstRun;
use crate::arn::Arn;
use crate::copy::is_continuous;
use crate::evidence::Point;

/// What landed of a resource in each vault that one of its rules names.
pub(super) fn land<'g>(claims: &[Claim<'_, 'g>], ground: &'g Ground<'_>, resource: &Arn, held: &[Held<'_>]) -> BTreeMap<&'g Arn, Landing> {
    let mut landings = BTreeMap::<&Arn, Landing>::new();
    let mut uncopied = BTreeMap::<&Arn, BTreeMap<&Arn, Option<Timestamp>>>::new();
    for claim in claims {
        for action in &claim.promise.rule.copy_actions {
            let vault = &action.destination_vault_arn;
            let landing = landings.entry(vault).or_insert_with(|| landing(vault, ground, resource));
            if landing.read {
                let newest = landing.newest.as_ref().map(|newest| newest.created_at);
                uncopied.entry(vault).or_default().extend(left_behind(claim, ground, held, newest));
            }
        }
    }
    for (vault, points) in uncopied {
        if let Some(landing) = landings.get_mut(vault) {
            landing.uncopied = u64::try_from(points.len()).unwrap_or(u64::MAX);
            landing.first_uncopied_expires_at = points.into_values().flatten().min();
        }
    }
    landings
}

fn landing(vault: &Arn, ground: &Ground<'_>, resource: &Arn) -> Landing {
    let mut landing = Landing {
        vault_arn: vault.clone(),
        newest: None,
        read: false,
        uncopied: 0,
        first_uncopied_expires_at: None,
        under_vault_key: None,
    };
    let Some(landed) = ground.destinations.get(vault) else { return landing };
    landing.read = landed.read;
    landing.newest = newest(landed.of_resource(resource)).map(told);
    let key = landing.newest.as_ref().and_then(|newest| newest.key_arn.as_ref());
    let vault_key = landed.vault.and_then(|vault| vault.encryption_key_arn.as_ref());
    landing.under_vault_key = key.zip(vault_key).map(|(key, vault_key)| key == vault_key);
    landing
}

/// Recovery points that the rule made and that should be in the vault: younger than the newest copy there, in either reading of the time that a copy
/// carries, and old enough. At least these; of many, only the newest are kept.
fn left_behind<'h>(
    claim: &Claim<'_, '_>,
    ground: &Ground<'_>,
    held: &[Held<'h>],
    newest: Option<Timestamp>,
) -> Vec<(&'h Arn, Option<Timestamp>)> {
    let made = |point: &&Point| claim.promise.made(claim.plan.id, point) && !is_continuous(&point.arn);
    let late = |point: &&Point| ground.now.duration_since(point.created_at) > ground.copy;
    let younger = |point: &&Point| newest.is_none_or(|newest| newest < point.created_at);
    let points = held.iter().flat_map(|held| &held.points.newest);
    // First what is cheap to ask: hardly any point is younger than its newest copy.
    points.filter(younger).filter(late).filter(made).map(|point| (&point.arn, point.delete_at)).collect()
}

/// What the copies of one rule came to, vault by vault. `complete` says whether the account's own vaults were read: else there may be recovery
/// points that were left behind.
pub(super) fn copies(
    claim: &Claim<'_, '_>,
    ground: &Ground<'_>,
    landed: &BTreeMap<&Arn, Landing>,
    held: &[Held<'_>],
    complete: bool,
) -> Vec<Found> {
    let actions = claim.promise.rule.copy_actions.iter();
    let mut found = actions
        .filter_map(|action| landed.get(&action.destination_vault_arn))
        .map(|landing| copy(claim, ground, landing, held))
        .collect::<Vec<_>>();
    if !complete && !found.is_empty() {
        found.push(Found::Open("not every vault of its Region could be read, and what is in it may not have been copied".to_owned()));
    }
    found
}

fn copy(claim: &Claim<'_, '_>, ground: &Ground<'_>, landing: &Landing, held: &[Held<'_>]) -> Found {
    let place = match landing.vault_arn.account() {
        Some(account) => format!("the vault in account {account} that a rule copies to"),
        None => "the vault that a rule copies to".to_owned(),
    };
    if !landing.read {
        return Found::Open(format!("{place} could not be read"));
    }
    let behind = left_behind(claim, ground, held, landing.newest.as_ref().map(|newest| newest.created_at));
    let Some(newest) = &landing.newest else {
        // A copy begins when its backup is complete, and that may take its time.
        let after = claim.promise.copied_after(ground.copy);
        let old = |point: &Point| ground.now.duration_since(point.created_at) > after && claim.promise.made(claim.plan.id, point);
        let should = held.iter().flat_map(|held| &held.points.newest).any(old);
        return if should {
            Found::Ill(Protection::NeverCopied, format!("it is backed up, and no copy of it ever landed in {place}"))
        } else {
            Found::Open(format!("no copy of it is in {place}, and no backup of that rule is old enough that one must be there"))
        };
    };
    if !behind.is_empty() {
        let baseline = ground.copy.as_hours();
        let count = behind.len();
        let points = if count == 1 { "recovery point" } else { "recovery points" };
        let why = format!("{count} {points} younger than its newest copy in {place} did not land there within {baseline} hours");
        return Found::Ill(Protection::Stale, why);
    }
    let age = ground.now.duration_since(newest.created_at);
    match (claim.promise.copy_within(ground.copy), FirstRun::of(claim.first_due, ground.copy, ground.now)) {
        (Some(within), _) if age <= within => Found::Kept,
        (Some(within), FirstRun::Past) => {
            let (age, within) = (age.as_hours(), within.as_hours());
            Found::Ill(Protection::Stale, format!("its newest copy in {place} is {age} hours old, and the rule allows {within}"))
        }
        (_, FirstRun::Due(at)) => {
            Found::Open(format!("the first copy of a rule that selects it need not be there before {}", at.strftime("%Y-%m-%d %H:%M UTC")))
        }
        _ => Found::Open("the schedule of a rule that selects it cannot be read, so that nobody can say how old a copy may be".to_owned()),
    }
}
