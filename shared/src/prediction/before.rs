//! How a key was before a write, as far as its grants go: a sweep reads few of them, and of those that services make for their own work nobody hears.

use std::collections::BTreeSet;

use serde_json::Value;

use super::held::Rule;
use super::{Held, KeptRoutes, ObjectId};
use crate::arn::Arn;
use crate::copy::forecast;
use crate::evidence::{Fact, KeyGrants};

/// An object as it was before a write, from what was kept and what is read since: a write that is not about grants left them as they are now.
pub fn as_it_was(kept: &Held, seen: &Held, event_name: &str, request: &Value) -> Held {
    let mut before = kept.clone().over(seen.clone(), Rule::Asked);
    let (Held::Key { grants, .. }, Held::Key { grants: known, .. }, Held::Key { grants: now, .. }) = (&mut before, kept, seen) else {
        return before;
    };
    *grants = match (event_name, known, now) {
        // What a grant let anybody do is not in the record that takes it away.
        ("RevokeGrant" | "RetireGrant", Fact::Known { value: known, .. }, Fact::Known { value, source, at }) => {
            Fact::Known { value: both(known, value), source: source.clone(), at: *at }
        }
        ("CreateGrant", known, Fact::Known { value, source, at }) => match without(value, request) {
            Some(value) => Fact::Known { value, source: source.clone(), at: *at },
            None => known.clone(),
        },
        ("RevokeGrant" | "RetireGrant" | "CreateGrant", known, _) => known.clone(),
        (_, _, now @ Fact::Known { .. }) => now.clone(),
        (_, known, _) => known.clone(),
    };
    before
}

/// The keys that let somebody copy by a grant alone, if at all: what their policies say was read, and decides nothing. Nobody needs to ask for the
/// grants of the others.
pub fn decided_by_grants(kept: &KeptRoutes) -> BTreeSet<Arn> {
    let mut decided = BTreeSet::new();
    for leg in &kept.legs {
        let Some(Ok(told)) = forecast(&leg.leg, &leg.facts(&kept.objects), None) else { continue };
        for id in leg.objects(&kept.objects) {
            let (ObjectId::Key(arn), Some(Held::Key { key, policy: policy @ Fact::Known { at, .. }, grants: Fact::NotAsked })) =
                (&id, kept.objects.get(&id))
            else {
                continue;
            };
            let none = Fact::Known { value: KeyGrants { key_arn: arn.clone(), grants: Vec::new() }, source: String::new(), at: *at };
            let mut objects = kept.objects.clone();
            objects.insert(id.clone(), Held::Key { key: key.clone(), policy: policy.clone(), grants: none });
            let without = forecast(&leg.leg, &leg.facts(&objects), None);
            if !matches!(&without, Some(Ok(without)) if without.open == told.open) {
                decided.insert(arn.clone());
            }
        }
    }
    decided
}

/// Grants that were known, and those of now that were not among them.
fn both(known: &KeyGrants, now: &KeyGrants) -> KeyGrants {
    let mut all = known.clone();
    all.grants.extend(now.grants.iter().filter(|grant| !known.grants.contains(grant)).cloned());
    all
}

/// Grants without the one that a request made; `None` where it is not among them, or the record does not say which it is.
fn without(grants: &KeyGrants, request: &Value) -> Option<KeyGrants> {
    let grantee = request.get("granteePrincipal").or_else(|| request.get("granteeServicePrincipal"))?.as_str()?;
    let operations = request.get("operations")?.as_array()?.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>();
    let made = grants
        .grants
        .iter()
        .position(|grant| grant.grantee == grantee && grant.operations.iter().map(String::as_str).collect::<BTreeSet<_>>() == operations)?;
    let mut rest = grants.clone();
    rest.grants.remove(made);
    Some(rest)
}
