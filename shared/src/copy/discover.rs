//! Which copies will be made: plans' copy actions, for the kinds of backups of the resources that their selections select.
//!
//! What kinds there are the recovery points tell, for only they show the key: of every resource the newest one counts, because it is the next of its
//! kind that will be copied. Where there is none yet, the selection tells the kind if it names resources, and for types that AWS Backup manages
//! fully the key is that of the vault; else the route is not known, and that is said.
//!
//! Tags of resources are not read. Where they decide, a recovery point that the plan itself made tells that its selection chose the resource; of
//! others it is not known whether they will be copied, and that is said as well.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Route, VaultKind};
use crate::arn::{AccountId, Arn, Region};
use crate::coverage::{ResourceType, Selected, selects};
use crate::evidence::{BackupPlan, CopyAction, Fact, Key, KeyManager, PlanRule, Selection, StoredPoint, Vault};
use crate::policy::wildcard_matches;

/// One kind of copy, before the vaults and keys are known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Leg {
    /// The account that owns the plan, the resource and the source vault.
    pub account_id: AccountId,
    /// Its Region.
    pub region: Region,
    /// The vault that the rule backs up into.
    pub source_vault_arn: Arn,
    /// The vault that the copy action names.
    pub destination_vault_arn: Arn,
    /// `EBS`, `RDS`, …
    pub resource_type: String,
    /// Whether AWS Backup manages the recovery points fully.
    pub fully_managed: bool,
    /// The key of the recovery points.
    pub key: LegKey,
    /// The role of the selection.
    pub job_role_arn: Arn,
    /// A selection that may choose such resources, by name, where it is not known whether any does: tags decide. Untrusted text.
    pub perhaps_selected: Option<String>,
    /// The newest recovery point; absent where there is none yet.
    pub recovery_point_arn: Option<Arn>,
    /// Shortest and longest retention in days that the copy actions ask for; `None`: for ever.
    pub retention_days: (Option<i64>, Option<i64>),
}

/// Which key protects the recovery points of a leg.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LegKey {
    /// This one.
    Key(Arn),
    /// None: they are not encrypted.
    Unencrypted,
    /// That of the source vault.
    OfVault,
    /// That of the resource, which was not seen.
    NotSeen,
}

/// A copy action of which the kind of backups is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotYetKnown {
    /// Why not.
    pub why: WhyNotKnown,
    /// The account that owns the plan.
    pub account_id: AccountId,
    /// Its Region.
    pub region: Region,
    /// Name of the plan. Untrusted text.
    pub plan: String,
    /// The vault that the rule backs up into.
    pub source_vault_arn: Arn,
    /// The vault that the copy action names.
    pub destination_vault_arn: Arn,
}

/// Why the kind of backups of a copy action is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyNotKnown {
    /// There is no recovery point yet, and the selection does not tell.
    NoBackupYet,
    /// The organization's backup policy wants the plan, and the account does not have it.
    NotAPlanYet,
}

impl WhyNotKnown {
    /// In a sentence without its end.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoBackupYet => "there is no recovery point yet: the resource types and keys are not known",
            Self::NotAPlanYet => {
                "the backup policy of the organization wants these copies, but no plan of the account makes them yet: either AWS Backup is \
                 about to make the plan, or the policy is not valid there (InvalidOrganizationBackupPlan in CloudTrail of the account)"
            }
        }
    }
}

/// What plans copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovered {
    /// The kinds of copies, sorted, each once.
    pub legs: Vec<Leg>,
    /// What is not known.
    pub unknown: Vec<NotYetKnown>,
}

