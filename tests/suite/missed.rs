//! Runs of plans that made no job: told once, and never where something was not seen.

use guardian_core::arn::Arn;
use guardian_core::event::{Job, JobId, JobState, JobType, Parsed, PlanRef, parse};
use guardian_core::evidence::{BackupPlan, GapReason, Lifecycle, PlanRule, RuleTimes, Selection};
use jiff::{SignedDuration, Timestamp};

use super::reconcile::{START, World, account, now, region};

const ENOUGH: u64 = 100_000;

fn long_ago() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn rule(id: &str, schedule: &str) -> PlanRule {
    let times = RuleTimes {
        rule_id: Some(id.to_owned()),
        schedule: Some(schedule.to_owned()),
        zone: Some("Europe/Berlin".to_owned()),
        start_window_minutes: Some(60),
        continuous: false,
    };
    PlanRule { name: id.to_owned(), target_vault: "local".to_owned(), copy_actions: Vec::new(), times, lifecycle: Lifecycle::default() }
}

fn everything() -> Selection {
    Selection {
        name: "everything".to_owned(),
        role_arn: Arn::parse("arn:aws:iam::111111111111:role/r").unwrap(),
        resources: vec!["*".to_owned()],
        not_resources: Vec::new(),
        tags: Vec::new(),
        conditions: Vec::new(),
        created_at: Some(long_ago()),
    }
}

/// Accounts with a plan each, whose rule `night` runs at five in Berlin. It is noon: tonight's window is over.
fn world(accounts: usize) -> World {
    let world = World::default();
    world.set(|state| {
        state.accounts = (0..accounts).map(account).collect();
        state.plans = (0..accounts)
            .map(|n| {
                let plan = BackupPlan {
                    account_id: account(n),
                    region: region(),
                    id: format!("plan-{n}"),
                    name: "nightly".to_owned(),
                    created_at: Some(long_ago()),
                    rules: vec![rule("night", "cron(0 5 ? * * *)")],
                };
                (plan, long_ago(), vec![everything()])
            })
            .collect();
    });
    world
}

fn due() -> Timestamp {
    "2026-11-02T04:00:00Z".parse().unwrap()
}

/// A job of the rule `night` of account `n`.
fn job(n: usize, created: Timestamp) -> Job {
    let mut job = Job::new(account(n), region(), JobType::Backup);
    job.job_id = Some(JobId::from(format!("{n}-{created}")));
    job.state = JobState::Completed;
    (job.created_at, job.completed_at) = (Some(created), Some(created));
    job.plan = Some(PlanRef { plan_id: Some(format!("plan-{n}")), plan_arn: None, rule_id: Some("night".to_owned()), rule_name: None });
    job
}

fn nights_before(n: usize, nights: i64) -> Vec<Job> {
    (1..=nights).map(|night| job(n, due() - SignedDuration::from_hours(24 * night))).collect()
}

/// The missed runs that were handed over, by account and time.
fn missed(world: &World) -> Vec<(usize, Timestamp)> {
    let read = |body: &String| match parse(body.as_bytes()) {
        Parsed::Job(job) if job.missed.is_some() => {
            assert_eq!(job.state, JobState::Missed);
            ((0..100).find(|n| account(*n) == job.account).unwrap(), job.created_at.unwrap())
        }
        other => panic!("{other:?}"),
    };
    let mut missed = world.set(|state| state.problems.iter().map(read).collect::<Vec<_>>());
    missed.sort();
    missed
}

