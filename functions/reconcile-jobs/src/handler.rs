//! The handler: read a page, leave out what was claimed, hand over the rest.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use guardian_aws::lambda::{InvocationError, count, each};
use guardian_aws::work::{ATTEMPTS, leave};
use guardian_core::arn::AccountId;
use guardian_core::event::{Job, JobKey, reconciled};
use guardian_core::evidence::Gap;
use guardian_core::ports::{ClaimLookup, GapMemory, Heart, JobLists, JobPage, Operations, Outbox, PlanLists, PlanReader, PortError, Whose};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use crate::config::Scope;
use crate::look::{problem, slices};
use crate::runs::Runs;
use crate::work::{Left, Shard, Work};

/// Name of the function in metrics.
const FUNCTION: &str = "reconcile-jobs";
/// A page, its claims, its messages and what is left over: no page is begun with less time.
const NEEDED: Duration = Duration::from_secs(30);
/// A gap that was not met for so long is over: three periods.
const GAP_FRESH: Duration = Duration::from_secs(3 * 3600);
/// Lines of a message to operations.
const MOST_LINES: usize = 50;

/// The outside of the handler.
pub struct Ports<L, C, Q, T> {
    /// Lists jobs, and reads plans.
    pub lists: L,
    /// Claims, gaps and our heartbeat.
    pub table: C,
    /// The queue of the diagnosis.
    pub problems: Q,
    /// Our own queue.
    pub own: Q,
    /// Who hears that something cannot be read.
    pub operations: T,
    /// The clock.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where metrics go, line by line.
    pub metrics: Box<dyn Fn(&str) + Send + Sync>,
}

/// A message that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// So many jobs were handed over, and so many shards left to another message.
    Looked {
        /// Jobs.
        handed: usize,
        /// Shards.
        left: usize,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Looked { handed, left } = self;
        write!(f, "handed {handed}, left {left}")
    }
}

/// A message that must come again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// Neither a schedule nor our own message.
    #[error("the message asks for nothing that is known")]
    Unknown,
    /// What was found could not be handed over, or what is left not be kept.
    #[error("a message was not accepted: {0}")]
    NotSent(#[from] PortError),
}

/// The function.
pub struct Handler<L, C, Q, T> {
    pub(crate) ports: Ports<L, C, Q, T>,
    pub(crate) scope: Scope,
}

/// What an invocation has to do, has done, and met.
#[derive(Default)]
pub(crate) struct Tour {
    to_do: VecDeque<Shard>,
    again: Vec<Shard>,
    pub(crate) runs: VecDeque<Runs>,
    pub(crate) runs_again: Vec<Runs>,
    pub(crate) handed: usize,
    pub(crate) gaps: Vec<Gap>,
}

/// Whether a failure may be over at the next attempt.
pub(crate) fn may_pass(gap: &Gap, attempt: u32) -> bool {
    gap.reason.may_pass() && attempt + 1 < ATTEMPTS
}

