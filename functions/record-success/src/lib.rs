//! Keeps the newest good backup and copy of each resource, and ends incidents on proof: a job that was created after the failure, of the same
//! resource, or of the same key, role and type; for a run that made no job, one of the same rule. Absence of failures is no proof.

use std::sync::Arc;
use std::time::Duration;

use diagnose_job::messenger::{Due, Messenger};
use diagnose_job::{ItemError, Outcome, after};
use guardian_aws::lambda::{InvocationError, each};
use guardian_core::event::{self, Job, JobState, JobType, Parsed};
use guardian_core::evidence::Evidence;
use guardian_core::incident::{self, IncidentId, Lane, Moment, Success};
use guardian_core::ports::{AlertSink, BackupReader, Happened, IncidentKeeper, Incidents, Outbox, Pace, Recoveries};
use guardian_core::report::{self, Names};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::Instant;

/// Name of the function in metrics.
pub const FUNCTION: &str = "record-success";
/// No item is begun with less time left.
const NEEDED: Duration = Duration::from_secs(10);
/// A claim on a message outlives the invocation by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// Longest wait for the recovery point, which tells the key. Without it only the resource itself is proved.
const READ_PATIENCE: Duration = Duration::from_secs(5);

/// The function.
pub struct Handler<R, W, S, L> {
    /// Reads recovery points.
    pub readers: R,
    /// Sends what is due.
    pub messenger: Messenger<W, S, L>,
    /// An open incident is told again after this time.
    pub repeat_after: SignedDuration,
}

impl<R, W, S, L> Handler<R, W, S, L>
where
    R: BackupReader + 'static,
    W: Incidents + IncidentKeeper + Recoveries + Pace + 'static,
    S: AlertSink + 'static,
    L: Outbox + 'static,
{
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
            Parsed::Job(job) if is_proof(&job) => self.completed(*job, deadline).await,
            Parsed::Quarantine(quarantine) => {
                let reason = quarantine.reason.as_str();
                tracing::error!(reason, what = %quarantine.what.chars().take(512).collect::<String>(), "message quarantined");
                self.messenger.count("quarantined", reason);
                Err(ItemError::Quarantined { reason: reason.to_owned() })
            }
            Parsed::Job(_) | Parsed::Degraded(_) | Parsed::Trail(_) | Parsed::Change(_) | Parsed::Other { .. } => {
                self.messenger.count("ignored", "no-proof");
                Ok(Outcome::Ignored)
            }
        }
    }

    async fn completed(&self, job: Job, deadline: Instant) -> Result<Outcome, ItemError> {
        let now = (self.messenger.now)();
        let mut evidence = Evidence::of_event(job, now);
        let Some(mut success) = success(&evidence) else { return Ok(Outcome::Ignored) };
        let work = &self.messenger.work;
        let made_at = evidence.job.completed_at.or(evidence.job.event_time).unwrap_or(now);
        self.messenger.table(deadline, "keep-good", work.keep_good(&success, made_at)).await?;
        let lanes = self.messenger.table(deadline, "lanes", work.lanes(&success.lane)).await?;
        // That its rule makes jobs again, and its plan under its role, a job proves whatever it keeps.
        let mut of_origin = Vec::new();
        for origin in Lane::of_its_origin(&evidence.job) {
            let found = self.messenger.table(deadline, "lanes", work.lanes(&origin)).await?;
            let success = Success { lane: origin, ..success.clone() };
            of_origin.extend(found.into_iter().map(|lane| (lane, success.clone())));
        }
        if lanes.is_empty() && of_origin.is_empty() {
            return Ok(Outcome::NoProblem);
        }
        if !lanes.is_empty()
            && let (Some(vault), Some(point)) = (evidence.job.vault_arn.clone(), evidence.recovery_point_arn().cloned())
        {
            let end = deadline.min(Instant::now() + READ_PATIENCE);
            if let Ok(fact) = tokio::time::timeout_at(end, self.readers.recovery_point(&vault, &point)).await {
                evidence.recovery_point = fact;
            }
        }
        success.lane = Lane::of(&evidence);
        let lease_until = after(now, deadline.saturating_duration_since(Instant::now()) + LEASE_MARGIN);
        let moment = Moment { now, lease_until, repeat_after: self.repeat_after };
        let mut outcome = Outcome::Joined;
        let good = (success.resource.clone(), made_at);
        let proofs = lanes.into_iter().map(|lane| (lane, success.clone())).chain(of_origin);
        for ((id, lane), success) in proofs {
            if let Some(told) = self.prove((&id, &lane), &success, &good, &moment, deadline).await? {
                outcome = told;
            }
        }
        Ok(outcome)
    }

    async fn prove(
        &self,
        (id, lane): (&IncidentId, &Lane),
        success: &Success,
        (resource, made_at): &(String, Timestamp),
        moment: &Moment,
        deadline: Instant,
    ) -> Result<Option<Outcome>, ItemError> {
        let work = &self.messenger.work;
        let Some(Happened { incident, due }) = self.messenger.table(deadline, "complete", work.complete(id, lane, success, moment)).await?
        else {
            return Ok(None);
        };
        let kind = match due {
            incident::Due::Tell(kind) => kind,
            incident::Due::Held => return Err(ItemError::BeingAnnounced(id.to_string())),
            incident::Due::Nothing | incident::Due::Deferred => return Ok(None),
        };
        let Some(last) = self.messenger.table(deadline, "last-alert", work.last_alert(id)).await? else {
            // It was told before messages were kept: its end is kept, and nobody is told less than before.
            self.messenger.record(deadline, "not-told", work.not_told(id, moment.lease_until)).await;
            return Ok(None);
        };
        // The message speaks of the resource of its newest job, of which this may be a newer good copy.
        let of_it = last.jobs.first().is_some_and(|job| job.resource_arn.as_ref() == Some(resource));
        let alert = report::again(&last, kind, &incident, of_it.then_some(*made_at), moment.now);
        let due = Due { incident: &incident, alert: &alert, standing: None, lease_until: moment.lease_until, look: None };
        self.messenger.tell(due, deadline).await.map(Some)
    }
}

/// Whether a job proves anything: it completed, and says nothing that might mean that it did not copy.
fn is_proof(job: &Job) -> bool {
    matches!(job.job_type, JobType::Backup | JobType::Copy) && job.state == JobState::Completed && !job.is_problem()
}

/// What the job kept, as far as the event tells.
fn success(evidence: &Evidence) -> Option<Success> {
    let job = &evidence.job;
    let resource = job.resource_arn.as_ref().or(evidence.recovery_point_arn())?.as_str().to_owned();
    let job_of_alert = report::job_of(evidence, &Names::default());
    Some(Success { job: job_of_alert, created_at: job.created_at.or(job.event_time)?, lane: Lane::of(evidence), resource })
}
