//! Denials and changes from CloudTrail's event history.
//!
//! `LookupEvents` takes exactly one attribute per call, answers newest first in pages of 50, allows 2 calls per second per account and Region,
//! and hides error code and message in a JSON string
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>). So a search is a list of attributes, most selective
//! first; everything else is filtered here, and every call counts against the budget, the retries too.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::cloudtrail::Record;
use guardian_core::evidence::{Change, Denial, Fact, Gap, GapReason, Search, SearchEnd};
use guardian_core::ports::{DenialQuery, TrailReader};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::classify::reason_of;
use crate::convert::{date_time, gap, known};
use crate::session::{Clients, Cloud};

const ACTION: &str = "cloudtrail:LookupEvents";

/// Event names to fall back to where a search by session name finds no record at all, most telling first.
const KMS_EVENTS: [&str; 5] = ["CreateGrant", "ReEncrypt", "GenerateDataKeyWithoutPlaintext", "Decrypt", "DescribeKey"];

/// Why a search stopped early.
enum Stop {
    Deadline,
    Budget,
    Failed(GapReason, String),
}

/// One search in the event history of an account and Region, inside its budget and its time.
struct Hunt<'a> {
    cloud: &'a Cloud,
    clients: Clients,
    account: &'a AccountId,
    region: &'a Region,
    from: Timestamp,
    until: Timestamp,
    deadline: Instant,
    budget: u32,
    calls: u32,
    records: u32,
    unreadable: u32,
}

impl<'a> Hunt<'a> {
    async fn new(
        cloud: &'a Cloud,
        (account, region): (&'a AccountId, &'a Region),
        (from, until): (Timestamp, Timestamp),
        budget: u32,
        patience: Duration,
    ) -> Result<Hunt<'a>, Gap> {
        let deadline = Instant::now() + patience;
        let clients = match tokio::time::timeout_at(deadline, cloud.clients(account, region)).await {
            Ok(clients) => clients?,
            Err(_) => return Err(gap("sts:AssumeRole", account, region, GapReason::TimedOut, None)),
        };
        Ok(Hunt { cloud, clients, account, region, from, until, deadline, budget, calls: 0, records: 0, unreadable: 0 })
    }

    /// One page: its records and the token of the next.
    async fn page(&mut self, attribute: &LookupAttribute, token: Option<&str>) -> Result<(Vec<Record>, Option<String>), Stop> {
        let mut failures = 0u32;
        loop {
            if self.calls >= self.budget {
                return Err(Stop::Budget);
            }
            if !self.cloud.turn(self.account, self.region, self.deadline).await {
                return Err(Stop::Deadline);
            }
            self.calls += 1;
            let request = self
                .clients
                .trail
                .lookup_events()
                .lookup_attributes(attribute.clone())
                .start_time(date_time(self.from))
                .end_time(date_time(self.until))
                .max_results(50)
                .set_next_token(token.map(str::to_owned));
            let Ok(answer) = tokio::time::timeout_at(self.deadline, request.send()).await else {
                return Err(Stop::Deadline);
            };
            match answer {
                Ok(answer) => {
                    let mut records = Vec::new();
                    for event in answer.events() {
                        self.records += 1;
                        let value = event.cloud_trail_event().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
                        match value.and_then(|value| Record::parse(&value).ok()) {
                            Some(record) => records.push(record),
                            None => self.unreadable += 1,
                        }
                    }
                    return Ok((records, answer.next_token.filter(|next| !next.is_empty())));
                }
                Err(error) => {
                    let (reason, detail) = reason_of(&error);
                    let passing = matches!(reason, GapReason::Throttled | GapReason::Unavailable | GapReason::TimedOut);
                    failures += 1;
                    if !passing || failures > 2 {
                        return Err(Stop::Failed(reason, detail));
                    }
                    // Somebody else may be using up the account's two calls per second: step aside for a moment.
                    let pause = Instant::now() + Duration::from_millis(350) * failures;
                    if pause >= self.deadline {
                        return Err(Stop::Failed(reason, detail));
                    }
                    tokio::time::sleep_until(pause).await;
                }
            }
        }
    }

    /// All records of one attribute, page by page, until `enough` says so.
    async fn read(&mut self, key: LookupAttributeKey, value: &str, mut each: impl FnMut(&Record) -> bool) -> Result<Enough, Stop> {
        let Ok(attribute) = LookupAttribute::builder().attribute_key(key).attribute_value(value).build() else {
            return Err(Stop::Failed(GapReason::Unreadable, "incomplete request".to_owned()));
        };
        let mut token: Option<String> = None;
        loop {
            let (records, next) = self.page(&attribute, token.as_deref()).await?;
            let mut enough = false;
            for record in &records {
                enough |= each(record);
            }
            if enough {
                return Ok(Enough::Yes);
            }
            match next {
                // A token that comes back unchanged would be followed for ever.
                Some(next) if token.as_ref() == Some(&next) => {
                    return Err(Stop::Failed(GapReason::Unreadable, "the same page token twice".to_owned()));
                }
                Some(next) => token = Some(next),
                None => return Ok(Enough::No),
            }
        }
    }

    fn gap_of(&self, stop: Stop) -> Gap {
        match stop {
            Stop::Deadline => gap(ACTION, self.account, self.region, GapReason::TimedOut, None),
            Stop::Budget => gap(ACTION, self.account, self.region, GapReason::BudgetSpent, format!("{} calls", self.calls)),
            Stop::Failed(reason, detail) => gap(ACTION, self.account, self.region, reason, detail),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Enough {
    Yes,
    No,
}

/// The denials found so far, each once.
struct Found<'q> {
    query: &'q DenialQuery,
    seen: BTreeSet<(String, Option<String>)>,
    denials: Vec<Denial>,
}

impl Found<'_> {
    /// Takes the denials of a record; `true` where one names the object of the job.
    fn take(&mut self, record: &Record) -> bool {
        let mut exact = false;
        for denial in record.denial() {
            let in_window = self.query.from <= denial.event_time && denial.event_time <= self.query.until;
            let same_role = denial.role_name().is_some_and(|role| role == self.query.role_name);
            if !in_window || !same_role {
                continue;
            }
            exact |= self.query.object.is_some() && denial.resource == self.query.object;
            if self.seen.insert((denial.event_id.clone(), denial.action.clone())) {
                self.denials.push(denial);
            }
        }
        exact
    }
}

