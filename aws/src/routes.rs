//! The copies that plans make and what decides them, over DynamoDB.
//!
//! | `pk` | `sk` | holds |
//! |---|---|---|
//! | `route#<place>` | `object` | an object as it was last seen: `id`, `held` (JSON), `seen_at` (ms) |
//! | | `object#<name of an object>` | at the place of a policy: an object that is made of it, `id` |
//! | | `account#<account>` | an account whose copies the object decides |
//! | | `telling` | somebody tells what a write on it does, until `lease_until` (ms) |
//! | `legs#<account>` | `leg#<id>` | a kind of copy: `leg` (JSON), `places` (JSON): where it is named |
//! | `legs` | `<account>` | the account has copies |
//! | `foretold` | `<id of the prediction>` | people were told that copies will fail: `body` (JSON), `told_at` (ms) |
//!
//! Every item has `v`. `ttl` (s) is housekeeping and never read: every sweep renews it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};
use guardian_core::arn::AccountId;
use guardian_core::evidence::{Fact, Gap, GapReason};
use guardian_core::incident::IncidentId;
use guardian_core::ports::{PortError, RouteMemory};
use guardian_core::prediction::{Held, KeptLeg, KeptRoutes, ObjectId, Objects, Place};
use guardian_core::report::Alert;
use jiff::{SignedDuration, Timestamp};

use crate::batch;
use crate::classify::port_error;
use crate::item::{Item, SCHEMA_VERSION, millis, number, read_str, read_time, string};

/// Items are kept this long after a sweep saw them: sweeps are daily, and a week of them may fail.
const KEPT_SECONDS: i64 = 21 * 24 * 3600;
/// What an item can hold is 400 KB (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>), its other attributes included.
const LONGEST: usize = 380_000;
/// Keys of one `BatchGetItem`.
const MOST_KEYS: usize = 100;
/// Where an object itself is kept, and who tells of it.
const OBJECT: &str = "object";
const TELLING: &str = "telling";
const ALL: &str = "legs";
const FORETOLD: &str = "foretold";
/// What was foretold stands so long. Then a sweep has seen it, and its report has what lasts.
const STANDS: SignedDuration = SignedDuration::from_hours(48);

/// Routes in the guardian's table.
#[derive(Clone, Debug)]
pub struct RouteTable {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

fn key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    Item::from([("pk".to_owned(), string(pk)), ("sk".to_owned(), string(sk))])
}

fn at_place(place: &Place) -> String {
    format!("route#{}", place.as_str())
}

fn of_account(account: &AccountId) -> String {
    format!("legs#{account}")
}

fn item(key: Item, now: Timestamp) -> Item {
    let mut item = key;
    item.insert("v".to_owned(), number(SCHEMA_VERSION));
    item.insert("ttl".to_owned(), number(now.as_second().saturating_add(KEPT_SECONDS)));
    item
}

fn json<T: serde::Serialize>(value: &T) -> String {
    // Our own types have no maps with keys that JSON cannot name.
    serde_json::to_string(value).unwrap_or_default()
}

/// The text of an object; of one that is larger than an item, that it could not be kept. Then it is not known.
fn text_of(id: &ObjectId, held: &Held) -> String {
    let text = json(held);
    if text.len() <= LONGEST {
        return text;
    }
    fn too_large<T>(id: &ObjectId) -> Fact<T> {
        id.account().map_or(Fact::NotAsked, |account_id| {
            let detail = Some("larger than an item of the table".to_owned());
            Fact::Gap(Gap { action: "dynamodb:PutItem".to_owned(), account_id, region: None, reason: GapReason::BudgetSpent, detail })
        })
    }
    json(&match held.clone() {
        Held::Key { key, policy, .. } => Held::Key { key, policy, grants: too_large(id) },
        Held::Vault { vault, .. } => Held::Vault { vault, policy: too_large(id) },
        Held::Role { .. } => Held::Role { role: too_large(id) },
        Held::Account { .. } => Held::Account { scps: too_large(id), rcps: too_large(id) },
        held @ Held::Organization { .. } => held,
    })
}

fn delete(key: Item) -> Option<WriteRequest> {
    let delete = DeleteRequest::builder().set_key(Some(key)).build().ok()?;
    Some(WriteRequest::builder().delete_request(delete).build())
}

fn put(item: Item) -> Option<WriteRequest> {
    let put = PutRequest::builder().set_item(Some(item)).build().ok()?;
    Some(WriteRequest::builder().put_request(put).build())
}

impl RouteTable {
    /// Routes in a table with string keys `pk` and `sk`.
    pub fn new(config: &aws_config::SdkConfig, table: impl Into<String>) -> Self {
        Self { client: aws_sdk_dynamodb::Client::new(config), table: table.into() }
    }

