//! Will the next copy of a leg work: by its policies, and by the state of its vaults, keys and role.
//!
//! Three answers: it works, it will fail, it depends. Whatever was not seen and could decide makes it depend; only what was seen makes it fail.

use std::collections::BTreeSet;

use super::predict::{Outlook, predict};
use super::{Judged, Leg, LegKey, Obstacle, Route, RoutePolicies, SeenPolicies, backup_may_assume};
use crate::arn::{AccountId, Arn};
use crate::evidence::{
    Fact, Gap, GapReason, GlobalSettings, Key, KeyGrants, KeyPolicy, Organization, PolicyLevels, Role, Vault, VaultPolicy,
};
use crate::policy::{Decision, NotAPrincipal};

/// States in which a key cannot be used (<https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>). A state that is not known here is
/// not taken for one.
const UNUSABLE: &[&str] = &["Disabled", "PendingDeletion", "PendingImport", "PendingReplicaDeletion", "Unavailable"];

/// Everything that was asked about a leg.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "each is named after what it tells")]
pub struct LegFacts {
    pub organization: Fact<Organization>,
    /// Not asked where the copy stays in its account.
    pub global_settings: Fact<GlobalSettings>,
    pub job_role: Fact<Role>,
    pub source_scps: Fact<PolicyLevels>,
    pub source_rcps: Fact<PolicyLevels>,
    pub destination_rcps: Fact<PolicyLevels>,
    pub source_vault: Fact<Vault>,
    pub source_vault_policy: Fact<VaultPolicy>,
    pub destination_vault: Fact<Vault>,
    pub destination_vault_policy: Fact<VaultPolicy>,
    pub source_key: Fact<Key>,
    pub source_key_policy: Fact<KeyPolicy>,
    pub source_key_grants: Fact<KeyGrants>,
    pub destination_key: Fact<Key>,
    pub destination_key_policy: Fact<KeyPolicy>,
    pub destination_key_grants: Fact<KeyGrants>,
}

impl LegFacts {
    fn policies(&self, route: &Route) -> RoutePolicies {
        let seen = SeenPolicies {
            organization: &self.organization,
            job_role: &self.job_role,
            source_scps: &self.source_scps,
            source_rcps: &self.source_rcps,
            destination_rcps: &self.destination_rcps,
            source_vault: &self.source_vault_policy,
            destination_vault: &self.destination_vault_policy,
            source_key: &self.source_key_policy,
            source_key_grants: &self.source_key_grants,
            destination_key: &self.destination_key_policy,
            destination_key_grants: &self.destination_key_grants,
        };
        seen.of(route)
    }

    /// Every gap, sorted, each once.
    fn gaps(&self) -> Vec<Gap> {
        let gaps = [
            self.organization.gap(),
            self.global_settings.gap(),
            self.job_role.gap(),
            self.source_scps.gap(),
            self.source_rcps.gap(),
            self.destination_rcps.gap(),
            self.source_vault.gap(),
            self.source_vault_policy.gap(),
            self.destination_vault.gap(),
            self.destination_vault_policy.gap(),
            self.source_key.gap(),
            self.source_key_policy.gap(),
            self.source_key_grants.gap(),
            self.destination_key.gap(),
            self.destination_key_policy.gap(),
            self.destination_key_grants.gap(),
        ];
        let mut gaps = gaps.into_iter().flatten().cloned().collect::<Vec<_>>();
        gaps.sort();
        gaps.dedup();
        gaps
    }
}

/// In a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Everything that a copy needs, or may need, was seen and is there.
    Works,
    /// Something that it needs was seen and is not there.
    WillFail,
    /// It depends on what was not seen or is not documented; be it whether there will be a copy, which would fail.
    Depends,
}

