//! A drill as it is kept: asked → started → ended, and of a restore: removed. What AWS refused is kept as refused, and tried again under a new token.
//!
//! It is written before anything is started, on the condition that nobody else wrote it meanwhile, so that whoever comes after a crash finds what was
//! begun. Two things keep it from being started twice: the token, which AWS takes for one call however often it comes, and the list of copy jobs,
//! which is asked first, because AWS does not say how long it remembers a token.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Order;
use super::backfill::is_under_way;
use crate::arn::Arn;
use crate::event::{Job, JobId, JobState};
use crate::incident::{IncidentId, digest};

/// Clocks of AWS and ours differ by less.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// Who asked so long ago has started it, or is dead: longer than every call with its tries.
const ON_THE_WIRE: SignedDuration = SignedDuration::from_mins(5);
/// An attempt that was written longer ago is written again before it is started, so that what it starts is not older than what was written.
const FRESH: SignedDuration = SignedDuration::from_mins(1);
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
    /// To see that what was backed up can be had again, and how long that takes.
    Restore,
}

impl Purpose {
    /// A word for machines and people.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Backfill { .. } => "backfill",
            Self::Copy => "copy",
            Self::CopyBack => "copy-back",
            Self::Restore => "restore",
        }
    }
}

/// What is to be done, under the name by which it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drill {
    /// Its name: see [`id`] and [`id_of_message`].
    pub id: String,
    /// What for.
    pub purpose: Purpose,
    /// What is started.
    pub order: Order,
    /// What was backed up.
    pub resource: Option<Arn>,
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
    /// AWS refused this attempt for a reason that asking again does not take away.
    Refused {
        /// When this attempt was written.
        at: Timestamp,
        /// What AWS said. Untrusted.
        said: String,
    },
    /// Its job came to its end, whichever.
    Ended(Ended),
}

/// How the job of a drill ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The job.
    pub job_id: JobId,
    /// When it was noted.
    pub at: Timestamp,
    /// Its state, as AWS has it. `state` is how far the drill came.
    #[serde(rename = "job_state")]
    pub state: JobState,
    /// Seconds from its creation to its end, as AWS has them: the recovery time of a restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_seconds: Option<i64>,
    /// What AWS says beside the state. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// What a restore made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Arn>,
    /// When it was seen to be gone again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<Timestamp>,
}

/// A drill, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its name: of the same purpose, recovery point and destination it is the same, or of the same message that asked for it.
    pub id: String,
    /// What for.
    pub purpose: Purpose,
    /// What is started.
    pub order: Order,
    /// What was backed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Arn>,
    /// Counts the jobs that were started for it: one that failed is followed by another, under a token of its own.
    pub attempt: u32,
    /// How far it came.
    pub state: State,
    /// The jobs that AWS listed when this attempt was written: none of them is of this attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<JobId>,
    /// Its job was found in the list of jobs and not named to us: somebody who restored the same recovery point at that moment may have started it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub found: bool,
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
    /// Its job is on its way.
    UnderWay(JobId),
    /// Another run asked for it moments ago, with another lifecycle, and may be starting it.
    Busy,
    /// What an attempt before made is there still: first that one goes.
    LeftOver(Arn),
}

const NAMES: &str = "backup-guardian/drill/v1";

/// Name of a drill that a person asks for at a terminal: asked again, it is the same drill, tried again.
pub fn id(purpose: &Purpose, order: &Order) -> String {
    let of = match purpose {
        Purpose::Backfill { incident } => incident.to_string(),
        _ => String::new(),
    };
    let to = order.destination_vault().map_or("", Arn::as_str);
    format!("dr-{}", digest(NAMES, &[purpose.as_str(), &of, order.source_vault().as_str(), order.point().as_str(), to]))
}

/// Name of a drill that a message asks for: the message may come again, and by then there may be a newer recovery point.
pub fn id_of_message(purpose: &Purpose, message_id: &str) -> String {
    format!("dr-{}", digest(NAMES, &["message", purpose.as_str(), message_id]))
}

impl Record {
    /// What it is, to be started again where it was not yet.
    pub fn drill(&self) -> Drill {
        Drill { id: self.id.clone(), purpose: self.purpose.clone(), order: self.order.clone(), resource: self.resource.clone() }
    }

    /// Its job, once AWS named it.
    pub fn job_id(&self) -> Option<&JobId> {
        match &self.state {
            State::Asked { .. } | State::Refused { .. } => None,
            State::Started { job_id, .. } => Some(job_id),
            State::Ended(ended) => Some(&ended.job_id),
        }
    }

    /// What it made and nobody saw go.
    pub fn left_over(&self) -> Option<&Arn> {
        match &self.state {
            State::Ended(ended) if ended.gone_at.is_none() => ended.made.as_ref(),
            _ => None,
        }
    }

    /// The record after its job ended.
    pub fn ended(&self, ended: Ended) -> Self {
        Self { state: State::Ended(ended), revision: self.revision.saturating_add(1), ..self.clone() }
    }

    /// The record after what it made was seen to be gone.
    pub fn gone(&self, now: Timestamp) -> Self {
        match &self.state {
            State::Ended(ended) => self.ended(Ended { gone_at: Some(now), ..ended.clone() }),
            _ => self.clone(),
        }
    }

    /// The token under which this attempt is started. Another attempt is another call.
    pub fn token(&self) -> String {
        format!("backup-guardian-{}-{}", self.id, self.attempt)
    }

