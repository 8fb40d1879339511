//! Incidents over DynamoDB: a head item, and one item per job, because an item holds 400 KB and an incident may hold any number of jobs.
//!
//! The core decides; here a decision is written in one transaction on the condition that the head is still what it was when it was read. Who
//! was overtaken reads again. [`items`] has the schema.

mod deeds;
mod items;
mod keeper;
mod pace;
mod recovery;

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Delete, KeysAndAttributes, Put, TransactWriteItem};
use guardian_core::event::JobKey;
use guardian_core::incident::{self, Failure, Incident, IncidentId, Lane, Moment, Standing, View};
use guardian_core::ports::{Claim, Claims, Happened, Incidents, PortError};
use guardian_core::report::Alert;
use guardian_core::tamper::Deed;
use jiff::{SignedDuration, Timestamp};

use crate::ClaimTable;
use crate::classify::port_error;
use crate::item::{Item, millis, number, read_number, read_str, read_time, string};
use items::{Seen, expiring, head_key, item, json, key, of_incident, read_head, read_json, write_head};

const READ: &str = "dynamodb:BatchGetItem";
const WRITE: &str = "dynamodb:TransactWriteItems";
/// So long after a diagnosis the next jobs of the same lane and text are taken for the same. After that one of them is diagnosed again, because
/// the cause may be another by then.
const FAMILIAR: SignedDuration = SignedDuration::from_mins(30);
/// How often somebody else may be faster.
const ATTEMPTS: u32 = 12;

/// The guardian's table: claims, incidents and the pace.
#[derive(Clone, Debug)]
pub struct WorkTable {
    client: aws_sdk_dynamodb::Client,
    table: String,
    claims: ClaimTable,
}

/// Which items of an incident a change is about.
#[derive(Clone, Copy)]
struct Place<'a> {
    id: &'a IncidentId,
    lane: Option<(&'a Lane, &'a str)>,
    job: Option<&'a JobKey>,
    deed: Option<&'a Deed>,
}

/// What was read, and what it must still be when it is written.
struct Read {
    view: View,
    seen: Seen,
}

fn lane_key(id: &IncidentId, lane: &Lane) -> Item {
    key(of_incident(id), format!("lane#{}", lane.id()))
}

fn member_key(id: &IncidentId, lane: &Lane, resource: &str) -> Item {
    key(of_incident(id), format!("member#{}#{}", lane.id(), incident::name_of(resource)))
}

fn job_key(id: &IncidentId, job: &JobKey) -> Item {
    key(of_incident(id), format!("job#{}#{}#{}#{}", job.account, job.region, job.job_type.as_str(), job.job_id.as_str()))
}

fn alias_key(id: &IncidentId) -> Item {
    key(format!("alias#{id}"), "alias")
}

fn same_key(item: &Item, key: &Item) -> bool {
    read_str(item, "pk") == read_str(key, "pk") && read_str(item, "sk") == read_str(key, "sk")
}

fn incomplete(_: aws_sdk_dynamodb::error::BuildError) -> PortError {
    PortError { operation: WRITE, code: "incomplete request".to_owned(), retryable: false }
}

/// How a write ended.
enum Written {
    Done,
    Overtaken,
}

impl WorkTable {
    /// A table with string keys `pk` and `sk`.
    pub fn new(config: &aws_config::SdkConfig, table: impl Into<String>) -> Self {
        let table = table.into();
        Self { client: aws_sdk_dynamodb::Client::new(config), claims: ClaimTable::new(config, table.clone()), table }
    }

