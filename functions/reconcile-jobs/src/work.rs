//! What the messages of the queue ask for.

use std::collections::BTreeSet;

use guardian_core::arn::{AccountId, Region};
use guardian_core::event::JobType;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Every kind of job that can be listed.
pub(crate) const TYPES: [JobType; 4] = [JobType::Backup, JobType::Copy, JobType::Restore, JobType::Scan];
/// Shards of one message: far below the largest message of SQS.
const MOST_SHARDS: usize = 500;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Look at everything.
    Begin,
    /// Go on with these.
    GoOn(Vec<Shard>),
}

/// Lists that are read to their end one after the other: of the organization in a Region, or of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The Region.
    pub region: Region,
    /// The account that is asked; absent: the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The kinds of jobs that are still to be listed.
    pub types: Vec<JobType>,
    /// Which slice of the first kind.
    #[serde(default)]
    pub slice: usize,
    /// Where in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Organization: whether a job of another account was seen among the first kind.
    #[serde(default)]
    pub foreign: bool,
    /// Organization: kinds of which no job of another account was seen; they are asked for account by account.
    #[serde(default)]
    pub unproven: BTreeSet<JobType>,
    /// How often it failed so far.
    #[serde(default)]
    pub attempt: u32,
}

#[derive(Serialize, Deserialize)]
struct Message {
    shards: Vec<Shard>,
}

impl Shard {
    /// All kinds of jobs of the organization in a Region.
    pub(crate) fn organization(region: &Region) -> Self {
        Self::new(region, None, TYPES.to_vec())
    }

    /// These kinds of jobs of an account in a Region.
    pub(crate) fn account(region: &Region, account: &AccountId, types: Vec<JobType>) -> Self {
        Self::new(region, Some(account.clone()), types)
    }

    fn new(region: &Region, account: Option<AccountId>, types: Vec<JobType>) -> Self {
        Self { region: region.clone(), account, types, slice: 0, token: None, foreign: false, unproven: BTreeSet::new(), attempt: 0 }
    }
}

impl Work {
    /// Reads a message: our own, or anything that EventBridge writes for a schedule. What is neither is `None`.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let value = serde_json::from_slice::<Value>(body).ok()?;
        if value.get("source").and_then(Value::as_str) == Some("aws.events") {
            return Some(Self::Begin);
        }
        serde_json::from_value::<Message>(value).ok().map(|message| Self::GoOn(message.shards))
    }

    /// The messages that ask to go on with these shards.
    pub(crate) fn messages(shards: &[Shard]) -> Vec<String> {
        shards.chunks(MOST_SHARDS).filter_map(|chunk| serde_json::to_string(&Message { shards: chunk.to_vec() }).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_a_schedule_begins() {
        let region = Region::parse("eu-central-1").unwrap();
        let mut shards = vec![Shard::organization(&region); 501];
        shards[0].token = Some("t".to_owned());
        let messages = Work::messages(&shards);
        assert!(messages.len() == 2 && messages.iter().all(|message| message.len() < 200_000));
        let read = messages.iter().flat_map(|message| match Work::read(message.as_bytes()) {
            Some(Work::GoOn(shards)) => shards,
            other => panic!("{other:?}"),
        });
        assert_eq!(read.collect::<Vec<_>>(), shards);
        let event = br#"{"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}"#;
        assert_eq!(Work::read(event), Some(Work::Begin));
        for other in ["", "[]", "{}", r#"{"source": "aws.backup"}"#] {
            assert_eq!(Work::read(other.as_bytes()), None);
        }
    }
}