fn counted(world: &World, name: &str) -> usize {
    world.set(|state| state.counted.get(name).copied().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn a_run_that_aws_forgot_is_told_once() {
    let world = world(3);
    // The first ran every night, the second not tonight, of the third no job was ever seen.
    world.set(|state| state.jobs = [nights_before(0, 9), vec![job(0, due())], nights_before(1, 9)].concat());
    world.run_to_the_end(ENOUGH).await;
    assert_eq!(missed(&world), [(1, due())]);
    assert_eq!(counted(&world, "handed missed"), 1);
    assert_eq!(counted(&world, "not-judged never-seen"), 1);
    let told = world.handed();
    world.set(|state| {
        state.problems.clear();
        state.claimed.extend(told);
        state.asked.clear();
    });
    world.run_to_the_end(ENOUGH).await;
    assert_eq!(missed(&world), []);
    let again = world.set(|state| state.asked.iter().filter(|asked| asked.contains("plan-1")).count());
    assert_eq!(again, 1, "what was told is not looked into again");
}

#[tokio::test(start_paused = true)]
async fn what_one_invocation_has_no_time_for_goes_on_with_what_is_known() {
    // 20 jobs a plan are 10 pages: with 100 seconds, and 30 of them kept, an invocation makes 8 calls of 10 seconds.
    let world = world(2);
    world.set(|state| state.jobs = [nights_before(0, 20), nights_before(1, 20), vec![job(1, due())]].concat());
    assert!(world.run_to_the_end(100).await > 2, "one invocation shows nothing");
    assert_eq!(missed(&world), [(0, due())]);
    // A job that stands at the end of a long list is found before anything is said.
    let world = self::world(1);
    world.set(|state| {
        state.jobs = nights_before(0, 9);
        state.jobs.extend((0..60).map(|n| Job { plan: None, ..job(0, now() - SignedDuration::from_mins(n)) }));
        state.jobs.push(job(0, due() + SignedDuration::from_mins(70)));
    });
    world.run_to_the_end(100).await;
    assert_eq!(missed(&world), [], "it was late, but inside the window");
}

#[tokio::test(start_paused = true)]
async fn after_a_gap_a_place_is_not_judged_and_the_gap_is_told() {
    for reason in [GapReason::AccessDenied, GapReason::RoleNotAssumable, GapReason::Throttled] {
        for jobs_refused in [true, false] {
            let world = world(2);
            world.set(|state| {
                state.jobs = [nights_before(0, 9), nights_before(1, 9)].concat();
                if jobs_refused { &mut state.refused } else { &mut state.plans_refused }.insert(account(0), reason);
            });
            world.run_to_the_end(ENOUGH).await;
            assert_eq!(missed(&world), [(1, due())], "{reason:?} {jobs_refused}");
            assert_eq!(counted(&world, "not-judged gap"), 1, "{reason:?} {jobs_refused}");
            assert!(world.set(|state| state.told.iter().any(|body| body.contains(account(0).as_str()))), "{reason:?} {jobs_refused}");
            // Another day it can be read, and the run is told after all.
            world.set(|state| {
                state.problems.clear();
                state.refused.clear();
                state.plans_refused.clear();
            });
            world.run_to_the_end(ENOUGH).await;
            assert_eq!(missed(&world), [(0, due()), (1, due())]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn plans_that_were_edited_or_deleted_meanwhile_missed_nothing() {
    let world = world(4);
    world.set(|state| {
        state.jobs = (0..4).flat_map(|n| nights_before(n, 9)).collect();
        state.plans[0].1 = due() + SignedDuration::from_hours(1);
        state.plans[1].2.clear();
        state.plans[2].2[0].created_at = Some(due() + SignedDuration::from_hours(1));
        // Listed once more, and gone when it is read.
        state.plans[3].0.account_id = account(9);
    });
    world.run_to_the_end(ENOUGH).await;
    assert_eq!(missed(&world), []);
}

#[tokio::test(start_paused = true)]
async fn on_the_night_that_clocks_leap_over_the_time_nothing_was_due() {
    for (noon, expected) in [("2026-03-29T12:00:00Z", None), ("2026-10-25T12:00:00Z", Some("2026-10-25T00:30:00Z"))] {
        let world = world(1);
        let noon = noon.parse::<Timestamp>().unwrap();
        world.set(|state| {
            state.now = Some(noon);
            state.plans[0].0.rules = vec![rule("night", "cron(30 2 ? * * *)")];
            state.jobs = vec![job(0, noon - SignedDuration::from_hours(24 * 3))];
        });
        world.run_to_the_end(ENOUGH).await;
        let expected = expected.map(|at| (0, at.parse::<Timestamp>().unwrap()));
        assert_eq!(missed(&world), expected.into_iter().collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_cannot_be_handed_over_brings_the_message_again() {
    let world = world(1);
    world.set(|state| {
        state.jobs = nights_before(0, 9);
        state.problem_queue_is_down = true;
    });
    assert!(world.run(START, ENOUGH).await.is_err());
    world.set(|state| state.problem_queue_is_down = false);
    world.run_to_the_end(ENOUGH).await;
    assert_eq!(missed(&world), [(0, due())]);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_throttled_has_another_turn() {
    let world = world(1);
    world.set(|state| {
        state.jobs = nights_before(0, 9);
        state.plans_refused.insert(account(0), GapReason::Throttled);
    });
    world.run(START, ENOUGH).await.unwrap();
    assert_eq!((missed(&world), counted(&world, "not-judged gap")), (vec![], 0), "nothing is decided yet");
    world.set(|state| state.plans_refused.clear());
    while let Some(body) = world.set(|state| state.own.pop()) {
        world.run(body.as_bytes(), ENOUGH).await.unwrap();
    }
    assert_eq!(missed(&world), [(0, due())]);
}