/// The copies that plans make, each with its selections. `points` are the recovery points of the vaults of their rules, as far as they were
/// seen, by the ARN of the vault.
pub fn discover(plans: &[(BackupPlan, Vec<Selection>)], points: &BTreeMap<Arn, Vec<StoredPoint>>) -> Discovered {
    let mut found: BTreeMap<Leg, Found> = BTreeMap::new();
    let mut unknown = Vec::new();
    for (plan, rule, selection, all) in runs(plans) {
        let Some(vault) = plan.vault(&rule.target_vault) else { continue };
        let Some(stored) = points.get(&vault) else { continue };
        let kinds = kinds(plan, selection, all, stored);
        for action in &rule.copy_actions {
            if kinds.is_empty() {
                unknown.push(NotYetKnown {
                    why: WhyNotKnown::NoBackupYet,
                    account_id: plan.account_id.clone(),
                    region: plan.region.clone(),
                    plan: plan.name.clone(),
                    source_vault_arn: vault.clone(),
                    destination_vault_arn: action.destination_vault_arn.clone(),
                });
            }
            for kind in &kinds {
                let leg = Leg {
                    account_id: plan.account_id.clone(),
                    region: plan.region.clone(),
                    source_vault_arn: vault.clone(),
                    destination_vault_arn: action.destination_vault_arn.clone(),
                    resource_type: kind.resource_type.clone(),
                    fully_managed: kind.fully_managed,
                    key: kind.key.clone(),
                    job_role_arn: selection.role_arn.clone(),
                    perhaps_selected: None,
                    recovery_point_arn: None,
                    retention_days: (None, None),
                };
                found.entry(leg).or_default().add(selection, kind, action);
            }
        }
    }
    let legs = found.into_iter().map(|(leg, found)| found.told(leg)).collect();
    unknown.sort();
    unknown.dedup();
    Discovered { legs, unknown }
}

/// What was found of one kind of copy. What is certain counts; what tags may add to it, only where nothing is certain.
#[derive(Debug, Default)]
struct Found {
    certain: Seen,
    perhaps: Seen,
    selection: Option<String>,
}

#[derive(Debug, Default)]
struct Seen {
    newest: Option<StoredPoint>,
    actions: Vec<CopyAction>,
}

impl Found {
    fn add(&mut self, selection: &Selection, kind: &Kind, action: &CopyAction) {
        let seen = if kind.selected == Selected::Yes { &mut self.certain } else { &mut self.perhaps };
        if kind.point.as_ref().map(age) > seen.newest.as_ref().map(age) {
            seen.newest.clone_from(&kind.point);
        }
        seen.actions.push(action.clone());
        if kind.selected != Selected::Yes && self.selection.as_ref().is_none_or(|first| selection.name < *first) {
            self.selection = Some(selection.name.clone());
        }
    }

    fn told(self, leg: Leg) -> Leg {
        let (seen, perhaps_selected) = if self.certain.actions.is_empty() { (self.perhaps, self.selection) } else { (self.certain, None) };
        let days = seen.actions.iter().map(|action| action.delete_after_days);
        // Without an end a copy is kept longer than any number of days.
        let shortest = days.clone().min_by_key(|days| days.unwrap_or(i64::MAX)).flatten();
        let longest = days.max_by_key(|days| days.unwrap_or(i64::MAX)).flatten();
        Leg { recovery_point_arn: seen.newest.map(|point| point.arn), retention_days: (shortest, longest), perhaps_selected, ..leg }
    }
}

/// Every rule with every selection, and all selections of the plan.
fn runs(plans: &[(BackupPlan, Vec<Selection>)]) -> impl Iterator<Item = (&BackupPlan, &PlanRule, &Selection, &[Selection])> {
    plans.iter().flat_map(|(plan, all)| {
        plan.rules.iter().flat_map(move |rule| all.iter().map(move |selection| (plan, rule, selection, all.as_slice())))
    })
}

/// A kind of backups: what decides, of one resource, how its copies are made.
#[derive(Clone, Debug)]
struct Kind {
    resource_type: String,
    fully_managed: bool,
    key: LegKey,
    point: Option<StoredPoint>,
    /// `Yes` or `Perhaps`.
    selected: Selected,
}

fn age(point: &StoredPoint) -> (Option<jiff::Timestamp>, &Arn) {
    (point.created_at, &point.arn)
}

