//! Runs that should have happened: the plans of one account and Region against the jobs of the same place.
//!
//! Each place is a shard of its own and is asked in its own account, so that one complete list answers for it whoever else can be read. What is
//! known so far goes along in the messages: plans are read one by one, then the jobs page by page, and only a list that was read to its end lets a
//! run count as missed. INVARIANT: after a gap a place is not judged; the gap is told.

use std::time::Duration;

use guardian_core::arn::{AccountId, Region};
use guardian_core::coverage::{NotJudged, OpenPlan, expect};
use guardian_core::event::{Job, JobType};
use guardian_core::evidence::Gap;
use guardian_core::ports::{ClaimLookup, GapMemory, Heart, JobLists, JobPage, Operations, Outbox, PlanLists, PlanReader, Slice, Whose};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::handler::{Handler, ItemError, Tour, may_pass};
use crate::look::before;

/// Rules with open runs that are looked at together: what is known of them goes along in a message.
const TOGETHER: usize = 50;
/// Jobs are listed about so long (<https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupJobs.html>).
const HISTORY: Duration = Duration::from_secs(30 * 24 * 3600);

/// The runs of an account in a Region, and what is known of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runs {
    /// The Region.
    pub region: Region,
    /// The account.
    pub account: AccountId,
    /// Plans that are still to be read; absent: they were not listed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plans: Option<Vec<String>>,
    /// Plans with runs of which no job was seen so far.
    #[serde(default)]
    pub open: Vec<OpenPlan>,
    /// What is next.
    #[serde(default)]
    pub step: Step,
    /// Since when jobs are listed: pages of one list must be asked for alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Where in the list of jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// How often it failed so far.
    #[serde(default)]
    pub attempt: u32,
}

/// What is next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The plans, one by one.
    #[default]
    Plans,
    /// Jobs since the oldest open run.
    Jobs,
    /// Versions and selections of the plans that have open runs all the same.
    Selections,
    /// Older jobs: whether the rules make any.
    History,
}

/// What came of a step.
enum Stepped {
    /// There is more to do.
    More,
    /// What is open was missed, or cannot be judged: all lists that it takes were read.
    Judge,
    /// Nothing is open any more.
    Closed,
}

impl Runs {
    /// All runs of an account in a Region.
    pub(crate) fn of(region: &Region, account: &AccountId) -> Self {
        let (region, account) = (region.clone(), account.clone());
        Self { region, account, plans: None, open: Vec::new(), step: Step::Plans, since: None, token: None, attempt: 0 }
    }

    fn open_rules(&self) -> usize {
        self.open.iter().map(|plan| plan.rules.len()).sum()
    }

    /// Those with open runs.
    fn tidy(&mut self) {
        self.open.retain(|plan| !plan.rules.is_empty());
    }

    fn go_to(&mut self, step: Step) {
        (self.step, self.since, self.token) = (step, None, None);
    }

    /// Begins with the plans that are left; whether there are any.
    fn next_plans(&mut self) -> bool {
        self.open.clear();
        self.go_to(Step::Plans);
        !self.plans.as_ref().is_some_and(Vec::is_empty)
    }
}

