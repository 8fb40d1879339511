//! Keeps the denials that arrive as CloudTrail events, so that a diagnosis finds them without asking CloudTrail.
//!
//! What is not a denial is counted and dropped; what is not an event fails, comes again and ends in the dead-letter queue.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use guardian_aws::lambda::{InvocationError, count, each};
use guardian_core::event::{self, Parsed};
use guardian_core::ports::{DenialStore, PortError};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

/// Name of the function in metrics.
const FUNCTION: &str = "collect-denials";
/// No item is begun with less time left.
const NEEDED: Duration = Duration::from_secs(3);
/// Longest wait for the table.
const TABLE_PATIENCE: Duration = Duration::from_secs(8);

/// How an item that may leave the queue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many denials were kept.
    Kept(usize),
    /// A record of a call that was not refused, or of a refusal that names no role.
    NoDenial,
    /// An event that is not a record of CloudTrail.
    Ignored,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(_) => f.write_str("kept"),
            Self::NoDenial => f.write_str("no-denial"),
            Self::Ignored => f.write_str("ignored"),
        }
    }
}

/// An item that must come again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// The message is not an event.
    #[error("not an event: `{0}`")]
    Quarantined(String),
    /// The table did not take the denials.
    #[error("the denials were not kept: {0}")]
    NotKept(#[from] PortError),
}

/// The function.
pub struct Handler<D> {
    /// Where denials are kept.
    pub store: D,
    /// The clock.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where metrics go, line by line.
    pub metrics: Box<dyn Fn(&str) + Send + Sync>,
}

impl<D: DenialStore + 'static> Handler<D> {
    /// One invocation: a batch of SQS, or one bare EventBridge event.
    pub async fn handle(self: Arc<Self>, payload: Value, deadline: Instant) -> Result<Value, InvocationError> {
        each(payload, deadline, NEEDED, |body| {
            let handler = Arc::clone(&self);
            async move { handler.event(&body, deadline).await }
        })
        .await
    }

    /// One event.
    pub async fn event(&self, body: &[u8], deadline: Instant) -> Result<Outcome, ItemError> {
        match event::parse(body) {
            Parsed::Trail(record) => {
                let mut denials = record.denial();
                if denials.is_empty() {
                    self.count("ignored", "no-denial");
                    return Ok(Outcome::NoDenial);
                }
                // The owner of a key sees failures of foreign callers without a role: no diagnosis could ask for them, and the caller's own
                // record arrives from the caller's account.
                denials.retain(|denial| denial.role_name().is_some());
                if denials.is_empty() {
                    self.count("ignored", "no-role");
                    return Ok(Outcome::NoDenial);
                }
                let end = deadline.min(Instant::now() + TABLE_PATIENCE);
                match tokio::time::timeout_at(end, self.store.keep(&denials)).await {
                    Ok(answer) => answer?,
                    Err(_) => {
                        return Err(PortError { operation: "dynamodb:BatchWriteItem", code: "timeout".to_owned(), retryable: true }.into());
                    }
                }
                for denial in &denials {
                    tracing::info!(
                        account_id = %denial.recorded_in,
                        region = %denial.region,
                        event_name = denial.event_name,
                        event_id = denial.event_id,
                        "denial kept"
                    );
                }
                self.count("denials", "kept");
                Ok(Outcome::Kept(denials.len()))
            }
            Parsed::Job(_) | Parsed::Change(_) | Parsed::Other { .. } | Parsed::Degraded(_) => {
                self.count("ignored", "not-a-record");
                Ok(Outcome::Ignored)
            }
            Parsed::Quarantine(quarantine) => {
                let reason = quarantine.reason.as_str();
                tracing::error!(reason, what = %quarantine.what.chars().take(512).collect::<String>(), "message quarantined");
                self.count("quarantined", reason);
                Err(ItemError::Quarantined(reason.to_owned()))
            }
        }
    }

    fn count(&self, metric: &str, reason: &str) {
        (self.metrics)(&count(FUNCTION, metric, reason, (self.now)()));
    }
}
