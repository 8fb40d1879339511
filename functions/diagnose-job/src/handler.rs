//! The handler: claim → gather → decide → join the incident → send → record.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use guardian_aws::lambda::{InvocationError, count, each};
use guardian_core::diagnosis::{Verdict, diagnose};
use guardian_core::event::{self, Job, JobKey, Parsed};
use guardian_core::evidence::Evidence;
use guardian_core::incident::{IncidentId, identify};
use guardian_core::ports::{
    AlertSink, BackupReader, Claim, Claims, DenialStore, Incidents, Joined, KeyReader, OrganizationReader, PortError, RoleReader,
    TrailReader,
};
use guardian_core::report::{self, Kind, Names};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use crate::config::Scope;
use crate::error::{ItemError, Outcome};
use crate::gather::gather;
use crate::limiter::{Limiter, Permit};

/// Name of the function in metrics.
const FUNCTION: &str = "diagnose-job";
/// Longest wait for one answer of the table. With a table that hangs the alert is late by this much, not lost.
const TABLE_PATIENCE: Duration = Duration::from_millis(1_400);
/// Longest wait for the topic.
const TOPIC_PATIENCE: Duration = Duration::from_secs(15);
/// What an item needs besides the evidence window: the table four times, and the topic once in good health.
const OVERHEAD: Duration = Duration::from_secs(10);
/// A lease outlives the invocation by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// The outside of the handler.
pub struct Ports<R, D, W, S> {
    /// Reads jobs, vaults, keys and event histories.
    pub readers: R,
    /// Denials that arrived as events.
    pub denials: D,
    /// Claims and incidents.
    pub work: W,
    /// Where alerts go.
    pub alerts: S,
    /// The clock.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where metrics go, line by line.
    pub metrics: Box<dyn Fn(&str) + Send + Sync>,
}

/// The function.
pub struct Handler<R, D, W, S> {
    ports: Ports<R, D, W, S>,
    scope: Scope,
    limiter: Limiter,
}

