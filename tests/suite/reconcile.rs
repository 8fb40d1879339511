//! The search for what no event announced, where time runs out and where what it relies on is down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use guardian_core::arn::{AccountId, Region};
use guardian_core::event::{Job, JobId, JobKey, JobState, JobType, Parsed, parse};
use guardian_core::evidence::{BackupPlan, Gap, GapReason, Selection};
use guardian_core::ports::{
    ClaimLookup, GapMemory, Heart, JobLists, JobPage, Operations, Outbox, PlanLists, PlanReader, PortError, Slice, Whose,
};
use jiff::{SignedDuration, Timestamp};
use reconcile_jobs::config::Scope;
use reconcile_jobs::{Handler, Ports};
use serde_json::{Value, json};
use tokio::time::Instant;

/// What one call of a list takes.
const CALL: Duration = Duration::from_secs(10);
/// Jobs of a page.
const PAGE: usize = 2;
pub(super) const START: &[u8] = br#"{"source": "aws.events", "detail-type": "Scheduled Event"}"#;

pub(super) fn now() -> Timestamp {
    "2026-11-02T12:00:00Z".parse().unwrap()
}

pub(super) fn account(n: usize) -> AccountId {
    AccountId::parse(&format!("5{n:011}")).unwrap()
}

pub(super) fn region() -> Region {
    Region::parse("eu-central-1").unwrap()
}

#[derive(Default)]
pub(super) struct State {
    pub(super) organization: Option<AccountId>,
    pub(super) accounts: Vec<AccountId>,
    pub(super) jobs: Vec<Job>,
    /// `*` is taken for the account that asks.
    pub(super) short_sighted: bool,
    pub(super) refused: BTreeMap<AccountId, GapReason>,
    /// Whose lists break off behind the first page.
    pub(super) broken: Option<AccountId>,
    pub(super) asked: Vec<String>,
    pub(super) problems: Vec<String>,
    pub(super) own: Vec<String>,
    pub(super) told: Vec<String>,
    pub(super) beats: Vec<&'static str>,
    pub(super) claimed: BTreeSet<JobKey>,
    pub(super) table_is_down: bool,
    pub(super) plans: Vec<Plan>,
    pub(super) plans_refused: BTreeMap<AccountId, GapReason>,
    pub(super) counted: BTreeMap<String, usize>,
    pub(super) now: Option<Timestamp>,
    pub(super) problem_queue_is_down: bool,
}

/// A plan with the date of its newest version and its selections.
pub(super) type Plan = (BackupPlan, Timestamp, Vec<Selection>);

#[derive(Clone, Default)]
pub(super) struct World(Arc<Mutex<State>>);

/// One of the two queues.
struct Into {
    world: World,
    problems: bool,
}

fn down(operation: &'static str) -> PortError {
    PortError { operation, code: "down".to_owned(), retryable: true }
}

impl World {
    pub(super) fn set<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    pub(super) async fn run(&self, body: &[u8], seconds: u64) -> Result<reconcile_jobs::Outcome, reconcile_jobs::ItemError> {
        let clock = self.set(|state| state.now).unwrap_or_else(now);
        let counting = self.clone();
        let ports = Ports {
            lists: self.clone(),
            table: self.clone(),
            problems: Into { world: self.clone(), problems: true },
            own: Into { world: self.clone(), problems: false },
            operations: self.clone(),
            now: Box::new(move || clock),
            metrics: Box::new(move |line| counting.counted(line)),
        };
        let scope = Scope {
            regions: vec![region()],
            known_accounts: self.set(|state| state.accounts.clone()),
            look_back: Duration::from_secs(26 * 3600),
            stuck_after: Duration::from_secs(2 * 3600),
            running_after: Duration::from_secs(24 * 3600),
        };
        Handler::new(ports, scope).message(body, Instant::now() + Duration::from_secs(seconds)).await
    }

    /// A line of metrics: how often a metric was counted for a reason.
    fn counted(&self, line: &str) {
        let line = serde_json::from_str::<Value>(line).unwrap();
        let metric = line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"].as_str().unwrap();
        let name = format!("{metric} {}", line["reason"].as_str().unwrap());
        self.set(|state| *state.counted.entry(name).or_default() += 1);
    }

    /// The schedule, and every message that asks to go on.
    pub(super) async fn run_to_the_end(&self, seconds: u64) -> usize {
        let mut invocations = 1;
        self.run(START, seconds).await.unwrap();
        while let Some(body) = self.set(|state| state.own.pop()) {
            self.run(body.as_bytes(), seconds).await.unwrap();
            invocations += 1;
            assert!(invocations < 200, "it goes in circles");
        }
        invocations
    }

    pub(super) fn handed(&self) -> Vec<JobKey> {
        let read = |body: &String| match parse(body.as_bytes()) {
            Parsed::Job(job) => job.key(),
            other => panic!("{other:?}"),
        };
        self.set(|state| state.problems.iter().map(read).collect())
    }
}

impl JobLists for World {
    fn organization_account(&self) -> Option<AccountId> {
        self.set(|state| state.organization.clone())
    }