impl<L, C, Q, T> Handler<L, C, Q, T>
where
    L: JobLists + PlanLists + PlanReader + 'static,
    C: ClaimLookup + GapMemory + Heart + 'static,
    Q: Outbox + 'static,
    T: Operations + 'static,
{
    /// One step of a place; what is left of it goes back to the front.
    pub(crate) async fn runs(&self, mut runs: Runs, tour: &mut Tour) -> Result<(), ItemError> {
        let stepped = match runs.step {
            Step::Plans => self.read_plans(&mut runs).await,
            Step::Jobs => self.read_jobs(&mut runs).await,
            Step::Selections => self.read_selections(&mut runs).await,
            Step::History => self.read_history(&mut runs).await,
        };
        match stepped {
            Ok(stepped) => {
                runs.attempt = 0;
                if matches!(stepped, Stepped::Judge) {
                    tour.handed += self.judge(&runs).await?;
                }
                if matches!(stepped, Stepped::More) || runs.next_plans() {
                    tour.runs.push_front(runs);
                }
            }
            Err(gap) if may_pass(&gap, runs.attempt) => {
                // From the start of the list: a token may not outlive the failure. What was seen stays seen.
                (runs.attempt, runs.token) = (runs.attempt + 1, None);
                tour.runs_again.push(runs);
            }
            Err(gap) => {
                self.count("not-judged", "gap");
                tour.gaps.push(gap);
            }
        }
        Ok(())
    }

    /// Hands over the runs that were missed, and counts those that nobody can judge.
    async fn judge(&self, runs: &Runs) -> Result<usize, ItemError> {
        let mut missed = Vec::new();
        for plan in &runs.open {
            let (jobs, not_judged) = plan.missed(&runs.account, &runs.region);
            missed.extend(jobs);
            (0..not_judged).for_each(|_| self.count("not-judged", NotJudged::NeverSeen.as_str()));
        }
        self.hand_over_unclaimed(missed, (self.ports.now)()).await
    }

    async fn read_plans(&self, runs: &mut Runs) -> Result<Stepped, Gap> {
        let (account, region) = (runs.account.clone(), runs.region.clone());
        let now = (self.ports.now)();
        let Some(plans) = runs.plans.as_mut() else {
            let ids = self.ports.lists.plan_ids(&account, &region).await?;
            let stepped = if ids.is_empty() { Stepped::Closed } else { Stepped::More };
            runs.plans = Some(ids);
            return Ok(stepped);
        };
        if let Some(id) = plans.last()
            && let Some(plan) = self.ports.lists.plan(&account, &region, id).await?
        {
            let (open, not_judged) = expect(&plan, before(now, self.scope.look_back), now);
            not_judged.into_iter().for_each(|why| self.count("not-judged", why.as_str()));
            runs.open.extend(open);
        }
        plans.pop();
        let last = plans.is_empty();
        if runs.open_rules() >= TOGETHER || last && !runs.open.is_empty() {
            runs.go_to(Step::Jobs);
        } else if last {
            return Ok(Stepped::Closed);
        }
        Ok(Stepped::More)
    }

    /// A page of the jobs since some time, or since the time that the list was begun with; whether it was the last.
    async fn page_of_jobs(&self, runs: &mut Runs, since: Timestamp) -> Result<bool, Gap> {
        let whose = Whose::Account(runs.account.clone());
        let slice = Slice::CreatedSince(*runs.since.get_or_insert(since));
        let page = self.ports.lists.jobs(&whose, &runs.region, JobType::Backup, slice, runs.token.clone()).await?;
        let JobPage { jobs, next } = page.unwrap_or(JobPage { jobs: Vec::new(), next: None });
        for job in &jobs {
            runs.open.iter_mut().for_each(|plan| plan.see(job));
        }
        runs.tidy();
        runs.token = next;
        Ok(runs.token.is_none())
    }

    async fn read_jobs(&self, runs: &mut Runs) -> Result<Stepped, Gap> {
        let Some(since) = runs.open.iter().filter_map(OpenPlan::from).min() else { return Ok(Stepped::Closed) };
        let last = self.page_of_jobs(runs, since).await?;
        if runs.open.is_empty() {
            return Ok(Stepped::Closed);
        }
        if last {
            self.forget_claimed(runs).await;
            runs.go_to(Step::Selections);
        }
        Ok(Stepped::More)
    }

    /// What was told before need not be looked into again.
    async fn forget_claimed(&self, runs: &mut Runs) {
        let (account, region) = (&runs.account, &runs.region);
        let keys = runs.open.iter().flat_map(|plan| plan.open_runs(account, region)).map(|job| job.key()).collect::<Vec<_>>();
        let claimed = self.claimed(&keys, (self.ports.now)()).await;
        let known = |job: &Job| claimed.contains(&job.key());
        runs.open.iter_mut().for_each(|plan| plan.forget(account, region, known));
        runs.tidy();
    }

    async fn read_selections(&self, runs: &mut Runs) -> Result<Stepped, Gap> {
        let (account, region) = (&runs.account, &runs.region);
        let Some(plan) = runs.open.iter_mut().find(|plan| !plan.looked_at) else {
            if runs.open.iter().all(OpenPlan::is_settled) {
                return Ok(Stepped::Judge);
            }
            runs.go_to(Step::History);
            return Ok(Stepped::More);
        };
        let changed_at = self.ports.lists.plan_changed_at(account, region, &plan.id).await?;
        // A plan that is gone by now has no selections.
        let selections = self.ports.lists.selections(account, region, &plan.id).await?.unwrap_or_default();
        plan.look_at(region, changed_at, &selections);
        runs.tidy();
        Ok(Stepped::More)
    }

    async fn read_history(&self, runs: &mut Runs) -> Result<Stepped, Gap> {
        let last = self.page_of_jobs(runs, before((self.ports.now)(), HISTORY)).await?;
        if last || runs.open.iter().all(OpenPlan::is_settled) {
            return Ok(Stepped::Judge);
        }
        Ok(Stepped::More)
    }
}