impl<R, D, W, S> Handler<R, D, W, S>
where
    R: BackupReader + KeyReader + RoleReader + OrganizationReader + TrailReader + 'static,
    D: DenialStore + 'static,
    W: Claims + Incidents + 'static,
    S: AlertSink + 'static,
{
    /// A handler over these ports.
    pub fn new(ports: Ports<R, D, W, S>, scope: Scope, repeat_after: Duration) -> Self {
        Self { ports, scope, limiter: Limiter::new(repeat_after) }
    }

    /// One invocation: a batch of SQS, or one bare EventBridge event.
    pub async fn handle(self: Arc<Self>, payload: Value, deadline: Instant) -> Result<Value, InvocationError> {
        let needed = self.scope.window + OVERHEAD;
        each(payload, deadline, needed, |body| {
            let handler = Arc::clone(&self);
            async move { handler.event(&body, deadline).await }
        })
        .await
    }

    /// One event.
    pub async fn event(&self, body: &[u8], deadline: Instant) -> Result<Outcome, ItemError> {
        match event::parse(body) {
            Parsed::Job(job) if job.is_problem() => self.job(*job, deadline).await,
            Parsed::Job(_) => Ok(Outcome::NoProblem),
            Parsed::Degraded(degraded) => {
                self.count("degraded", "unreadable-job");
                self.job(degraded.as_job(), deadline).await
            }
            Parsed::Trail(_) => Ok(self.ignored("trail")),
            Parsed::Change(_) => Ok(self.ignored("change")),
            Parsed::Other { detail_type, .. } => {
                tracing::warn!(detail_type = %detail_type.chars().take(128).collect::<String>(), "unknown event, kept out");
                Ok(self.ignored("unknown-detail-type"))
            }
            Parsed::Quarantine(quarantine) => {
                let reason = quarantine.reason.as_str();
                tracing::error!(reason, what = %quarantine.what.chars().take(512).collect::<String>(), "message quarantined");
                self.count("quarantined", reason);
                Err(ItemError::Quarantined { reason: reason.to_owned() })
            }
        }
    }

    async fn job(&self, job: Job, deadline: Instant) -> Result<Outcome, ItemError> {
        let now = (self.ports.now)();
        let key = job.key();
        let left = deadline.saturating_duration_since(Instant::now());
        let lease_until = later(now, left + LEASE_MARGIN);
        let claimed = match self.table(deadline, "claim", self.ports.work.claim(&key, now, lease_until)).await {
            Ok(Claim::Mine) => true,
            Ok(Claim::Done) => return Ok(Outcome::AlreadyDone),
            Ok(Claim::Held) => return Err(ItemError::Claimed),
            Err(error) => {
                self.fail_open(&error, "claim");
                false
            }
        };
        let outcome = self.claimed(job, now, lease_until, deadline).await;
        match &outcome {
            Ok(_) => self.record(deadline, "done", self.ports.work.done(&key, (self.ports.now)())).await,
            Err(_) if claimed => self.record(deadline, "release", Claims::release(&self.ports.work, &key, lease_until)).await,
            Err(_) => {}
        }
        log(&key, &outcome);
        outcome
    }

    async fn claimed(&self, job: Job, now: Timestamp, lease_until: Timestamp, deadline: Instant) -> Result<Outcome, ItemError> {
        let evidence = gather(&self.ports.readers, &self.ports.denials, job, now, &self.scope).await;
        let verdict = diagnose(&evidence);
        let incident = identify(verdict.cause, &verdict.object);
        if Instant::now() >= deadline {
            return Err(ItemError::OutOfTime);
        }
        let joined = self.table(deadline, "join", self.ports.work.join(&incident, &evidence.job, now, lease_until)).await;
        match joined {
            Ok(Joined::Silent { jobs_total }) => {
                tracing::info!(incident_id = %incident, jobs_total, "job joined an announced incident");
                Ok(Outcome::Joined)
            }
            Ok(Joined::Held) => Err(ItemError::BeingAnnounced(incident.to_string())),
            Ok(Joined::First) => self.announce(&evidence, &verdict, Kind::Failure, &incident, 1, lease_until, deadline).await,
            Ok(Joined::Remind { jobs_total, .. }) => {
                self.announce(&evidence, &verdict, Kind::Reminder, &incident, jobs_total, lease_until, deadline).await
            }
            Err(error) => {
                self.fail_open(&error, "join");
                match self.limiter.ask(&incident) {
                    Permit::Told => Ok(Outcome::Joined),
                    Permit::Wait => Err(ItemError::Limited),
                    Permit::Send => {
                        self.send(&evidence, &verdict, Kind::Failure, &incident, 1, deadline).await?;
                        self.limiter.told(&incident);
                        // The table may be back by now; if not, the next job of the incident is announced once more.
                        self.record(deadline, "announced", self.ports.work.announced(&incident, (self.ports.now)())).await;
                        Ok(Outcome::Announced)
                    }
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the pieces of one announcement, used once")]
    async fn announce(
        &self,
        evidence: &Evidence,
        verdict: &Verdict,
        kind: Kind,
        incident: &IncidentId,
        jobs_total: u64,
        lease_until: Timestamp,
        deadline: Instant,
    ) -> Result<Outcome, ItemError> {
        if let Err(error) = self.send(evidence, verdict, kind, incident, jobs_total, deadline).await {
            self.record(deadline, "release", Incidents::release(&self.ports.work, incident, lease_until)).await;
            return Err(error);
        }
        self.limiter.told(incident);
        self.record(deadline, "announced", self.ports.work.announced(incident, (self.ports.now)())).await;
        Ok(if kind == Kind::Reminder { Outcome::Reminded } else { Outcome::Announced })
    }

    async fn send(
        &self,
        evidence: &Evidence,
        verdict: &Verdict,
        kind: Kind,
        incident: &IncidentId,
        jobs_total: u64,
        deadline: Instant,
    ) -> Result<(), ItemError> {
        let alert = report::build(evidence, verdict, kind, incident, jobs_total, &Names::default());
        let message = report::render(&alert);
        within(deadline, TOPIC_PATIENCE, "sns:Publish", self.ports.alerts.send(&message)).await?;
        tracing::info!(
            incident_id = %incident,
            cause = %verdict.cause,
            certainty = verdict.certainty.as_str(),
            severity = verdict.severity.as_str(),
            gaps = verdict.gaps.len(),
            "alert sent"
        );
        self.count("alerts", verdict.cause.label());
        Ok(())
    }

    async fn table<T>(
        &self,
        deadline: Instant,
        operation: &'static str,
        call: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        within(deadline, TABLE_PATIENCE, operation, call).await
    }

    /// A write whose failure only costs a repetition.
    async fn record(&self, deadline: Instant, operation: &'static str, call: impl Future<Output = Result<(), PortError>>) {
        if let Err(error) = self.table(deadline, operation, call).await {
            tracing::error!(step = operation, operation = error.operation, code = %error.code, "not recorded; at worst it is told twice");
            self.count("not-recorded", operation);
        }
    }

    fn fail_open(&self, error: &PortError, step: &'static str) {
        tracing::error!(step, operation = error.operation, code = %error.code, retryable = error.retryable, "the table is down; going on without it");
        self.count("failed-open", step);
    }

    fn ignored(&self, reason: &str) -> Outcome {
        self.count("ignored", reason);
        Outcome::Ignored
    }

    fn count(&self, metric: &str, reason: &str) {
        (self.ports.metrics)(&count(FUNCTION, metric, reason, (self.ports.now)()));
    }
}

/// A call that may take `patience`, and never longer than the invocation lasts.
async fn within<T>(
    deadline: Instant,
    patience: Duration,
    operation: &'static str,
    call: impl Future<Output = Result<T, PortError>>,
) -> Result<T, PortError> {
    let end = deadline.min(Instant::now() + patience);
    match tokio::time::timeout_at(end, call).await {
        Ok(answer) => answer,
        Err(_) => Err(PortError { operation, code: "timeout".to_owned(), retryable: true }),
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

fn log(key: &JobKey, outcome: &Result<Outcome, ItemError>) {
    match outcome {
        Ok(outcome) => tracing::info!(job = %key, %outcome, "job handled"),
        Err(error) => tracing::warn!(job = %key, %error, "job not handled"),
    }
}