    async fn accounts(&self) -> Result<Vec<AccountId>, Gap> {
        Ok(self.set(|state| state.accounts.clone()))
    }

    async fn jobs(&self, whose: &Whose, _: &Region, kind: JobType, slice: Slice, token: Option<String>) -> Result<Option<JobPage>, Gap> {
        tokio::time::sleep(CALL).await;
        self.set(|state| {
            state.asked.push(format!("{whose:?} {kind:?} {slice:?} {token:?}"));
            let asked_in = match whose {
                Whose::Organization => state.organization.clone().unwrap(),
                Whose::Account(account) => account.clone(),
            };
            if let Some(reason) = state.refused.get(&asked_in) {
                let action = "backup:ListCopyJobs".to_owned();
                return Err(Gap { action, account_id: asked_in, region: Some(region()), reason: *reason, detail: None });
            }
            if token.is_some() && state.broken.as_ref() == Some(&asked_in) {
                let action = "backup:ListCopyJobs".to_owned();
                return Err(Gap { action, account_id: asked_in, region: Some(region()), reason: GapReason::Unreadable, detail: None });
            }
            let sees = |job: &&Job| *whose == Whose::Organization && !state.short_sighted || job.account == asked_in;
            let fits = |job: &&Job| match slice {
                Slice::CreatedSince(since) => job.job_type == kind && job.created_at.is_none_or(|at| at >= since),
                Slice::EndedSince(_) | Slice::FailedOf(_) => false,
            };
            let jobs = state.jobs.iter().filter(sees).filter(fits).cloned().collect::<Vec<_>>();
            let from = token.and_then(|token| token.parse().ok()).unwrap_or(0);
            let next = (from + PAGE < jobs.len()).then(|| (from + PAGE).to_string());
            Ok(Some(JobPage { jobs: jobs.into_iter().skip(from).take(PAGE).collect(), next }))
        })
    }
}

impl World {
    fn of_plan<T>(&self, account: &AccountId, id: &str, read: impl FnOnce(&Plan) -> T) -> Result<Option<T>, Gap> {
        self.set(|state| {
            state.asked.push(format!("{account} plan {id}"));
            match state.plans_refused.get(account) {
                Some(reason) => {
                    let action = "backup:GetBackupPlan".to_owned();
                    Err(Gap { action, account_id: account.clone(), region: Some(region()), reason: *reason, detail: None })
                }
                None => Ok(state.plans.iter().find(|(plan, ..)| plan.account_id == *account && plan.id == id).map(read)),
            }
        })
    }
}

impl PlanReader for World {
    async fn plan(&self, account: &AccountId, _: &Region, id: &str) -> Result<Option<BackupPlan>, Gap> {
        tokio::time::sleep(CALL).await;
        self.of_plan(account, id, |(plan, ..)| plan.clone())
    }
}

impl PlanLists for World {
    async fn plan_ids(&self, account: &AccountId, _: &Region) -> Result<Vec<String>, Gap> {
        tokio::time::sleep(CALL).await;
        let of = |(plan, ..): &Plan| (plan.account_id == *account).then(|| plan.id.clone());
        Ok(self.set(|state| state.plans.iter().filter_map(of).collect()))
    }

    async fn plan_changed_at(&self, account: &AccountId, _: &Region, id: &str) -> Result<Option<Timestamp>, Gap> {
        self.of_plan(account, id, |(_, changed_at, _)| *changed_at)
    }

    async fn selections(&self, account: &AccountId, _: &Region, id: &str) -> Result<Option<Vec<Selection>>, Gap> {
        self.of_plan(account, id, |(.., selections)| selections.clone())
    }
}

impl ClaimLookup for World {
    async fn claimed(&self, keys: &[JobKey], _: Timestamp) -> Result<Vec<JobKey>, PortError> {
        self.set(|state| match state.table_is_down {
            true => Err(down("dynamodb:BatchGetItem")),
            false => Ok(keys.iter().filter(|key| state.claimed.contains(key)).cloned().collect()),
        })
    }
}

impl GapMemory for World {
    async fn is_new(&self, _: &Gap, _: Timestamp, _: Duration) -> Result<bool, PortError> {
        self.set(|state| if state.table_is_down { Err(down("dynamodb:UpdateItem")) } else { Ok(true) })
    }
}

impl Heart for World {
    async fn beat(&self, function: &'static str, _: Timestamp) -> Result<(), PortError> {
        self.set(|state| state.beats.push(function));
        Ok(())
    }
}

impl Operations for World {
    async fn tell(&self, _: &str, body: &str) -> Result<(), PortError> {
        self.set(|state| state.told.push(body.to_owned()));
        Ok(())
    }
}

impl Outbox for Into {
    async fn put(&self, bodies: &[String], _: Duration) -> Result<(), PortError> {
        self.world.set(|state| {
            if self.problems && state.problem_queue_is_down {
                return Err(down("sqs:SendMessage"));
            }
            if self.problems { &mut state.problems } else { &mut state.own }.extend_from_slice(bodies);
            Ok(())
        })
    }
}