fn kinds(plan: &BackupPlan, selection: &Selection, all: &[Selection], stored: &[StoredPoint]) -> Vec<Kind> {
    // A copy that landed in this vault is not copied again by the rule. A backup on demand is of the kind that the plan's will be.
    let ours = |point: &&StoredPoint| point.copied_from.is_none() && point.plan_id.as_ref().is_none_or(|id| *id == plan.id);
    let mut newest: BTreeMap<(String, String), (&StoredPoint, Selected)> = BTreeMap::new();
    for point in stored.iter().filter(ours) {
        let selected = selected(plan, selection, all, point);
        if selected == Selected::No {
            continue;
        }
        let resource = point.resource_arn.as_ref().unwrap_or(&point.arn).as_str().to_owned();
        let (place, known) = newest.entry((point.resource_type.clone(), resource)).or_insert((point, selected));
        *known = selected.max(*known);
        if age(point) > age(place) {
            *place = point;
        }
    }
    if newest.is_empty() {
        let excluded = |pattern: &String| selection.not_resources.iter().any(|wider| wildcard_matches(wider, pattern));
        let named = selection.resources.iter().filter(|pattern| !excluded(pattern));
        // With tags beside it, what is named need not be selected.
        let selected = if selection.tags.is_empty() && selection.conditions.is_empty() { Selected::Yes } else { Selected::Perhaps };
        let types = named.filter_map(|pattern| type_of(pattern));
        return types
            .map(|(resource_type, fully_managed)| Kind {
                resource_type: resource_type.to_owned(),
                fully_managed,
                key: if fully_managed { LegKey::OfVault } else { LegKey::NotSeen },
                point: None,
                selected,
            })
            .collect();
    }
    newest
        .into_values()
        .map(|(point, selected)| Kind {
            resource_type: point.resource_type.clone(),
            fully_managed: point.arn.service() == "backup",
            key: point.encryption_key_arn.clone().map_or(LegKey::Unencrypted, LegKey::Key),
            point: Some(point.clone()),
            selected,
        })
        .collect()
}

/// Whether a selection of a plan selects the resource of a recovery point. A point that the plan made was selected when it was made: that settles
/// what tags decide, unless a selection with another role may have chosen it.
fn selected(plan: &BackupPlan, selection: &Selection, all: &[Selection], point: &StoredPoint) -> Selected {
    let told = |selection: &Selection| point.resource_arn.as_ref().map_or(Selected::Perhaps, |resource| selects(selection, resource, None));
    let made = point.plan_id.as_ref() == Some(&plan.id);
    let by_another = || all.iter().any(|other| other.role_arn != selection.role_arn && told(other) != Selected::No);
    match told(selection) {
        Selected::Perhaps if made && !by_another() => Selected::Yes,
        told => told,
    }
}

/// The resource type that a pattern names, and whether AWS Backup manages it fully; nothing where a setting of the Region decides that.
fn type_of(pattern: &str) -> Option<(&'static str, bool)> {
    let named = ResourceType::of_pattern(pattern)?;
    Some((named.name, named.fully_managed?))
}

impl Leg {
    /// The route, with what is known of its vaults and keys.
    pub fn route(
        &self,
        source_vault: &Fact<Vault>,
        destination_vault: &Fact<Vault>,
        source_key: &Fact<Key>,
        destination_key: &Fact<Key>,
        organization_id: Option<String>,
    ) -> Option<Route> {
        let vault_key = |vault: &Fact<Vault>| vault.known().and_then(|vault| vault.encryption_key_arn.clone());
        let kind = |vault: &Fact<Vault>| VaultKind::named(vault.known().and_then(|vault| vault.vault_type.as_deref()));
        let aws_managed = |key: &Fact<Key>| key.known().is_some_and(|key| key.manager == Some(KeyManager::Aws));
        let mut route = Route {
            source_account: self.account_id.clone(),
            source_region: self.region.clone(),
            source_vault_arn: self.source_vault_arn.clone(),
            destination_account: self.destination_vault_arn.account()?,
            destination_region: self.destination_vault_arn.region()?,
            destination_vault_arn: self.destination_vault_arn.clone(),
            resource_type: self.resource_type.clone(),
            fully_managed: self.fully_managed,
            recovery_point_arn: self.source_vault_arn.clone(),
            source_key_arn: self.source_key_arn(source_vault),
            source_key_aws_managed: aws_managed(source_key),
            source_vault_kind: kind(source_vault),
            source_vault_key_arn: vault_key(source_vault),
            destination_key_arn: vault_key(destination_vault),
            destination_key_aws_managed: aws_managed(destination_key),
            destination_vault_kind: kind(destination_vault),
            job_role_arn: self.job_role_arn.clone(),
            organization_id,
        };
        // Of a recovery point that does not exist yet only the form is known.
        route.recovery_point_arn = match &self.recovery_point_arn {
            Some(point) => point.clone(),
            None => Arn::parse(&route.recovery_points()).ok()?,
        };
        Some(route)
    }

    /// The key of the recovery points, as far as it is known.
    pub fn source_key_arn(&self, source_vault: &Fact<Vault>) -> Option<Arn> {
        match &self.key {
            LegKey::Key(key) => Some(key.clone()),
            LegKey::OfVault => source_vault.known().and_then(|vault| vault.encryption_key_arn.clone()),
            LegKey::Unencrypted | LegKey::NotSeen => None,
        }
    }
}

#[cfg(test)]
mod tests;
