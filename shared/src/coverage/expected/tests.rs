//! Plans and jobs in, missed runs out.

use super::*;
use crate::event::{JobState, JobType, PlanRef};
use crate::evidence::{Lifecycle, RuleTimes};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn account() -> AccountId {
    AccountId::parse("111111111111").unwrap()
}

fn region() -> Region {
    Region::parse("eu-central-1").unwrap()
}

fn rule(id: &str, schedule: &str) -> PlanRule {
    PlanRule {
        name: format!("rule {id}"),
        target_vault: "local".to_owned(),
        copy_actions: Vec::new(),
        times: RuleTimes {
            rule_id: Some(id.to_owned()),
            schedule: Some(schedule.to_owned()),
            zone: None,
            start_window_minutes: Some(60),
            continuous: false,
        },
        lifecycle: Lifecycle::default(),
    }
}

fn plan(rules: &[PlanRule]) -> BackupPlan {
    BackupPlan {
        account_id: account(),
        region: region(),
        id: "p".to_owned(),
        name: "nightly".to_owned(),
        created_at: Some(at("2026-01-01T00:00:00Z")),
        rules: rules.to_vec(),
    }
}

fn selection(resources: &[&str], created: &str) -> Selection {
    Selection {
        name: "s".to_owned(),
        role_arn: Arn::parse("arn:aws:iam::111111111111:role/r").unwrap(),
        resources: resources.iter().map(|resource| (*resource).to_owned()).collect(),
        not_resources: Vec::new(),
        tags: Vec::new(),
        conditions: Vec::new(),
        created_at: Some(at(created)),
    }
}

fn made(plan: &str, rule: Option<&str>, created: Option<&str>) -> Job {
    let mut job = Job::new(account(), region(), JobType::Backup);
    job.state = JobState::Failed;
    job.created_at = created.map(at);
    job.plan = Some(PlanRef { plan_id: Some(plan.to_owned()), plan_arn: None, rule_id: rule.map(str::to_owned), rule_name: None });
    job
}

const NOW: &str = "2026-11-02T12:00:00Z";
const NIGHTLY: &str = "cron(0 5 ? * * *)";
const OLD: &str = "2026-01-02T00:00:00Z";

fn look(plan: &BackupPlan) -> Option<OpenPlan> {
    expect(plan, at(NOW) - SignedDuration::from_hours(26), at(NOW)).0
}

/// When the runs were due that count as missed, and how many nobody judges.
fn missed_after(jobs: &[Job], changed_at: &str, selections: &[Selection]) -> (Vec<Timestamp>, usize) {
    let Some(mut open) = look(&plan(&[rule("r", NIGHTLY)])) else { return (Vec::new(), 0) };
    jobs.iter().for_each(|job| open.see(job));
    open.look_at(&region(), Some(at(changed_at)), selections);
    let (missed, not_judged) = open.missed(&account(), &region());
    (missed.iter().map(|job| job.created_at.unwrap()).collect(), not_judged)
}

#[test]
fn a_run_is_missed_where_its_rule_makes_jobs_and_made_none() {
    let everything = [selection(&["*"], OLD)];
    let before = made("p", Some("r"), Some("2026-11-01T05:00:00Z"));
    let missed = at("2026-11-02T05:00:00Z");
    assert_eq!(missed_after(std::slice::from_ref(&before), OLD, &everything), (vec![missed], 0));
    assert_eq!(missed_after(&[], OLD, &everything), (vec![], 1), "it may select nothing");
    assert_eq!(missed_after(&[made("other", Some("r"), Some("2026-11-01T05:00:00Z"))], OLD, &everything), (vec![], 1));
    // A job of any state, and late inside the window.
    for created in [Some("2026-11-02T05:00:00Z"), Some("2026-11-02T06:14:00Z"), None] {
        assert_eq!(missed_after(&[before.clone(), made("p", Some("r"), created)], OLD, &everything), (vec![], 0), "{created:?}");
    }
    // After the window it is the job of another run.
    assert_eq!(missed_after(&[before.clone(), made("p", Some("r"), Some("2026-11-02T06:16:00Z"))], OLD, &everything), (vec![missed], 0));
    // A job that came only after the run says nothing of the time before.
    assert_eq!(missed_after(&[made("p", Some("r"), Some("2026-11-02T09:00:00Z"))], OLD, &everything), (vec![], 1));
    // On demand, by nobody's rule.
    let mut on_demand = made("p", None, Some("2026-11-02T05:00:00Z"));
    on_demand.plan = None;
    assert_eq!(missed_after(&[before, on_demand], OLD, &everything), (vec![missed], 0));
}

#[test]
fn plans_that_were_edited_or_select_nothing_are_not_judged() {
    let before = [made("p", Some("r"), Some("2026-11-01T05:00:00Z"))];
    let everything = [selection(&["*"], OLD)];
    for (changed_at, expected) in [("2026-11-02T04:00:00Z", 1), ("2026-11-02T05:00:00Z", 0), ("2026-11-02T09:00:00Z", 0)] {
        assert_eq!(missed_after(&before, changed_at, &everything).0.len(), expected, "{changed_at}");
    }
    assert_eq!(missed_after(&before, OLD, &[]), (vec![], 0), "no selection, no jobs");
    assert_eq!(missed_after(&before, OLD, &[selection(&["*"], "2026-11-02T05:30:00Z")]), (vec![], 0), "all selections are new");
    let mut new = plan(&[rule("r", NIGHTLY)]);
    new.created_at = Some(at("2026-11-02T05:01:00Z"));
    assert_eq!(look(&new), None);
}

