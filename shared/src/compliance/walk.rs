//! The ways through an account: its Regions, vaults, keys and plans, and whether a thing concerns a check at all.
//!
//! What could not be read becomes an outcome in its place, so that no check forgets it.

use std::collections::BTreeSet;

use super::guard::Found;
use super::say::Place;
use super::{AccountView, OrganizationView, Outcome, Subject};
use crate::arn::{AccountId, Arn};
use crate::copy::VaultKind;
use crate::evidence::{BackupPlan, Gap, KeyInventory, PlanInventory, RegionInventory, TopicInventory, VaultInventory};

/// Whether a thing concerns a check.
#[derive(Clone, Debug)]
pub(super) enum Concern {
    /// It does.
    Yes,
    /// It does not, and why.
    No(String),
    /// It depends on what was not seen.
    Open(Vec<Gap>),
}

impl Concern {
    /// What a check says of a thing, as far as it concerns it. Where that is not known, neither well nor ill is said.
    pub(super) fn then(self, subject: Subject, judge: impl FnOnce(Subject) -> Outcome) -> Outcome {
        use super::Status::{Excepted, Fail, NotApplicable, Pass, Unknown};
        match self {
            Self::Yes => judge(subject),
            Self::No(why) => Outcome::not_applicable(subject, why),
            Self::Open(gaps) => {
                let outcome = judge(subject);
                match outcome.status {
                    Fail | Pass | Excepted => {
                        let what = format!("not seen: whether this is asked of it. If it is: {}", outcome.seen);
                        Outcome::unknown(outcome.subject, what, gaps)
                    }
                    Unknown | NotApplicable => outcome,
                }
            }
        }
    }
}

impl OrganizationView<'_> {
    /// The account that the organization belongs to, or else the first that keeps copies; where neither is known there is nobody to speak of.
    pub(super) fn subject(&self) -> Option<Subject> {
        let management = self.organization.organization.known().map(|organization| &organization.management_account);
        let asked = self.organization.organization.gap().map(|gap| &gap.account_id);
        let account = management.or(asked).or_else(|| self.scope.backup_accounts.first())?;
        Some(Place { account, region: None }.here())
    }

    /// Whether the reader found that there is no organization.
    pub(super) fn none_exists(&self) -> bool {
        self.organization.organization.gap().is_some_and(|gap| gap.reason == crate::evidence::GapReason::NotFound)
    }

    /// One outcome on the organization, where there is one.
    pub(super) fn judged(&self, judge: impl FnOnce(Subject) -> Outcome) -> Vec<Outcome> {
        let Some(subject) = self.subject() else { return Vec::new() };
        if self.none_exists() {
            return vec![Outcome::not_applicable(subject, "the account is in no organization")];
        }
        vec![judge(subject)]
    }
}