/// What stands in the way and is no denied request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blocker {
    /// AWS does not make such copies.
    Obstacle(Obstacle),
    /// A vault, key or role that the copy names does not exist.
    Missing(Arn),
    /// A role that AWS Backup may not assume, by its trust policy.
    RoleNotAssumable(Arn),
    /// A key that cannot be used: its state.
    KeyState(Arn, String),
    /// Copies into other accounts are switched off for the organization, in its management account.
    CrossAccountBackupOff(AccountId),
    /// The account of the destination vault is not in the organization of the source account.
    OutsideOrganization(Arn),
    /// The vault is locked, and the copy would be kept for fewer days than it allows.
    KeptTooShort {
        /// The vault.
        vault: Arn,
        /// Days that the plan asks for.
        days: i64,
        /// The fewest days that the vault allows.
        limit: i64,
    },
    /// Likewise, for more days; `None`: for ever.
    KeptTooLong {
        /// The vault.
        vault: Arn,
        /// Days that the plan asks for.
        days: Option<i64>,
        /// The most days that the vault allows.
        limit: i64,
    },
}

impl Blocker {
    /// In a sentence without its end.
    pub fn reason(&self) -> String {
        match self {
            Self::Obstacle(obstacle) => obstacle.reason().to_owned(),
            Self::Missing(arn) => format!("{arn} does not exist"),
            Self::RoleNotAssumable(role) => format!("the trust policy of {role} does not let AWS Backup assume it"),
            Self::KeyState(key, state) => format!("the key {key} is {state}"),
            Self::CrossAccountBackupOff(account) => format!(
                "copies into other accounts are switched off for the organization: isCrossAccountBackupEnabled is not `true` in its \
                 management account {account}, and `aws backup update-global-settings --global-settings isCrossAccountBackupEnabled=true` \
                 there switches them on"
            ),
            Self::OutsideOrganization(vault) => format!("the account of {vault} is not in the organization of the source account"),
            Self::KeptTooShort { vault, days, limit } => {
                format!("the lock of {vault} wants copies kept for at least {limit} days, and the plan asks for {days}")
            }
            Self::KeptTooLong { vault, days, limit } => {
                let days = days.map_or_else(|| "no end".to_owned(), |days| days.to_string());
                format!("the lock of {vault} allows copies to be kept for at most {limit} days, and the plan asks for {days}")
            }
        }
    }
}

/// The answer for one leg, and its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// The route.
    pub route: Route,
    /// The policies that were seen.
    pub policies: RoutePolicies,
    /// In a word.
    pub verdict: Verdict,
    /// Needed and denied.
    pub denied: Vec<Judged>,
    /// What else makes it fail.
    pub blockers: Vec<Blocker>,
    /// What it depends on, each in a sentence without its end. May quote untrusted text.
    pub open: Vec<String>,
    /// The selection that may make it, by name, where it is not known whether it does. Untrusted text.
    pub perhaps_selected: Option<String>,
    /// What could not be read, whether or not it would have decided.
    pub gaps: Vec<Gap>,
}

impl Forecast {
    /// Why a route will fail: the denied requests of one principal on one object for one reason are one cause. May quote untrusted text.
    pub fn causes(&self) -> Vec<String> {
        let mut groups: Vec<(&Judged, String, Vec<&str>)> = Vec::new();
        for judged in &self.denied {
            let why = judged.reason();
            let same = |(known, reason, _): &&mut (&Judged, String, Vec<&str>)| {
                known.requirement.principal == judged.requirement.principal
                    && known.requirement.resource == judged.requirement.resource
                    && *reason == why
            };
            match groups.iter_mut().find(same) {
                Some((_, _, actions)) => actions.push(judged.requirement.action),
                None => groups.push((judged, why, vec![judged.requirement.action])),
            }
        }
        let denied = groups.into_iter().map(|(judged, why, actions)| {
            let need = &judged.requirement;
            format!("{} may not {} on {}: {why}", need.principal, actions.join(", "), need.resource)
        });
        denied.chain(self.blockers.iter().map(|blocker| blocker.reason())).collect()
    }
}

