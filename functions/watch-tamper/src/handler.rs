//! The handler: keep the write, judge it, tell.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use diagnose_job::after;
use diagnose_job::later::Look;
use diagnose_job::messenger::{Due, Messenger, within};
use guardian_aws::lambda::{InvocationError, each};
use guardian_core::arn::AccountId;
use guardian_core::event::Change;
use guardian_core::incident::pace::Sender;
use guardian_core::incident::{self, IncidentId, Moment, View};
use guardian_core::ports::{AlertSink, ChangeLog, Happened, Incidents, Outbox, Pace, PortError, RouteMemory, RouteReader, Tampers};
use guardian_core::prediction::{Touch, touched};
use guardian_core::report::alert::Changed;
use guardian_core::report::{self, Alert};
use guardian_core::tamper::{self, Before, Deed, Incoming, Judged, Scene, Write};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::time::Instant;

use crate::predict::{ForeseeError, Foresight, Occurrence, Teller};

/// Name of the function in metrics.
pub const FUNCTION: &str = "watch-tamper";
/// No item is begun with less time left.
const NEEDED: Duration = Duration::from_secs(10);
/// A claim on a message outlives the invocation by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(5);
/// Longest wait for the log.
const LOG_PATIENCE: Duration = Duration::from_secs(4);
/// What is left of an invocation when what a write does to copies must be known.
const MARGIN: Duration = Duration::from_secs(3);
/// So long after an announcement of AWS Backup the record of the call may still come: CloudTrail delivers within minutes.
const RECORD_MAY_COME: SignedDuration = SignedDuration::from_mins(10);
/// Objects that are read for what was there before.
const MOST_KEPT_READ: usize = 4;
/// An announcement and the call that it is about lie no further apart: AWS Backup announces in rounds of five minutes.
const APART: SignedDuration = SignedDuration::from_mins(30);

/// What the organization looks like.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// The accounts that keep the copies.
    pub backup_accounts: BTreeSet<AccountId>,
    /// The organization, where the guardian was told.
    pub organization_id: Option<String>,
}

/// How an item that may leave the queue ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The write was kept, and nobody need hear of it.
    Silent,
    /// Somebody endangered backups: what became of the message.
    Told(diagnose_job::Outcome),
    /// An event that is no write.
    Ignored,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("silent"),
            Self::Told(outcome) => outcome.fmt(f),
            Self::Ignored => f.write_str("ignored"),
        }
    }
}

