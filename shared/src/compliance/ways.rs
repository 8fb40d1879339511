//! The ways that copies of an account take: which of its vaults copies into which vault of another account, and what the policies on the way say.
//!
//! Which calls a copy makes is told by [`copy`](crate::copy), and whether they are allowed by the policy engine. Grants are not part of an inventory:
//! what is judged here is what the policies themselves say.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::probe::everything;
use super::say::{Place, listed, quoted};
use super::walk::plan_subject;
use super::{AccountView, Outcome, Subject};
use crate::arn::{AccountId, Arn};
use crate::copy::{Object, Requirement, Route, RoutePolicies, VaultKind, judge_all, requirements_on};
use crate::diagnosis::steps::command;
use crate::evidence::{Fact, GapReason, KeyManager, KeyPolicy, PlanInventory, RegionInventory, Vault, VaultInventory};
use crate::policy::{Decision, Document};
use crate::remedy;

/// A vault that copies leave from, and one in another account that they go to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) source: Arn,
    pub(super) destination: Arn,
    pub(super) job_role: Arn,
}

/// Every pair of a Region, each once, with the first role by name that carries its copies.
fn pairs(account: &AccountId, plans: &[PlanInventory]) -> Vec<Pair> {
    let mut pairs = BTreeSet::new();
    for inventory in plans {
        let Some(plan) = inventory.plan.known() else { continue };
        let selections = inventory.selections.known().into_iter().flatten();
        let role = selections.filter_map(Fact::known).map(|selection| selection.role_arn.clone()).min().or_else(|| {
            Arn::parse(&format!("arn:{}:iam::{account}:role/service-role/AWSBackupDefaultServiceRole", plan.region.partition())).ok()
        });
        for rule in &plan.rules {
            let (Some(source), Some(job_role)) = (plan.vault(&rule.target_vault), role.clone()) else { continue };
            for action in &rule.copy_actions {
                let destination = action.destination_vault_arn.clone();
                if destination.account().is_some_and(|to| to != *account) {
                    pairs.insert(Pair { source: source.clone(), destination, job_role: job_role.clone() });
                }
            }
        }
    }
    let mut pairs = pairs.into_iter().collect::<Vec<_>>();
    pairs.dedup_by(|later, earlier| (&later.source, &later.destination) == (&earlier.source, &earlier.destination));
    pairs
}

/// Asks about every pair of vaults that copies go between.
pub(super) fn abroad<'a>(
    view: &AccountView<'a>,
    mut judge: impl FnMut(Place<'a>, &'a RegionInventory, &Pair) -> Vec<Outcome>,
) -> Vec<Outcome> {
    view.in_regions(|place, region| {
        let Some(plans) = region.plans.known() else { return vec![Outcome::unseen(place.here(), "the plans", &region.plans)] };
        let unread = plans.iter().filter(|plan| plan.plan.known().is_none());
        let mut outcomes = unread.map(|plan| Outcome::unseen(plan_subject(place, &plan.id), "the plan", &plan.plan)).collect::<Vec<_>>();
        let pairs = pairs(place.account, plans);
        if pairs.is_empty() && outcomes.is_empty() {
            outcomes.push(Outcome::not_applicable(place.here(), "no rule copies into another account"));
        }
        outcomes.extend(pairs.iter().flat_map(|pair| judge(place, region, pair)));
        outcomes
    })
}

/// The vault that copies leave from, where it was seen.
pub(super) fn source_vault<'a>(region: &'a RegionInventory, pair: &Pair) -> Option<&'a VaultInventory> {
    region.vaults.known()?.iter().find(|vault| vault.vault.arn == pair.source)
}

/// A way with everything that decides it.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) route: Route,
    pub(super) policies: RoutePolicies,
}

