//! Events that say too little: alerted with their raw text where an account can be named, kept aside where not even that is known.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::field::clip_marked;
use super::job::{Job, JobState, JobType, Problem};
use crate::arn::{AccountId, Region};

/// How much of a raw event is kept, in bytes.
const RAW: usize = 4096;
/// Stands where an alert must name a Region and the event did not.
const UNKNOWN_REGION: &str = "unknown-region";

/// An event of AWS Backup about which not even a job can be said, from a known account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Degraded {
    /// The account, from the envelope.
    pub account: AccountId,
    /// The Region, from the envelope, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The detail-type as AWS wrote it; empty where there is none.
    pub detail_type: String,
    /// The kind of job, where the detail-type or the fields tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_type: Option<JobType>,
    /// `id` of the envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// `time` of the envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<Timestamp>,
    /// The text of AWS, where at least that could be read. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// The event as it came, at most 4 KiB. Untrusted text.
    pub raw: String,
}

impl Degraded {
    pub(super) fn keep_raw(bytes: &[u8]) -> String {
        clip_marked(&String::from_utf8_lossy(bytes), RAW)
    }

    /// The event as a job, so that it goes the way of every alert: state unknown, raw text beside it.
    pub fn as_job(&self) -> Job {
        let mut problems = self.problems.clone();
        let job_type = self.job_type.unwrap_or_else(|| {
            problems.push(Problem {
                field: "detail-type".to_owned(),
                what: "the kind of job is unknown; `backup` stands in for it".to_owned(),
            });
            JobType::Backup
        });
        let mut job = Job::new(self.account.clone(), self.region.clone().unwrap_or_else(unknown_region), job_type);
        job.state = JobState::Other(String::new());
        job.event_id.clone_from(&self.event_id);
        job.event_time = self.event_time;
        job.status_message.clone_from(&self.status_message);
        job.raw_event = Some(self.raw.clone());
        job.problems = problems;
        job
    }
}

fn unknown_region() -> Region {
    #[expect(clippy::expect_used, reason = "the constant has the shape of a Region code; a test reads it")]
    Region::parse(UNKNOWN_REGION).expect("a Region code")
}

/// Something that is not an event, or of nobody. Counted, kept aside, never dropped silently.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Why, as a bounded name.
    pub reason: QuarantineReason,
    /// What was wrong, in words; names fields, never values.
    pub what: String,
    /// The input as it came, at most 4 KiB. Untrusted text.
    pub raw: String,
}

/// Why an input is no event. A bounded set: it is counted and alarmed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuarantineReason {
    /// The bytes are not JSON, cut off, or nested deeper than 128 levels.
    NotJson,
    /// JSON, but without the envelope of an event.
    NotAnEvent,
    /// An event whose account cannot be read: nobody could be told whose job it is.
    NoAccount,
    /// An event from CloudTrail whose record cannot be read.
    UnreadableRecord,
}

impl QuarantineReason {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not-json",
            Self::NotAnEvent => "not-an-event",
            Self::NoAccount => "no-account",
            Self::UnreadableRecord => "unreadable-record",
        }
    }
}
