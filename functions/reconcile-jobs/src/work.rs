//! What the messages of the queue ask for.

use std::collections::BTreeSet;

use guardian_core::arn::{AccountId, Region};
use guardian_core::event::JobType;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::runs::Runs;

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
    GoOn {
        /// Lists of jobs.
        shards: Vec<Shard>,
        /// Runs of plans.
        runs: Vec<Runs>,
    },
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shards: Vec<Shard>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    runs: Vec<Runs>,
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
        let Message { shards, runs } = serde_json::from_value::<Message>(value).ok()?;
        (!shards.is_empty() || !runs.is_empty()).then_some(Self::GoOn { shards, runs })
    }

    /// The messages that ask to go on with these. Places that were not begun are short, and many fit one message; what is known of another may
    /// be long, and it gets one of its own.
    pub(crate) fn messages(shards: &[Shard], runs: &[Runs]) -> Vec<String> {
        let (fresh, begun): (Vec<_>, Vec<_>) = runs.iter().cloned().partition(|runs| runs.plans.is_none());
        let lists = shards.chunks(MOST_SHARDS).map(|chunk| Message { shards: chunk.to_vec(), runs: Vec::new() });
        let fresh = fresh.chunks(MOST_SHARDS).map(|chunk| Message { shards: Vec::new(), runs: chunk.to_vec() });
        let begun = begun.into_iter().map(|runs| Message { shards: Vec::new(), runs: vec![runs] });
        lists.chain(fresh).chain(begun).filter_map(|message| serde_json::to_string(&message).ok()).collect()
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
        let mut places = vec![Runs::of(&region, &AccountId::parse("111111111111").unwrap()); 501];
        let last = places.last_mut().unwrap();
        (last.plans, last.attempt) = (Some(vec!["p".to_owned()]), 3);
        let messages = Work::messages(&shards, &places);
        assert!(messages.len() == 4 && messages.iter().all(|message| message.len() < 200_000));
        let (mut read_shards, mut read_places) = (Vec::new(), Vec::new());
        for message in &messages {
            let Some(Work::GoOn { shards, runs }) = Work::read(message.as_bytes()) else { panic!("{message}") };
            read_shards.extend(shards);
            read_places.extend(runs);
        }
        assert_eq!((read_shards, read_places), (shards, places));
        let event = br#"{"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}"#;
        assert_eq!(Work::read(event), Some(Work::Begin));
        for other in ["", "[]", "{}", r#"{"source": "aws.backup"}"#] {
            assert_eq!(Work::read(other.as_bytes()), None);
        }
    }
}
