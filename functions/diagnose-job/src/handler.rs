//! The handler: claim → gather → decide → join the incident → send → record.

use std::sync::Arc;
use std::time::Duration;

use guardian_aws::lambda::{InvocationError, each_of};
use guardian_core::diagnosis::{Verdict, diagnose};
use guardian_core::event::{self, Job, JobKey, Parsed, VAULT_NOTIFICATIONS};
use guardian_core::evidence::Evidence;
use guardian_core::incident::{self, Exposure, Incident, IncidentId, Moment};
use guardian_core::ports::{
    AlertSink, BackupReader, Claim, Claims, DenialStore, Happened, Incidents, KeyReader, OrganizationReader, Outbox, Pace, PlanReader,
    Recoveries, RoleReader, TrailReader,
};
use guardian_core::report::{self, Alert, Kind, Names};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::time::Instant;

use crate::config::Scope;
use crate::error::{ItemError, Outcome};
use crate::exposure::exposure;
use crate::gather::{Gathered, gather, gather_unless};
use crate::later::Look;
use crate::messenger::{Due, Messenger, TABLE_PATIENCE, within};

/// Name of the function in metrics.
const FUNCTION: &str = "diagnose-job";
/// What an item needs besides the evidence window: the table a few times, and the topic once in good health.
const OVERHEAD: Duration = Duration::from_secs(10);
/// A lease outlives the invocation by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// Longest wait for a table that is there, when a job joins an incident.
const JOIN_PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for the answer whether a job is of a known incident: it spares a search, and is not worth a late alert.
const FAMILIAR_PATIENCE: Duration = Duration::from_millis(300);

/// The outside of the handler.
pub struct Ports<R, D, W, S, L> {
    /// Reads jobs, vaults, keys and event histories.
    pub readers: R,
    /// Denials that arrived as events.
    pub denials: D,
    /// Claims, incidents and the pace.
    pub work: W,
    /// Where alerts go.
    pub alerts: S,
    /// Work for later.
    pub later: L,
    /// The clock.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where metrics go, line by line.
    pub metrics: Box<dyn Fn(&str) + Send + Sync>,
}

/// What a job turned out to be that looks like one of a known incident.
enum Familiar {
    /// It joined the incident, and nothing is due.
    Joined,
    /// Something is due that needs a diagnosis.
    NotQuite,
}

/// The function.
pub struct Handler<R, D, W, S, L> {
    readers: R,
    denials: D,
    messenger: Messenger<W, S, L>,
    scope: Scope,
    repeat_after: SignedDuration,
}

