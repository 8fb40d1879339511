//! Objects that decide copies, as they were last seen.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::arn::{AccountId, Arn};
use crate::evidence::{
    Fact, GapReason, GlobalSettings, Key, KeyGrants, KeyPolicy, NamedPolicy, Organization, PolicyLevels, Role, Vault, VaultPolicy,
};

/// What can be written to and decides copies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectId {
    /// A key: its state, its policy, its grants.
    Key(Arn),
    /// A vault: its lock, its policy.
    Vault(Arn),
    /// A role: its trust policy, its policies, its boundary.
    Role(Arn),
    /// The SCPs and RCPs that bound an account.
    Account(AccountId),
    /// The organization, and what it allows AWS Backup.
    Organization,
}

const ACCOUNT: &str = "bounds/";
const ORGANIZATION: &str = "organization";

impl ObjectId {
    /// The object with an ARN; `None` where such objects decide no copy.
    pub fn of_arn(arn: &Arn) -> Option<Self> {
        match arn.service() {
            "kms" if arn.is_kms_key() => Some(Self::Key(arn.clone())),
            "backup" if arn.resource().starts_with("backup-vault:") => Some(Self::Vault(arn.clone())),
            "iam" if arn.resource().starts_with("role/") => Some(Self::Role(arn.clone())),
            _ => None,
        }
    }

    /// The text that it is kept under: an ARN where it has one.
    pub fn name(&self) -> String {
        match self {
            Self::Key(arn) | Self::Vault(arn) | Self::Role(arn) => arn.as_str().to_owned(),
            Self::Account(account) => format!("{ACCOUNT}{account}"),
            Self::Organization => ORGANIZATION.to_owned(),
        }
    }

    /// The object that is kept under a text.
    pub fn named(name: &str) -> Option<Self> {
        match name.strip_prefix(ACCOUNT) {
            Some(account) => AccountId::parse(account).ok().map(Self::Account),
            None if name == ORGANIZATION => Some(Self::Organization),
            None => Self::of_arn(&Arn::parse(name).ok()?),
        }
    }

    /// The account that owns it; `None`: the organization's management account, whichever that is.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Key(arn) | Self::Vault(arn) | Self::Role(arn) => arn.account(),
            Self::Account(account) => Some(account.clone()),
            Self::Organization => None,
        }
    }
}

/// What was seen of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is named after what it tells")]
pub enum Held {
    Key {
        key: Fact<Key>,
        policy: Fact<KeyPolicy>,
        /// A sweep reads them only where they decide a copy: else they are not known.
        grants: Fact<KeyGrants>,
    },
    Vault {
        vault: Fact<Vault>,
        policy: Fact<VaultPolicy>,
    },
    Role {
        role: Fact<Role>,
    },
    Account {
        scps: Fact<PolicyLevels>,
        rcps: Fact<PolicyLevels>,
    },
    Organization {
        organization: Fact<Organization>,
        global_settings: Fact<GlobalSettings>,
    },
}

/// Objects as they were last seen.
pub type Objects = BTreeMap<ObjectId, Held>;

