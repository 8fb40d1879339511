//! Claims on deliveries over DynamoDB: one item per (account, Region, job type, job id, state).
//!
//! Item: `pk` = `claim#<account>#<region>#<type>#<job id>#<state>`, `sk` = `claim`, `v`, `state` (`held` | `done`), `lease_until` (ms),
//! `at` (ms), `ttl` (s). A lease outlives the invocation that took it, so a crash delays the work and never doubles it.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use guardian_core::event::JobKey;
use guardian_core::ports::{Claim, ClaimLookup, Claims, PortError};
use jiff::Timestamp;

use crate::classify::port_error;
use crate::item::{Item, SCHEMA_VERSION, millis, number, read_number, read_str, read_time, string};

/// Done claims are kept as long as a queue can keep a copy of the message: 14 days
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>), and some.
const KEPT: Duration = Duration::from_secs(20 * 24 * 3600);

/// Claims in the guardian's table.
#[derive(Clone, Debug)]
pub struct ClaimTable {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

/// Keys of one `BatchGetItem` (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
const MOST_KEYS: usize = 100;

fn pk_of(key: &JobKey) -> String {
    format!("claim#{}#{}#{}#{}#{}", key.account, key.region, key.job_type.as_str(), key.job_id.as_str(), key.state.as_str())
}

fn key_of(key: &JobKey) -> [(String, AttributeValue); 2] {
    [("pk".to_owned(), string(pk_of(key))), ("sk".to_owned(), string("claim"))]
}

impl ClaimTable {
    /// Claims in a table with string keys `pk` and `sk`.
    pub fn new(config: &aws_config::SdkConfig, table: impl Into<String>) -> Self {
        Self { client: aws_sdk_dynamodb::Client::new(config), table: table.into() }
    }

    async fn read(&self, key: &JobKey) -> Result<Option<Item>, PortError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key_of(key).into()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error("dynamodb:GetItem", &error))?;
        Ok(answer.item)
    }
}

/// What somebody else's item says about our claim.
fn found(item: Option<&Item>) -> Claim {
    match item.and_then(|item| read_str(item, "state")) {
        Some("done") => Claim::Done,
        _ => Claim::Held,
    }
}

impl Claims for ClaimTable {
    async fn claim(&self, key: &JobKey, now: Timestamp, lease_until: Timestamp) -> Result<Claim, PortError> {
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(key_of(key).into()))
            .item("v", number(SCHEMA_VERSION))
            .item("state", string("held"))
            .item("lease_until", millis(lease_until))
            .item("at", millis(now))
            .item("ttl", number(now.as_second().saturating_add_unsigned(KEPT.as_secs())))
            .condition_expression("attribute_not_exists(pk) OR (#state = :held AND lease_until <= :now)")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":held", string("held"))
            .expression_attribute_values(":now", millis(now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Claim::Mine),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                let item = match service.into_err() {
                    aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(refusal) => refusal.item,
                    _ => None,
                };
                match item {
                    Some(item) if read_str(&item, "state").is_some() => {
                        // A retry inside the SDK may meet our own first attempt.
                        if read_number(&item, "lease_until") == Some(lease_until.as_millisecond())
                            && read_number(&item, "at") == Some(now.as_millisecond())
                        {
                            return Ok(Claim::Mine);
                        }
                        Ok(found(Some(&item)))
                    }
                    _ => Ok(found(self.read(key).await?.as_ref())),
                }
            }
            Err(error) => Err(port_error("dynamodb:PutItem", &error)),
        }
    }

    async fn done(&self, key: &JobKey, now: Timestamp) -> Result<(), PortError> {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key_of(key).into()))
            .update_expression("SET #state = :done, #at = :now, #v = :v, #ttl = :ttl")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":done", string("done"))
            .expression_attribute_values(":now", millis(now))
            .expression_attribute_values(":v", number(SCHEMA_VERSION))
            .expression_attribute_values(":ttl", number(now.as_second().saturating_add_unsigned(KEPT.as_secs())))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| port_error("dynamodb:UpdateItem", &error))
    }

    async fn release(&self, key: &JobKey, lease_until: Timestamp) -> Result<(), PortError> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key_of(key).into()))
            .update_expression("SET lease_until = :over")
            .condition_expression("#state = :held AND lease_until = :ours")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":held", string("held"))
            .expression_attribute_values(":ours", millis(lease_until))
            .expression_attribute_values(":over", number(0))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            // Somebody else holds it by now, or it is done: nothing of ours is left to release.
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => Ok(()),
            Err(error) => Err(port_error("dynamodb:UpdateItem", &error)),
        }
    }
}

impl ClaimLookup for ClaimTable {
    async fn claimed(&self, keys: &[JobKey], now: Timestamp) -> Result<Vec<JobKey>, PortError> {
        const OPERATION: &str = "dynamodb:BatchGetItem";
        let unreadable = || PortError { operation: OPERATION, code: "request refused by the SDK".to_owned(), retryable: false };
        // One request may not hold the same key twice.
        let by_pk = keys.iter().map(|key| (pk_of(key), key)).collect::<BTreeMap<_, _>>();
        let mut claimed = Vec::new();
        for chunk in by_pk.values().collect::<Vec<_>>().chunks(MOST_KEYS) {
            let wanted = chunk.iter().map(|key| key_of(key).into()).collect();
            // What another instance is writing this moment is claimed a moment later: the reader of the queue asks again, consistently.
            let mut left = Some(KeysAndAttributes::builder().set_keys(Some(wanted)).build().map_err(|_| unreadable())?);
            while let Some(request) = left.take() {
                let answer = self.client.batch_get_item().request_items(&self.table, request).send().await;
                let answer = answer.map_err(|error| port_error(OPERATION, &error))?;
                for item in answer.responses().and_then(|tables| tables.get(&self.table)).into_iter().flatten() {
                    let live = read_time(item, "lease_until").is_some_and(|until| now < until);
                    if read_str(item, "state") == Some("done") || live {
                        claimed.extend(read_str(item, "pk").and_then(|pk| by_pk.get(pk)).map(|key| (*key).clone()));
                    }
                }
                let unprocessed = answer.unprocessed_keys.unwrap_or_default().remove(&self.table);
                left = unprocessed.filter(|request| !request.keys().is_empty() && request.keys().len() < chunk.len());
            }
        }
        Ok(claimed)
    }
}