/// So many accounts, each with failed copies.
fn world(accounts: usize, copies: usize) -> World {
    let world = World::default();
    world.set(|state| {
        state.accounts = (0..accounts).map(account).collect();
        for n in 0..accounts * copies {
            let mut job = Job::new(account(n % accounts), region(), JobType::Copy);
            job.job_id = Some(JobId::from(format!("copy-{n}")));
            job.state = JobState::Failed;
            (job.created_at, job.completed_at) = (Some(now() - SignedDuration::from_hours(2)), Some(now() - SignedDuration::from_hours(1)));
            state.jobs.push(job);
        }
    });
    world
}

fn every_job(world: &World) -> BTreeSet<JobKey> {
    world.set(|state| state.jobs.iter().map(Job::key).collect())
}

#[tokio::test(start_paused = true)]
async fn what_one_invocation_has_no_time_for_is_done_by_the_next_and_nothing_twice() {
    // With 100 seconds, and 30 of them kept, a run makes 8 calls of 10 seconds.
    for (organization, accounts) in [(None, 7), (Some(account(0)), 7)] {
        let world = world(accounts, 3);
        world.set(|state| state.organization.clone_from(&organization));
        assert!(world.run_to_the_end(100).await > 2, "one invocation shows nothing");
        assert_eq!(world.set(|state| state.beats.clone()), ["reconcile-jobs"], "the whole look is one heartbeat");
        let handed = world.handed();
        assert_eq!(handed.iter().cloned().collect::<BTreeSet<_>>(), every_job(&world));
        assert_eq!(handed.len(), accounts * 3, "handed over twice");
        let asked = world.set(|state| state.asked.clone());
        assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), asked.len(), "a page was asked for twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_the_organization_that_shows_one_account_only_is_not_believed() {
    let world = world(5, 2);
    world.set(|state| (state.organization, state.short_sighted) = (Some(account(0)), true));
    world.run_to_the_end(1000).await;
    assert_eq!(world.handed().into_iter().collect::<BTreeSet<_>>(), every_job(&world));
}

#[tokio::test(start_paused = true)]
async fn an_account_that_refuses_is_told_and_the_others_are_searched() {
    for reason in [GapReason::AccessDenied, GapReason::RoleNotAssumable, GapReason::Throttled, GapReason::TimedOut] {
        let world = world(4, 1);
        world.set(|state| state.refused.insert(account(1), reason));
        world.run_to_the_end(1000).await;
        let wanted = every_job(&world).into_iter().filter(|key| key.account != account(1)).collect::<BTreeSet<_>>();
        assert_eq!(world.handed().into_iter().collect::<BTreeSet<_>>(), wanted, "{reason:?}");
        assert!(world.set(|state| state.told.iter().any(|body| body.contains(account(1).as_str()))), "{reason:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_behind_its_first_page_is_told_and_not_begun_for_ever() {
    let world = world(3, 3);
    world.set(|state| state.broken = Some(account(1)));
    world.run_to_the_end(1000).await;
    assert!(world.set(|state| state.told.iter().any(|body| body.contains(account(1).as_str()))));
    let handed = world.handed().into_iter().filter(|key| key.account != account(1)).collect::<BTreeSet<_>>();
    assert_eq!(handed.len(), 6, "the others are searched");
}

#[tokio::test(start_paused = true)]
async fn where_the_organization_refuses_each_account_is_asked() {
    let world = world(4, 1);
    let stranger = AccountId::parse("333333333333").unwrap();
    world.set(|state| {
        state.organization = Some(stranger.clone());
        state.refused.insert(stranger.clone(), GapReason::AccessDenied);
    });
    world.run_to_the_end(1000).await;
    assert_eq!(world.handed().into_iter().collect::<BTreeSet<_>>(), every_job(&world));
    assert!(world.set(|state| state.told.iter().any(|body| body.contains(stranger.as_str()))));
}

#[tokio::test(start_paused = true)]
async fn claimed_jobs_are_left_out_and_without_the_table_all_are_handed_over() {
    let world = world(2, 2);
    let claimed = every_job(&world).into_iter().next().unwrap();
    world.set(|state| state.claimed.insert(claimed.clone()));
    world.run_to_the_end(1000).await;
    assert!(world.handed().len() == 3 && !world.handed().contains(&claimed));
    world.set(|state| state.table_is_down = true);
    world.set(|state| state.problems.clear());
    world.run_to_the_end(1000).await;
    assert_eq!(world.handed().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_handed_over_brings_the_message_again() {
    let world = world(2, 1);
    world.set(|state| state.problem_queue_is_down = true);
    assert!(world.run(START, 1000).await.is_err());
    world.set(|state| state.problem_queue_is_down = false);
    world.run_to_the_end(1000).await;
    assert_eq!(world.handed().into_iter().collect::<BTreeSet<_>>(), every_job(&world));
    let nonsense = json!({"source": "aws.backup"}).to_string();
    assert!(world.run(nonsense.as_bytes(), 1000).await.is_err());
}