/// An item that must come again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// The message is not an event.
    #[error("not an event: `{0}`")]
    Quarantined(&'static str),
    /// What was there before could not be read, and nothing could be said without it.
    #[error("what was there before was not read: {0}")]
    NotRead(PortError),
    /// The table did not take the write.
    #[error("the write was not kept: {0}")]
    NotKept(#[from] PortError),
    /// The record of the call, which names the actor, may still come.
    #[error("the record of the call may still come")]
    Early,
    /// What the write does to copies was not seen to its end.
    #[error("what the write does to copies is not known: {0}")]
    NotForeseen(#[from] ForeseeError),
    /// Likewise, for want of time.
    #[error("what the write does to copies was not known in time")]
    Late,
    /// Somebody must hear of it, and could not be told.
    #[error(transparent)]
    NotTold(#[from] diagnose_job::ItemError),
}

/// The function.
pub struct Handler<C, W, S, L, M, R> {
    /// Where writes are kept.
    pub log: C,
    /// Sends what is due.
    pub messenger: Messenger<W, S, L>,
    /// What writes do to copies that have not run yet.
    pub foresight: Foresight<M, R>,
    /// What the organization looks like.
    pub watched: Watched,
    /// An open incident is told again after this time.
    pub repeat_after: SignedDuration,
}

fn occurrence(write: &Write) -> Occurrence<'_> {
    Occurrence {
        account: &write.account,
        service: &write.service,
        event_name: &write.event_name,
        objects: &write.objects,
        request: &write.request,
        changed: Changed {
            actor: write.actor.name.clone(),
            action: write.action(),
            event_id: write.event_id.clone(),
            at: write.at,
            source_ip: write.source_ip.clone(),
        },
    }
}

impl<C, W, S, L, M, R> Handler<C, W, S, L, M, R>
where
    C: ChangeLog + 'static,
    W: Incidents + Tampers + Pace + 'static,
    S: AlertSink + 'static,
    L: Outbox + 'static,
    M: RouteMemory + 'static,
    R: RouteReader + 'static,
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
        match tamper::read(body) {
            Incoming::Write(write) => self.write(&write, deadline).await,
            Incoming::Announced(change) => self.announced(&change, deadline).await,
            Incoming::Other => {
                self.messenger.count("ignored", "no-write");
                Ok(Outcome::Ignored)
            }
            Incoming::Quarantine(reason) => {
                tracing::error!(reason, "message quarantined");
                self.messenger.count("quarantined", reason);
                Err(ItemError::Quarantined(reason))
            }
        }
    }

    async fn write(&self, write: &Write, deadline: Instant) -> Result<Outcome, ItemError> {
        let before = self.before(write, deadline).await;
        // Whether it could be kept or not, people hear of it first.
        let kept = within(deadline, LOG_PATIENCE, "dynamodb:BatchWriteItem", self.log.keep(write)).await;
        let known = before.as_ref().ok().and_then(Option::as_ref);
        let outcome = self.after_a_write_was_kept(write, known, deadline).await;
        let foreseen = self.foresee(write, deadline).await;
        kept.inspect_err(|_| self.messenger.count("not-kept", "change"))?;
        foreseen?;
        match (outcome, before) {
            // That the log could not be read is not that nothing was there: silence may hang on it.
            (Ok(Outcome::Silent), Err(error)) => Err(ItemError::NotRead(error)),
            (outcome, _) => outcome,
        }
    }

    /// What the write does to copies that have not run yet. A call that was refused does nothing.
    async fn foresee(&self, write: &Write, deadline: Instant) -> Result<(), ItemError> {
        if write.was_refused() {
            return Ok(());
        }
        let occurrence = occurrence(write);
        let teller = InTurn { messenger: &self.messenger, deadline };
        let foreseeing = self.foresight.foresee(&occurrence, &teller, || (self.messenger.now)());
        let end = deadline.checked_sub(MARGIN).unwrap_or(deadline);
        let foreseen = tokio::time::timeout_at(end, Box::pin(foreseeing)).await.map_err(|_| ItemError::Late)?;
        let foreseen = foreseen.inspect_err(|error| tracing::error!(%error, event_id = write.event_id, "not foreseen"))?;
        self.messenger.count("foreseen", foreseen.as_str());
        Ok(())
    }

    /// What was there before, of a write that leaves something to compare with.
    async fn before(&self, write: &Write, deadline: Instant) -> Result<Option<Before>, PortError> {
        if tamper::aspect(write).is_none() {
            return Ok(None);
        }
        let before = match within(deadline, LOG_PATIENCE, "dynamodb:Query", self.log.before(write)).await {
            Ok(None) => within(deadline, LOG_PATIENCE, "dynamodb:Query", self.kept(write)).await,
            known => known,
        };
        before.inspect_err(|error| self.messenger.fail_open(error, "before"))
    }

    /// What a sweep saw of an object that is older than the log.
    async fn kept(&self, write: &Write) -> Result<Option<Before>, PortError> {
        let memory = &self.foresight.memory;
        for touch in touched(&write.account, &write.service, &write.event_name, &write.objects, &write.request) {
            let Touch::Place(place) = touch else { continue };
            let (objects, _) = memory.at(&place).await?;
            // A policy above many accounts is the same in each.
            let objects = memory.objects(&objects.into_iter().take(MOST_KEPT_READ).collect()).await?;
            if let Some(before) = objects.values().find_map(|held| tamper::kept(write, held)) {
                return Ok(Some(before));
            }
        }
        Ok(None)
    }

    /// Whether a copy is known that hangs on what is written to, or that leaves the account of a plan.
    async fn concerns_a_copy(&self, write: &Write) -> Result<bool, PortError> {
        if (write.service.as_str(), write.event_name.as_str()) == ("backup", "UpdateBackupPlan") {
            let legs = self.foresight.memory.legs(&write.account).await?;
            return Ok(legs.iter().any(|kept| kept.leg.region == write.region));
        }
        self.foresight.decides_a_copy(&occurrence(write)).await
    }

    /// Everything that follows from a write; it may come twice.
    async fn after_a_write_was_kept(&self, write: &Write, before: Option<&Before>, deadline: Instant) -> Result<Outcome, ItemError> {
        let judged = |of_a_route, members: &BTreeSet<AccountId>| {
            let backup_accounts = &self.watched.backup_accounts;
            let organization_id = self.watched.organization_id.as_deref();
            tamper::judge(write, &Scene { backup_accounts, organization_id, members, before, of_a_route })
        };
        let nobody = BTreeSet::new();
        let (alone, of_a_route) = (judged(false, &nobody), judged(true, &nobody));
        // The copies are asked only where they make a difference.
        let matters = match alone == of_a_route {
            true => Ok(false),
            false => within(deadline, LOG_PATIENCE, "dynamodb:Query", self.concerns_a_copy(write)).await,
        };
        let matters = matters.inspect_err(|error| self.messenger.fail_open(error, "route"));
        if let (Err(error), Err(_)) = (&matters, &alone) {
            return Err(ItemError::NotRead(error.clone()));
        }
        let matters = matters.unwrap_or(false);
        let mut found = if matters { of_a_route } else { alone };
        // The accounts with copies are near at hand; one that joined today is known to the organization alone.
        if lets_somebody_in(&found) {
            let accounts = within(deadline, LOG_PATIENCE, "dynamodb:Query", self.foresight.memory.accounts()).await;
            found = judged(matters, &accounts.inspect_err(|error| self.messenger.fail_open(error, "members")).unwrap_or_default());
        }
        if lets_somebody_in(&found) {
            found = judged(matters, &self.members(deadline).await);
        }
        self.judged(found, Some(&write.actor.id), deadline).await
    }

    /// The accounts of the organization. Who is not known to belong to it may be outside, so nothing is hidden where they cannot be read.
    async fn members(&self, deadline: Instant) -> BTreeSet<AccountId> {
        let end = deadline.checked_sub(MARGIN).unwrap_or(deadline).min(Instant::now() + LOG_PATIENCE);
        let read = tokio::time::timeout_at(end, Box::pin(self.foresight.reader.members())).await;
        if let Ok(Ok(members)) = read {
            return members.into_iter().collect();
        }
        tracing::warn!(gap = ?read.ok().and_then(Result::err), "who belongs to the organization is not known");
        self.messenger.count("failed-open", "members");
        BTreeSet::new()
    }

    /// What AWS Backup announces without an actor, where no call was recorded that does the same.
    async fn announced(&self, change: &Change, deadline: Instant) -> Result<Outcome, ItemError> {
        self.messenger.count("announced", "seen");
        let judged = tamper::announced(change, false);
        let at = change.event_time.unwrap_or_else(|| (self.messenger.now)());
        if judged.is_ok() {
            let (from, until) = (at.checked_sub(APART).unwrap_or(at), at.checked_add(APART).unwrap_or(at));
            let name = tamper::announced_name(change);
            let told = within(deadline, LOG_PATIENCE, "dynamodb:Query", self.log.is_kept(&name, from, until)).await?;
            if !told && (self.messenger.now)().duration_since(at) < RECORD_MAY_COME {
                return Err(ItemError::Early);
            }
            return self.judged(tamper::announced(change, told), None, deadline).await;
        }
        self.judged(judged, None, deadline).await
    }

    async fn judged(&self, judged: Judged, actor: Option<&str>, deadline: Instant) -> Result<Outcome, ItemError> {
        match judged {
            Ok(deed) => {
                tracing::warn!(
                    kind = deed.kind.as_str(),
                    severity = deed.severity.as_str(),
                    account_id = %deed.account,
                    region = %deed.region,
                    event_id = deed.event_id,
                    "backups endangered"
                );
                self.messenger.count("deeds", deed.kind.as_str());
                let actor = tamper::actor_of(&deed, actor);
                Ok(Outcome::Told(self.tell(&deed, &actor, deadline).await?))
            }
            Err(silence) => {
                self.messenger.count("silent", silence.as_str());
                Ok(Outcome::Silent)
            }
        }
    }

    /// Adds the deed to the incident of its actor, and tells what is due.
    async fn tell(&self, deed: &Deed, actor: &str, deadline: Instant) -> Result<diagnose_job::Outcome, diagnose_job::ItemError> {
        let now = (self.messenger.now)();
        let lease_until = after(now, deadline.saturating_duration_since(Instant::now()) + LEASE_MARGIN);
        let moment = Moment { now, lease_until, repeat_after: self.repeat_after };
        let done = self.messenger.table(deadline, "done", self.messenger.work.done(deed, actor, &moment)).await;
        let Happened { incident, due } = match done {
            Ok(happened) => happened,
            Err(error) => {
                self.messenger.fail_open(&error, "done");
                return self.without_the_table(deed, actor, &moment, error, deadline).await;
            }
        };
        match due {
            incident::Due::Tell(_) => {}
            incident::Due::Held => return Err(diagnose_job::ItemError::BeingAnnounced(incident.id.to_string())),
            incident::Due::Nothing => return Ok(diagnose_job::Outcome::Joined),
            incident::Due::Deferred => {
                self.messenger.arrange_digest(deadline).await?;
                return Ok(diagnose_job::Outcome::Deferred);
            }
        }
        let Some(alert) = report::tamper(&incident, now) else { return Ok(diagnose_job::Outcome::Joined) };
        let look = incident.told.is_none().then(|| first_look(&incident.id, Some(incident.opening)));
        let due = Due { incident: &incident, alert: &alert, standing: incident.standing.as_ref(), lease_until, look };
        self.messenger.tell(due, deadline).await
    }

    /// The deed alone: what else its actor did is in the table. Where people heard of this actor within the repeat interval it comes again: nothing else remembers it.
    async fn without_the_table(
        &self,
        deed: &Deed,
        actor: &str,
        moment: &Moment,
        error: PortError,
        deadline: Instant,
    ) -> Result<diagnose_job::Outcome, diagnose_job::ItemError> {
        let id = IncidentId::of_actor(actor);
        let (view, _) = tamper::done(View::default(), deed, actor, &id, moment);
        let incident = view.incident;
        let alert = incident.as_ref().and_then(|incident| report::tamper(incident, moment.now));
        match (alert, incident.and_then(|incident| incident.standing)) {
            (Some(alert), Some(standing)) => match self.messenger.tell_anyway(&alert, &standing, first_look(&id, None), deadline).await? {
                diagnose_job::Outcome::Joined => Err(diagnose_job::ItemError::NotSent(error)),
                told => Ok(told),
            },
            _ => Err(diagnose_job::ItemError::NotSent(error)),
        }
    }
}

