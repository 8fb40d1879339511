//! Writes on what backups rest on, kept per object in the table of denials: a diagnosis that finds the refused call asks the same table who
//! changed the object.
//!
//! Item: `pk` = `change#<object>`, `sk` = `<time>#<event id>`, `v`, `change` (the write as a diagnosis tells it, JSON), `ttl` (s); where the write
//! says what it leaves the object in, `aspect` and `state` (JSON).

use std::time::Duration;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use guardian_core::ports::{ChangeLog, PortError};
use guardian_core::tamper::{self, Before, Write};
use jiff::Timestamp;

use crate::batch;
use crate::classify::port_error;
use crate::item::{Item, SCHEMA_VERSION, number, read_str, string};

/// So long a change may be what a failure is due to, or what the next change is compared with.
const KEPT: Duration = Duration::from_secs(400 * 24 * 3600);
/// Times of CloudTrail are whole seconds: what was kept of the same second came before, whatever its id.
const AFTER_EVERY_ID: &str = "~";
/// Pages read for one state; a page holds up to 1 MB.
const MAX_PAGES: u32 = 5;
/// Longest state that is kept, in bytes: an item holds 400 KB, and the longest policy has 32 KB.
const LONGEST_STATE: usize = 128 * 1024;

/// The log of changes.
#[derive(Clone, Debug)]
pub struct ChangeTable {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

/// Times as sort keys: fixed width, so that text order is time order.
fn sort_key(at: Timestamp, event_id: &str) -> String {
    format!("{at:.3}#{event_id}")
}

pub(crate) fn partition(log_name: &str) -> String {
    format!("change#{log_name}")
}

impl ChangeTable {
    /// A log in a table with string keys `pk` and `sk`.
    pub fn new(config: &aws_config::SdkConfig, table: impl Into<String>) -> Self {
        Self { client: aws_sdk_dynamodb::Client::new(config), table: table.into() }
    }
}

fn items(write: &Write) -> Vec<Item> {
    let change = serde_json::to_string(&write.change()).unwrap_or_default();
    let mut state = tamper::state(write).and_then(|state| {
        let text = serde_json::to_string(&state.value).ok().filter(|text| text.len() <= LONGEST_STATE)?;
        Some((state.aspect, text))
    });
    let item = |name: String| {
        let mut item = Item::from([
            ("pk".to_owned(), string(partition(&name))),
            ("sk".to_owned(), string(sort_key(write.at, &write.event_id))),
            ("v".to_owned(), number(SCHEMA_VERSION)),
            ("change".to_owned(), string(change.clone())),
            ("ttl".to_owned(), number(write.at.as_second().saturating_add_unsigned(KEPT.as_secs()))),
        ]);
        // The state is that of the first object.
        if let Some((aspect, text)) = state.take() {
            item.insert("aspect".to_owned(), string(aspect));
            item.insert("state".to_owned(), string(text));
        }
        item
    };
    tamper::log_names(write).into_iter().map(item).collect()
}

impl ChangeLog for ChangeTable {
    async fn keep(&self, write: &Write) -> Result<(), PortError> {
        if write.was_refused() {
            return Ok(());
        }
        let put = |item: Item| PutRequest::builder().set_item(Some(item)).build().ok();
        let mut items = items(write);
        // One request may not name an item twice.
        items.dedup_by(|a, b| read_str(a, "pk") == read_str(b, "pk"));
        let requests = items.into_iter().filter_map(put).map(|put| WriteRequest::builder().put_request(put).build());
        batch::write(&self.client, &self.table, requests.collect()).await
    }

    async fn is_kept(&self, log_name: &str, from: Timestamp, until: Timestamp) -> Result<bool, PortError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .limit(1)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :until")
            .expression_attribute_values(":pk", string(partition(log_name)))
            .expression_attribute_values(":from", string(format!("{from:.3}")))
            // `~` sorts after every character of an event id.
            .expression_attribute_values(":until", string(sort_key(until, "~")))
            .send()
            .await
            .map_err(|error| port_error("dynamodb:Query", &error))?;
        Ok(!answer.items().is_empty())
    }

    async fn before(&self, write: &Write) -> Result<Option<Before>, PortError> {
        let (Some(aspect), Some(name)) = (tamper::aspect(write), tamper::log_names(write).into_iter().next()) else { return Ok(None) };
        let own = sort_key(write.at, &write.event_id);
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .scan_index_forward(false)
                .key_condition_expression("pk = :pk AND sk < :this")
                .filter_expression("aspect = :aspect")
                .expression_attribute_values(":pk", string(partition(&name)))
                .expression_attribute_values(":this", string(sort_key(write.at, AFTER_EVERY_ID)))
                .expression_attribute_values(":aspect", string(aspect.as_ref()))
                .set_exclusive_start_key(next)
                .send()
                .await
                .map_err(|error| port_error("dynamodb:Query", &error))?;
            let mut others = answer.items().iter().filter(|item| read_str(item, "sk") != Some(own.as_str()));
            let found = others.find_map(|item| serde_json::from_str(read_str(item, "state")?).ok());
            if let Some(value) = found {
                return Ok(Some(Before { value }));
            }
            next = answer.last_evaluated_key;
            if next.is_none() {
                break;
            }
        }
        Ok(None)
    }
}
