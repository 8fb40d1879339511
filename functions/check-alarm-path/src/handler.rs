//! The handler: look at the parts, a few at a time, tell what changed, leave the rest to another message.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use guardian_aws::lambda::{InvocationError, count, each};
use guardian_aws::work::{ATTEMPTS, Work, leave};
use guardian_core::alarm_path::{Check, not_looked_at};
use guardian_core::arn::AccountId;
use guardian_core::evidence::{Gap, GapReason};
use guardian_core::ports::{
    AlertSink, Heart, JobLists, KeyReader, Operations, Outbox, PortError, Pulse, QueueReader, RoleReader, RuleReader, TopicReader,
    TroubleMemory,
};
use jiff::Timestamp;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::config::Path;
use crate::look::{ORGANIZATION, Part, Readers, Seen, Shard, hub, subject, subjects};
use crate::tell::Teller;

/// Name of the function in metrics.
const FUNCTION: &str = "check-alarm-path";
/// Parts that are looked at at the same time.
const AT_ONCE: usize = 8;
/// Longest look at one part.
const PATIENCE: Duration = Duration::from_secs(60);
/// A part, what is told of it, and what is left over: none is begun with less time.
const NEEDED: Duration = Duration::from_secs(100);

/// The outside of the handler.
pub struct Ports<T, H, R, K, P, M, Q, O, A> {
    /// Reads topics and queues of our account.
    pub topics: T,
    /// Reads rules of our account.
    pub hub_rules: H,
    /// Reads rules of every account.
    pub rules: R,
    /// Lists the accounts; reads keys and roles.
    pub readers: K,
    /// Heartbeats, ours too: the report of a sweep tells how old the last look is.
    pub pulse: P,
    /// What was told.
    pub memory: M,
    /// Our own queue.
    pub own: Q,
    /// Who is told.
    pub operations: O,
    /// Who is told where those may not hear.
    pub alerts: A,
    /// The clock.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where metrics go, line by line.
    pub metrics: Box<dyn Fn(&str) + Send + Sync>,
}

/// A message that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So much was wrong, and so many parts are left to another message.
    Looked {
        /// Troubles.
        found: usize,
        /// Parts.
        left: usize,
        /// Whether people could be told.
        told: bool,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Looked { found, left, told } = self;
        write!(f, "found {found}, left {left}, told {told}")
    }
}

/// A message that must come again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// Neither a schedule nor our own message.
    #[error("the message asks for nothing that is known")]
    Unknown,
    /// What is left could not be kept.
    #[error("a message was not accepted: {0}")]
    NotSent(#[from] PortError),
    /// A look panicked.
    #[error("a look did not end: {0}")]
    Broken(String),
}

/// The function.
pub struct Handler<T, H, R, K, P, M, Q, O, A> {
    ports: Ports<T, H, R, K, P, M, Q, O, A>,
    path: Path,
}

/// What an invocation has to do, and has seen.
#[derive(Default)]
struct Tour {
    to_do: VecDeque<Shard>,
    again: Vec<Shard>,
    checks: Vec<Check>,
    /// Every subject there is, where that is known.
    subjects: Option<BTreeSet<String>>,
}