fn lets_somebody_in(judged: &Judged) -> bool {
    judged.as_ref().is_ok_and(|deed| deed.lets_somebody_in())
}

/// Sends alerts in their turn.
struct InTurn<'a, W, S, L> {
    messenger: &'a Messenger<W, S, L>,
    deadline: Instant,
}

impl<W: Incidents + Pace, S: AlertSink, L: Outbox> Teller for InTurn<'_, W, S, L> {
    async fn tell(&self, alert: &Alert) -> Result<(), ForeseeError> {
        match self.messenger.turn(&Sender::Account(alert.act_in.account_id.clone()), self.deadline).await {
            Ok(true) => {}
            Ok(false) => return Err(ForeseeError::Waiting),
            // With the table down the write could not have been looked up: this is the moment in between.
            Err(error) => self.messenger.fail_open(&error, "permit"),
        }
        self.messenger.send(alert, self.deadline).await.map_err(|error| ForeseeError::NotSent(error.to_string()))?;
        self.messenger.count("alerts", "prediction");
        Ok(())
    }
}

/// Whoever looks again sees whether it got worse meanwhile, and reminds.
fn first_look(id: &IncidentId, opening: Option<u32>) -> Look {
    Look { incident: id.clone(), opening, number: 0, left: 0, job: None }
}
