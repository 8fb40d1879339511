//! The handler: what is asked for or missing is started, what is on its way is looked at again, and the end is told.
//!
//! The next look is put into the queue before the message of this one goes, so that a crash ends no backfill; a message that comes twice finds
//! everything started.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use guardian_aws::lambda::{InvocationError, count, each_of};
use guardian_core::drill::backfill::{Left, Wish, plan};
use guardian_core::drill::record::{Purpose, State};
use guardian_core::drill::{AllowedVaults, Planned, Why};
use guardian_core::event::{JobId, JobState};
use guardian_core::evidence::Gap;
use guardian_core::incident::{Incident, IncidentId};
use guardian_core::ports::{
    BackupReader, CopyLists, DrillStarter, DrillStore, IncidentKeeper, Operations, Outbox, PlanReader, PointLists, PortError, Remover,
    RestoreLists, RestoreSettings,
};
use guardian_core::report::inert_text;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use crate::act;
use crate::gather::{gather, job_of};
use crate::work::{Backfill, Work};

/// Name of the function in metrics.
const FUNCTION: &str = "run-drill";
/// Reading what decides, and the first copy: nothing is begun with less time.
const NEEDED: Duration = Duration::from_secs(60);
/// What one copy may take, and telling the end: no copy is started with less time left.
const FOR_ONE: Duration = Duration::from_secs(20);
/// When it is looked again: the longest delay of a queue.
pub(crate) const LATER: Duration = Duration::from_secs(900);
/// Looks at one drill. A job that takes more than two days is told as not ended.
pub(crate) const MOST_ROUNDS: u32 = 192;
/// Lines of a message to operations.
const MOST_LINES: usize = 50;

/// The outside of the handler.
pub struct Ports<R, I, D, C, Q, T> {
    /// Reads the accounts.
    pub readers: R,
    /// Incidents and their jobs.
    pub incidents: I,
    /// Drills.
    pub drills: D,
    /// Starts jobs, and removes what restores made.
    pub starter: C,
    /// Our own queue.
    pub own: Q,
    /// Who hears how it ended.
    pub operations: T,
    /// The clock.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where metrics go, line by line.
    pub metrics: Box<dyn Fn(&str) + Send + Sync>,
}

/// A message that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many jobs were started; it is looked again.
    GoesOn {
        /// Jobs.
        started: usize,
    },
    /// Everything has ended or cannot, and it was told.
    Ended,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GoesOn { started } => write!(f, "started {started}, goes on"),
            Self::Ended => f.write_str("ended"),
        }
    }
}

/// A message that must come again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// It asks for nothing that is known.
    #[error("the message asks for nothing that is known")]
    Unknown,
    /// The table could not be read, or the next look or the end not be told.
    #[error("not accepted: {0}")]
    NotSent(#[from] PortError),
    /// AWS gave no clear answer.
    #[error("{} of account {} gave no clear answer ({})", .0.action, .0.account_id, .0.reason.as_str())]
    Unanswered(Box<Gap>),
}

/// The function.
pub struct Handler<R, I, D, C, Q, T> {
    pub(crate) ports: Ports<R, I, D, C, Q, T>,
    pub(crate) allowed: AllowedVaults,
}

impl Seen {
    /// Whether time alone brings something new.
    fn moves(&self) -> bool {
        self.started + self.under_way + self.put_off > 0
    }
}

/// How one look at a backfill ended.
#[derive(Default)]
struct Seen {
    started: usize,
    /// What is left without a reason that time takes away.
    left: Vec<String>,
    landed: usize,
    under_way: usize,
    /// What was put off to the next look, because AWS gave no answer or the time ran out.
    put_off: usize,
    /// What waits for other copies.
    waiting: Vec<String>,
}