    async fn query(&self, pk: String) -> Result<Vec<Item>, PortError> {
        let query = self.client.query().table_name(&self.table).consistent_read(true).key_condition_expression("pk = :pk");
        let mut pages = query.expression_attribute_values(":pk", string(pk)).into_paginator().send();
        let mut items = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error("dynamodb:Query", &error))?;
            items.extend(page.items.unwrap_or_default());
        }
        Ok(items)
    }

    /// The messages that copies will fail which nobody took back, the newest first; after two days the reports of sweeps have what lasts.
    pub async fn standing(&self, now: Timestamp) -> Result<Vec<Alert>, PortError> {
        let mut standing = self.query(FORETOLD.to_owned()).await?;
        standing.retain(|told| read_time(told, "told_at").is_some_and(|at| now.duration_since(at) < STANDS));
        standing.sort_by_key(|told| std::cmp::Reverse(read_time(told, "told_at")));
        Ok(standing.iter().filter_map(|told| serde_json::from_str(read_str(told, "body")?).ok()).collect())
    }

    /// Keeps an object unless it was read later already.
    async fn put_object(&self, id: &ObjectId, held: &Held, at: Timestamp, now: Timestamp) -> Result<(), PortError> {
        let mut object = item(key(at_place(&id.place()), OBJECT), now);
        object.insert("id".to_owned(), string(id.name()));
        object.insert("held".to_owned(), string(text_of(id, held)));
        object.insert("seen_at".to_owned(), millis(at));
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(object))
            .condition_expression("attribute_not_exists(seen_at) OR seen_at < :seen_at")
            .expression_attribute_values(":seen_at", millis(at))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => Ok(()),
            Err(error) => Err(port_error("dynamodb:PutItem", &error)),
        }
    }
}

/// Where a copy is named, so that a write on what decides it finds its account.
fn places(leg: &KeptLeg, objects: &Objects) -> BTreeSet<String> {
    // All copies hang on the organization: there the list of accounts serves.
    let decided = leg.objects(objects).into_iter().filter(|id| *id != ObjectId::Organization);
    decided.map(|id| at_place(&id.place())).collect()
}

/// Where an object is found by the policies that it is made of.
fn named_by_policies(id: &ObjectId, held: &Held, now: Timestamp) -> Vec<WriteRequest> {
    let named = held.policies().into_iter().filter_map(|policy| {
        let mut at_policy = item(key(at_place(&Place::of_policy(&policy)), format!("object#{}", id.name())), now);
        at_policy.insert("id".to_owned(), string(id.name()));
        put(at_policy)
    });
    named.collect()
}

impl RouteMemory for RouteTable {
    async fn at(&self, place: &Place) -> Result<(BTreeSet<ObjectId>, BTreeSet<AccountId>), PortError> {
        let (mut objects, mut accounts) = (BTreeSet::new(), BTreeSet::new());
        for found in self.query(at_place(place)).await? {
            objects.extend(read_str(&found, "id").and_then(ObjectId::named));
            let account = read_str(&found, "sk").and_then(|sk| sk.strip_prefix("account#"));
            accounts.extend(account.and_then(|id| AccountId::parse(id).ok()));
        }
        Ok((objects, accounts))
    }

    async fn accounts(&self) -> Result<BTreeSet<AccountId>, PortError> {
        let items = self.query(ALL.to_owned()).await?;
        Ok(items.iter().filter_map(|item| AccountId::parse(read_str(item, "sk")?).ok()).collect())
    }

    async fn legs(&self, account: &AccountId) -> Result<Vec<KeptLeg>, PortError> {
        let items = self.query(of_account(account)).await?;
        Ok(items.iter().filter_map(|item| serde_json::from_str(read_str(item, "leg")?).ok()).collect())
    }

    async fn objects(&self, ids: &BTreeSet<ObjectId>) -> Result<Objects, PortError> {
        const OPERATION: &str = "dynamodb:BatchGetItem";
        let unreadable = || PortError { operation: OPERATION, code: "request refused by the SDK".to_owned(), retryable: false };
        let by_pk = ids.iter().map(|id| (at_place(&id.place()), id)).collect::<BTreeMap<_, _>>();
        let mut objects = Objects::new();
        for chunk in by_pk.keys().collect::<Vec<_>>().chunks(MOST_KEYS) {
            let wanted = chunk.iter().map(|pk| key(pk.as_str(), OBJECT)).collect();
            let first = KeysAndAttributes::builder().set_keys(Some(wanted)).consistent_read(true).build().map_err(|_| unreadable())?;
            let mut left = Some(first);
            while let Some(request) = left.take() {
                let answer = self.client.batch_get_item().request_items(&self.table, request).send().await;
                let answer = answer.map_err(|error| port_error(OPERATION, &error))?;
                for item in answer.responses().and_then(|tables| tables.get(&self.table)).into_iter().flatten() {
                    let id = read_str(item, "pk").and_then(|pk| by_pk.get(pk));
                    let held = read_str(item, "held").and_then(|text| serde_json::from_str::<Held>(text).ok());
                    objects.extend(id.zip(held).map(|(id, held)| ((*id).clone(), held)));
                }
                // An answer ends at 16 MB: what is left over is asked for again.
                left = answer.unprocessed_keys.unwrap_or_default().remove(&self.table).filter(|request| !request.keys().is_empty());
            }
        }
        Ok(objects)
    }