/// The way of copies of one type under one key.
pub(super) fn way(
    view: &AccountView<'_>,
    region: &RegionInventory,
    pair: &Pair,
    (resource_type, fully_managed): (&str, bool),
    source_key: Option<&Arn>,
) -> Option<Way> {
    let destination = view.destinations.get(&pair.destination);
    let vault = destination.and_then(|destination| destination.vault.known());
    let own = source_vault(region, pair).map(|inventory| &inventory.vault);
    let kind = |vault: Option<&Vault>| VaultKind::named(vault.and_then(|vault| vault.vault_type.as_deref()));
    let inventory = source_key.and_then(|key| region.keys.get(key));
    let managed = inventory.and_then(|key| key.key.known()).is_some_and(|key| key.manager == Some(KeyManager::Aws));
    let their_key = destination.and_then(|destination| destination.key.known());
    let mut route = Route {
        source_account: view.account.account_id.clone(),
        source_region: pair.source.region()?,
        source_vault_arn: pair.source.clone(),
        destination_vault_arn: pair.destination.clone(),
        destination_account: pair.destination.account()?,
        destination_region: pair.destination.region()?,
        resource_type: resource_type.to_owned(),
        fully_managed,
        recovery_point_arn: pair.source.clone(),
        source_key_arn: source_key.cloned(),
        source_key_aws_managed: managed,
        source_vault_kind: kind(own),
        source_vault_key_arn: own.and_then(|vault| vault.encryption_key_arn.clone()),
        destination_key_arn: vault.and_then(|vault| vault.encryption_key_arn.clone()),
        destination_key_aws_managed: their_key.is_some_and(|key| key.manager == Some(KeyManager::Aws)),
        destination_vault_kind: kind(vault),
        job_role_arn: pair.job_role.clone(),
        organization_id: view.organization_id().map(str::to_owned),
    };
    if let Ok(points) = Arn::parse(&route.recovery_points()) {
        route.recovery_point_arn = points;
    }
    let document = |fact: &Fact<KeyPolicy>| fact.known().map(|policy| Document::read(&policy.document));
    let policies = RoutePolicies {
        // What the roles may do for themselves is judged elsewhere.
        job_role: Some(vec![everything()]),
        job_role_boundary: Some(None),
        source_scps: Some(Vec::new()),
        source_vault: Some(None),
        destination_vault: destination
            .and_then(|destination| destination.policy.known())
            .map(|policy| policy.document.as_ref().map(Document::read)),
        source_key: inventory.and_then(|key| document(&key.policy)),
        source_key_grants: Some(Vec::new()),
        destination_key: destination.and_then(|destination| document(&destination.key_policy)),
        destination_key_grants: Some(Vec::new()),
        source_key_rcps: Some(Vec::new()),
        destination_key_rcps: Some(Vec::new()),
    };
    Some(Way { route, policies })
}

impl Way {
    /// The way back, with the sides of its policies swapped.
    pub(super) fn back(&self, region: &RegionInventory) -> Option<Self> {
        let role =
            format!("arn:{}:iam::{}:role/service-role/AWSBackupDefaultServiceRole", self.route.partition(), self.route.destination_account);
        let route = self.route.back(Arn::parse(&role).ok()?);
        let own = self.route.source_vault_key_arn.as_ref().and_then(|key| region.keys.get(key)).and_then(|key| key.policy.known());
        let vault = region.vaults.known().and_then(|vaults| vaults.iter().find(|vault| vault.vault.arn == self.route.source_vault_arn));
        let policies = RoutePolicies {
            destination_vault: vault.and_then(|vault| vault.policy.known()).map(|policy| policy.document.as_ref().map(Document::read)),
            source_key: self.policies.destination_key.clone(),
            destination_key: own.map(|policy| Document::read(&policy.document)),
            ..self.policies.clone()
        };
        Some(Self { route, policies })
    }

    /// What the policy of an object says to some of the calls of a copy.
    pub(super) fn judged(&self, subject: Subject, question: &Question<'_>) -> Outcome {
        let needed = requirements_on(&self.route, question.object).into_iter().filter(question.which).collect::<Vec<_>>();
        let Some(first) = needed.first().cloned() else {
            return Outcome::not_applicable(subject, "such copies need nothing of it");
        };
        let Some(current) = question.current else {
            return Outcome::unknown(subject, format!("not seen: {}", question.what), Vec::new());
        };
        let Ok(judged) = judge_all(needed, &self.policies) else {
            return Outcome::unknown(subject, "not seen: a principal that can be judged", Vec::new());
        };
        let who = quoted(&first.principal);
        let evidence = [first.resource.as_str().to_owned(), first.principal.clone()];
        let names = |which: &dyn Fn(&crate::copy::Judged) -> bool| {
            let mut names = judged.iter().filter(|one| which(one)).map(|one| one.requirement.action).collect::<Vec<_>>();
            names.sort_unstable();
            names.dedup();
            names
        };
        let refused = names(&|one| one.refused);
        let open = names(&|one| !one.refused && one.decision != Decision::Allowed);
        if !refused.is_empty() {
            let seen = format!("{} does not let {who} do {}, so {}", question.what, listed(&refused), question.so);
            return Outcome::fail(subject, seen, self.remedy(question, current)).from(evidence);
        }
        if !open.is_empty() {
            let mut on = judged.iter().flat_map(|one| one.answer.depends_on.iter().cloned()).collect::<Vec<_>>();
            on.sort();
            on.dedup();
            let seen = format!("whether {} lets {who} do {} depends on {}", question.what, listed(&open), listed(&on));
            return Outcome::unknown(subject, seen, Vec::new()).from(evidence);
        }
        Outcome::pass(subject, format!("{} lets {who} do {}", question.what, listed(&names(&|_| true)))).from(evidence)
    }