impl<R, I, D, C, Q, T> Handler<R, I, D, C, Q, T>
where
    R: BackupReader + CopyLists + PlanReader + PointLists + RestoreLists + 'static,
    I: IncidentKeeper + 'static,
    D: DrillStore + 'static,
    C: DrillStarter + Remover + RestoreSettings + 'static,
    Q: Outbox + 'static,
    T: Operations + 'static,
{
    /// A handler over these ports.
    pub fn new(ports: Ports<R, I, D, C, Q, T>, allowed: AllowedVaults) -> Self {
        Self { ports, allowed }
    }

    /// One invocation: a batch of SQS, or one bare message.
    pub async fn handle(self: Arc<Self>, payload: Value, deadline: Instant) -> Result<Value, InvocationError> {
        each_of(payload, deadline, NEEDED, |item| {
            let handler = Arc::clone(&self);
            async move { handler.message(&item.body, item.message_id.as_deref(), deadline).await }
        })
        .await
    }

    /// One message, and the id under which it comes again.
    pub async fn message(&self, body: &[u8], id: Option<&str>, deadline: Instant) -> Result<Outcome, ItemError> {
        match Work::read(body) {
            Some(Work::Backfill(backfill)) => self.backfill(backfill, deadline).await,
            Some(Work::Copy(copy)) => self.copy(Purpose::Copy, copy, id).await,
            Some(Work::CopyBack(copy)) => self.copy(Purpose::CopyBack, copy, id).await,
            Some(Work::Restore(restore)) => self.restore(restore, id).await,
            Some(Work::Look(look)) => self.look_at(look).await,
            None => {
                self.count("quarantined", "unknown-message");
                Err(ItemError::Unknown)
            }
        }
    }

    pub(crate) fn count(&self, metric: &str, reason: &str) {
        (self.ports.metrics)(&count(FUNCTION, metric, reason, (self.ports.now)()));
    }

    async fn backfill(&self, backfill: Backfill, deadline: Instant) -> Result<Outcome, ItemError> {
        let name = IncidentId::from_kept(backfill.incident_id.as_str());
        let Some(incident) = self.ports.incidents.incident(&name).await? else {
            self.tell(&backfill.incident_id, "nothing was copied", &["There is no such incident.".to_owned()]).await?;
            return Ok(Outcome::Ended);
        };
        let begun_at = backfill.begun_at.unwrap_or_else(|| (self.ports.now)());
        let seen = self.look(&incident, &backfill, begun_at, deadline).await?;
        if seen.moves() && backfill.round < MOST_ROUNDS {
            self.later(&Work::Backfill(Backfill { begun_at: Some(begun_at), round: backfill.round + 1, ..backfill })).await?;
            return Ok(Outcome::GoesOn { started: seen.started });
        }
        let mut lines = vec![format!("Landed: {}", seen.landed)];
        if seen.moves() {
            lines.push(format!("Not ended within two days: {}", seen.started + seen.under_way + seen.put_off + seen.waiting.len()));
        }
        lines.push(format!("Not copied: {}", seen.left.len()));
        lines.extend(seen.left);
        self.tell(incident.id.as_str(), "has ended", &lines).await?;
        Ok(Outcome::Ended)
    }

    /// Puts work into our own queue, to be taken up at the next look.
    pub(crate) async fn later(&self, next: &Work) -> Result<(), ItemError> {
        let unwritable = |_| PortError { operation: "sqs:SendMessage", code: "unwritable".to_owned(), retryable: false };
        Ok(self.ports.own.put(&[serde_json::to_string(next).map_err(unwritable)?], LATER).await?)
    }

    /// Starts what is missing and can be started now.
    async fn look(&self, incident: &Incident, backfill: &Backfill, begun_at: Timestamp, deadline: Instant) -> Result<Seen, ItemError> {
        let jobs = self.ports.incidents.jobs(&incident.id).await?;
        let mut seen = Seen::default();
        let mut known = Vec::new();
        for kept in jobs {
            match job_of(&kept) {
                Some(job) => known.push(job),
                None => seen.left.push(format!("- {kept}: the name of the job cannot be read")),
            }
        }
        let wish = Wish { now: (self.ports.now)(), allowed: self.allowed.clone(), retention_days: backfill.retention_days };
        let planned = plan(&gather(&self.ports.readers, known).await, &wish);
        for left in &planned.left {
            match &left.why {
                Why::Landed(_) => seen.landed += 1,
                Why::UnderWay(_) => seen.under_way += 1,
                Why::Later => seen.waiting.push(line(left)),
                Why::NotSeen(gap) if gap.reason.may_pass() => seen.put_off += 1,
                _ => seen.left.push(line(left)),
            }
        }
        let purpose = Purpose::Backfill { incident: incident.id.clone() };
        for planned in &planned.copies {
            if deadline.saturating_duration_since(Instant::now()) < FOR_ONE {
                seen.put_off += 1;
                continue;
            }
            self.start(&purpose, planned, begun_at, &mut seen).await?;
        }
        // What waits for others would wait for ever where nothing moves.
        if !seen.moves() {
            seen.left.append(&mut seen.waiting);
        }
        Ok(seen)
    }

    async fn start(&self, purpose: &Purpose, planned: &Planned, begun_at: Timestamp, seen: &mut Seen) -> Result<(), ItemError> {
        let point = &planned.order.point;
        let drill = planned.drill(purpose);
        let kept = self.ports.drills.drill(&drill.id).await?;
        // One that failed since this backfill began is not tried again by it: its alert says what must change first.
        let failed = kept.and_then(|record| match record.state {
            State::Started { job_id, at } if at >= begun_at => Some(job_id),
            // Whoever lists the drills notes their ends.
            State::Ended(ended) if ended.at >= begun_at && ended.state != JobState::Completed => Some(ended.job_id),
            _ => None,
        });
        if let Some(job) = failed.filter(|job: &JobId| planned.copies.iter().any(|listed| listed.job_id.as_ref() == Some(job))) {
            seen.left.push(format!("- {point}: copy job {} ended without a copy", job.as_str()));
            return Ok(());
        }
        match act::start(&self.ports.drills, &self.ports.starter, &drill, &planned.copies).await {
            act::Outcome::Refused(gap) if gap.reason.may_pass() => seen.put_off += 1,
            act::Outcome::Refused(gap) => {
                self.count("refused", gap.reason.as_str());
                let said = gap.detail.unwrap_or_else(|| gap.reason.as_str().to_owned());
                seen.left.push(format!("- {point}: {} of account {} was refused: {said}", gap.action, gap.account_id));
            }
            act::Outcome::NotKept(error) => return Err(error.into()),
            _ => {
                self.count("started", "copy");
                seen.started += 1;
            }
        }
        Ok(())
    }

    /// Tells the end to those who run the guardian. Names and texts of AWS are made inert.
    async fn tell(&self, incident: &str, what: &str, lines: &[String]) -> Result<(), ItemError> {
        let mut text = format!("The backfill of incident {} {what}.\n\n", inert_text(incident));
        for line in lines.iter().take(MOST_LINES) {
            text.push_str(&inert_text(line));
            text.push('\n');
        }
        if let Some(more) = lines.len().checked_sub(MOST_LINES).filter(|more| *more > 0) {
            text.push_str(&format!("and {more} more\n"));
        }
        text.push_str(&format!("\nWhat is left, with its reasons: guardian incidents backfill {}\n", inert_text(incident)));
        self.ports.operations.tell("Backup Guardian: a backfill has ended", &text).await?;
        Ok(())
    }
}

fn line(left: &Left) -> String {
    let name = left.point.as_ref().map_or_else(|| format!("job {}", left.job.3.as_str()), ToString::to_string);
    format!("- {name}: {}", left.why.text())
}