/// Judges a leg; `None` where its ARNs make no route.
pub fn forecast(leg: &Leg, facts: &LegFacts, organization_id: Option<&str>) -> Option<Result<Forecast, NotAPrincipal>> {
    let seen_id = facts.organization.known().map(|organization| organization.id.clone());
    let id = seen_id.or_else(|| organization_id.map(str::to_owned));
    let route = leg.route(&facts.source_vault, &facts.destination_vault, &facts.source_key, &facts.destination_key, id)?;
    let policies = facts.policies(&route);
    let prediction = match predict(&route, &policies) {
        Ok(prediction) => prediction,
        Err(problem) => return Some(Err(problem)),
    };
    let mut blockers = states(leg, facts, &route);
    let (certain, possible) = prediction.obstacles.iter().copied().partition::<Vec<_>, _>(|obstacle| obstacle.is_certain());
    blockers.extend(certain.into_iter().map(Blocker::Obstacle));
    blockers.sort();
    blockers.dedup();
    let mut open = unseen(leg, facts, &route);
    open.extend(possible.into_iter().map(|obstacle| obstacle.reason().to_owned()));
    open.extend(open_points(&prediction.open));
    let mut sentences = std::collections::BTreeSet::new();
    open.retain(|sentence| sentences.insert(sentence.clone()));
    let fails = prediction.outlook == Outlook::Fails || !blockers.is_empty();
    if let Some(selection) = leg.perhaps_selected.as_ref().filter(|_| fails) {
        open.push(format!("whether such backups are copied at all: the selection `{selection}` chooses by tags, which are not read"));
    }
    let verdict = if fails && leg.perhaps_selected.is_none() {
        Verdict::WillFail
    } else if prediction.outlook == Outlook::Works && !fails && open.is_empty() {
        Verdict::Works
    } else {
        Verdict::Depends
    };
    Some(Ok(Forecast {
        gaps: facts.gaps(),
        route,
        policies,
        verdict,
        denied: prediction.denied,
        blockers,
        open,
        perhaps_selected: leg.perhaps_selected.clone(),
    }))
}

/// A sentence for each call; for a policy that was not read one for all the calls that depend on it, because it is one cause.
fn open_points(all: &[Judged]) -> Vec<String> {
    let mut unread = Vec::<(String, Vec<&Judged>)>::new();
    let mut open = Vec::new();
    for judged in all {
        let on = match judged.decision {
            Decision::Uncertain | Decision::Allowed => Some(judged.open_points()).filter(|on| on.starts_with("unreadable ")),
            Decision::ImplicitlyDenied | Decision::ExplicitlyDenied => None,
        };
        match on {
            Some(on) => match unread.iter_mut().find(|(known, _)| *known == on) {
                Some((_, calls)) => calls.push(judged),
                None => unread.push((on, vec![judged])),
            },
            None => open.push(open_point(judged)),
        }
    }
    let told = unread.iter().map(|(on, calls)| match calls.as_slice() {
        [one] => open_point(one),
        calls => {
            let actions = calls.iter().map(|judged| judged.requirement.action).collect::<BTreeSet<_>>();
            let actions = actions.into_iter().collect::<Vec<_>>().join(", ");
            format!("whether {} calls are allowed ({actions}) depends on {on}", calls.len())
        }
    });
    told.chain(open).collect()
}

fn open_point(judged: &Judged) -> String {
    let need = &judged.requirement;
    let call = format!("{} by {} on {}", need.action, need.principal, need.resource);
    match judged.decision {
        Decision::Uncertain | Decision::Allowed => format!("whether {call} is allowed depends on {}", judged.open_points()),
        Decision::ImplicitlyDenied | Decision::ExplicitlyDenied => {
            format!("AWS does not document whether a copy needs {call}; {}", judged.reason())
        }
    }
}

