//! Turns at a rate-limited API that all instances of a function share: one item per account and Region, moved on by conditional writes.
//!
//! Item: `pk` = `turns#<account>#<region>`, `sk` = `lookup-events`, `v`, `newest_at` and `earlier_at` (ms, the two turns taken last), `ttl` (s).
//! A turn may lie in the future: whoever took it waits for it. A turn that nobody used passes by itself, so a crash costs one call.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use guardian_core::arn::{AccountId, Region};
use guardian_core::ports::PortError;
use jiff::Timestamp;
use tokio::time::Instant;

use crate::classify::port_error;
use crate::item::{SCHEMA_VERSION, number, read_number, string};

/// Of three calls in a row the first and the last are this far apart: the second for which two calls are allowed, and what a call may take
/// longer on its way than another.
const WINDOW_MS: i64 = 1_250;
/// A turn that is older than this when its call could go out is let pass for a new one: it might meet a later turn on the way.
const STALE_MS: i64 = 200;
/// No turn is ever taken this far ahead; an item that says so was written by a clock gone wrong, and is written over.
const ABSURD_MS: i64 = 120_000;
/// Longest wait for the table. It is asked again only after [`DOWN_MS`].
const PATIENCE: Duration = Duration::from_millis(300);
/// So long a table that gave no answer is left alone.
const DOWN_MS: i64 = 10_000;
/// How often others may be faster before the turn is given up.
const ATTEMPTS: u32 = 12;

/// What asking for a turn brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is our turn now.
    Taken,
    /// It would come too late; nothing is taken.
    TooLate,
    /// The table does not answer: nobody knows what the others do.
    Unknown,
}

/// The turns of `LookupEvents`, two per second, in the guardian's table.
#[derive(Debug)]
pub(crate) struct TurnTable {
    client: aws_sdk_dynamodb::Client,
    table: String,
    down_until: AtomicI64,
}

/// The answer to one attempt.
enum Attempt {
    Taken,
    /// Others were faster; the turn after theirs.
    After(i64),
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

impl TurnTable {
    /// Turns in a table with string keys `pk` and `sk`.
    pub(crate) fn new(config: &aws_config::SdkConfig, table: impl Into<String>) -> Self {
        Self { client: aws_sdk_dynamodb::Client::new(config), table: table.into(), down_until: AtomicI64::new(0) }
    }

    /// Waits for a turn and takes it.
    pub(crate) async fn take(&self, account: &AccountId, region: &Region, deadline: Instant) -> Turn {
        if now() < self.down_until.load(Ordering::Relaxed) {
            return Turn::Unknown;
        }
        let mut at = now();
        for _ in 0..ATTEMPTS {
            let wait = Duration::from_millis(u64::try_from(at - now()).unwrap_or(0));
            if Instant::now() + wait >= deadline {
                return Turn::TooLate;
            }
            let end = deadline.min(Instant::now() + PATIENCE);
            match tokio::time::timeout_at(end, self.attempt(account, region, at)).await {
                Ok(Ok(Attempt::Taken)) => {
                    tokio::time::sleep(Duration::from_millis(u64::try_from(at - now()).unwrap_or(0))).await;
                    let late = now() - at;
                    if late <= STALE_MS {
                        return Turn::Taken;
                    }
                    at += late;
                }
                Ok(Ok(Attempt::After(next))) => at = next.max(now()),
                Ok(Err(error)) => {
                    tracing::warn!(operation = error.operation, code = %error.code, "turns are not shared while the table is down");
                    self.down_until.store(now() + DOWN_MS, Ordering::Relaxed);
                    return Turn::Unknown;
                }
                Err(_) if Instant::now() >= deadline => return Turn::TooLate,
                Err(_) => {
                    tracing::warn!("turns are not shared while the table does not answer");
                    self.down_until.store(now() + DOWN_MS, Ordering::Relaxed);
                    return Turn::Unknown;
                }
            }
        }
        Turn::TooLate
    }

    async fn attempt(&self, account: &AccountId, region: &Region, at: i64) -> Result<Attempt, PortError> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", string(format!("turns#{account}#{region}")))
            .key("sk", string("lookup-events"))
            .update_expression("SET earlier_at = if_not_exists(newest_at, :zero), newest_at = :at, #v = :v, #ttl = :ttl")
            .condition_expression(
                "attribute_not_exists(pk) OR (newest_at <= :at AND earlier_at <= :free) OR newest_at > :absurd OR earlier_at > :absurd",
            )
            .expression_attribute_names("#v", "v")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":at", number(at))
            .expression_attribute_values(":free", number(at - WINDOW_MS))
            .expression_attribute_values(":absurd", number(at.saturating_add(ABSURD_MS)))
            .expression_attribute_values(":v", number(SCHEMA_VERSION))
            .expression_attribute_values(":ttl", number(at / 1000 + 24 * 3600))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Attempt::Taken),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                let UpdateItemError::ConditionalCheckFailedException(refusal) = service.into_err() else {
                    return Ok(Attempt::After(at + 1));
                };
                let item = refusal.item.unwrap_or_default();
                let taken = |name| read_number(&item, name).unwrap_or(0);
                Ok(Attempt::After(taken("newest_at").max(taken("earlier_at") + WINDOW_MS).max(at + 1)))
            }
            Err(error) => Err(port_error("dynamodb:UpdateItem", &error)),
        }
    }
}