impl<T, H, R, K, P, M, Q, O, A> Handler<T, H, R, K, P, M, Q, O, A>
where
    T: TopicReader + QueueReader + 'static,
    H: RuleReader + 'static,
    R: RuleReader + 'static,
    K: JobLists + KeyReader + RoleReader + 'static,
    P: Pulse + Heart + 'static,
    M: TroubleMemory + 'static,
    Q: Outbox + 'static,
    O: Operations + 'static,
    A: AlertSink + 'static,
{
    /// A handler over these ports.
    pub fn new(ports: Ports<T, H, R, K, P, M, Q, O, A>, path: Path) -> Self {
        Self { ports, path }
    }

    /// One invocation: a batch of SQS, or the bare event of a schedule.
    pub async fn handle(self: Arc<Self>, payload: Value, deadline: Instant) -> Result<Value, InvocationError> {
        each(payload, deadline, NEEDED, |body| {
            let handler = Arc::clone(&self);
            async move { handler.message(&body, deadline).await }
        })
        .await
    }

    /// One message.
    pub async fn message(self: &Arc<Self>, body: &[u8], deadline: Instant) -> Result<Outcome, ItemError> {
        let mut tour = Tour::default();
        match Work::read(body) {
            Some(Work::Begin) => self.begin(&mut tour).await,
            Some(Work::GoOn(shards)) => tour.to_do.extend(shards),
            None => {
                self.count("quarantined", "unknown-message");
                return Err(ItemError::Unknown);
            }
        }
        self.look(&mut tour, deadline).await?;
        let found = self.note(&tour.checks);
        let teller = Teller {
            memory: &self.ports.memory,
            operations: &self.ports.operations,
            alerts: &self.ports.alerts,
            operations_topic: &self.path.operations,
            now: (self.ports.now)(),
        };
        let told = teller.tell(&tour.checks, tour.subjects.as_ref()).await;
        for (happened, metric, reason) in [
            (!told.done, "not-told", "both-topics"),
            (told.fell_back, "fell-back", "alert-topic"),
            (told.without_memory, "failed-open", "memory"),
        ] {
            if happened {
                self.count(metric, reason);
            }
        }
        leave(&self.ports.own, tour.to_do.make_contiguous(), &tour.again).await?;
        let left = tour.to_do.len() + tour.again.len();
        // Who cannot tell anybody is as good as dead: then the alarm on the heartbeat has to speak.
        if left == 0 && told.done {
            self.count("heartbeat", "complete");
            if let Err(error) = self.ports.pulse.beat(FUNCTION, (self.ports.now)()).await {
                tracing::error!(operation = error.operation, code = %error.code, "the heartbeat was not kept");
            }
        }
        tracing::info!(found, left, told = told.done, "looked");
        Ok(Outcome::Looked { found, left, told: told.done })
    }

    /// Every part there is.
    async fn begin(&self, tour: &mut Tour) {
        tour.to_do.extend(hub(&self.path));
        let mut accounts = self.path.known_accounts.iter().cloned().collect::<BTreeSet<AccountId>>();
        match self.ports.readers.accounts().await {
            Ok(listed) => {
                accounts.extend(listed);
                tour.subjects = Some(subjects(&self.path, &accounts));
                tour.checks.push(Check::fine(ORGANIZATION));
            }
            Err(gap) => tour.checks.push(not_looked_at(ORGANIZATION, "the list of the accounts", &gap)),
        }
        tour.to_do.extend(accounts.into_iter().map(|account| Shard::of(Part::Account(account))));
    }

    /// A few at a time, as long as there is time.
    async fn look(self: &Arc<Self>, tour: &mut Tour, deadline: Instant) -> Result<(), ItemError> {
        let mut running = JoinSet::new();
        loop {
            while running.len() < AT_ONCE
                && deadline.saturating_duration_since(Instant::now()) >= NEEDED
                && let Some(shard) = tour.to_do.pop_front()
            {
                let handler = Arc::clone(self);
                running.spawn(async move {
                    let seen = handler.part(&shard.part).await;
                    (shard, seen)
                });
            }
            let Some(done) = running.join_next().await else { return Ok(()) };
            let (shard, seen) = done.map_err(|error| ItemError::Broken(error.to_string()))?;
            if seen.may_pass && shard.attempt + 1 < ATTEMPTS {
                tour.again.push(Shard { attempt: shard.attempt + 1, ..shard });
            } else {
                tour.checks.extend(seen.checks);
            }
        }
    }

    async fn part(&self, part: &Part) -> Seen {
        let Ports { topics, hub_rules, rules, readers, pulse, .. } = &self.ports;
        let asked = Readers { topics, hub_rules, rules, readers, pulse };
        match timeout(PATIENCE, asked.look(part, &self.path, (self.ports.now)())).await {
            Ok(seen) => seen,
            Err(_) => {
                let account_id = if let Part::Account(account) = part { account } else { &self.path.account }.clone();
                let gap = Gap { action: "look".to_owned(), account_id, region: None, reason: GapReason::TimedOut, detail: None };
                let subject = subject(part);
                Seen { checks: vec![not_looked_at(&subject, &subject, &gap)], may_pass: true }
            }
        }
    }

    /// Counts and logs what is wrong.
    fn note(&self, checks: &[Check]) -> usize {
        let troubles = checks.iter().flat_map(|check| &check.troubles).collect::<Vec<_>>();
        for trouble in &troubles {
            self.count("findings", trouble.kind.as_str());
            tracing::error!(kind = trouble.kind.as_str(), subject = trouble.subject, what = trouble.what, "the alarm path is broken");
        }
        troubles.len()
    }

    fn count(&self, metric: &str, reason: &str) {
        (self.ports.metrics)(&count(FUNCTION, metric, reason, (self.ports.now)()));
    }
}
