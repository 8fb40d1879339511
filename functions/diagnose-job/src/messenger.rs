//! Sends what is due about an incident: in its turn, once, and recorded.
//!
//! The order is claim → send → see to what follows → record: a crash anywhere loses nothing and repeats at most one message.

use std::future::Future;
use std::time::Duration;

use guardian_aws::lambda::count;
use guardian_core::incident::pace::{Permit, Sender};
use guardian_core::incident::{Incident, IncidentId, Standing};
use guardian_core::ports::{AlertSink, Incidents, Outbox, Pace, PortError};
use guardian_core::report::{self, Alert, Kind};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::error::{ItemError, Outcome};
use crate::later::{Look, Work};
use crate::limiter::{Limiter, Permit as Local};

/// Longest wait for one answer of the table. With a table that hangs the alert is late by this much, not lost.
pub const TABLE_PATIENCE: Duration = Duration::from_millis(1_400);
/// Longest wait for the topic.
const TOPIC_PATIENCE: Duration = Duration::from_secs(15);
/// Longest wait for the queue of later work.
const QUEUE_PATIENCE: Duration = Duration::from_secs(3);
/// A message that may go out this soon waits for it; one that may not goes into the next digest.
const TURN: SignedDuration = SignedDuration::from_millis(1_200);
/// How often it waits: the others that wait take their turns, too.
const TURNS: u32 = 8;
/// When the digest of what could not go out is sent.
pub const DIGEST_AFTER: Duration = Duration::from_secs(10);
/// When somebody looks again for evidence that is late: CloudTrail delivers within about 5 minutes, and sometimes much later.
pub const LOOKS: [Duration; 3] = [Duration::from_secs(300), Duration::from_secs(600), Duration::from_secs(1_200)];

/// Sends messages.
pub struct Messenger<W, S, L> {
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
    function: &'static str,
    limiter: Limiter,
}

/// One message about an incident, and what it rests on.
pub struct Due<'a> {
    /// The incident as it is kept.
    pub incident: &'a Incident,
    /// The message.
    pub alert: &'a Alert,
    /// What it says is the cause.
    pub standing: Option<&'a Standing>,
    /// The claim on it.
    pub lease_until: Timestamp,
    /// What to look at again, where evidence may still come.
    pub look: Option<Look>,
}