    /// Reads some items, strongly consistent.
    async fn read(&self, keys: Vec<Item>) -> Result<Vec<Item>, PortError> {
        let mut found = Vec::new();
        let mut left = keys;
        for attempt in 0u32..4 {
            let wanted = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true).build().map_err(incomplete)?;
            let answer =
                self.client.batch_get_item().request_items(&self.table, wanted).send().await.map_err(|error| port_error(READ, &error))?;
            found.extend(answer.responses.unwrap_or_default().remove(&self.table).unwrap_or_default());
            left = answer.unprocessed_keys.unwrap_or_default().remove(&self.table).map(|rest| rest.keys).unwrap_or_default();
            if left.is_empty() {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(40 << attempt)).await;
        }
        Err(PortError { operation: READ, code: "UnprocessedKeys".to_owned(), retryable: true })
    }

    async fn view(&self, place: Place<'_>) -> Result<Read, PortError> {
        let Place { id, lane, job, deed } = place;
        let lane_at = lane.map(|(lane, _)| lane_key(id, lane));
        let member_at = lane.map(|(lane, resource)| member_key(id, lane, resource));
        let job_at = job.map(|job| job_key(id, job)).or_else(|| deed.map(|deed| deeds::deed_key(id, deed)));
        let head_at = head_key(id);
        let keys = [Some(&head_at), lane_at.as_ref(), member_at.as_ref(), job_at.as_ref()].into_iter().flatten().cloned().collect();
        let items = self.read(keys).await?;
        let find = |key: Option<&Item>| items.iter().find(|item| key.is_some_and(|key| same_key(item, key)));
        let (incident, seen) = find(Some(&head_at)).map(|head| read_head(id, head)).unwrap_or_default();
        let view = View {
            incident,
            lane: find(lane_at.as_ref()).and_then(|item| read_json(item, "state")),
            member: find(member_at.as_ref()).and_then(|item| read_json(item, "state")),
            // A job of the first release belongs to the first opening.
            job_counted: find(job_at.as_ref())
                .map(|item| read_number(item, "opening").and_then(|opening| u32::try_from(opening).ok()).unwrap_or(1)),
        };
        Ok(Read { view, seen })
    }

    fn put(&self, item: Item) -> Result<TransactWriteItem, PortError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build().map_err(incomplete)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn delete(&self, key: Item) -> Result<TransactWriteItem, PortError> {
        let delete = Delete::builder().table_name(&self.table).set_key(Some(key)).build().map_err(incomplete)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// The head, on the condition that it is what it was.
    fn put_head(&self, incident: &Incident, seen: &Seen) -> Result<TransactWriteItem, PortError> {
        let (condition, values) = seen.condition();
        let mut put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(write_head(incident, seen.next_revision())))
            .condition_expression(condition);
        for (name, value) in values {
            put = put.expression_attribute_values(name, value);
        }
        Ok(TransactWriteItem::builder().put(put.build().map_err(incomplete)?).build())
    }

    async fn write(&self, items: Vec<TransactWriteItem>) -> Result<Written, PortError> {
        let error = match self.client.transact_write_items().set_transact_items(Some(items)).send().await {
            Ok(_) => return Ok(Written::Done),
            Err(error) => error,
        };
        let overtaken = match &error {
            SdkError::ServiceError(service) => match service.err() {
                TransactWriteItemsError::TransactionCanceledException(cancelled) => cancelled
                    .cancellation_reasons()
                    .iter()
                    .filter_map(|reason| reason.code())
                    .any(|code| code == "ConditionalCheckFailed" || code == "TransactionConflict"),
                TransactWriteItemsError::TransactionInProgressException(_) => true,
                _ => false,
            },
            _ => false,
        };
        if overtaken { Ok(Written::Overtaken) } else { Err(port_error(WRITE, &error)) }
    }

    /// Reads, decides, writes; again where somebody was faster. `decide` says what it becomes, or that nothing changes.
    async fn change<T>(
        &self,
        place: Place<'_>,
        now: Timestamp,
        decide: impl Fn(View) -> Option<(View, T)>,
    ) -> Result<Option<(View, T)>, PortError> {
        for attempt in 0..ATTEMPTS {
            let read = self.view(place).await?;
            let before = read.view.clone();
            let Some((view, answer)) = decide(read.view) else { return Ok(None) };
            if view == before {
                return Ok(Some((view, answer)));
            }
            let items = self.items_of(place, &before, &view, &read.seen, now)?;
            match self.write(items).await? {
                Written::Done => return Ok(Some((view, answer))),
                Written::Overtaken => tokio::time::sleep(backoff(attempt, place.id)).await,
            }
        }
        Err(PortError { operation: WRITE, code: "TransactionConflict".to_owned(), retryable: true })
    }

    /// The items that differ.
    fn items_of(
        &self,
        place: Place<'_>,
        before: &View,
        view: &View,
        seen: &Seen,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, PortError> {
        let Some(incident) = &view.incident else { return Ok(Vec::new()) };
        let id = &incident.id;
        let mut items = vec![self.put_head(incident, seen)?];
        let was = before.incident.as_ref();
        if was.is_none_or(|was| was.is_open() != incident.is_open()) {
            items.push(if incident.is_open() {
                self.put(item(key("open", id.as_str()), [("at", millis(incident.opened_at))]))?
            } else {
                self.delete(key("open", id.as_str()))?
            });
        }
        if was.is_some_and(|was| was.deferred) != incident.deferred {
            items.push(if incident.deferred {
                self.put(item(key("digest", id.as_str()), [("at", millis(now))]))?
            } else {
                self.delete(key("digest", id.as_str()))?
            });
        }
        if let (Some(state), Some((lane, _))) = (&view.lane, place.lane)
            && before.lane.as_ref() != Some(state)
        {
            items.push(self.put(expiring(item(lane_key(id, lane), [("state", json(state))]), now))?);
            let listed = key(format!("lanes#{}", lane.route_id()), format!("{id}#{}", lane.id()));
            let was_listed = before.lane.as_ref().is_some_and(|lane| lane.opening == state.opening);
            if !was_listed {
                let attributes = [("lane", json(lane)), ("incident", string(id.as_str())), ("opening", number(state.opening))];
                items.push(self.put(expiring(item(listed, attributes), now))?);
            }
        }
        if let (Some(state), Some((lane, resource))) = (&view.member, place.lane)
            && before.member.as_ref() != Some(state)
        {
            items.push(self.put(expiring(item(member_key(id, lane, resource), [("state", json(state))]), now))?);
        }
        if let (Some(opening), Some(deed)) = (view.job_counted, place.deed)
            && before.job_counted != Some(opening)
        {
            let attributes = [("body", json(deed)), ("at", millis(now)), ("opening", number(opening))];
            items.push(self.put(expiring(item(deeds::deed_key(id, deed), attributes), now))?);
        }
        if let (Some(opening), Some(job)) = (view.job_counted, place.job)
            && before.job_counted != Some(opening)
        {
            let attributes = [("state", string(job.state.as_str())), ("at", millis(now)), ("opening", number(opening))];
            items.push(self.put(expiring(item(job_key(id, job), attributes), now))?);
        }
        Ok(items)
    }

    /// The incidents behind some names: by their alias, else under the name itself.
    async fn behind<const N: usize>(&self, names: [&IncidentId; N]) -> Result<[Option<Incident>; N], PortError> {
        let mut keys = names.iter().flat_map(|name| [alias_key(name), head_key(name)]).collect::<Vec<_>>();
        keys.sort_by_key(|key| (read_str(key, "pk").map(str::to_owned), read_str(key, "sk").map(str::to_owned)));
        keys.dedup_by(|a, b| same_key(a, b));
        let items = self.read(keys).await?;
        let find = |key: Item| items.iter().find(|item| same_key(item, &key));
        let mut found = names.map(|_| None);
        for (place, name) in found.iter_mut().zip(names) {
            let alias = find(alias_key(name)).and_then(|item| read_str(item, "incident")).map(IncidentId::from_kept);
            *place = match alias.filter(|id| id != name) {
                Some(id) => match find(head_key(&id)) {
                    Some(head) => read_head(&id, head).0,
                    None => self.view(Place { id: &id, lane: None, job: None, deed: None }).await?.view.incident,
                },
                None => find(head_key(name)).and_then(|head| read_head(name, head).0),
            };
        }
        Ok(found)
    }

    /// Lets names stand for an incident, and for a while spares further jobs of that name a diagnosis. The last one wins: a name that leads
    /// elsewhere for a moment costs a second message, never one too few.
    async fn name(&self, names: &[&IncidentId], id: &IncidentId, now: Timestamp) -> Result<(), PortError> {
        for name in names {
            let until = now.checked_add(FAMILIAR).unwrap_or(Timestamp::MAX);
            let attributes = [("incident", string(id.as_str())), ("familiar_until", millis(until))];
            self.client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(expiring(item(alias_key(name), attributes), now)))
                .send()
                .await
                .map_err(|error| port_error("dynamodb:PutItem", &error))?;
        }
        Ok(())
    }
}