impl<'a> AccountView<'a> {
    /// The account.
    pub(super) fn place(&self) -> Place<'a> {
        Place { account: &self.account.account_id, region: None }
    }

    /// Whether it keeps the copies.
    pub(super) fn keeps_copies(&self) -> bool {
        self.scope.backup_accounts.contains(&self.account.account_id)
    }

    /// Whether another account keeps the copies of this one.
    pub(super) fn is_backup_account(&self, account: &AccountId) -> bool {
        self.scope.backup_accounts.contains(account)
    }

    /// Whether the organization belongs to it; `None` where that is not known.
    pub(super) fn is_management_account(&self) -> Option<bool> {
        self.organization.organization.known().map(|organization| organization.management_account == self.account.account_id)
    }

    /// Id of the organization.
    pub(super) fn organization_id(&self) -> Option<&'a str> {
        self.organization.organization.known().map(|organization| organization.id.as_str())
    }

    /// Only of an account that keeps copies.
    pub(super) fn in_backup_account(&self, judge: impl FnOnce() -> Vec<Outcome>) -> Vec<Outcome> {
        if self.keeps_copies() {
            judge()
        } else {
            vec![Outcome::not_applicable(self.place().here(), "the account keeps no copies of others")]
        }
    }

    /// Only of an account that keeps no copies of others.
    pub(super) fn in_source_account(&self, judge: impl FnOnce() -> Vec<Outcome>) -> Vec<Outcome> {
        if self.keeps_copies() {
            vec![Outcome::not_applicable(self.place().here(), "the account keeps the copies of others")]
        } else {
            judge()
        }
    }

    /// Every Region that is switched on, or of which that is not known.
    pub(super) fn in_regions(&self, mut judge: impl FnMut(Place<'a>, &'a RegionInventory) -> Vec<Outcome>) -> Vec<Outcome> {
        if self.account.regions.is_empty() {
            return vec![Outcome::not_applicable(self.place().here(), "no Region was asked for")];
        }
        let mut outcomes = Vec::new();
        for (region, inventory) in &self.account.regions {
            let place = Place { region: Some(region), ..self.place() };
            if inventory.enabled.known() == Some(&false) {
                outcomes.push(Outcome::not_applicable(place.here(), "the Region is switched off for the account"));
            } else {
                outcomes.extend(judge(place, inventory));
            }
        }
        outcomes
    }

    /// Every vault.
    pub(super) fn vaults(&self, mut judge: impl FnMut(Place<'a>, &'a RegionInventory, &'a VaultInventory) -> Outcome) -> Vec<Outcome> {
        self.in_regions(|place, region| match region.vaults.known() {
            None => vec![Outcome::unseen(place.here(), "the vaults", &region.vaults)],
            Some(vaults) if vaults.is_empty() => vec![Outcome::not_applicable(place.here(), "there is no vault")],
            Some(vaults) => vaults.iter().map(|vault| judge(place, region, vault)).collect(),
        })
    }

    /// The vaults that are used, as far as that can be seen.
    pub(super) fn used(&self) -> Found<(&'a RegionInventory, &'a VaultInventory)> {
        let mut found = Found { things: Vec::new(), open: false, gaps: Vec::new() };
        for (region, inventory) in self.account.regions.iter().filter(|(_, inventory)| inventory.enabled.known() != Some(&false)) {
            let place = Place { region: Some(region), ..self.place() };
            let Some(vaults) = inventory.vaults.known() else {
                found.miss(inventory.vaults.gap());
                continue;
            };
            for vault in vaults {
                match self.uses(place, inventory, vault) {
                    Concern::Yes => found.things.push((inventory, vault)),
                    Concern::No(_) => {}
                    Concern::Open(gaps) => {
                        found.miss(None);
                        found.gaps.extend(gaps);
                    }
                }
            }
        }
        found
    }

    /// Every vault that is used: backups or copies go there, or are there.
    pub(super) fn used_vaults(
        &self,
        mut judge: impl FnMut(Subject, Place<'a>, &'a RegionInventory, &'a VaultInventory) -> Outcome,
    ) -> Vec<Outcome> {
        self.vaults(|place, region, vault| {
            self.uses(place, region, vault).then(place.of(&vault.vault.arn), |subject| judge(subject, place, region, vault))
        })
    }

    /// Whether a vault is used.
    fn uses(&self, place: Place<'_>, region: &RegionInventory, inventory: &VaultInventory) -> Concern {
        let vault = &inventory.vault;
        let holds = vault.points.is_some_and(|points| points > 0)
            || !inventory.copies.is_empty()
            || inventory.points.known().is_some_and(|points| !points.is_empty());
        // A logically air-gapped one was made for copies, even before the first.
        if holds || self.destinations.contains_key(&vault.arn) || self.keeps_copies() && air_gapped(vault) {
            return Concern::Yes;
        }
        let name = vault.arn.resource_name();
        let mut gaps = Vec::new();
        let mut open = false;
        let mut miss = |gap: Option<&Gap>| {
            open = true;
            gaps.extend(gap.cloned());
        };
        match self.account.wanted_plans.known() {
            None => miss(self.account.wanted_plans.gap()),
            Some(wanted) => {
                let here = |plan: &&crate::evidence::WantedPlan| {
                    place.region.is_some_and(|region| plan.regions.iter().any(|name| name == region.as_str()))
                };
                if wanted.iter().filter(here).any(|plan| plan.rules.iter().any(|rule| rule.target_vault == name)) {
                    return Concern::Yes;
                }
            }
        }
        match region.plans.known() {
            None => miss(region.plans.gap()),
            Some(plans) => {
                for plan in plans {
                    match plan.plan.known() {
                        None => miss(plan.plan.gap()),
                        Some(plan) if plan.rules.iter().any(|rule| rule.target_vault == name) => return Concern::Yes,
                        Some(_) => {}
                    }
                }
            }
        }
        if vault.points.is_none() && inventory.points.known().is_none() {
            miss(inventory.points.gap());
        }
        if open {
            Concern::Open(gaps)
        } else {
            Concern::No("no plan backs up into it, nothing is copied into it, and it is empty".to_owned())
        }
    }

    /// Every key of the account that protects backups.
    pub(super) fn keys(&self, mut judge: impl FnMut(Subject, &'a Arn, &'a KeyInventory) -> Outcome) -> Vec<Outcome> {
        self.in_regions(|place, region| {
            if !region.keys.is_empty() {
                return region.keys.iter().map(|(arn, key)| judge(place.of(arn), arn, key)).collect();
            }
            // Which keys there are is told by the vaults and by the EBS default.
            let mut gaps = region.vaults.gap().cloned().into_iter().collect::<Vec<_>>();
            gaps.extend(region.ebs.gap().cloned());
            if region.vaults.known().is_some() && region.ebs.known().is_some() {
                vec![Outcome::not_applicable(place.here(), "no key of the account protects backups")]
            } else {
                vec![Outcome::unknown(place.here(), "not seen: which keys protect backups", gaps)]
            }
        })
    }

    /// The keys of the topics that vaults of the account announce to, as far as they belong to it and protect no backups.
    pub(super) fn keys_of_topics(&self) -> Vec<(Place<'a>, Arn, &'a TopicInventory)> {
        let mut found = Vec::new();
        for (region, inventory) in self.account.regions.iter().filter(|(_, inventory)| inventory.enabled.known() != Some(&false)) {
            let place = Place { region: Some(region), ..self.place() };
            let mut seen = BTreeSet::new();
            for (topic, one) in &inventory.topics {
                let named = || one.settings.known().and_then(|settings| settings.key_arn(topic));
                let Some(key) = one.key.known().map(|key| key.arn.clone()).or_else(named) else { continue };
                if key.account().as_ref() == Some(place.account) && !inventory.keys.contains_key(&key) && seen.insert(key.clone()) {
                    found.push((place, key, one));
                }
            }
        }
        found
    }

    /// Every plan.
    pub(super) fn plans(
        &self,
        mut judge: impl FnMut(Subject, Place<'a>, &'a RegionInventory, &'a PlanInventory, &'a BackupPlan) -> Vec<Outcome>,
    ) -> Vec<Outcome> {
        self.in_regions(|place, region| {
            let Some(plans) = region.plans.known() else { return vec![Outcome::unseen(place.here(), "the plans", &region.plans)] };
            if plans.is_empty() {
                return vec![Outcome::not_applicable(place.here(), "there is no plan")];
            }
            let mut outcomes = Vec::new();
            for inventory in plans {
                let subject = plan_subject(place, &inventory.id);
                match inventory.plan.known() {
                    None => outcomes.push(Outcome::unseen(subject, "the plan", &inventory.plan)),
                    Some(plan) => outcomes.extend(judge(subject, place, region, inventory, plan)),
                }
            }
            outcomes
        })
    }
}

/// A plan, by its id.
pub(super) fn plan_subject(place: Place<'_>, id: &str) -> Subject {
    let arn = place.region.and_then(|region| crate::arn::backup_plan(place.account, region, id));
    let subject = Subject { resource_arn: arn.clone(), ..place.here() };
    if arn.is_some() { subject } else { subject.part(id) }
}

/// Whether a vault is a logically air-gapped one.
pub(super) fn air_gapped(vault: &crate::evidence::Vault) -> bool {
    VaultKind::named(vault.vault_type.as_deref()) == VaultKind::AirGapped
}