impl<W, S, L> Messenger<W, S, L>
where
    W: Incidents + Pace,
    S: AlertSink,
    L: Outbox,
{
    /// A messenger of a function.
    pub fn new(
        function: &'static str,
        (work, alerts, later): (W, S, L),
        now: Box<dyn Fn() -> Timestamp + Send + Sync>,
        metrics: Box<dyn Fn(&str) + Send + Sync>,
        repeat_after: Duration,
    ) -> Self {
        Self { work, alerts, later, now, metrics, function, limiter: Limiter::new(repeat_after) }
    }

    /// Sends a message that was claimed, if it may go out now. One that may not waits: a first one for the digest, any other for its follow-up.
    pub async fn tell(&self, due: Due<'_>, deadline: Instant) -> Result<Outcome, ItemError> {
        let Due { incident, alert, standing, lease_until, look } = due;
        let sender = Sender::Account(alert.act_in.account_id.clone());
        let first = alert.kind == Kind::Failure || (alert.kind == Kind::Tamper && incident.told.is_none());
        match self.turn(&sender, deadline).await {
            Ok(true) => {}
            Ok(false) if first => {
                self.table(deadline, "defer", self.work.defer(&incident.id, alert, lease_until)).await?;
                self.arrange_digest(deadline).await?;
                return Ok(Outcome::Deferred);
            }
            Ok(false) => {
                self.record(deadline, "not-told", self.work.not_told(&incident.id, lease_until)).await;
                // What got worse does not wait for the next reminder.
                if alert.kind == Kind::Tamper {
                    return Err(ItemError::BeingAnnounced(incident.id.to_string()));
                }
                return Ok(Outcome::Joined);
            }
            Err(error) => {
                self.fail_open(&error, "permit");
                if let Some(outcome) = self.without_the_table(&incident.id)? {
                    // What got worse is news, and this instance told what was before.
                    if alert.kind == Kind::Tamper {
                        self.record(deadline, "not-told", self.work.not_told(&incident.id, lease_until)).await;
                        return Err(ItemError::NotSent(error));
                    }
                    return Ok(outcome);
                }
            }
        }
        if let Err(error) = self.send(alert, deadline).await {
            self.record(deadline, "not-told", self.work.not_told(&incident.id, lease_until)).await;
            return Err(error);
        }
        self.limiter.told(&incident.id);
        if let Some(look) = look {
            self.arrange(&Work::Look(look), LOOKS[0], deadline).await;
        }
        self.record(deadline, "told", self.work.told(&incident.id, alert, standing, (self.now)())).await;
        Ok(match alert.kind {
            Kind::Reminder => Outcome::Reminded,
            Kind::Upgrade => Outcome::Upgraded,
            Kind::Resolved => Outcome::Resolved,
            _ => Outcome::Announced,
        })
    }

    /// Sends a first message although the table is down. Nobody knows what the others sent: within the limit of this instance.
    pub async fn tell_anyway(&self, alert: &Alert, standing: &Standing, look: Look, deadline: Instant) -> Result<Outcome, ItemError> {
        if let Some(outcome) = self.without_the_table(&alert.incident_id)? {
            return Ok(outcome);
        }
        self.send(alert, deadline).await?;
        self.limiter.told(&alert.incident_id);
        self.arrange(&Work::Look(look), LOOKS[0], deadline).await;
        // The table may be back by now; if not, the next job of the incident is announced once more.
        self.record(deadline, "told", self.work.told(&alert.incident_id, alert, Some(standing), (self.now)())).await;
        Ok(Outcome::Announced)
    }

    /// What this instance may do without the table; `None`: send.
    fn without_the_table(&self, id: &IncidentId) -> Result<Option<Outcome>, ItemError> {
        match self.limiter.ask(id) {
            Local::Told => Ok(Some(Outcome::Joined)),
            Local::Wait => Err(ItemError::Limited),
            Local::Send => Ok(None),
        }
    }

    /// Waits for the turn of a message, if it comes soon.
    pub async fn turn(&self, sender: &Sender, deadline: Instant) -> Result<bool, PortError> {
        for _ in 0..TURNS {
            match self.table(deadline, "permit", self.work.permit(sender, (self.now)())).await? {
                Permit::Now => return Ok(true),
                Permit::After(wait) if wait <= TURN => tokio::time::sleep(wait.unsigned_abs()).await,
                Permit::After(_) => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Sees to it that the digest is sent.
    pub async fn arrange_digest(&self, deadline: Instant) -> Result<(), ItemError> {
        within(deadline, QUEUE_PATIENCE, "sqs:SendMessage", self.later.put(&[Work::Digest.to_string()], DIGEST_AFTER)).await?;
        Ok(())
    }

    /// Puts work off. A failure is counted: the hourly reconciliation finds what is open.
    pub async fn arrange(&self, work: &Work, after: Duration, deadline: Instant) -> bool {
        let answer = within(deadline, QUEUE_PATIENCE, "sqs:SendMessage", self.later.put(&[work.to_string()], after)).await;
        if let Err(error) = &answer {
            tracing::error!(operation = error.operation, code = %error.code, "nobody looks at the incident again by itself");
            self.count("not-recorded", "follow-up");
        }
        answer.is_ok()
    }

    /// Sends a message.
    pub async fn send(&self, alert: &Alert, deadline: Instant) -> Result<(), ItemError> {
        let message = report::render(alert);
        within(deadline, TOPIC_PATIENCE, "sns:Publish", self.alerts.send(&message)).await?;
        tracing::info!(
            incident_id = %alert.incident_id,
            kind = alert.kind.as_str(),
            cause = %alert.cause,
            certainty = alert.certainty.as_str(),
            severity = alert.severity.as_str(),
            gaps = alert.gaps.len(),
            "alert sent"
        );
        self.count("alerts", alert.cause.label());
        Ok(())
    }

    /// A call of the table.
    pub fn table<T>(
        &self,
        deadline: Instant,
        operation: &'static str,
        call: impl Future<Output = Result<T, PortError>>,
    ) -> impl Future<Output = Result<T, PortError>> {
        within(deadline, TABLE_PATIENCE, operation, call)
    }

    /// A write whose failure only costs a repetition.
    pub async fn record(&self, deadline: Instant, operation: &'static str, call: impl Future<Output = Result<(), PortError>>) {
        if let Err(error) = self.table(deadline, operation, call).await {
            tracing::error!(step = operation, operation = error.operation, code = %error.code, "not recorded; at worst it is told twice");
            self.count("not-recorded", operation);
        }
    }

    /// Says that the table is down and the work goes on.
    pub fn fail_open(&self, error: &PortError, step: &'static str) {
        tracing::error!(step, operation = error.operation, code = %error.code, retryable = error.retryable, "the table is down; going on without it");
        self.count("failed-open", step);
    }

    /// Counts something.
    pub fn count(&self, metric: &str, reason: &str) {
        (self.metrics)(&count(self.function, metric, reason, (self.now)()));
    }
}

/// A call that may take `patience`, and never longer than the invocation lasts. Boxed, as a call of the SDK is large.
pub fn within<T>(
    deadline: Instant,
    patience: Duration,
    operation: &'static str,
    call: impl Future<Output = Result<T, PortError>>,
) -> impl Future<Output = Result<T, PortError>> {
    let call = Box::pin(call);
    async move {
        let end = deadline.min(Instant::now() + patience);
        match tokio::time::timeout_at(end, call).await {
            Ok(answer) => answer,
            Err(_) => Err(PortError { operation, code: "timeout".to_owned(), retryable: true }),
        }
    }
}