#[test]
fn a_selection_that_names_a_resource_of_the_region_is_expected_to_make_jobs() {
    let volume = "arn:aws:ec2:eu-central-1:111111111111:volume/vol-1";
    for (resource, judged) in [
        (volume, true),
        ("arn:aws:ec2:eu-west-1:111111111111:volume/vol-1", false),
        ("arn:aws:ec2:eu-central-1:111111111111:volume/*", false),
        ("arn:aws:s3:::bucket", false),
    ] {
        let (missed, not_judged) = missed_after(&[], OLD, &[selection(&[resource], OLD)]);
        assert_eq!((missed.len(), not_judged), (usize::from(judged), usize::from(!judged)), "{resource}");
    }
    let excluded = Selection { not_resources: vec![volume.to_owned()], ..selection(&[volume], OLD) };
    assert_eq!(missed_after(&[], OLD, &[excluded]), (vec![], 1));
    // Something else was selected when the run was due.
    let later = [selection(&["*"], OLD), selection(&[volume], "2026-11-02T05:30:00Z")];
    assert_eq!(missed_after(&[], OLD, &later), (vec![], 1));
}

#[test]
fn a_job_of_an_older_version_answers_every_rule_that_it_may_have_been() {
    let two = plan(&[rule("a", NIGHTLY), rule("b", NIGHTLY)]);
    let mut open = look(&two).unwrap();
    open.see(&made("p", Some("a"), Some("2026-11-02T05:00:00Z")));
    assert_eq!(open.rules.iter().map(|rule| rule.id.as_str()).collect::<Vec<_>>(), ["b"]);
    open.see(&made("p", Some("replaced"), Some("2026-11-01T05:00:00Z")));
    open.look_at(&region(), None, &[selection(&["*"], OLD)]);
    assert_eq!(open.missed(&account(), &region()), (vec![], 1), "which of the two it was nobody knows");
    let mut open = look(&plan(&[rule("a", NIGHTLY)])).unwrap();
    open.see(&made("p", Some("replaced"), Some("2026-11-01T05:00:00Z")));
    assert!(open.is_settled(), "there is but one");
    open.see(&made("p", Some("replaced"), Some("2026-11-02T05:00:00Z")));
    assert_eq!(open.rules, []);
}

#[test]
fn what_has_no_times_of_its_own_is_not_judged_and_counted() {
    let mut continuous = rule("c", NIGHTLY);
    continuous.times.continuous = true;
    let mut nameless = rule("n", NIGHTLY);
    nameless.times.rule_id = None;
    let (open, not_judged) = expect(&plan(&[continuous, nameless, rule("x", "cron(nonsense)")]), at(OLD), at(NOW));
    assert_eq!((open, not_judged), (None, vec![NotJudged::Continuous, NotJudged::Schedule, NotJudged::Schedule]));
    // AWS runs a rule without a schedule at five.
    let mut without = rule("r", "");
    without.times.schedule = None;
    assert_eq!(look(&plan(&[without])).unwrap().from(), Some(at("2026-11-02T04:55:00Z")));
}

#[test]
fn a_rule_in_a_time_zone_runs_by_the_clock_on_the_wall_on_the_day_that_clocks_change() {
    let mut local = rule("r", "cron(30 2 ? * * *)");
    local.times.zone = Some("Europe/Berlin".to_owned());
    let due_on = |now: &str| {
        let open = expect(&plan(&[local.clone()]), at(now) - SignedDuration::from_hours(26), at(now)).0;
        open.map(|open| open.rules[0].runs.iter().map(|run| run.run_at).collect::<Vec<_>>()).unwrap_or_default()
    };
    // At 02:30 clocks leap to 03:00 on the one night, and come twice to 02:30 on the other.
    assert_eq!(due_on("2026-03-29T12:00:00Z"), []);
    assert_eq!(due_on("2026-10-25T12:00:00Z"), [at("2026-10-25T00:30:00Z")]);
}

#[test]
fn rules_that_run_seldom_are_looked_at_when_their_window_is_over() {
    let monthly = plan(&[rule("r", "cron(0 5 1 * ? *)")]);
    let (after, now) = (at("2026-10-31T12:00:00Z"), at("2026-11-01T14:00:00Z"));
    assert_eq!(expect(&monthly, after, now).0.unwrap().from(), Some(at("2026-11-01T04:55:00Z")));
    assert_eq!(look(&monthly), None, "the window was over before the look back");
}

#[test]
fn what_the_lists_do_not_reach_back_to_is_not_judged() {
    for (schedule, window, judged) in
        [("rate(20 days)", 60, true), ("rate(31 days)", 60, false), (NIGHTLY, 20 * 24 * 60, true), (NIGHTLY, 31 * 24 * 60, false)]
    {
        let mut rule = rule("r", schedule);
        rule.times.start_window_minutes = Some(window);
        let (open, not_judged) = expect(&plan(&[rule]), at(NOW) - SignedDuration::from_hours(26), at(NOW));
        assert_eq!((open.is_some(), not_judged.contains(&NotJudged::Unlisted)), (judged, !judged), "{schedule} {window}");
    }
}

#[test]
fn what_was_told_is_forgotten_run_by_run() {
    let hourly = plan(&[rule("r", "cron(0 * ? * * *)")]);
    let mut open = look(&hourly).unwrap();
    let runs = open.open_runs(&account(), &region());
    assert!(runs.len() > 20);
    let known = runs.iter().take(runs.len() - 1).map(Job::key).collect::<Vec<_>>();
    open.forget(&account(), &region(), |job| known.contains(&job.key()));
    assert_eq!(open.open_runs(&account(), &region()), runs[runs.len() - 1..]);
    open.forget(&account(), &region(), |_| true);
    assert_eq!(open.rules, []);
}
