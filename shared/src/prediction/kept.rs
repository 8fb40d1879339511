//! Copies as they are kept: a kind of copy, when it runs next, and what decides it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Held, ObjectId, Objects};
use crate::arn::Arn;
use crate::copy::{Leg, LegFacts};
use crate::coverage::next_run;
use crate::evidence::{Fact, RuleTimes, Vault};
use crate::incident::name_of;

/// The short name of a kind of copy: the same for the same kind, whichever recovery point is its newest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LegId(String);

impl LegId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A kind of copy, and the rules of plans that make it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLeg {
    /// The kind of copy.
    pub leg: Leg,
    /// When the rules run that make it.
    #[serde(default)]
    pub times: Vec<RuleTimes>,
}

/// Kinds of copies with the objects that decide them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptRoutes {
    /// The copies, sorted.
    pub legs: Vec<KeptLeg>,
    /// The objects.
    pub objects: Objects,
    /// Those of the objects that are kept with the copies of another account already: a central vault is not written once for each account.
    pub kept_already: BTreeSet<ObjectId>,
    /// Whether everything was seen that could make a copy: only then one that is not here is gone.
    pub complete: bool,
}

impl KeptLeg {
    /// Its short name.
    pub fn id(&self) -> LegId {
        let leg = &self.leg;
        let key = serde_json::to_string(&leg.key).unwrap_or_default();
        let fields = [
            leg.account_id.as_str(),
            leg.region.as_str(),
            leg.source_vault_arn.as_str(),
            leg.destination_vault_arn.as_str(),
            &leg.resource_type,
            if leg.fully_managed { "managed" } else { "stored" },
            &key,
            leg.job_role_arn.as_str(),
        ];
        LegId(name_of(&fields.join("\n")))
    }

    /// The first run of its rules after a moment. `None` where no schedule tells: a rate has a pace, but no instants.
    pub fn next_run(&self, now: Timestamp) -> Option<Timestamp> {
        self.times.iter().filter_map(|times| next_run(times, now)).min()
    }

    /// The objects that decide it, as far as their names are known: those of the keys are told by the vaults.
    pub fn objects(&self, objects: &Objects) -> BTreeSet<ObjectId> {
        let leg = &self.leg;
        let (source, destination) = (&leg.source_vault_arn, &leg.destination_vault_arn);
        let mut ids = BTreeSet::from([
            ObjectId::Organization,
            ObjectId::Account(leg.account_id.clone()),
            ObjectId::Vault(source.clone()),
            ObjectId::Vault(destination.clone()),
            ObjectId::Role(leg.job_role_arn.clone()),
        ]);
        ids.extend(destination.account().map(ObjectId::Account));
        let keys = [leg.source_key_arn(&vault(objects, source)), key_of(&vault(objects, destination))];
        ids.extend(keys.into_iter().flatten().filter(Arn::is_kms_key).map(ObjectId::Key));
        ids
    }