impl Held {
    /// Whether both say the same of the object, whenever and however they were read. Two that could not be read say the same, too: nothing.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(one: &Fact<T>, other: &Fact<T>) -> bool {
            match (one, other) {
                (Fact::Gap(one), Fact::Gap(other)) => one.reason == other.reason,
                (Fact::NotAsked, Fact::NotAsked) => true,
                (one, other) => one.known().is_some() && one.known() == other.known(),
            }
        }
        let one = self.clone().settled();
        let other = other.clone().settled();
        match (&one, &other) {
            (Self::Key { key: a, policy: b, grants: c }, Self::Key { key: x, policy: y, grants: z }) => {
                same(a, x) && same(b, y) && same(c, z)
            }
            (Self::Vault { vault: a, policy: b }, Self::Vault { vault: x, policy: y }) => same(a, x) && same(b, y),
            (Self::Role { role: a }, Self::Role { role: x }) => same(a, x),
            (Self::Account { scps: a, rcps: b }, Self::Account { scps: x, rcps: y }) => same(a, x) && same(b, y),
            (Self::Organization { organization: a, global_settings: b }, Self::Organization { organization: x, global_settings: y }) => {
                same(a, x) && same(b, y)
            }
            _ => false,
        }
    }

    /// Without what changes all the time and decides nothing, and in one order: how many recovery points a vault holds, in which order grants are told.
    #[must_use]
    pub fn settled(mut self) -> Self {
        match &mut self {
            Self::Vault { vault: Fact::Known { value, .. }, .. } => value.points = None,
            Self::Key { grants: Fact::Known { value, .. }, .. } => {
                value.grants.sort_by(|a, b| (&a.grantee, &a.operations).cmp(&(&b.grantee, &b.operations)));
            }
            _ => {}
        }
        self
    }

    /// Whether some of it was asked for and not answered; that the object does not exist is an answer.
    pub fn is_unread(&self) -> bool {
        fn unread<T>(fact: &Fact<T>) -> bool {
            fact.gap().is_some_and(|gap| gap.reason != GapReason::NotFound)
        }
        match self {
            Self::Key { key, policy, grants } => unread(key) || unread(policy) || unread(grants),
            Self::Vault { vault, policy } => unread(vault) || unread(policy),
            Self::Role { role } => unread(role),
            Self::Account { scps, rcps } => unread(scps) || unread(rcps),
            Self::Organization { organization, global_settings } => unread(organization) || unread(global_settings),
        }
    }

    /// The ARNs of the policies that it is made of and that are objects of their own: managed policies, SCPs, RCPs. A write on one of them changes it.
    pub fn policies(&self) -> Vec<Arn> {
        let of = |policies: &[NamedPolicy]| policies.iter().filter_map(|policy| policy.arn.clone()).collect::<Vec<_>>();
        let mut arns = match self {
            Self::Role { role } => role.known().map_or_else(Vec::new, |role| {
                let mut arns = of(&role.policies);
                arns.extend(role.boundary.iter().filter_map(|boundary| boundary.arn.clone()));
                arns
            }),
            Self::Account { scps, rcps } => {
                let levels = [scps, rcps].into_iter().filter_map(Fact::known).flat_map(|bounds| &bounds.levels);
                levels.flat_map(|level| of(level)).collect()
            }
            Self::Key { .. } | Self::Vault { .. } | Self::Organization { .. } => Vec::new(),
        };
        // The policies of AWS are changed by nobody who could be named.
        arns.retain(|arn| arn.account().is_some());
        arns.sort();
        arns.dedup();
        arns
    }
}

/// Puts what was read afresh in the place of what was kept. What was not asked anew stays.
pub fn overlay(kept: &Objects, fresh: Objects) -> Objects {
    together(kept, fresh, Rule::Asked)
}

/// What was kept, with what was not read then as it was read since.
pub fn filled(kept: Objects, since: &Objects) -> Objects {
    together(since, kept, Rule::Read)
}

fn together(under: &Objects, over: Objects, rule: Rule) -> Objects {
    let mut all = under.clone();
    for (id, held) in over {
        let held = match all.remove(&id) {
            Some(below) => held.over(below, rule),
            None => held,
        };
        all.insert(id, held);
    }
    all
}

/// Which facts take the place of others.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// Those that were asked for, whatever came of it.
    Asked,
    /// Those that were answered; that something does not exist is an answer.
    Read,
}

impl Rule {
    fn choose<T>(self, over: Fact<T>, under: Fact<T>) -> Fact<T> {
        let chosen = match (self, &over) {
            (_, Fact::NotAsked) => false,
            (Self::Asked, _) | (Self::Read, Fact::Known { .. }) => true,
            (Self::Read, Fact::Gap(gap)) => gap.reason == GapReason::NotFound,
        };
        if chosen { over } else { under }
    }
}

impl Held {
    /// One of the same kind in the place of another, fact by fact.
    pub(super) fn over(self, below: Self, rule: Rule) -> Self {
        match (self, below) {
            (Self::Key { key, policy, grants }, Self::Key { key: a, policy: b, grants: c }) => {
                Self::Key { key: rule.choose(key, a), policy: rule.choose(policy, b), grants: rule.choose(grants, c) }
            }
            (Self::Vault { vault, policy }, Self::Vault { vault: a, policy: b }) => {
                Self::Vault { vault: rule.choose(vault, a), policy: rule.choose(policy, b) }
            }
            (Self::Role { role }, Self::Role { role: a }) => Self::Role { role: rule.choose(role, a) },
            (Self::Account { scps, rcps }, Self::Account { scps: a, rcps: b }) => {
                Self::Account { scps: rule.choose(scps, a), rcps: rule.choose(rcps, b) }
            }
            (Self::Organization { organization, global_settings }, Self::Organization { organization: a, global_settings: b }) => {
                Self::Organization { organization: rule.choose(organization, a), global_settings: rule.choose(global_settings, b) }
            }
            (held, _) => held,
        }
    }
}