/// The attributes of a search, in order.
fn plan(query: &DenialQuery) -> Vec<(LookupAttributeKey, String)> {
    // Session name of AWS Backup, as seen in the field: `AWSBackup-<role name>`.
    let session = (LookupAttributeKey::Username, format!("AWSBackup-{}", query.role_name));
    let names = |names: &[&str]| names.iter().map(|name| (LookupAttributeKey::EventName, (*name).to_owned())).collect::<Vec<_>>();
    if query.event_names.is_empty() {
        [vec![session], names(&KMS_EVENTS)].concat()
    } else {
        // Where every copy uses the same session name it selects nothing, so it comes last.
        [names(&query.event_names), vec![session]].concat()
    }
}

impl TrailReader for Cloud {
    async fn denials(&self, query: &DenialQuery, budget: u32) -> (Vec<Denial>, Search) {
        let mut search = Search {
            source: "lookup-events".to_owned(),
            account_id: query.account_id.clone(),
            region: query.region.clone(),
            from: query.from,
            until: query.until,
            calls: 0,
            records: 0,
            end: SearchEnd::Failed,
            gap: None,
        };
        let place = (&query.account_id, &query.region);
        let mut hunt = match Hunt::new(self, place, (query.from, query.until), budget, query.patience).await {
            Ok(hunt) => hunt,
            Err(gap) => {
                search.gap = Some(gap);
                return (Vec::new(), search);
            }
        };
        let mut found = Found { query, seen: BTreeSet::new(), denials: Vec::new() };
        let mut stop = None;
        let mut attributes_read = 0u32;
        for (key, value) in plan(query) {
            let before = hunt.records;
            match hunt.read(key.clone(), &value, |record| found.take(record)).await {
                Ok(enough) => {
                    attributes_read += 1;
                    let session_name_works = key == LookupAttributeKey::Username && hunt.records > before;
                    if enough == Enough::Yes || session_name_works || (query.object.is_none() && !found.denials.is_empty()) {
                        break;
                    }
                }
                Err(why) => {
                    stop = Some(why);
                    break;
                }
            }
        }
        search.end = match (&stop, attributes_read, hunt.records) {
            (None, ..) => SearchEnd::Complete,
            (Some(_), 0, 0) => SearchEnd::Failed,
            (Some(_), ..) => SearchEnd::Partial,
        };
        search.gap = stop.map(|stop| hunt.gap_of(stop));
        if hunt.unreadable > 0 && search.gap.is_none() {
            search.end = SearchEnd::Partial;
            search.gap = Some(gap(
                ACTION,
                &query.account_id,
                &query.region,
                GapReason::Unreadable,
                format!("{} of {} records", hunt.unreadable, hunt.records),
            ));
        }
        (search.calls, search.records) = (hunt.calls, hunt.records);
        (found.denials, search)
    }

    async fn changes(&self, object: &Arn, from: Timestamp, until: Timestamp, budget: u32, patience: Duration) -> Fact<Vec<Change>> {
        let (Some(account), Some(region)) = (object.account(), object.region()) else { return Fact::NotAsked };
        let mut hunt = match Hunt::new(self, (&account, &region), (from, until), budget, patience).await {
            Ok(hunt) => hunt,
            Err(gap) => return Fact::Gap(gap),
        };
        let mut changes: Vec<Change> = Vec::new();
        // Key management events carry the ARN or the bare id of the key as resource name.
        for name in [object.as_str(), object.resource_name()] {
            let outcome = hunt
                .read(LookupAttributeKey::ResourceName, name, |record| {
                    if let Some(change) = record.change()
                        && !changes.iter().any(|known| known.event_id == change.event_id)
                    {
                        changes.push(change);
                    }
                    false
                })
                .await;
            match outcome {
                Ok(_) if changes.is_empty() => {}
                Ok(_) => break,
                Err(stop) => return Fact::Gap(hunt.gap_of(stop)),
            }
        }
        changes.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.event_id.cmp(&b.event_id)));
        known(changes, ACTION)
    }
}
