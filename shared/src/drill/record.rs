//! A drill as it is kept: asked → started → ended.
//!
//! It is written before anything is started, on the condition that nobody else wrote it meanwhile, so that whoever comes after a crash finds what was
//! begun. Two things keep it from being started twice: the token, which AWS takes for one call however often it comes, and the list of copy jobs,
//! which is asked first, because AWS does not say how long it remembers a token.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::CopyOrder;
use super::backfill::is_under_way;
use crate::event::{Job, JobId};
use crate::incident::{IncidentId, digest};

/// Clocks of AWS and ours differ by less.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// A job that is not listed so long after it was started is forgotten, not late
/// (<https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListCopyJobs.html>: about 30 days).
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(24 * 29);

/// What a drill is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "purpose")]
pub enum Purpose {
    /// To make good what jobs of an incident missed.
    Backfill {
        /// The incident.
        incident: IncidentId,
    },
    /// To see a copy work that a plan makes.
    Copy,
    /// To see that a copy comes back.
    CopyBack,
}

/// How far it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum State {
    /// It may have been started, or not.
    Asked {
        /// When this attempt was written.
        at: Timestamp,
    },
    /// AWS named its job.
    Started {
        /// The job.
        job_id: JobId,
        /// When it was noted.
        at: Timestamp,
    },
}

/// A drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name: of the same purpose, recovery point and destination it is the same.
    pub id: String,
    /// What for.
    pub purpose: Purpose,
    /// What is started.
    pub order: CopyOrder,
    /// Counts the copies that were started for it: one that failed is followed by another, under a token of its own.
    pub attempt: u32,
    /// How far it came.
    pub state: State,
    /// The copy jobs that AWS listed when this attempt was written: none of them is of this attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<JobId>,
    /// Counts the writes: the condition of the next one.
    pub revision: u64,
}

/// What is to be done next for a drill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write this; then ask again.
    Write(Record),
    /// Start it under its token, then write what [`started`] makes of it.
    Start(Record),
    /// Its copy is on its way.
    UnderWay(JobId),
}

/// Name of a drill.
pub fn id(purpose: &Purpose, order: &CopyOrder) -> String {
    let (kind, of) = match purpose {
        Purpose::Backfill { incident } => ("backfill", incident.to_string()),
        Purpose::Copy => ("copy", String::new()),
        Purpose::CopyBack => ("copy-back", String::new()),
    };
    let vault = order.source_vault.as_str();
    format!("dr-{}", digest("backup-guardian/drill/v1", &[kind, &of, vault, order.point.as_str(), order.destination_vault.as_str()]))
}

impl Record {
    /// The token under which this attempt is started. Another attempt is another call.
    pub fn token(&self) -> String {
        format!("backup-guardian-{}-{}", self.id, self.attempt)
    }

    fn again(&self, order: &CopyOrder, copies: &[Job], now: Timestamp) -> Self {
        let mut next = self.clone();
        next.earlier = ids(copies);
        next.order = order.clone();
        next.attempt = self.attempt.saturating_add(1);
        next.state = State::Asked { at: now };
        next.revision = self.revision.saturating_add(1);
        next
    }
}

/// What comes next for an order that was found to be missing: neither landed nor on its way, as far as `copies` tells, which are the copy jobs of
/// its recovery point into its vault that AWS lists.
pub fn next(purpose: &Purpose, order: &CopyOrder, kept: Option<&Record>, copies: &[Job], now: Timestamp) -> Step {
    let Some(record) = kept else {
        return Step::Write(Record {
            id: id(purpose, order),
            purpose: purpose.clone(),
            order: order.clone(),
            attempt: 1,
            state: State::Asked { at: now },
            earlier: ids(copies),
            revision: 1,
        });
    };
    match &record.state {
        State::Asked { at } => match begun(record, copies, *at) {
            // Somebody started it and could not write it down.
            Some(job_id) => Step::Write(started(record, job_id, now)),
            // What was asked for then may have been another retention; AWS would refuse another call under the same token, or take it for the old.
            None if record.order != *order => Step::Write(record.again(order, copies, now)),
            None => Step::Start(record.clone()),
        },
        State::Started { job_id, at } => match copies.iter().find(|job| job.job_id.as_ref() == Some(job_id)) {
            Some(job) if is_under_way(job) => Step::UnderWay(job_id.clone()),
            // It failed, or its copy is gone since.
            Some(_) => Step::Write(record.again(order, copies, now)),
            None if now.duration_since(*at) > FORGOTTEN_AFTER => Step::Write(record.again(order, copies, now)),
            None => Step::UnderWay(job_id.clone()),
        },
    }
}

fn ids(copies: &[Job]) -> Vec<JobId> {
    let mut ids = copies.iter().filter_map(|job| job.job_id.clone()).collect::<Vec<_>>();
    ids.sort();
    ids
}

/// The job that an attempt began, as the list shows it.
fn begun(record: &Record, copies: &[Job], asked_at: Timestamp) -> Option<JobId> {
    let since = asked_at.checked_sub(SKEW).unwrap_or(Timestamp::MIN);
    let its = |job: &&Job| {
        job.role_arn.as_ref() == Some(&record.order.role)
            && job.created_at.is_some_and(|at| at >= since)
            && job.job_id.as_ref().is_some_and(|id| !record.earlier.contains(id))
    };
    copies.iter().filter(its).min_by_key(|job| (job.created_at, job.job_id.clone()))?.job_id.clone()
}

/// The record after AWS named the job.
pub fn started(record: &Record, job_id: JobId, now: Timestamp) -> Record {
    let mut next = record.clone();
    next.state = State::Started { job_id, at: now };
    next.revision = record.revision.saturating_add(1);
    next
}
