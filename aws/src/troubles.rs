//! What is wrong with the alarm path, remembered over DynamoDB.
//!
//! Item: `pk` = `alarm-path`, `sk` = the id of the trouble, `v`, `subject`, `what`, `since` (ms), `told_at` (ms, absent while nobody was told), `ttl`
//! (s). It is written when the trouble begins and whenever people are told of it; an item past its `ttl` may come or not.

use aws_sdk_dynamodb::types::{DeleteRequest, PutRequest, WriteRequest};
use guardian_core::alarm_path::Kept;
use guardian_core::ports::{PortError, TroubleMemory};
use jiff::Timestamp;

use crate::batch;
use crate::classify::port_error;
use crate::item::{Item, SCHEMA_VERSION, millis, number, read_str, read_time, string};

const PARTITION: &str = "alarm-path";
/// Items are kept this long after people were told: they are told every day.
const KEPT_SECONDS: i64 = 90 * 24 * 3600;

/// Troubles in the guardian's table.
#[derive(Clone, Debug)]
pub struct TroubleTable {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

impl TroubleTable {
    /// Troubles in a table with string keys `pk` and `sk`.
    pub fn new(config: &aws_config::SdkConfig, table: impl Into<String>) -> Self {
        Self { client: aws_sdk_dynamodb::Client::new(config), table: table.into() }
    }
}

fn key(id: &str) -> [(String, aws_sdk_dynamodb::types::AttributeValue); 2] {
    [("pk".to_owned(), string(PARTITION)), ("sk".to_owned(), string(id))]
}

fn item_of(kept: &Kept, now: Timestamp) -> Item {
    let mut item = Item::from(key(&kept.id));
    item.insert("v".to_owned(), number(SCHEMA_VERSION));
    item.insert("subject".to_owned(), string(&kept.subject));
    item.insert("what".to_owned(), string(&kept.what));
    item.insert("since".to_owned(), millis(kept.since));
    item.extend(kept.told_at.map(|at| ("told_at".to_owned(), millis(at))));
    item.insert("ttl".to_owned(), number(now.as_second().saturating_add(KEPT_SECONDS)));
    item
}

fn read(item: &Item) -> Option<Kept> {
    Some(Kept {
        id: read_str(item, "sk")?.to_owned(),
        subject: read_str(item, "subject")?.to_owned(),
        what: read_str(item, "what")?.to_owned(),
        since: read_time(item, "since")?,
        told_at: read_time(item, "told_at"),
    })
}

impl TroubleMemory for TroubleTable {
    async fn kept(&self) -> Result<Vec<Kept>, PortError> {
        let mut kept = Vec::new();
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", string(PARTITION));
        let mut pages = query.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error("dynamodb:Query", &error))?;
            kept.extend(page.items().iter().filter_map(read));
        }
        Ok(kept)
    }

    async fn keep(&self, kept: &[Kept], now: Timestamp) -> Result<(), PortError> {
        let put = |kept: &Kept| PutRequest::builder().set_item(Some(item_of(kept, now))).build().ok();
        let writes = kept.iter().filter_map(put).map(|put| WriteRequest::builder().put_request(put).build());
        batch::write(&self.client, &self.table, writes.collect()).await
    }

    async fn forget(&self, ids: &[String]) -> Result<(), PortError> {
        let delete = |id: &String| DeleteRequest::builder().set_key(Some(Item::from(key(id)))).build().ok();
        let writes = ids.iter().filter_map(delete).map(|delete| WriteRequest::builder().delete_request(delete).build());
        batch::write(&self.client, &self.table, writes.collect()).await
    }
}
