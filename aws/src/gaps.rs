//! What could not be read, remembered over DynamoDB, so that it is told when it begins.
//!
//! Item: `pk` = `gap#<account>#<region>`, `sk` = the action, `v`, `at` (ms, when it was met last), `ttl` (s). Nobody deletes an item: a gap that
//! was not met for a while is over, and told anew when it comes back.

use std::time::Duration;

use aws_sdk_dynamodb::types::ReturnValue;
use guardian_core::event::JobKey;
use guardian_core::evidence::Gap;
use guardian_core::ports::{ClaimLookup, GapMemory, Heart, PortError};
use jiff::{SignedDuration, Timestamp};

use crate::classify::port_error;
use crate::item::{SCHEMA_VERSION, millis, number, read_time, string};
use crate::{ClaimTable, HeartbeatTable};

/// Items are kept this long.
const KEPT_SECONDS: i64 = 30 * 24 * 3600;

/// Gaps in the guardian's table.
#[derive(Clone, Debug)]
pub struct GapTable {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

impl GapTable {
    /// Gaps in a table with string keys `pk` and `sk`.
    pub fn new(config: &aws_config::SdkConfig, table: impl Into<String>) -> Self {
        Self { client: aws_sdk_dynamodb::Client::new(config), table: table.into() }
    }
}

impl GapMemory for GapTable {
    async fn is_new(&self, gap: &Gap, now: Timestamp, fresh: Duration) -> Result<bool, PortError> {
        let region = gap.region.as_ref().map_or("global", |region| region.as_str());
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", string(format!("gap#{}#{region}", gap.account_id)))
            .key("sk", string(&gap.action))
            .update_expression("SET #at = :now, #v = :v, #ttl = :ttl")
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", millis(now))
            .expression_attribute_values(":v", number(SCHEMA_VERSION))
            .expression_attribute_values(":ttl", number(now.as_second().saturating_add(KEPT_SECONDS)))
            .return_values(ReturnValue::AllOld)
            .send()
            .await
            .map_err(|error| port_error("dynamodb:UpdateItem", &error))?;
        let before = answer.attributes().and_then(|item| read_time(item, "at"));
        let fresh = SignedDuration::try_from(fresh).unwrap_or(SignedDuration::MAX);
        Ok(before.is_none_or(|before| now.duration_since(before) > fresh))
    }
}

/// Claims, gaps and the heartbeat of one table, as the one port that a reconciliation asks.
#[derive(Clone, Debug)]
pub struct ReconcileTable {
    claims: ClaimTable,
    gaps: GapTable,
    heartbeats: HeartbeatTable,
}

impl ReconcileTable {
    /// All in a table with string keys `pk` and `sk`.
    pub fn new(config: &aws_config::SdkConfig, table: impl Into<String>) -> Self {
        let table = table.into();
        Self {
            claims: ClaimTable::new(config, table.clone()),
            gaps: GapTable::new(config, table.clone()),
            heartbeats: HeartbeatTable::new(config, table),
        }
    }
}

impl ClaimLookup for ReconcileTable {
    async fn claimed(&self, keys: &[JobKey], now: Timestamp) -> Result<Vec<JobKey>, PortError> {
        self.claims.claimed(keys, now).await
    }
}

impl GapMemory for ReconcileTable {
    async fn is_new(&self, gap: &Gap, now: Timestamp, fresh: Duration) -> Result<bool, PortError> {
        self.gaps.is_new(gap, now, fresh).await
    }
}

impl Heart for ReconcileTable {
    async fn beat(&self, function: &'static str, now: Timestamp) -> Result<(), PortError> {
        self.heartbeats.beat(function, now).await
    }
}