    /// The record after AWS refused this attempt.
    pub fn refused(&self, said: String) -> Self {
        match &self.state {
            State::Asked { at } => {
                Self { state: State::Refused { at: *at, said }, revision: self.revision.saturating_add(1), ..self.clone() }
            }
            _ => self.clone(),
        }
    }

    /// The record with the job that this attempt began and nobody could write down, where the list shows one.
    pub fn with_job_of(&self, jobs: &[Job], now: Timestamp) -> Option<Self> {
        match &self.state {
            // A call before may have been taken, though the one that was tried again was refused.
            State::Asked { at } | State::Refused { at, .. } => {
                let job_id = begun(self, jobs, *at)?;
                Some(Self { found: true, ..started(self, job_id, now) })
            }
            State::Started { .. } | State::Ended(_) => None,
        }
    }

    /// The same attempt under the same token, written again before it is tried again: what is listed by now and is not its own never will be.
    fn afresh(&self, jobs: &[Job], now: Timestamp) -> Self {
        let mut next = self.clone();
        next.earlier.extend(ids(jobs));
        next.earlier.sort();
        next.earlier.dedup();
        next.state = State::Asked { at: now };
        next.revision = self.revision.saturating_add(1);
        next
    }

    fn again(&self, order: &Order, jobs: &[Job], now: Timestamp) -> Self {
        let mut next = self.clone();
        next.earlier = ids(jobs);
        next.found = false;
        next.order = order.clone();
        next.attempt = self.attempt.saturating_add(1);
        next.state = State::Asked { at: now };
        next.revision = self.revision.saturating_add(1);
        next
    }
}

/// What comes next for a drill of which nothing is on its way, as far as `jobs` tells, which are the jobs of its recovery point that AWS lists:
/// of a copy those into its vault.
pub fn next(drill: &Drill, kept: Option<&Record>, jobs: &[Job], now: Timestamp) -> Step {
    let Some(record) = kept else {
        return Step::Write(Record {
            id: drill.id.clone(),
            purpose: drill.purpose.clone(),
            order: drill.order.clone(),
            resource: drill.resource.clone(),
            attempt: 1,
            state: State::Asked { at: now },
            earlier: ids(jobs),
            found: false,
            revision: 1,
        });
    };
    let order = &drill.order;
    // Somebody started it and could not write it down.
    if let Some(with_job) = record.with_job_of(jobs, now) {
        return Step::Write(with_job);
    }
    match &record.state {
        // On the wire, perhaps: a second one under another token would be a second copy.
        State::Asked { at } if record.order != *order && now.duration_since(*at) < ON_THE_WIRE => Step::Busy,
        // What was asked for then may have been another retention; AWS would refuse another call under the same token, or take it for the old.
        State::Asked { .. } if record.order != *order => Step::Write(record.again(order, jobs, now)),
        State::Asked { at } if now.duration_since(*at) > FRESH => Step::Write(record.afresh(jobs, now)),
        State::Asked { .. } => Step::Start(record.clone()),
        State::Refused { .. } => Step::Write(record.again(order, jobs, now)),
        State::Started { job_id, at } => match jobs.iter().find(|job| job.job_id.as_ref() == Some(job_id)) {
            Some(job) if is_under_way(job) => Step::UnderWay(job_id.clone()),
            // Nobody looked yet at what it made, and another attempt would forget its job.
            Some(job) if matches!(record.order, Order::Restore(_)) && job.state == JobState::Completed => Step::UnderWay(job_id.clone()),
            // It failed, or its copy is gone since.
            Some(_) => Step::Write(record.again(order, jobs, now)),
            None if now.duration_since(*at) > FORGOTTEN_AFTER => Step::Write(record.again(order, jobs, now)),
            None => Step::UnderWay(job_id.clone()),
        },
        State::Ended(_) => match record.left_over() {
            Some(made) => Step::LeftOver(made.clone()),
            None => Step::Write(record.again(order, jobs, now)),
        },
    }
}

fn ids(jobs: &[Job]) -> Vec<JobId> {
    let mut ids = jobs.iter().filter_map(|job| job.job_id.clone()).collect::<Vec<_>>();
    ids.sort();
    ids
}

/// The job that an attempt began, as the list shows it: created while the call that starts it may have been on the wire. What somebody started under the
/// same role at another time is not ours.
fn begun(record: &Record, jobs: &[Job], asked_at: Timestamp) -> Option<JobId> {
    let since = asked_at.checked_sub(SKEW).unwrap_or(Timestamp::MIN);
    let until = asked_at.checked_add(ON_THE_WIRE).and_then(|at| at.checked_add(SKEW)).unwrap_or(Timestamp::MAX);
    let its = |job: &&Job| {
        job.role_arn.as_ref() == Some(record.order.role())
            && job.created_at.is_some_and(|at| at >= since && at <= until)
            && job.job_id.as_ref().is_some_and(|id| !record.earlier.contains(id))
    };
    jobs.iter().filter(its).min_by_key(|job| (job.created_at, job.job_id.clone()))?.job_id.clone()
}

/// The record after AWS named the job.
pub fn started(record: &Record, job_id: JobId, now: Timestamp) -> Record {
    let mut next = record.clone();
    next.state = State::Started { job_id, at: now };
    next.revision = record.revision.saturating_add(1);
    next
}
