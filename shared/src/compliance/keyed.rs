//! Under which key a vault is, and who manages that key.

use super::say::{Place, quoted};
use super::ways::{Pair, Question};
use super::{AccountView, Outcome, Subject, ways};
use crate::arn::Arn;
use crate::copy::{Object, Requirement};
use crate::evidence::{Fact, KeyManager, RegionInventory, Vault};

/// Whether a vault is under a customer managed key of its account; `name` says which vault it is.
pub(super) fn by_customer(subject: Subject, region: &RegionInventory, vault: &Vault, name: &str) -> Outcome {
    if super::walk::air_gapped(vault) && vault.encryption_key_arn.is_none() {
        return Outcome::not_applicable(subject, "it is an air-gapped vault under a key that AWS owns");
    }
    let Some(arn) = &vault.encryption_key_arn else {
        return Outcome::unknown(subject, "not seen: the key of the vault", Vec::new());
    };
    let Some(inventory) = region.keys.get(arn) else {
        return Outcome::unknown(subject, format!("not seen: the key {}, which was not asked for", quoted(arn.as_str())), Vec::new());
    };
    match inventory.key.known().and_then(|key| key.manager) {
        Some(KeyManager::Customer) => {
            Outcome::pass(subject, format!("it is under the customer managed key {}", quoted(arn.as_str()))).from([arn.as_str()])
        }
        Some(KeyManager::Aws) => {
            let seen = format!("{name} is under the AWS managed key {}, whose policy nobody can change", quoted(arn.as_str()));
            let remedy = format!(
                "the key of a vault cannot be changed: make a new vault under a customer managed key ({}), let plans and copies go there, and keep \
                 this one until what it holds has expired",
                quoted(&ways::create_vault(&vault.arn, "NEW_NAME"))
            );
            Outcome::fail(subject, seen, remedy).from([arn.as_str()])
        }
        None => Outcome::unseen(subject, "who manages the key", &inventory.key),
    }
}

/// The ARN of a key of a Region that EC2 names by its ARN or its id; `None` for an alias, and where no such key was read.
pub(super) fn resolved(place: Place<'_>, region: &RegionInventory, name: &str) -> Option<Arn> {
    if let Ok(arn) = Arn::parse(name) {
        return arn.is_kms_key().then_some(arn);
    }
    let id = format!("key/{name}");
    region.keys.keys().find(|arn| arn.resource() == id && arn.account().as_ref() == Some(place.account)).cloned()
}

/// Whether a key is named by an alias.
pub(super) fn is_alias(name: &str) -> bool {
    name.rsplit(':').next().is_some_and(|last| last.starts_with("alias/"))
}

/// Whether a key is named by an alias of a key that AWS manages: nobody else can make aliases of that beginning
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html>).
pub(super) fn is_alias_of_aws(name: &str) -> bool {
    name.rsplit(':').next().is_some_and(|last| last.starts_with("alias/aws/"))
}

/// Which part of a key's work is asked about: the policy in words, what follows where it does not let the caller in, and which calls.
pub(super) type Part<'p> = (&'p str, &'p str, fn(&Requirement) -> bool);

/// Whether the policy of a key that protects backups lets the backup account copy them.
pub(super) fn lets_copier(
    view: &AccountView<'_>,
    (region, pair): (&RegionInventory, &Pair),
    subject: Subject,
    kind: (&str, bool),
    key: &Arn,
    (what, so, which): Part<'_>,
) -> Outcome {
    let Some(inventory) = region.keys.get(key) else {
        return Outcome::unknown(subject, format!("not seen: the key {}, which was not asked for", quoted(key.as_str())), Vec::new());
    };
    match inventory.key.known().map(|key| key.manager) {
        None => return Outcome::unseen(subject, "who manages the key", &inventory.key),
        Some(Some(KeyManager::Aws)) => return Outcome::not_applicable(subject, "AWS manages the key: its policy cannot be changed"),
        Some(_) => {}
    }
    let Some(way) = ways::way(view, region, pair, kind, Some(key)) else {
        return Outcome::unknown(subject, "not seen: the account of the vault that copies go to", Vec::new());
    };
    // Into an air-gapped vault a copy goes by other rules, so what kind of vault it is must be known.
    let destination = view.destinations.get(&pair.destination).map(|destination| &destination.vault);
    if destination.and_then(Fact::known).is_none() {
        return Outcome::unseen(subject, "the vault that copies go to", destination.unwrap_or(&Fact::NotAsked));
    }
    let Some(policy) = inventory.policy.known() else { return Outcome::unseen(subject, what, &inventory.policy) };
    way.judged(subject, &Question { object: Object::SourceKey, which, what, so, current: Some(Some(&policy.document)) })
}

/// The key of the vault that copies go to; or what is to be said where there is none to speak of.
pub(super) fn of_destination(view: &AccountView<'_>, pair: &Pair) -> Result<Arn, Box<dyn FnOnce(Subject) -> Outcome>> {
    let destination = view.destinations.get(&pair.destination);
    let Some(vault) = destination.and_then(|destination| destination.vault.known()) else {
        let fact = destination.map_or(Fact::NotAsked, |destination| destination.vault.clone());
        return Err(Box::new(move |subject| Outcome::unseen(subject, "the vault that copies go to", &fact)));
    };
    let Some(key) = vault.encryption_key_arn.clone() else {
        let air_gapped = super::walk::air_gapped(vault);
        return Err(Box::new(move |subject| {
            if air_gapped {
                Outcome::not_applicable(subject, "it is an air-gapped vault under a key that AWS owns")
            } else {
                Outcome::unknown(subject, "not seen: the key of the vault", Vec::new())
            }
        }));
    };
    let manager = destination.map(|destination| &destination.key);
    match manager.and_then(Fact::known).map(|key| key.manager) {
        None => {
            let fact = manager.cloned().unwrap_or(Fact::NotAsked);
            Err(Box::new(move |subject| Outcome::unseen(subject, "who manages the key of that vault", &fact)))
        }
        Some(Some(KeyManager::Aws)) => Err(Box::new(|subject| Outcome::not_applicable(subject, "AWS manages the key of that vault"))),
        Some(_) => Ok(key),
    }
}
