//! How well one resource is protected.
//!
//! Each rule that selects it promises something: a backup at every run, and a copy of each in every vault that it names. For backups any recovery
//! point counts, whoever made it, so that the most frequent rule decides; for copies each rule is measured by itself, in its own vaults.
//!
//! INVARIANT: an illness is told only where what was seen suffices for it, and health only where nothing unseen could contradict. So less evidence
//! moves a verdict towards unknown, over lesser illnesses that were there before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use super::choice::{Choice, Claim, Looked, choose};
use super::cover::Ground;
use super::holdings::{newest, told};
use super::landed::{Landing, Protection, ResourceCoverage};
use super::landing::{copies, land};
use super::place::Place;
use super::promise::FirstRun;
use super::resource_type::ResourceType;
use crate::arn::Arn;
use crate::evidence::{Gap, Point, Resource};

/// What one promise came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Kept,
    Ill(Protection, String),
    Open(String),
}

/// The resource as the report shows it; `None` where nobody wants it protected and nothing selects it.
pub(super) fn judge(place: &Place<'_>, ground: &Ground<'_>, resource: &Arn) -> Option<ResourceCoverage> {
    let listed = place.listed(resource);
    let held = place.own.of_resource(resource);
    let named = held.iter().map(|held| held.points.resource_type.as_str()).min();
    let types = match named {
        Some(name) => ResourceType::named(name).collect::<Vec<_>>(),
        None => ResourceType::of(resource).collect(),
    };
    let looked = Looked { arn: resource, types: &types, tags: listed.map(|listed| &listed.tags), held };
    let choice = choose(place, &looked, ground.now);
    let own = newest(held);
    let landed = land(&choice.claims, ground, resource, held);
    let verdict = if choice.claims.is_empty() && !choice.rules_unread {
        unselected(place, ground, &choice, listed, resource, !held.is_empty())?
    } else {
        selected(place, ground, &choice, &landed, own.map(|(_, point)| point), listed, resource)
    };
    let (protection, why) = verdict;
    let gaps = if protection == Protection::Unknown { gaps(place, ground, &choice, &landed, listed) } else { Vec::new() };
    Some(ResourceCoverage {
        account_id: place.account_id.clone(),
        region: place.region.clone(),
        resource_arn: resource.clone(),
        resource_type: named.map_or_else(|| one_of(&types), str::to_owned),
        resource_name: held.iter().filter_map(|held| held.points.resource_name.clone()).min(),
        protection,
        why,
        rules: choice.rules,
        newest_backup: own.map(told),
        copies: landed.into_values().collect(),
        exception: None,
        gaps,
    })
}

/// `Aurora, DocumentDB, Neptune or RDS`: types that share a form of ARN.
fn one_of(types: &[&ResourceType]) -> String {
    match types {
        [] => "unknown".to_owned(),
        [one] => one.name.to_owned(),
        [first @ .., last] => format!("{} or {}", first.iter().map(|one| one.name).collect::<Vec<_>>().join(", "), last.name),
    }
}

const NOT_LISTED: &str = "it is not in the list of resources that have or had tags: it may be deleted, or it was never tagged";
const PLANS: &str = "not every plan and selection of its Region could be read";

fn unknown(why: impl IntoIterator<Item = impl AsRef<str>>) -> (Protection, String) {
    let why = why.into_iter().map(|one| one.as_ref().to_owned()).collect::<Vec<_>>();
    (Protection::Unknown, why.join("; "))
}

/// Nothing selects it, as far as that is known.
fn unselected(
    place: &Place<'_>,
    ground: &Ground<'_>,
    choice: &Choice<'_, '_>,
    listed: Option<&Resource>,
    resource: &Arn,
    backed_up: bool,
) -> Option<(Protection, String)> {
    if !place.plans_complete {
        return Some(unknown([PLANS]));
    }
    if !choice.open.is_empty() {
        return Some(unknown(&choice.open));
    }
    if choice.blocked {
        let why = "a selection would select it, but the opt-in setting of the Region keeps its type out";
        return Some(if listed.is_some() { (Protection::OptInBlocked, why.to_owned()) } else { unknown([NOT_LISTED]) });
    }
    let wanted = |tags: &BTreeMap<String, String>| {
        let tags_wanted = &ground.scope.baseline.wanted_tags;
        let fits = |value: &String, values: &[String]| values.is_empty() || values.contains(value);
        tags_wanted.is_empty() || tags_wanted.iter().any(|tag| tags.get(&tag.key).is_some_and(|value| fits(value, &tag.values)))
    };
    match listed {
        None => Some(unknown([NOT_LISTED])),
        Some(listed) if !wanted(&listed.tags) => None,
        // A stack is a way to name its resources, which are listed themselves.
        Some(_) if resource.service() == "cloudformation" && !backed_up => None,
        Some(_) => Some(match part_of_another(place, resource).filter(|_| !backed_up) {
            Some(doubt) => unknown([doubt]),
            None => (Protection::Unprotected, choice.out()),
        }),
    }
}

