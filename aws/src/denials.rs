//! Denials that arrived as CloudTrail events, kept in DynamoDB until a job needs them.
//!
//! Item: `pk` = `denial#<account>#<region>#<role name>`, `sk` = `<time>#<event id>#<action>`, `v`, `denial` (the denial as JSON), `ttl` (s).
//! DynamoDB removes expired items late, so the expiry is compared here too.

use std::time::Duration;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{Change, Denial, Fact, Gap, GapReason, Search, SearchEnd};
use guardian_core::ports::{DenialQuery, DenialStore, PortError};
use guardian_core::tamper::log_name;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::batch;
use crate::changes;
use crate::classify::reason_of;
use crate::convert::{gap, known};
use crate::item::{Item, SCHEMA_VERSION, number, read_number, read_str, string};

/// How long a denial is kept: far longer than any job runs.
const KEPT: Duration = Duration::from_secs(14 * 24 * 3600);
/// Pages read for one query; a page holds up to 1 MB.
const MAX_PAGES: u32 = 5;

/// Denials in their own table.
#[derive(Clone, Debug)]
pub struct DenialTable {
    client: aws_sdk_dynamodb::Client,
    table: String,
    /// Account and Region of the table, as far as they are known: a gap names where the table is, not whose denials were looked for.
    account: Option<AccountId>,
    region: Option<Region>,
}

impl DenialTable {
    /// Denials in a table with string keys `pk` and `sk`.
    pub fn new(config: &aws_config::SdkConfig, table: impl Into<String>) -> Self {
        let region = config.region().and_then(|region| Region::parse(region.as_ref()).ok());
        Self { client: aws_sdk_dynamodb::Client::new(config), table: table.into(), account: None, region }
    }

    /// Says whose the table is, so that a gap can name the account in which something must be done about it.
    #[must_use]
    pub fn of_account(self, account: Option<AccountId>) -> Self {
        Self { account, ..self }
    }

    fn gap(&self, query: &DenialQuery, reason: GapReason, detail: impl Into<Option<String>>) -> Gap {
        let account = self.account.as_ref().unwrap_or(&query.account_id);
        gap("dynamodb:Query", account, self.region.as_ref().unwrap_or(&query.region), reason, detail)
    }
}

/// Times as sort keys: fixed width, so that text order is time order.
fn sort_time(time: Timestamp) -> String {
    format!("{time:.3}")
}

fn item_of(denial: &Denial) -> Option<Item> {
    let role = denial.role_name()?;
    let action = denial.action.clone().unwrap_or_else(|| denial.event_name.clone());
    let json = serde_json::to_string(denial).ok()?;
    Some(Item::from([
        ("pk".to_owned(), string(format!("denial#{}#{}#{role}", denial.recorded_in, denial.region))),
        ("sk".to_owned(), string(format!("{}#{}#{action}", sort_time(denial.event_time), denial.event_id))),
        ("v".to_owned(), number(SCHEMA_VERSION)),
        ("denial".to_owned(), string(json)),
        ("ttl".to_owned(), number(denial.event_time.as_second().saturating_add_unsigned(KEPT.as_secs()))),
    ]))
}

impl DenialTable {
    /// A page of the writes that are kept of an object, newest first: far more than happen to an object in days.
    async fn read_changes(&self, object: &Arn, from: Timestamp, until: Timestamp) -> Result<Vec<Change>, (GapReason, String)> {
        let request = self
            .client
            .query()
            .table_name(&self.table)
            .scan_index_forward(false)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :until")
            .projection_expression("#change")
            .expression_attribute_names("#change", "change")
            .expression_attribute_values(":pk", string(changes::partition(&log_name(object))))
            .expression_attribute_values(":from", string(sort_time(from)))
            .expression_attribute_values(":until", string(format!("{}~", sort_time(until))));
        let answer = request.send().await.map_err(|error| reason_of(&error))?;
        let read = |item: &Item| {
            let change = serde_json::from_str::<Change>(read_str(item, "change")?).ok()?;
            // What was done to a recovery point is kept with its vault, too; and what was made then is no change of it.
            let of_it = change.resource_arn.as_ref().is_none_or(|arn| log_name(arn) == log_name(object));
            let made = change.action.contains(":Create") && !change.action.ends_with("Version");
            // A call names a role without its path.
            (of_it && !made).then(|| Change { resource_arn: Some(object.clone()), ..change })
        };
        Ok(answer.items().iter().filter_map(read).collect())
    }
}

