//! When the functions that run by themselves last ended their work.
//!
//! Item: `pk` = `heartbeat#<function>`, `sk` = `heartbeat`, `v`, `at` (ms), `ttl` (s). Whoever asks renews `ttl`, so that a function which stopped
//! for good is not forgotten, and then taken for a new one.

use aws_sdk_dynamodb::types::ReturnValue;
use guardian_core::arn::{AccountId, Region};
use guardian_core::evidence::{Fact, GapReason};
use guardian_core::ports::{Heart, PortError, Pulse};
use jiff::Timestamp;

use crate::classify::{port_error, reason_of};
use crate::convert::{gap, known};
use crate::item::{SCHEMA_VERSION, millis, number, read_time, string};

const ACTION: &str = "dynamodb:UpdateItem";
/// Items are kept this long after anybody wrote or asked.
const KEPT_SECONDS: i64 = 90 * 24 * 3600;

/// Heartbeats in the guardian's table.
#[derive(Clone, Debug)]
pub struct HeartbeatTable {
    client: aws_sdk_dynamodb::Client,
    table: String,
    place: Option<(AccountId, Region)>,
}

impl HeartbeatTable {
    /// Heartbeats in a table with string keys `pk` and `sk`.
    pub fn new(config: &aws_config::SdkConfig, table: impl Into<String>) -> Self {
        Self { client: aws_sdk_dynamodb::Client::new(config), table: table.into(), place: None }
    }

    /// Says where the table is, so that a gap can name it.
    #[must_use]
    pub fn at(self, account: AccountId, region: Region) -> Self {
        Self { place: Some((account, region)), ..self }
    }

    fn update(
        &self,
        function: &str,
        at: &str,
        now: Timestamp,
    ) -> aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.table)
            .key("pk", string(format!("heartbeat#{function}")))
            .key("sk", string("heartbeat"))
            .update_expression(format!("SET #at = {at}, #v = :v, #ttl = :ttl"))
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", millis(now))
            .expression_attribute_values(":v", number(SCHEMA_VERSION))
            .expression_attribute_values(":ttl", number(now.as_second().saturating_add(KEPT_SECONDS)))
    }
}

impl Heart for HeartbeatTable {
    async fn beat(&self, function: &'static str, now: Timestamp) -> Result<(), PortError> {
        self.update(function, ":now", now).send().await.map(|_| ()).map_err(|error| port_error(ACTION, &error))
    }
}

impl Pulse for HeartbeatTable {
    async fn last_beat(&self, function: &str, now: Timestamp) -> Fact<Timestamp> {
        let Some((account, region)) = &self.place else { return Fact::NotAsked };
        let request = self.update(function, "if_not_exists(#at, :now)", now).return_values(ReturnValue::AllNew);
        match request.send().await {
            Ok(answer) => match answer.attributes().and_then(|item| read_time(item, "at")) {
                Some(at) => known(at, ACTION),
                None => Fact::Gap(gap(ACTION, account, region, GapReason::Unreadable, "a heartbeat without a time".to_owned())),
            },
            Err(error) => {
                let (reason, detail) = reason_of(&error);
                Fact::Gap(gap(ACTION, account, region, reason, detail))
            }
        }
    }
}
