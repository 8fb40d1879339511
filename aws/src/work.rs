//! Work that is cut into shards: what one invocation has no time for goes on in a message of the function's own queue.

use std::time::Duration;

use guardian_core::ports::{Outbox, PortError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of shards in one message: below the largest message of SQS with room for a long token in any of them
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const MOST_BYTES: usize = 180_000;
/// How often a shard whose read may pass is tried before that is a gap.
pub const ATTEMPTS: u32 = 5;
/// So much later it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work<S> {
    /// Begin with everything.
    Begin,
    /// Go on with these.
    GoOn(Vec<S>),
}

#[derive(Deserialize)]
struct Message<S> {
    shards: Vec<S>,
}

impl<S: Serialize + DeserializeOwned> Work<S> {
    /// Reads a message: our own, or anything that EventBridge writes for a schedule. What is neither is `None`.
    pub fn read(body: &[u8]) -> Option<Self> {
        let value = serde_json::from_slice::<Value>(body).ok()?;
        if value.get("source").and_then(Value::as_str) == Some("aws.events") {
            return Some(Self::Begin);
        }
        serde_json::from_value::<Message<S>>(value).ok().map(|message| Self::GoOn(message.shards))
    }

    /// The messages that ask to go on with these shards.
    pub fn messages(shards: &[S]) -> Vec<String> {
        let mut messages = Vec::new();
        let mut texts = Vec::new();
        let mut bytes = 0;
        for shard in shards.iter().filter_map(|shard| serde_json::to_string(shard).ok()) {
            if bytes + shard.len() > MOST_BYTES && !texts.is_empty() {
                messages.push(joined(&texts));
                texts.clear();
                bytes = 0;
            }
            bytes += shard.len() + 1;
            texts.push(shard);
        }
        if !texts.is_empty() {
            messages.push(joined(&texts));
        }
        messages
    }
}

fn joined(shards: &[String]) -> String {
    format!("{{\"shards\":[{}]}}", shards.join(","))
}

/// Leaves to other messages what there was no time for, and, later, what failed but may pass.
pub async fn leave<S: Serialize + DeserializeOwned>(own: &impl Outbox, to_do: &[S], again: &[S]) -> Result<(), PortError> {
    own.put(&Work::messages(to_do), Duration::ZERO).await?;
    own.put(&Work::messages(again), RETRY_AFTER).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_a_schedule_begins() {
        let shards = (0..5000).map(|n| format!("{n:0100}")).collect::<Vec<_>>();
        let messages = Work::messages(&shards);
        assert!(messages.len() == 3 && messages.iter().all(|message| message.len() < 200_000), "{}", messages.len());
        let read = messages.iter().flat_map(|message| match Work::<String>::read(message.as_bytes()) {
            Some(Work::GoOn(shards)) => shards,
            other => panic!("{other:?}"),
        });
        assert_eq!(read.collect::<Vec<_>>(), shards);
        assert_eq!(Work::<String>::messages(&[]), Vec::<String>::new());
        let event = br#"{"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}"#;
        assert_eq!(Work::<String>::read(event), Some(Work::Begin));
        for other in ["", "[]", "{}", r#"{"source": "aws.backup"}"#] {
            assert_eq!(Work::<String>::read(other.as_bytes()), None);
        }
    }

    #[test]
    fn a_shard_that_is_too_long_alone_goes_alone() {
        let shards = ["x".repeat(MOST_BYTES + 1), "y".to_owned()];
        assert_eq!(Work::messages(&shards).len(), 2);
    }
}