    /// Everything that decides it, from what is kept. What is not kept was not asked.
    pub fn facts(&self, objects: &Objects) -> LegFacts {
        let leg = &self.leg;
        let mut facts = LegFacts {
            source_vault: vault(objects, &leg.source_vault_arn),
            destination_vault: vault(objects, &leg.destination_vault_arn),
            ..LegFacts::default()
        };
        let policy_of = |arn: &Arn| match objects.get(&ObjectId::Vault(arn.clone())) {
            Some(Held::Vault { policy, .. }) => policy.clone(),
            _ => Fact::NotAsked,
        };
        facts.source_vault_policy = policy_of(&leg.source_vault_arn);
        facts.destination_vault_policy = policy_of(&leg.destination_vault_arn);
        if let Some(Held::Role { role }) = objects.get(&ObjectId::Role(leg.job_role_arn.clone())) {
            facts.job_role = role.clone();
        }
        let key = |arn: Option<Arn>| match arn.and_then(|arn| objects.get(&ObjectId::Key(arn))) {
            Some(Held::Key { key, policy, grants }) => (key.clone(), policy.clone(), grants.clone()),
            _ => (Fact::NotAsked, Fact::NotAsked, Fact::NotAsked),
        };
        let (source_key, destination_key) = (leg.source_key_arn(&facts.source_vault), key_of(&facts.destination_vault));
        (facts.source_key, facts.source_key_policy, facts.source_key_grants) = key(source_key);
        (facts.destination_key, facts.destination_key_policy, facts.destination_key_grants) = key(destination_key);
        if let Some(Held::Account { scps, rcps }) = objects.get(&ObjectId::Account(leg.account_id.clone())) {
            (facts.source_scps, facts.source_rcps) = (scps.clone(), rcps.clone());
        }
        let across = leg.destination_vault_arn.account().filter(|account| *account != leg.account_id);
        if let Some(Held::Account { rcps, .. }) = across.clone().and_then(|account| objects.get(&ObjectId::Account(account))) {
            facts.destination_rcps = rcps.clone();
        }
        if let Some(Held::Organization { organization, global_settings }) = objects.get(&ObjectId::Organization) {
            facts.organization = organization.clone();
            // Copies within an account need no leave of the organization.
            facts.global_settings = if across.is_some() { global_settings.clone() } else { Fact::NotAsked };
        }
        facts
    }

    /// What was read about it afresh, object by object.
    pub fn held(&self, facts: LegFacts) -> Objects {
        let leg = &self.leg;
        let mut objects = Objects::new();
        if let Some(key) = leg.source_key_arn(&facts.source_vault).filter(Arn::is_kms_key) {
            let (key_, policy, grants) = (facts.source_key, facts.source_key_policy, facts.source_key_grants);
            objects.insert(ObjectId::Key(key), Held::Key { key: key_, policy, grants });
        }
        if let Some(key) = key_of(&facts.destination_vault).filter(Arn::is_kms_key) {
            let (key_, policy, grants) = (facts.destination_key, facts.destination_key_policy, facts.destination_key_grants);
            objects.insert(ObjectId::Key(key), Held::Key { key: key_, policy, grants });
        }
        let vaults = [
            (&leg.source_vault_arn, facts.source_vault, facts.source_vault_policy),
            (&leg.destination_vault_arn, facts.destination_vault, facts.destination_vault_policy),
        ];
        for (arn, vault, policy) in vaults {
            objects.insert(ObjectId::Vault(arn.clone()), Held::Vault { vault, policy });
        }
        objects.insert(ObjectId::Role(leg.job_role_arn.clone()), Held::Role { role: facts.job_role });
        if let Some(account) = leg.destination_vault_arn.account().filter(|account| *account != leg.account_id) {
            // What bounds the principals of the backup account decides no copy into it.
            objects.insert(ObjectId::Account(account), Held::Account { scps: Fact::NotAsked, rcps: facts.destination_rcps });
        }
        let own = Held::Account { scps: facts.source_scps, rcps: facts.source_rcps };
        objects.insert(ObjectId::Account(leg.account_id.clone()), own);
        let organization = Held::Organization { organization: facts.organization, global_settings: facts.global_settings };
        objects.insert(ObjectId::Organization, organization);
        objects
    }
}

impl KeptRoutes {
    /// The copies that an object decides.
    pub fn decided_by<'a>(&'a self, object: &'a ObjectId) -> impl Iterator<Item = &'a KeptLeg> {
        self.legs.iter().filter(move |leg| leg.objects(&self.objects).contains(object))
    }
}

fn vault(objects: &Objects, arn: &Arn) -> Fact<Vault> {
    match objects.get(&ObjectId::Vault(arn.clone())) {
        Some(Held::Vault { vault, .. }) => vault.clone(),
        _ => Fact::NotAsked,
    }
}

fn key_of(vault: &Fact<Vault>) -> Option<Arn> {
    vault.known().and_then(|vault| vault.encryption_key_arn.clone())
}
