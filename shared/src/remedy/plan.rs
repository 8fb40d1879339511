//! Everything that a route needs changed, at once: whoever mends only the first denial meets the next one tomorrow night.

use serde_json::Value;

use super::call::{Call, Target};
use super::draft::Draft;
use super::statement::Purpose;
use super::{Admit, NoPatch, Patch, drafted, joined, lacking, object_of, proven, stored};
use crate::arn::{AccountId, Arn};
use crate::copy::{LegFacts, Object, Obstacle, Route, RoutePolicies, SeenCall, obstacles, requirements_seen};
use crate::evidence::{Fact, KeyPolicy};
use crate::policy::Layer;

/// The stored documents of the policies that may be changed. `None`: not seen; for a vault the inner `None`: it has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// Policy of the key that protects the recovery point.
    pub source_key: Option<Value>,
    /// Policy of the destination vault's key.
    pub destination_key: Option<Value>,
    /// Access policy of the destination vault.
    pub destination_vault: Option<Option<Value>>,
}

/// All changes of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What each account must do: all steps of an account together, accounts in the order in which AWS would stumble over them.
    pub steps: Vec<Step>,
    /// Whether every requirement of the route is allowed once all patches are applied.
    pub complete: bool,
}

/// One change, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The account that must act; `None`: whoever manages the organization.
    pub account_id: Option<AccountId>,
    /// What it is about.
    pub object: Object,
    /// The patch, or why there is none. Each patch is proven with all others of the plan applied.
    pub outcome: Result<Patch, NoPatch>,
}

impl Plan {
    /// The patches.
    pub fn patches(&self) -> impl Iterator<Item = &Patch> {
        self.steps.iter().filter_map(|step| step.outcome.as_ref().ok())
    }

    /// The steps by account.
    pub fn by_account(&self) -> Vec<(Option<&AccountId>, Vec<&Step>)> {
        let mut accounts: Vec<(Option<&AccountId>, Vec<&Step>)> = Vec::new();
        for step in &self.steps {
            match accounts.iter_mut().find(|(account, _)| *account == step.account_id.as_ref()) {
                Some((_, steps)) => steps.push(step),
                None => accounts.push((step.account_id.as_ref(), vec![step])),
            }
        }
        accounts
    }
}

/// Everything that a route needs changed.
pub fn plan(route: &Route, policies: &RoutePolicies, documents: &Stored) -> Plan {
    plan_seen(route, policies, documents, &[])
}

/// The same, where AWS was seen to make calls that it is not documented to need.
pub fn plan_seen(route: &Route, policies: &RoutePolicies, documents: &Stored, seen: &[SeenCall]) -> Plan {
    let needs = requirements_seen(route, seen);
    let mut steps = obstacles(route).into_iter().map(|obstacle| blocked_by(route, obstacle)).collect::<Vec<_>>();
    let mut certain = !obstacles(route).iter().any(|obstacle| obstacle.is_certain());
    let calls = match needs.iter().map(|need| Call::of(route, need, policies)).collect::<Result<Vec<_>, _>>() {
        Ok(calls) => calls,
        Err(problem) => {
            let outcome = Err(NoPatch::NotAPrincipal(problem));
            steps.push(Step { account_id: Some(route.source_account.clone()), object: Object::RecoveryPoint, outcome });
            return Plan { steps, complete: false };
        }
    };
    let (lacking, blocked) = lacking(&calls);

    let mut drafts = Vec::new();
    let mut targets: Vec<(Target, Vec<usize>)> = Vec::new();
    for (index, lacks) in &lacking {
        let Some(call) = calls.get(*index) else { continue };
        let object = lacks.resource.then(|| Target::Object(call.resource.clone()));
        let caller = lacks.identity.then(|| Target::Caller(call.named.clone()));
        for target in [object, caller].into_iter().flatten() {
            match targets.iter_mut().find(|(known, _)| *known == target) {
                Some((_, indices)) => indices.push(*index),
                None => targets.push((target, vec![*index])),
            }
        }
    }
    for (target, indices) in targets {
        let Some(call) = indices.first().and_then(|index| calls.get(*index)) else { continue };
        let Some(object) = object_of(&needs, call) else { continue };
        let draft = match &target {
            Target::Caller(_) => Ok((Draft::for_caller(&calls, indices, Purpose::Copies), false)),
            Target::Object(arn) => documents.of(route, arn).and_then(|document| {
                let stored = stored(document)?;
                let organization = route.organization_id.as_deref();
                let draft = drafted(object, &calls, &indices, &stored, organization, Admit::Fitting);
                Ok((draft, document.is_some()))
            }),
        };
        match draft {
            Ok((Some(draft), replaces)) => drafts.push((draft, object, replaces)),
            Ok((None, _)) => {}
            Err(no_patch) => {
                steps.push(Step { account_id: AccountId::parse(&call.owner).ok(), object, outcome: Err(no_patch) });
                certain = false;
            }
        }
    }
    for (number, (draft, object, replaces)) in drafts.iter().enumerate() {
        let others = drafts.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, (other, ..))| other.change());
        let others = others.collect::<Vec<_>>();
        let outcome = proven(&calls, &others, draft, route.organization_id.as_deref(), *object, *replaces);
        let account_id = draft.calls.first().and_then(|index| calls.get(*index)).and_then(|call| {
            let account = if draft.form.is_some() { call.owner.as_str() } else { call.principal.account() };
            AccountId::parse(account).ok()
        });
        certain &= outcome.is_ok();
        steps.push(Step { account_id, object: *object, outcome });
    }
    steps.extend(blocked_steps(&needs, &calls, blocked));

    let changes = drafts.iter().map(|(draft, ..)| draft.change()).collect::<Vec<_>>();
    let complete = certain && calls.iter().all(|call| call.allowed(&changes));
    Plan { steps: grouped(steps), complete }
}

