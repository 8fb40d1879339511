//! The pace of all messages together: the log of the last minute is one item, written on the condition that nobody wrote in between.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use guardian_core::incident::pace::{Log, Permit, Sender};
use guardian_core::ports::{Pace, PortError};
use jiff::Timestamp;

use super::items::{item, json, key, read_json};
use super::{ATTEMPTS, WorkTable};
use crate::classify::port_error;
use crate::item::{number, read_number};

impl Pace for WorkTable {
    async fn permit(&self, sender: &Sender, now: Timestamp) -> Result<Permit, PortError> {
        let place = key("pace", "alerts");
        for attempt in 0..ATTEMPTS {
            let kept = self.read(vec![place.clone()]).await?.pop();
            let mut log = kept.as_ref().and_then(|item| read_json(item, "log")).map(Log::from_entries).unwrap_or_default();
            let permit = log.ask(sender, now);
            if permit != Permit::Now {
                return Ok(permit);
            }
            let revision = kept.as_ref().and_then(|item| read_number(item, "revision"));
            let mut put = self
                .client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item(place.clone(), [("log", json(&log)), ("revision", number(revision.unwrap_or(0).saturating_add(1)))])));
            put = match revision {
                Some(revision) => {
                    put.condition_expression("revision = :revision").expression_attribute_values(":revision", number(revision))
                }
                None => put.condition_expression("attribute_not_exists(revision)"),
            };
            match put.send().await {
                Ok(_) => return Ok(Permit::Now),
                Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                    tokio::time::sleep(Duration::from_millis(5 + 3 * u64::from(attempt))).await;
                }
                Err(error) => return Err(port_error("dynamodb:PutItem", &error)),
            }
        }
        Err(PortError { operation: "dynamodb:PutItem", code: "ConditionalCheckFailed".to_owned(), retryable: true })
    }
}