impl WorkTable {
    /// Keeps the machine form of a message for those that follow.
    async fn keep_alert(&self, id: &IncidentId, alert: &Alert, now: Timestamp) -> Result<(), PortError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(expiring(item(key(of_incident(id), "alert"), [("body", json(alert))]), now)))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| port_error("dynamodb:PutItem", &error))
    }
}

/// Longer after each attempt, and not the same for all.
fn backoff(attempt: u32, id: &IncidentId) -> Duration {
    let spread = id.as_str().bytes().fold(std::process::id(), |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    Duration::from_millis((20u64 << attempt.min(5)) + u64::from(spread.wrapping_add(attempt.wrapping_mul(7919)) % 37))
}

fn happened((view, due): (View, incident::Due)) -> Option<Happened> {
    view.incident.map(|incident| Happened { incident, due })
}

impl Claims for WorkTable {
    async fn claim(&self, key: &JobKey, now: Timestamp, lease_until: Timestamp) -> Result<Claim, PortError> {
        self.claims.claim(key, now, lease_until).await
    }

    async fn done(&self, key: &JobKey, now: Timestamp) -> Result<(), PortError> {
        self.claims.done(key, now).await
    }

    async fn release(&self, key: &JobKey, lease_until: Timestamp) -> Result<(), PortError> {
        self.claims.release(key, lease_until).await
    }
}

impl Incidents for WorkTable {
    async fn known(&self, provisional: &IncidentId, now: Timestamp) -> Result<Option<Incident>, PortError> {
        let Some(alias) = self.read(vec![alias_key(provisional)]).await?.pop() else { return Ok(None) };
        let Some(id) = read_str(&alias, "incident").map(IncidentId::from_kept) else { return Ok(None) };
        if read_time(&alias, "familiar_until").is_none_or(|until| until <= now) {
            return Ok(None);
        }
        let found = self.view(Place { id: &id, lane: None, job: None, deed: None }).await?.view.incident;
        Ok(found.filter(|incident| incident.is_open() && incident.told.is_some()))
    }

    async fn join(&self, failure: &Failure, moment: &Moment) -> Result<Happened, PortError> {
        let [identity, provisional] = match failure.diagnosed {
            true => self.behind([&failure.identity, &failure.provisional]).await?,
            // It was taken for one of that incident, which needs no looking up.
            false => [None, None],
        };
        let id = incident::choose(identity.as_ref(), provisional.as_ref(), failure).unwrap_or_else(|| failure.identity.clone());
        let place = Place { id: &id, lane: Some((&failure.lane, &failure.resource)), job: Some(&failure.job), deed: None };
        let answer = self.change(place, moment.now, |view| Some(incident::failed(view, failure, &id, moment))).await?;
        if failure.diagnosed {
            let elsewhere = identity.is_none_or(|found| found.id != id) && failure.identity != id;
            let names = [Some(&failure.provisional), elsewhere.then_some(&failure.identity)];
            self.name(&names.into_iter().flatten().collect::<Vec<_>>(), &id, moment.now).await?;
        }
        answer.and_then(happened).ok_or_else(|| PortError { operation: WRITE, code: "incomplete answer".to_owned(), retryable: false })
    }

    async fn told(&self, id: &IncidentId, alert: &Alert, standing: Option<&Standing>, now: Timestamp) -> Result<(), PortError> {
        // First what those that follow are made of: an incident that counts as told and has no message could never be told to be over.
        self.keep_alert(id, alert, now).await?;
        let place = Place { id, lane: None, job: None, deed: None };
        self.change(place, now, |view| told(view, alert, standing, now)).await.map(|_| ())
    }

    async fn not_told(&self, id: &IncidentId, lease_until: Timestamp) -> Result<(), PortError> {
        let place = Place { id, lane: None, job: None, deed: None };
        let release = |view: View| {
            let incident = view.incident.map(|incident| incident::not_told(incident, lease_until))?;
            Some((View { incident: Some(incident), ..View::default() }, ()))
        };
        self.change(place, lease_until, release).await.map(|_| ())
    }

    async fn defer(&self, id: &IncidentId, alert: &Alert, lease_until: Timestamp) -> Result<(), PortError> {
        self.keep_alert(id, alert, lease_until).await?;
        let place = Place { id, lane: None, job: None, deed: None };
        let defer = |view: View| {
            let incident = view.incident.map(|incident| incident::deferred(incident, lease_until))?;
            Some((View { incident: Some(incident), ..View::default() }, ()))
        };
        self.change(place, lease_until, defer).await.map(|_| ())
    }
}

/// A message of an incident that the table never saw, because it was down then, opens it.
fn told(view: View, alert: &Alert, standing: Option<&Standing>, now: Timestamp) -> Option<(View, ())> {
    let incident = view.incident.unwrap_or_else(|| Incident::unseen(alert.incident_id.clone(), now));
    let mut incident = incident::told(incident, alert.kind, standing, now);
    if let Some(burst) = &mut incident.burst {
        // What was done while the message was on its way is in none yet, nor what had no room in it.
        burst.told_of(alert.event_ids(), alert.severity);
    }
    Some((View { incident: Some(incident), ..View::default() }, ()))
}