impl<R, D, W, S, L> Handler<R, D, W, S, L>
where
    R: BackupReader + KeyReader + RoleReader + OrganizationReader + PlanReader + TrailReader + 'static,
    D: DenialStore + 'static,
    W: Claims + Incidents + Pace + Recoveries + 'static,
    S: AlertSink + 'static,
    L: Outbox + 'static,
{
    /// A handler over these ports.
    pub fn new(ports: Ports<R, D, W, S, L>, scope: Scope, repeat_after: Duration) -> Self {
        let Ports { readers, denials, work, alerts, later, now, metrics } = ports;
        let messenger = Messenger::new(FUNCTION, (work, alerts, later), now, metrics, repeat_after);
        let repeat_after = SignedDuration::try_from(repeat_after).unwrap_or(SignedDuration::MAX);
        Self { readers, denials, messenger, scope, repeat_after }
    }

    /// One invocation: a batch of SQS, or one bare EventBridge event.
    pub async fn handle(self: Arc<Self>, payload: Value, deadline: Instant) -> Result<Value, InvocationError> {
        let needed = self.scope.window + OVERHEAD;
        each_of(payload, deadline, needed, |item| {
            let handler = Arc::clone(&self);
            async move {
                // Topics of every account may send to the one queue, and only EventBridge to the other: what lies here is never read as an event.
                match item.queue.as_deref() {
                    Some(VAULT_NOTIFICATIONS) => handler.parsed(event::parse_notification(&item.body), deadline).await,
                    Some(_) | None => handler.event(&item.body, deadline).await,
                }
            }
        })
        .await
    }

    /// One event.
    pub async fn event(&self, body: &[u8], deadline: Instant) -> Result<Outcome, ItemError> {
        self.parsed(event::parse(body), deadline).await
    }

    async fn parsed(&self, parsed: Parsed, deadline: Instant) -> Result<Outcome, ItemError> {
        match parsed {
            Parsed::Job(job) if job.is_problem() => self.job(*job, deadline).await,
            Parsed::Job(_) => Ok(Outcome::NoProblem),
            Parsed::Degraded(degraded) => {
                self.messenger.count("degraded", "unreadable-job");
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
                self.messenger.count("quarantined", reason);
                Err(ItemError::Quarantined { reason: reason.to_owned() })
            }
        }
    }

    async fn job(&self, job: Job, deadline: Instant) -> Result<Outcome, ItemError> {
        let (account, region) = (job.account.clone(), job.region.clone());
        let destination = job.destination_vault_arn.as_ref().and_then(|vault| Some((vault.account()?, vault.region()?)));
        // Sessions in both accounts, while the claim and the first reads are on their way. Nobody waits for them here.
        let sessions = async {
            tokio::join!(self.readers.prepare(&account, &region), async {
                if let Some((account, region)) = &destination {
                    self.readers.prepare(account, region).await;
                }
            });
            std::future::pending().await
        };
        tokio::select! {
            outcome = self.claim(job, deadline) => outcome,
            never = sessions => never,
        }
    }

    async fn claim(&self, job: Job, deadline: Instant) -> Result<Outcome, ItemError> {
        let now = (self.messenger.now)();
        let key = job.key();
        let left = deadline.saturating_duration_since(Instant::now());
        let lease_until = later(now, left + LEASE_MARGIN);
        let moment = Moment { now, lease_until, repeat_after: self.repeat_after };
        let claimed = match self.messenger.table(deadline, "claim", self.messenger.work.claim(&key, now, lease_until)).await {
            Ok(Claim::Mine) => true,
            Ok(Claim::Done) => return Ok(Outcome::AlreadyDone),
            Ok(Claim::Held) => return Err(ItemError::Claimed),
            Err(error) => {
                self.messenger.fail_open(&error, "claim");
                false
            }
        };
        // A table that gave the claim is there: it may take its time where many jobs meet on one incident.
        let patience = if claimed { JOIN_PATIENCE } else { TABLE_PATIENCE };
        let outcome = self.claimed(job, &moment, patience, deadline).await;
        match &outcome {
            Ok(_) => self.messenger.record(deadline, "done", self.messenger.work.done(&key, (self.messenger.now)())).await,
            Err(_) if claimed => self.messenger.record(deadline, "release", Claims::release(&self.messenger.work, &key, lease_until)).await,
            Err(_) => {}
        }
        log(&key, &outcome);
        outcome
    }

    async fn claimed(&self, job: Job, moment: &Moment, patience: Duration, deadline: Instant) -> Result<Outcome, ItemError> {
        let familiar = async |evidence: &Evidence| self.familiar(evidence, moment).await;
        let (readers, denials) = (&self.readers, &self.denials);
        let end = Instant::now() + self.scope.window;
        let gathering = async {
            match gather_unless(readers, denials, job.clone(), moment.now, &self.scope, familiar).await {
                Gathered::Whole(evidence) => Ok(*evidence),
                Gathered::Familiar(Familiar::Joined) => Err(Outcome::Joined),
                Gathered::Familiar(Familiar::NotQuite) => Ok(gather(readers, denials, job.clone(), moment.now, &self.scope).await),
            }
        };
        let exposing = async { Ok(exposure(readers, &self.messenger.work, &job, moment.now, end).await) };
        // Boxed: with everything that it asks for at once it is too large for the stack of a thread.
        let (evidence, exposure) = match tokio::try_join!(Box::pin(gathering), exposing) {
            Ok(both) => both,
            Err(outcome) => return Ok(outcome),
        };
        let verdict = diagnose(&evidence);
        if Instant::now() >= deadline {
            return Err(ItemError::OutOfTime);
        }
        let failure = incident::failure(&evidence, &verdict, &exposure);
        let joined = within(deadline, patience, "join", self.messenger.work.join(&failure, moment)).await;
        let look = |incident: &IncidentId, opening| Look::first(incident.clone(), opening, &evidence.job);
        match joined {
            Ok(Happened { incident, due }) => match due {
                incident::Due::Nothing => {
                    tracing::info!(incident_id = %incident.id, jobs_total = incident.jobs_total, "job joined an announced incident");
                    Ok(Outcome::Joined)
                }
                incident::Due::Held => Err(ItemError::BeingAnnounced(incident.id.to_string())),
                incident::Due::Deferred => {
                    self.messenger.arrange_digest(deadline).await?;
                    Ok(Outcome::Deferred)
                }
                incident::Due::Tell(kind) => {
                    let alert = alert(&evidence, &verdict, kind, &incident, &exposure);
                    let look = (kind == Kind::Failure).then(|| look(&incident.id, Some(incident.opening)));
                    let standing = Some(&failure.standing);
                    let lease_until = moment.lease_until;
                    self.messenger.tell(Due { incident: &incident, alert: &alert, standing, lease_until, look }, deadline).await
                }
            },
            Err(error) => {
                self.messenger.fail_open(&error, "join");
                let unseen = Incident::unseen(failure.identity.clone(), moment.now);
                let alert = alert(&evidence, &verdict, Kind::Failure, &unseen, &exposure);
                self.messenger.tell_anyway(&alert, &failure.standing, look(&failure.identity, None), deadline).await
            }
        }
    }

    /// Whether the job has the lane and the text of those of an incident that people know of. Then it joins it, and nobody searches for what
    /// is known.
    async fn familiar(&self, evidence: &Evidence, moment: &Moment) -> Option<Familiar> {
        let deadline = Instant::now() + FAMILIAR_PATIENCE;
        let provisional = incident::provisional(evidence);
        let known = self.messenger.table(deadline, "known", self.messenger.work.known(&provisional, moment.now)).await.ok()??;
        let failure = incident::another(evidence, &known)?;
        let deadline = Instant::now() + FAMILIAR_PATIENCE * 4;
        let Happened { incident, due } = self.messenger.table(deadline, "join", self.messenger.work.join(&failure, moment)).await.ok()?;
        match due {
            incident::Due::Nothing => {
                tracing::info!(incident_id = %incident.id, jobs_total = incident.jobs_total, "job is one of an announced incident");
                Some(Familiar::Joined)
            }
            incident::Due::Tell(_) => {
                let release = self.messenger.work.not_told(&incident.id, moment.lease_until);
                self.messenger.record(deadline, "not-told", release).await;
                Some(Familiar::NotQuite)
            }
            incident::Due::Held | incident::Due::Deferred => Some(Familiar::NotQuite),
        }
    }

    fn ignored(&self, reason: &str) -> Outcome {
        self.messenger.count("ignored", reason);
        Outcome::Ignored
    }
}

/// The message about an incident, from the evidence of one of its jobs.
pub fn alert(evidence: &Evidence, verdict: &Verdict, kind: Kind, incident: &Incident, exposure: &Exposure) -> Alert {
    let mut alert = report::build(evidence, verdict, kind, &incident.id, incident.jobs_total, &Names::default());
    report::of_incident(&mut alert, incident, exposure, evidence.now);
    alert
}

/// `now` and so much.
pub fn later(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| now.checked_add(by).ok()).unwrap_or(Timestamp::MAX)
}

fn log(key: &JobKey, outcome: &Result<Outcome, ItemError>) {
    match outcome {
        Ok(outcome) => tracing::info!(job = %key, %outcome, "job handled"),
        Err(error) => tracing::warn!(job = %key, %error, "job not handled"),
    }
}
