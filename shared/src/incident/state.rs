//! An incident as it is kept, and what happens to it: data alone.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Exposure, IncidentId, Lane, Object};
use crate::diagnosis::{Cause, Certainty, Severity, Verdict};
use crate::event::JobKey;
use crate::report::Kind;
use crate::report::alert::AlertJob;
use crate::tamper::Burst;

/// What is held to be the cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The cause.
    pub cause: Cause,
    /// What must change.
    pub object: Object,
    /// How sure.
    pub certainty: Certainty,
    /// How bad.
    pub severity: Severity,
}

impl Standing {
    /// What a verdict holds, as bad as the failure leaves its resource.
    pub fn of(verdict: &Verdict, exposure: &Exposure, now: Timestamp) -> Self {
        let severity = exposure.weigh(verdict.severity, now);
        Self { cause: verdict.cause, object: verdict.object.clone(), certainty: verdict.certainty, severity }
    }
}

/// A job that failed, as incidents see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The job.
    pub job: JobKey,
    /// When it was created: only a job created later can prove the fix.
    pub created_at: Timestamp,
    /// Where it ran.
    pub lane: Lane,
    /// What it should have kept: ARN of the resource, or of the recovery point where that is all there is.
    pub resource: String,
    /// What the diagnosis holds.
    pub standing: Standing,
    /// The incident of that cause and object.
    pub identity: IncidentId,
    /// The incident of the route, the key and the class of the text: what it is before the object is known.
    pub provisional: IncidentId,
    /// When the recovery point that was not copied expires.
    pub expires_at: Option<Timestamp>,
    /// Whether this very job was diagnosed, or taken for one of a known incident by its lane and text.
    pub diagnosed: bool,
}

/// A job that completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success {
    /// The job, as alerts tell it.
    pub job: AlertJob,
    /// When it was created.
    pub created_at: Timestamp,
    /// Where it ran.
    pub lane: Lane,
    /// What it kept.
    pub resource: String,
}

/// Somebody who took the incident on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who. Untrusted text.
    pub owner: String,
    /// Why no reminder is wanted. Untrusted text.
    pub reason: String,
    /// Until when. Reminders come again after it: there is no permanent mute.
    pub until: Timestamp,
}

/// Somebody who ended an incident that no job can prove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// Who. Untrusted text.
    pub owner: String,
    /// What shows that it is over. Untrusted text.
    pub reason: String,
    /// When.
    pub at: Timestamp,
    /// The opening that it ended. A later failure opens the incident again, and leaves this to be read.
    pub opening: u32,
}

/// Why an incident cannot be closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is over.
    Over,
    /// Nobody was told of it yet.
    Untold,
    /// A job can prove the fix of this lane.
    Provable(Box<Lane>),
}

/// The last message that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When.
    pub at: Timestamp,
    /// What was said. Absent in items of the first release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
}

/// An incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// How often it was opened: one that was resolved opens again under its id.
    pub opening: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// What is held now. Absent in items of the first release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// Jobs of this opening.
    pub jobs_total: u64,
    /// Resources in their lanes that failed.
    pub members_total: u64,
    /// Of these, the recovered ones.
    pub members_recovered: u64,
    /// When the first of what was not copied expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_expires_at: Option<Timestamp>,
    /// The last message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// Somebody is sending a message, and has until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telling_until: Option<Timestamp>,
    /// It waits for the next digest, because too many messages went out when it opened.
    #[serde(default)]
    pub deferred: bool,
    /// A partial recovery was told.
    #[serde(default)]
    pub recovering_told: bool,
    /// Who took it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
    /// Who ended it without a proof. Absent in items of older releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closing>,
    /// Until when CloudTrail was searched without a result that explains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub searched_until: Option<Timestamp>,
    /// Number of the follow-up that is due next: one that comes twice is done once.
    #[serde(default)]
    pub follow_up: u32,
    /// Where all its jobs are listed, once that was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_uri: Option<String>,
    /// The last job that proved something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved_by: Option<Box<AlertJob>>,
    /// When it was told that it is over: by a job that proved the fix, or by somebody who closed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// What somebody did; only in an incident of tampering, which has no failed jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<Box<Burst>>,
}

/// The jobs of an incident in one lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneState {
    /// The opening of the incident that it belongs to.
    pub opening: u32,
    /// The lane.
    pub lane: Lane,
    /// Counts up when the lane fails again after it was proved: older members are history then.
    pub round: u32,
    /// Resources that failed in this round.
    pub members: u64,
    /// Of these, the recovered ones.
    pub recovered: u64,
    /// Creation of the newest failed job.
    pub newest_failure: Timestamp,
    /// Creation of the job that proved the lane as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved: Option<Timestamp>,
}

/// A resource in a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The opening of the incident that it belongs to.
    pub opening: u32,
    /// The round of its lane that it belongs to.
    pub round: u32,
    /// What is not kept.
    pub resource: String,
    /// Creation of its newest failed job.
    pub newest_failure: Timestamp,
    /// Creation of a later job that kept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved: Option<Timestamp>,
}

/// What is known of an incident in the eyes of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The incident, if it was ever opened.
    pub incident: Option<Incident>,
    /// The lane of the job in it.
    pub lane: Option<LaneState>,
    /// The resource of the job in that lane.
    pub member: Option<Member>,
    /// The opening in which this very job, or deed, was counted.
    pub job_counted: Option<u32>,
}

/// The moment of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub now: Timestamp,
    /// When a claim on a message that is made now ends.
    pub lease_until: Timestamp,
    /// An open incident is told again after this time.
    pub repeat_after: SignedDuration,
}

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send this; the claim on it is ours.
    Tell(Kind),
    /// Nothing.
    Nothing,
    /// Somebody else is about to send it: come again.
    Held,
    /// It waits for the next digest: see to it that there is one.
    Deferred,
}

impl Incident {
    /// An incident that was told without being kept.
    pub fn unseen(id: IncidentId, now: Timestamp) -> Self {
        Self {
            id,
            opening: 1,
            opened_at: now,
            standing: None,
            jobs_total: 1,
            members_total: 0,
            members_recovered: 0,
            first_expires_at: None,
            told: None,
            telling_until: None,
            deferred: false,
            recovering_told: false,
            acknowledged: None,
            closed: None,
            searched_until: None,
            follow_up: 0,
            report_uri: None,
            proved_by: None,
            resolved_at: None,
            burst: None,
        }
    }

    /// Whether it still concerns somebody.
    pub fn is_open(&self) -> bool {
        self.resolved_at.is_none()
    }

    /// Who ended this opening without a proof. Of what jobs proved they are the proof.
    pub fn closing(&self) -> Option<&Closing> {
        self.closed.as_ref().filter(|closing| closing.opening == self.opening && !self.is_recovered())
    }

    /// Whether nothing of it waits any more, told or not.
    pub fn is_ended(&self) -> bool {
        self.is_recovered() || self.closing().is_some()
    }

    /// Whether everything that failed has recovered.
    pub fn is_recovered(&self) -> bool {
        self.members_total > 0 && self.members_recovered >= self.members_total
    }
}