impl<L, C, Q, T> Handler<L, C, Q, T>
where
    L: JobLists + PlanLists + PlanReader + 'static,
    C: ClaimLookup + GapMemory + Heart + 'static,
    Q: Outbox + 'static,
    T: Operations + 'static,
{
    /// A handler over these ports.
    pub fn new(ports: Ports<L, C, Q, T>, scope: Scope) -> Self {
        Self { ports, scope }
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
    pub async fn message(&self, body: &[u8], deadline: Instant) -> Result<Outcome, ItemError> {
        let mut tour = Tour::default();
        match Work::read(body) {
            Some(Work::Begin) => self.begin(&mut tour).await,
            Some(Work::GoOn(left)) => {
                for left in left {
                    match left {
                        Left::List(shard) => tour.to_do.push_back(shard),
                        Left::Runs(runs) => tour.runs.push_back(runs),
                    }
                }
            }
            None => {
                self.count("quarantined", "unknown-message");
                return Err(ItemError::Unknown);
            }
        }
        while deadline.saturating_duration_since(Instant::now()) >= NEEDED {
            if let Some(shard) = tour.to_do.pop_front() {
                self.page(shard, &mut tour).await?;
            } else if let Some(runs) = tour.runs.pop_front() {
                self.runs(runs, &mut tour).await?;
            } else {
                break;
            }
        }
        let left = tour.to_do.len() + tour.again.len() + tour.runs.len() + tour.runs_again.len();
        let all = |lists: Vec<Shard>, places: Vec<Runs>| {
            lists.into_iter().map(Left::List).chain(places.into_iter().map(Left::Runs)).collect::<Vec<_>>()
        };
        let to_do = all(tour.to_do.into(), tour.runs.into());
        leave(&self.ports.own, &to_do, &all(tour.again, tour.runs_again)).await?;
        self.tell(&tour.gaps).await;
        if left == 0 {
            self.beat().await;
        }
        tracing::info!(handed = tour.handed, left, gaps = tour.gaps.len(), "looked");
        Ok(Outcome::Looked { handed: tour.handed, left })
    }

    /// A look came to its end. (A very large one goes on in several messages; one that dies on the way is in the dead-letter queue.)
    async fn beat(&self) {
        self.count("heartbeat", "complete");
        if let Err(error) = self.ports.table.beat(FUNCTION, (self.ports.now)()).await {
            tracing::error!(operation = error.operation, code = %error.code, "the heartbeat was not kept");
        }
    }

    /// The lists that reach furthest first.
    async fn begin(&self, tour: &mut Tour) {
        let regions = &self.scope.regions;
        if self.ports.lists.organization_account().is_some() {
            tour.to_do.extend(regions.iter().map(Shard::organization));
        } else {
            let of =
                |region| self.scope.known_accounts.iter().map(move |account| Shard::account(region, account, crate::work::TYPES.to_vec()));
            tour.to_do.extend(regions.iter().flat_map(of));
        }
        // Runs that made no job no list of an organization can show: the plans are in the accounts.
        let accounts = self.accounts(tour).await;
        tour.runs.extend(accounts.iter().flat_map(|account| regions.iter().map(move |region| Runs::of(region, account))));
    }

    /// Every account that is known, by the organization or by name.
    async fn accounts(&self, tour: &mut Tour) -> BTreeSet<AccountId> {
        let listed = self.ports.lists.accounts().await.unwrap_or_else(|gap| {
            tour.gaps.push(gap);
            Vec::new()
        });
        listed.into_iter().chain(self.scope.known_accounts.iter().cloned()).collect()
    }

    /// One page of a shard; what is left of the shard goes back to the front, what it leads to behind.
    async fn page(&self, mut shard: Shard, tour: &mut Tour) -> Result<(), ItemError> {
        let now = (self.ports.now)();
        let Some(job_type) = shard.types.first().copied() else { return Ok(()) };
        let slices = slices(&self.scope, now);
        let Some(slice) = slices.get(shard.slice).copied() else {
            return self.next_type(shard, tour).await;
        };
        let whose = shard.account.clone().map_or(Whose::Organization, Whose::Account);
        let page = self.ports.lists.jobs(&whose, &shard.region, job_type, slice, shard.token.take()).await;
        match page {
            Ok(Some(JobPage { jobs, next })) => {
                if shard.account.is_none() {
                    let asked_in = self.ports.lists.organization_account();
                    shard.foreign |= jobs.iter().any(|job| Some(&job.account) != asked_in.as_ref());
                }
                tour.handed += self.hand_over(jobs, now).await?;
                if next.is_none() {
                    // Not sooner: a list that fails behind its first page would be begun again and again.
                    (shard.slice, shard.attempt) = (shard.slice + 1, 0);
                }
                shard.token = next;
                tour.to_do.push_front(shard);
            }
            Ok(None) => {
                shard.slice += 1;
                tour.to_do.push_front(shard);
            }
            Err(gap) => self.refused(shard, gap, tour).await,
        }
        Ok(())
    }

    /// All slices of a kind of job are read.
    async fn next_type(&self, mut shard: Shard, tour: &mut Tour) -> Result<(), ItemError> {
        let listed = shard.types.remove(0);
        // Nothing says that the list of an organization is one, unless it shows another account.
        if shard.account.is_none() && !shard.foreign {
            shard.unproven.insert(listed);
        }
        (shard.slice, shard.token, shard.foreign) = (0, None, false);
        if shard.types.is_empty() {
            self.one_by_one(&shard, tour).await;
        } else {
            tour.to_do.push_front(shard);
        }
        Ok(())
    }

    /// Asks account by account for what the list of the organization did not show.
    async fn one_by_one(&self, shard: &Shard, tour: &mut Tour) {
        if shard.account.is_some() || shard.unproven.is_empty() {
            return;
        }
        let types = shard.unproven.iter().copied().collect::<Vec<_>>();
        self.count("unproven", "organization");
        let accounts = self.accounts(tour).await;
        tour.to_do.extend(accounts.iter().map(|account| Shard::account(&shard.region, account, types.clone())));
    }

    async fn refused(&self, mut shard: Shard, gap: Gap, tour: &mut Tour) {
        if may_pass(&gap, shard.attempt) {
            // From the start of the slice: a token may not outlive the failure.
            (shard.attempt, shard.token) = (shard.attempt + 1, None);
            tour.again.push(shard);
            return;
        }
        tour.gaps.push(gap);
        if shard.account.is_none() {
            shard.unproven.extend(shard.types.drain(..));
            self.one_by_one(&shard, tour).await;
            return;
        }
        // Another kind of job may be readable all the same.
        shard.types.remove(0);
        (shard.slice, shard.token, shard.attempt) = (0, None, 0);
        if !shard.types.is_empty() {
            tour.to_do.push_front(shard);
        }
    }

    /// Hands over the jobs that are problems and that nobody claimed yet.
    async fn hand_over(&self, jobs: Vec<Job>, now: Timestamp) -> Result<usize, ItemError> {
        self.hand_over_unclaimed(jobs.into_iter().filter_map(|job| problem(job, &self.scope, now)).collect(), now).await
    }

    /// Which of these were claimed.
    pub(crate) async fn claimed(&self, keys: &[JobKey], now: Timestamp) -> BTreeSet<JobKey> {
        if keys.is_empty() {
            return BTreeSet::new();
        }
        let claimed = self.ports.table.claimed(keys, now).await.unwrap_or_else(|error| {
            // The claims of the diagnosis sort them out, or it too goes on without the table.
            tracing::error!(operation = error.operation, code = %error.code, "the claims cannot be read; every problem is handed over");
            self.count("failed-open", "claims");
            Vec::new()
        });
        claimed.into_iter().collect()
    }

    /// Hands over those of these problems that nobody claimed yet.
    pub(crate) async fn hand_over_unclaimed(&self, mut problems: Vec<Job>, now: Timestamp) -> Result<usize, ItemError> {
        if problems.is_empty() {
            return Ok(0);
        }
        let keys = problems.iter().map(Job::key).collect::<Vec<_>>();
        let claimed = self.claimed(&keys, now).await;
        problems.retain(|job| !claimed.contains(&job.key()));
        let events = problems.iter().map(|job| reconciled(job, now).to_string()).collect::<Vec<_>>();
        self.ports.problems.put(&events, Duration::ZERO).await?;
        for job in &problems {
            let what = match (job.stuck_since, &job.missed) {
                (Some(_), _) => "stuck",
                (None, Some(_)) => "missed",
                (None, None) => job.job_type.as_str(),
            };
            tracing::info!(job = %job.key(), what, "handed over");
            self.count("handed", what);
        }
        Ok(problems.len())
    }

    /// Tells what could not be read, once when it begins.
    async fn tell(&self, gaps: &[Gap]) {
        let now = (self.ports.now)();
        let mut lines = BTreeSet::new();
        for gap in gaps {
            self.count("gaps", gap.reason.as_str());
            tracing::error!(account_id = %gap.account_id, action = gap.action, reason = gap.reason.as_str(), detail = gap.detail, "not read");
            // Without the memory it is told at every look: better than never.
            if self.ports.table.is_new(gap, now, GAP_FRESH).await.unwrap_or(true) {
                lines.insert(line(gap));
            }
        }
        if lines.is_empty() {
            return;
        }
        let more = lines.len().saturating_sub(MOST_LINES);
        let mut body =
            "Failures there that AWS does not announce, and runs of plans that make no job, stay unseen until this is mended:\n\n"
                .to_owned();
        body.extend(lines.iter().take(MOST_LINES).map(|line| format!("{line}\n")));
        if more > 0 {
            body.push_str(&format!("and {more} more; the log of reconcile-jobs names them\n"));
        }
        if let Err(error) = self.ports.operations.tell("Backup Guardian cannot list the jobs of every account", &body).await {
            tracing::error!(operation = error.operation, code = %error.code, "the operations topic did not take the message");
            self.count("not-told", "operations");
        }
    }

    pub(crate) fn count(&self, metric: &str, reason: &str) {
        (self.ports.metrics)(&count(FUNCTION, metric, reason, (self.ports.now)()));
    }
}

fn line(gap: &Gap) -> String {
    let place = gap.region.as_ref().map_or_else(|| "every Region".to_owned(), ToString::to_string);
    let detail = guardian_core::report::inert_text(gap.detail.as_deref().unwrap_or_default());
    format!("account {} in {place}: {} {} {detail}", gap.account_id, gap.action, gap.reason.as_str())
}