impl DenialStore for DenialTable {
    async fn changes(&self, object: &Arn, from: Timestamp, until: Timestamp) -> Fact<Vec<Change>> {
        match (self.read_changes(object, from, until).await, object.account().or_else(|| self.account.clone()), &self.region) {
            (Ok(changes), ..) => known(changes, "dynamodb:Query"),
            (Err((reason, detail)), Some(account), Some(region)) => {
                let account = self.account.as_ref().unwrap_or(&account);
                Fact::Gap(gap("dynamodb:Query", account, region, reason, detail))
            }
            (Err(_), ..) => Fact::NotAsked,
        }
    }

    async fn keep(&self, denials: &[Denial]) -> Result<(), PortError> {
        let items = denials.iter().filter_map(item_of).collect::<Vec<_>>();
        // One batch may not hold the same key twice.
        let mut seen = std::collections::BTreeSet::new();
        let writes = items
            .iter()
            .filter(|item| seen.insert((read_str(item, "pk").unwrap_or_default(), read_str(item, "sk").unwrap_or_default())))
            .filter_map(|item| PutRequest::builder().set_item(Some(item.clone())).build().ok())
            .map(|put| WriteRequest::builder().put_request(put).build());
        batch::write(&self.client, &self.table, writes.collect()).await
    }

    async fn find(&self, query: &DenialQuery) -> (Vec<Denial>, Search) {
        let now = Timestamp::now().as_second();
        let end = Instant::now() + query.patience;
        let mut search = Search {
            source: "push".to_owned(),
            account_id: query.account_id.clone(),
            region: query.region.clone(),
            from: query.from,
            until: query.until,
            calls: 0,
            records: 0,
            end: SearchEnd::Complete,
            gap: None,
        };
        let mut denials = Vec::new();
        let mut next = None;
        loop {
            search.calls += 1;
            let request = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :until")
                .expression_attribute_values(":pk", string(format!("denial#{}#{}#{}", query.account_id, query.region, query.role_name)))
                .expression_attribute_values(":from", string(sort_time(query.from)))
                // `~` sorts after every character of an event id.
                .expression_attribute_values(":until", string(format!("{}~", sort_time(query.until))))
                .set_exclusive_start_key(next);
            let answer = match tokio::time::timeout_at(end, request.send()).await {
                Ok(answer) => answer,
                Err(_) => {
                    search.end = if search.records == 0 { SearchEnd::Failed } else { SearchEnd::Partial };
                    search.gap = Some(self.gap(query, GapReason::TimedOut, None));
                    return (denials, search);
                }
            };
            match answer {
                Ok(answer) => {
                    for item in answer.items() {
                        search.records += 1;
                        if read_number(item, "ttl").is_some_and(|ttl| ttl <= now) {
                            continue;
                        }
                        if let Some(denial) = read_str(item, "denial").and_then(|json| serde_json::from_str(json).ok()) {
                            denials.push(denial);
                        }
                    }
                    next = answer.last_evaluated_key;
                    if next.is_none() || search.calls >= MAX_PAGES {
                        if next.is_some() {
                            search.end = SearchEnd::Partial;
                        }
                        return (denials, search);
                    }
                }
                Err(error) => {
                    let (reason, detail) = reason_of(&error);
                    search.end = if search.calls == 1 { SearchEnd::Failed } else { SearchEnd::Partial };
                    search.gap = Some(self.gap(query, reason, detail));
                    return (denials, search);
                }
            }
        }
    }
}