    async fn claim_telling(&self, id: &ObjectId, now: Timestamp, lease_until: Timestamp) -> Result<bool, PortError> {
        let mut claim = item(key(at_place(&id.place()), TELLING), now);
        claim.insert("lease_until".to_owned(), millis(lease_until));
        let request = self.client.put_item().table_name(&self.table).set_item(Some(claim));
        let request = request.condition_expression("attribute_not_exists(lease_until) OR lease_until < :now");
        match request.expression_attribute_values(":now", millis(now)).send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => Ok(false),
            Err(error) => Err(port_error("dynamodb:PutItem", &error)),
        }
    }

    async fn give_back(&self, id: &ObjectId) -> Result<(), PortError> {
        let request = self.client.delete_item().table_name(&self.table).set_key(Some(key(at_place(&id.place()), TELLING)));
        request.send().await.map(|_| ()).map_err(|error| port_error("dynamodb:DeleteItem", &error))
    }

    async fn foretold(&self, alert: &Alert, now: Timestamp) -> Result<(), PortError> {
        let mut told = item(key(FORETOLD, alert.incident_id.as_str()), now);
        told.insert("body".to_owned(), string(json(alert)));
        told.insert("told_at".to_owned(), millis(now));
        let request = self.client.put_item().table_name(&self.table).set_item(Some(told));
        request.send().await.map(|_| ()).map_err(|error| port_error("dynamodb:PutItem", &error))
    }

    async fn over(&self, prediction: &IncidentId) -> Result<(), PortError> {
        let request = self.client.delete_item().table_name(&self.table).set_key(Some(key(FORETOLD, prediction.as_str())));
        request.send().await.map(|_| ()).map_err(|error| port_error("dynamodb:DeleteItem", &error))
    }

    async fn learn(&self, id: &ObjectId, held: &Held, at: Timestamp, now: Timestamp) -> Result<(), PortError> {
        // It may have got policies since the sweep, whose writes concern it from now on.
        batch::write(&self.client, &self.table, named_by_policies(id, held, now)).await?;
        self.put_object(id, held, at, now).await?;
        self.give_back(id).await
    }

    async fn keep(&self, account: &AccountId, kept: &KeptRoutes, at: Timestamp, now: Timestamp) -> Result<(), PortError> {
        let pk = of_account(account);
        let before = self.query(pk.clone()).await?;
        let mut named = BTreeSet::new();
        let mut writes = Vec::new();
        let mut ids = BTreeSet::new();
        for leg in &kept.legs {
            let id = leg.id();
            let places = places(leg, &kept.objects);
            let mut leg_item = item(key(&pk, format!("leg#{}", id.as_str())), now);
            leg_item.insert("leg".to_owned(), string(json(leg)));
            leg_item.insert("places".to_owned(), string(json(&places)));
            writes.extend(put(leg_item));
            named.extend(places);
            ids.insert(format!("leg#{}", id.as_str()));
        }
        // What was not seen this time may be there all the same, and so are its objects.
        let kept_before = |leg: &&Item| !kept.complete && read_str(leg, "sk").is_some_and(|sk| !ids.contains(sk));
        let places_of =
            |leg: &Item| serde_json::from_str::<BTreeSet<String>>(read_str(leg, "places").unwrap_or_default()).unwrap_or_default();
        let still = before.iter().filter(kept_before).flat_map(places_of).collect::<BTreeSet<_>>();
        for pk in &named {
            writes.extend(put(item(key(pk, format!("account#{account}")), now)));
        }
        if !ids.is_empty() {
            writes.extend(put(item(key(ALL, account.as_str()), now)));
        } else if kept.complete {
            writes.extend(delete(key(ALL, account.as_str())));
        }
        for (id, held) in kept.objects.iter().filter(|(id, _)| !kept.kept_already.contains(id)) {
            self.put_object(id, held, at, now).await?;
            writes.extend(named_by_policies(id, held, now));
        }
        if kept.complete {
            for gone in before.iter().filter(|leg| read_str(leg, "sk").is_some_and(|sk| !ids.contains(sk))) {
                writes.extend(read_str(gone, "sk").and_then(|sk| delete(key(&pk, sk))));
            }
            let left = before.iter().flat_map(places_of).filter(|place| !named.contains(place) && !still.contains(place));
            for place in left.collect::<BTreeSet<_>>() {
                writes.extend(delete(key(place, format!("account#{account}"))));
            }
        }
        batch::write(&self.client, &self.table, writes).await
    }
}
