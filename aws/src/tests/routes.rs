//! Kept routes over the table in memory: what a sweep keeps is found by the places that writes lead to, and only what is seen to be gone goes.

use std::collections::BTreeSet;

use guardian_core::arn::{AccountId, Arn};
use guardian_core::evidence::{AccountInventory, Destination, Fact, OrganizationInventory};
use guardian_core::incident::IncidentId;
use guardian_core::ports::RouteMemory;
use guardian_core::prediction::{Held, KeptRoutes, ObjectId, Place, keep};
use guardian_core::report::Kind;
use jiff::Timestamp;
use serde_json::Value;

use super::incidents::alert;
use super::table::{Items, table};
use crate::RouteTable;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-28T12:00:00Z")
}

/// The routes of the healthy account that the checks are tried on.
fn kept() -> (AccountId, KeptRoutes) {
    let source = serde_json::from_str::<Value>(include_str!("../../../tests/facts/inventories/source-account.json")).unwrap();
    let inventory = serde_json::from_value::<AccountInventory>(source["account"].clone()).unwrap();
    let destinations = serde_json::from_value::<std::collections::BTreeMap<Arn, Destination>>(source["destinations"].clone()).unwrap();
    let organization = serde_json::from_value::<OrganizationInventory>(source["organization"].clone()).unwrap();
    let kept = keep(&inventory, &destinations, &organization, |_| (inventory.scps.clone(), inventory.rcps.clone()));
    (inventory.account_id, kept)
}

fn routes(items: &Items) -> RouteTable {
    RouteTable::new(&table(items).config(), "guardian")
}

#[tokio::test]
async fn what_a_sweep_keeps_is_found_by_every_place_that_a_write_leads_to() {
    let items = Items::default();
    let routes = routes(&items);
    let (account, kept) = kept();
    routes.keep(&account, &kept, now(), now()).await.unwrap();
    assert_eq!(routes.legs(&account).await.unwrap().len(), kept.legs.len());
    assert_eq!(routes.accounts().await.unwrap(), BTreeSet::from([account.clone()]));
    let ids = kept.objects.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(routes.objects(&ids).await.unwrap(), kept.objects);
    for id in ids.iter().filter(|id| **id != ObjectId::Organization) {
        let (objects, accounts) = routes.at(&id.place()).await.unwrap();
        assert_eq!((objects, accounts), (BTreeSet::from([id.clone()]), BTreeSet::from([account.clone()])), "{id:?}");
        for policy in kept.objects[id].policies() {
            assert!(routes.at(&Place::of_policy(&policy)).await.unwrap().0.contains(id), "{policy}");
        }
    }
    // What another account has brought is not written again, and leads to this account all the same.
    let items = Items::default();
    let shared = kept.legs[0].leg.destination_vault_arn.clone();
    let again = KeptRoutes { kept_already: BTreeSet::from([ObjectId::Vault(shared.clone())]), ..kept.clone() };
    self::routes(&items).keep(&account, &again, now(), now()).await.unwrap();
    let (objects, accounts) = self::routes(&items).at(&ObjectId::Vault(shared).place()).await.unwrap();
    assert_eq!((objects.len(), accounts.len()), (0, 1));
    let stranger = ObjectId::Key(Arn::parse("arn:aws:kms:eu-central-1:111111111111:key/another").unwrap());
    assert_eq!(routes.at(&stranger.place()).await.unwrap(), Default::default());
}

#[tokio::test]
async fn a_copy_is_gone_when_everything_was_seen_and_not_before() {
    let items = Items::default();
    let routes = routes(&items);
    let (account, kept) = kept();
    routes.keep(&account, &kept, now(), now()).await.unwrap();
    let place = ObjectId::Vault(kept.legs[0].leg.source_vault_arn.clone()).place();
    let blind = KeptRoutes::default();
    routes.keep(&account, &blind, now(), now()).await.unwrap();
    assert_eq!(routes.legs(&account).await.unwrap().len(), kept.legs.len());
    assert_eq!(routes.at(&place).await.unwrap().1.len(), 1);
    routes.keep(&account, &KeptRoutes { complete: true, ..blind }, now(), now()).await.unwrap();
    assert_eq!(routes.legs(&account).await.unwrap(), []);
    assert!(routes.at(&place).await.unwrap().1.is_empty() && routes.accounts().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_was_read_earlier_takes_no_place_of_what_was_read_later() {
    let items = Items::default();
    let routes = routes(&items);
    let (account, kept) = kept();
    let id = kept.objects.keys().find(|id| matches!(id, ObjectId::Role(_))).unwrap().clone();
    let held = async || routes.objects(&BTreeSet::from([id.clone()])).await.unwrap().remove(&id).unwrap();
    routes.keep(&account, &kept, now(), now()).await.unwrap();
    let newer = Held::Role { role: Fact::NotAsked };
    routes.learn(&id, &newer, at("2026-11-28T13:00:00Z"), now()).await.unwrap();
    assert_eq!(held().await, newer);
    // The sweep that began before it ends after it.
    routes.keep(&account, &kept, at("2026-11-28T12:30:00Z"), now()).await.unwrap();
    assert_eq!(held().await, newer);
    routes.keep(&account, &kept, at("2026-11-29T12:00:00Z"), now()).await.unwrap();
    assert_eq!(held().await, kept.objects[&id]);
}

#[tokio::test]
async fn one_tells_at_a_time_until_it_is_learnt_given_back_or_the_lease_ends() {
    let items = Items::default();
    let routes = routes(&items);
    let (_, kept) = kept();
    let (id, held) = kept.objects.iter().next().unwrap();
    let claim = async |when: &str| routes.claim_telling(id, at(when), at("2026-11-28T12:02:00Z")).await.unwrap();
    assert!(claim("2026-11-28T12:00:00Z").await);
    assert!(!claim("2026-11-28T12:01:00Z").await);
    assert!(claim("2026-11-28T12:02:01Z").await, "whoever had it is dead");
    routes.give_back(id).await.unwrap();
    assert!(claim("2026-11-28T12:00:00Z").await);
    routes.learn(id, held, now(), now()).await.unwrap();
    assert!(claim("2026-11-28T12:00:00Z").await);
}

#[tokio::test]
async fn what_was_foretold_stands_for_two_days_unless_it_is_over() {
    let items = Items::default();
    let routes = routes(&items);
    let alert = alert(&IncidentId::of_prediction("key"), Kind::Prediction);
    routes.foretold(&alert, now()).await.unwrap();
    routes.foretold(&alert, now()).await.unwrap();
    assert_eq!(routes.standing(at("2026-11-30T11:59:00Z")).await.unwrap(), std::slice::from_ref(&alert));
    assert_eq!(routes.standing(at("2026-11-30T12:00:00Z")).await.unwrap(), []);
    routes.over(&alert.incident_id).await.unwrap();
    assert_eq!(routes.standing(now()).await.unwrap(), []);
}