impl Stored {
    /// As they were seen for a copy.
    pub fn of_facts(facts: &LegFacts) -> Self {
        let key = |policy: &Fact<KeyPolicy>| policy.known().map(|policy| policy.document.clone());
        Self {
            source_key: key(&facts.source_key_policy),
            destination_key: key(&facts.destination_key_policy),
            destination_vault: facts.destination_vault_policy.known().map(|policy| policy.document.clone()),
        }
    }

    /// The document of a key or vault; `Ok(None)`: it has none.
    fn of(&self, route: &Route, arn: &str) -> Result<Option<&Value>, NoPatch> {
        let is = |other: Option<&Arn>| other.is_some_and(|other| other.as_str() == arn);
        if is(Some(&route.destination_vault_arn)) {
            return self.destination_vault.as_ref().map(Option::as_ref).ok_or(NoPatch::PolicyUnseen);
        }
        let source = self.source_key.as_ref().filter(|_| is(route.source_key_arn.as_ref()));
        let destination = self.destination_key.as_ref().filter(|_| is(route.destination_key_arn.as_ref()));
        source.or(destination).map(Some).ok_or(NoPatch::PolicyUnseen)
    }
}

fn blocked_by(route: &Route, obstacle: Obstacle) -> Step {
    let (account, object) = match obstacle {
        Obstacle::SourceKeyAwsManaged => (&route.source_account, Object::SourceKey),
        Obstacle::DestinationKeyAwsManaged => (&route.destination_account, Object::DestinationKey),
        Obstacle::DefaultVault => (&route.destination_account, Object::DestinationVault),
        Obstacle::NeverCopied | Obstacle::NotAcrossAccounts | Obstacle::NotIntoAirGapped => (&route.source_account, Object::RecoveryPoint),
    };
    Step { account_id: Some(account.clone()), object, outcome: Err(NoPatch::Obstacle(obstacle)) }
}

/// What no statement helps against, one step for each object and reason.
fn blocked_steps(needs: &[crate::copy::Requirement], calls: &[Call], blocked: Vec<(usize, NoPatch)>) -> Vec<Step> {
    let mut groups: Vec<(Object, Option<AccountId>, Vec<NoPatch>)> = Vec::new();
    for (index, no_patch) in blocked {
        let Some(call) = calls.get(index) else { continue };
        let Some(object) = object_of(needs, call) else { continue };
        let account = who_acts(call, &no_patch);
        match groups.iter_mut().find(|(known, of, _)| *known == object && *of == account) {
            Some((.., reasons)) => reasons.push(no_patch),
            None => groups.push((object, account, vec![no_patch])),
        }
    }
    let steps = groups.into_iter().flat_map(|(object, account_id, reasons)| {
        joined(reasons).into_iter().map(move |reason| Step { account_id: account_id.clone(), object, outcome: Err(reason) })
    });
    steps.collect()
}

/// Who can change what blocks a call.
fn who_acts(call: &Call, no_patch: &NoPatch) -> Option<AccountId> {
    let of_organization = match no_patch {
        NoPatch::ExplicitDeny { layer, .. } => matches!(layer, Layer::Scp | Layer::Rcp),
        NoPatch::Elsewhere(layers) => layers.iter().any(|layer| layer.starts_with("SCP")),
        _ => false,
    };
    let of_caller = match no_patch {
        NoPatch::ExplicitDeny { layer, .. } => matches!(layer, Layer::Identity | Layer::Boundary | Layer::Session),
        NoPatch::Elsewhere(_) => true,
        _ => false,
    };
    let account = if of_caller { call.principal.account() } else { call.owner.as_str() };
    if of_organization { None } else { AccountId::parse(account).ok() }
}

/// All steps of an account together; accounts in the order of their first object.
fn grouped(mut steps: Vec<Step>) -> Vec<Step> {
    let place = |object: Object| match object {
        Object::RecoveryPoint => 0,
        Object::DestinationVault => 1,
        Object::SourceKey => 2,
        Object::DestinationKey => 3,
    };
    // What no policy mends comes first in its account: it makes the rest pointless.
    let hopeless = |step: &Step| !matches!(step.outcome, Err(NoPatch::Obstacle(_)));
    steps.sort_by_key(|step| (place(step.object), hopeless(step)));
    let mut order: Vec<Option<AccountId>> = Vec::new();
    for step in &steps {
        if !order.contains(&step.account_id) {
            order.push(step.account_id.clone());
        }
    }
    steps.sort_by_key(|step| order.iter().position(|account| *account == step.account_id));
    steps
}