/// What was not seen of the vaults and keys themselves, without which not even the calls are known, and of the organization's settings.
fn unseen(leg: &Leg, facts: &LegFacts, route: &Route) -> Vec<String> {
    let mut open = Vec::new();
    let mut asks = |gap: Option<&Gap>, what: &str| {
        if let Some(gap) = gap.filter(|gap| gap.reason != GapReason::NotFound) {
            open.push(format!("{what} could not be read: {} in {}", gap.action, gap.account_id));
        }
    };
    asks(facts.source_vault.gap(), "the source vault");
    asks(facts.destination_vault.gap(), "the destination vault");
    asks(facts.source_key.gap(), "the key of the recovery points");
    asks(facts.destination_key.gap(), "the key of the destination vault");
    if route.crosses_accounts() && facts.global_settings.known().is_none() {
        let asked = facts.global_settings.gap().map_or_else(String::new, |gap| format!(": {} in {}", gap.action, gap.account_id));
        open.push(format!("whether the organization allows copies into other accounts could not be read{asked}"));
    }
    if assumable(facts, route) == Some(Decision::Uncertain) {
        open.push(format!("whether AWS Backup may assume {} depends on a condition of its trust policy", route.job_role_arn));
    }
    if leg.key == LegKey::NotSeen {
        open.push("there is no recovery point yet, so the key of the backups is not known".to_owned());
    }
    open
}

/// Whether AWS Backup may assume the job role; `None` where its trust policy was not seen: the role as a whole is asked for, and missed, elsewhere.
fn assumable(facts: &LegFacts, route: &Route) -> Option<Decision> {
    let role = facts.job_role.known().filter(|role| role.arn == route.job_role_arn)?;
    let answer = backup_may_assume(&route.source_account, &role.arn, role.trust.as_ref()?).ok()?;
    Some(answer.decision)
}

/// States of vaults, keys and role that suffice alone.
fn states(leg: &Leg, facts: &LegFacts, route: &Route) -> Vec<Blocker> {
    fn missing<T>(fact: &Fact<T>) -> bool {
        fact.gap().is_some_and(|gap| gap.reason == GapReason::NotFound)
    }
    let mut blockers = Vec::new();
    if missing(&facts.job_role) {
        blockers.push(Blocker::Missing(route.job_role_arn.clone()));
    }
    if matches!(assumable(facts, route), Some(Decision::ImplicitlyDenied | Decision::ExplicitlyDenied)) {
        blockers.push(Blocker::RoleNotAssumable(route.job_role_arn.clone()));
    }
    if missing(&facts.destination_vault) {
        blockers.push(Blocker::Missing(route.destination_vault_arn.clone()));
    }
    for (key, arn) in [(&facts.source_key, &route.source_key_arn), (&facts.destination_key, &route.destination_key_arn)] {
        let Some(arn) = arn else { continue };
        if missing(key) {
            blockers.push(Blocker::Missing(arn.clone()));
        }
        if let Some(state) = key.known().and_then(|key| key.state.as_deref()).filter(|state| UNUSABLE.contains(state)) {
            blockers.push(Blocker::KeyState(arn.clone(), state.to_owned()));
        }
    }
    if let Some(settings) = facts.global_settings.known().filter(|settings| route.crosses_accounts() && !settings.cross_account_backup) {
        blockers.push(Blocker::CrossAccountBackupOff(settings.management_account.clone()));
    }
    // The parents of an account that is no member are not found.
    if route.crosses_accounts() && facts.organization.known().is_some() && missing(&facts.destination_rcps) {
        blockers.push(Blocker::OutsideOrganization(route.destination_vault_arn.clone()));
    }
    if let Some(vault) = facts.destination_vault.known().filter(|vault| vault.locked == Some(true)) {
        let (shortest, longest) = leg.retention_days;
        if let (Some(days), Some(limit)) = (shortest, vault.min_retention_days)
            && days < limit
        {
            blockers.push(Blocker::KeptTooShort { vault: route.destination_vault_arn.clone(), days, limit });
        }
        if let Some(limit) = vault.max_retention_days
            && longest.is_none_or(|days| days > limit)
        {
            blockers.push(Blocker::KeptTooLong { vault: route.destination_vault_arn.clone(), days: longest, limit });
        }
    }
    blockers
}

#[cfg(test)]
mod tests;