/// What is backed up with another resource, and not by itself, its ARN does not tell.
fn part_of_another(place: &Place<'_>, resource: &Arn) -> Option<&'static str> {
    match resource.service() {
        "rds" if place.clusters && resource.resource().starts_with("db:") => {
            Some("there are clusters in its Region, and an instance of a cluster is backed up with it and not by itself")
        }
        "fsx" => Some("of FSx either a file system or its volumes are backed up, and its ARN does not tell which"),
        _ => None,
    }
}

/// A rule selects it, or may.
fn selected(
    place: &Place<'_>,
    ground: &Ground<'_>,
    choice: &Choice<'_, '_>,
    landed: &BTreeMap<&Arn, Landing>,
    own: Option<&Point>,
    listed: Option<&Resource>,
    resource: &Arn,
) -> (Protection, String) {
    let mut ills = BTreeMap::<Protection, BTreeSet<String>>::new();
    let mut open = BTreeSet::<String>::new();
    let mut here = listed.is_some();
    let mut settle = |found: Found, certain: bool| match found {
        Found::Kept => {}
        Found::Ill(protection, why) if certain => {
            ills.entry(protection).or_default().insert(why);
        }
        Found::Ill(..) => open.extend(choice.open.iter().map(|why| (*why).to_owned())),
        Found::Open(why) => {
            open.insert(why);
        }
    };
    for claim in &choice.claims {
        let backup = backup(claim, own, place.own.complete, ground);
        here |= claim.certain && backup == Found::Kept;
        settle(backup, claim.certain);
        for copy in copies(claim, ground, landed, place.own.of_resource(resource), place.own.complete) {
            settle(copy, claim.certain);
        }
    }
    if let Some((protection, why)) = ills.into_iter().next() {
        let doubt = part_of_another(place, resource).filter(|_| protection == Protection::SelectedNeverBackedUp);
        return match doubt {
            Some(doubt) => unknown([doubt]),
            None if !here => unknown([NOT_LISTED]),
            None => (protection, why.into_iter().collect::<Vec<_>>().join("; ")),
        };
    }
    if !choice.claims.iter().any(|claim| claim.certain) {
        open.extend(choice.open.iter().map(|why| (*why).to_owned()));
    }
    if choice.rules_unread {
        open.insert("the rules of a plan that selects it could not be read".to_owned());
    }
    if !place.plans_complete {
        open.insert(PLANS.to_owned());
    }
    match (open.is_empty(), own) {
        (true, Some(own)) => (Protection::Protected, well(choice, own, landed.len(), ground)),
        _ => unknown(open),
    }
}

fn hours(span: SignedDuration) -> i64 {
    span.as_hours()
}

/// Whether the newest recovery point keeps the promise of a rule.
fn backup(claim: &Claim<'_, '_>, own: Option<&Point>, complete: bool, ground: &Ground<'_>) -> Found {
    let due = FirstRun::of(claim.first_due, SignedDuration::ZERO, ground.now);
    let within = claim.promise.backup_within();
    let (Some(within), FirstRun::Past | FirstRun::Due(_)) = (within, due) else {
        return Found::Open(
            "the schedule of a rule that selects it cannot be read, so that nobody can say how old a backup may be".to_owned(),
        );
    };
    if own.is_some_and(|own| ground.now.duration_since(own.created_at) <= within) {
        return Found::Kept;
    }
    if let FirstRun::Due(at) = due {
        return Found::Open(format!(
            "the first backup of a rule that selects it need not be there before {}",
            at.strftime("%Y-%m-%d %H:%M UTC")
        ));
    }
    match own {
        _ if !complete => Found::Open("not every vault of its Region could be read".to_owned()),
        None => Found::Ill(
            Protection::SelectedNeverBackedUp,
            "a rule selects it and was due, and there is no complete recovery point of it in its account".to_owned(),
        ),
        // One recovery point that AWS Backup keeps up to date: it has the age of the rule
        // (https://docs.aws.amazon.com/aws-backup/latest/devguide/point-in-time-recovery.html).
        Some(_) if claim.promise.rule.times.continuous => {
            Found::Open("a rule backs it up continuously, and how far that reaches its recovery point does not tell".to_owned())
        }
        Some(own) => Found::Ill(
            Protection::Stale,
            format!(
                "its newest recovery point is {} hours old, and a rule that selects it allows {}",
                hours(ground.now.duration_since(own.created_at)),
                hours(within)
            ),
        ),
    }
}

fn well(choice: &Choice<'_, '_>, own: &Point, vaults: usize, ground: &Ground<'_>) -> String {
    let allowed = choice.claims.iter().filter_map(|claim| claim.promise.backup_within()).min().map_or(0, hours);
    let age = hours(ground.now.duration_since(own.created_at));
    let copies = match vaults {
        0 => "no rule asks for copies".to_owned(),
        1 => "its copies landed in the vault that its rules name".to_owned(),
        many => format!("its copies landed in the {many} vaults that its rules name"),
    };
    format!("its newest recovery point is {age} hours old, where {allowed} are allowed, and {copies}")
}

/// What could not be read and could decide.
fn gaps(
    place: &Place<'_>,
    ground: &Ground<'_>,
    choice: &Choice<'_, '_>,
    landed: &BTreeMap<&Arn, Landing>,
    listed: Option<&Resource>,
) -> Vec<Gap> {
    let mut gaps = BTreeSet::<&Gap>::new();
    gaps.extend(place.plan_gaps.iter().copied());
    gaps.extend(choice.gaps.iter().copied());
    gaps.extend(place.list_gap.filter(|_| listed.is_none()));
    if !choice.claims.is_empty() {
        gaps.extend(place.own.gaps.iter().copied());
    }
    for vault in landed.keys() {
        gaps.extend(ground.destinations.get(vault).into_iter().flat_map(|landed| landed.gaps.iter().copied()));
    }
    gaps.into_iter().cloned().collect()
}