    /// The smallest statements that help, proven.
    fn remedy(&self, question: &Question<'_>, current: Option<&Value>) -> String {
        match remedy::patch(&self.route, &self.policies, question.object, current) {
            Ok(patch) => {
                let statements = patch.statements.iter().map(|statement| quoted(&statement.to_string())).collect::<Vec<_>>().join(" and ");
                let target = quoted(patch.target_arn.as_str());
                format!("in account {} add to the policy of {target} by `{}`: {statements}", patch.account_id, patch.operation.action())
            }
            Err(none) => format!("no statement helps by itself: {}; `guardian preflight` shows the whole way", none.reason()),
        }
    }
}

/// A question about one policy on a way.
pub(super) struct Question<'q> {
    pub(super) object: Object,
    pub(super) which: fn(&Requirement) -> bool,
    /// `the policy of the key of the vault`.
    pub(super) what: &'q str,
    /// What follows where it does not.
    pub(super) so: &'q str,
    /// The document as it is stored; `None`: it was not seen; `Some(None)`: there is none.
    pub(super) current: Option<Option<&'q Value>>,
}

/// Using a key.
pub(super) fn uses(need: &Requirement) -> bool {
    need.action != "kms:CreateGrant"
}

/// Handing a key on to the service that stores the copy.
pub(super) fn grants(need: &Requirement) -> bool {
    need.action == "kms:CreateGrant"
}

/// Everything.
pub(super) fn everything_needed(_: &Requirement) -> bool {
    true
}

/// A vault that everybody may copy into.
pub(super) fn open_vault() -> Document {
    Document::read(&json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "backup:CopyIntoBackupVault", "Resource": "*"}]}))
}

/// The types whose backups lie in the vault; EBS, where there is none yet.
pub(super) fn kinds(region: &RegionInventory, pair: &Pair) -> BTreeSet<(String, bool)> {
    let points = source_vault(region, pair).and_then(|vault| vault.points.known());
    let seen = points
        .into_iter()
        .flatten()
        .filter_map(|points| Some((points.resource_type.clone(), points.newest.first()?.arn.service() == "backup")));
    let mut kinds = seen.collect::<BTreeSet<_>>();
    if kinds.is_empty() {
        kinds.insert(("EBS".to_owned(), false));
    }
    kinds
}

/// One line for one thing that was asked about for several types: what is worst of all.
pub(super) fn worst(judged: impl Iterator<Item = Outcome>) -> Vec<Outcome> {
    judged.min_by(|a, b| a.status.cmp(&b.status).then_with(|| a.seen.cmp(&b.seen))).into_iter().collect()
}

/// Whether a vault exists that something is copied to.
pub(super) fn destination_exists(view: &AccountView<'_>, subject: Subject, arn: &Arn) -> Outcome {
    let exists = |subject| Outcome::pass(subject, "the vault that copies go to exists");
    let missing = |subject: Subject| {
        let account = arn.account().map(|account| account.as_str().to_owned()).unwrap_or_default();
        Outcome::fail(
            subject,
            format!("copies go to the vault {}, which does not exist", quoted(arn.as_str())),
            format!("in account {account}: {}; or correct the ARN in the copy action", quoted(&create_vault(arn, arn.resource_name()))),
        )
    };
    if arn.account().as_ref() == Some(&view.account.account_id) {
        let Some(region) = arn.region().and_then(|region| view.account.regions.get(&region)) else {
            return Outcome::unknown(subject, "not seen: the Region of the vault, which was not asked for", Vec::new());
        };
        return match region.vaults.known() {
            None => Outcome::unseen(subject, "the vaults of that Region", &region.vaults),
            Some(vaults) if vaults.iter().any(|vault| vault.vault.arn == *arn) => exists(subject),
            Some(_) => missing(subject),
        };
    }
    match view.destinations.get(arn).map(|destination| &destination.vault) {
        None => Outcome::unknown(subject, "not seen: the vault, which was not asked for", Vec::new()),
        Some(Fact::Known { .. }) => exists(subject),
        Some(Fact::Gap(gap)) if gap.reason == GapReason::NotFound => missing(subject),
        Some(fact) => Outcome::unseen(subject, "the vault", fact),
    }
}

/// The command that makes a vault in the Region of another, under a name.
pub(super) fn create_vault(arn: &Arn, name: &str) -> String {
    let region = arn.region().map(|region| region.as_str().to_owned()).unwrap_or_default();
    let options = [("region", region.as_str()), ("encryption-key-arn", "KEY_ARN"), ("backup-vault-name", name)];
    command("aws backup create-backup-vault", &options)
}
