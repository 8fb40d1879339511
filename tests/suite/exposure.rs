//! How bad a failure is depends on what is lost: the age of the newest good copy against the schedule of its plan.

use std::time::Duration;

use guardian_core::arn::Arn;
use guardian_core::evidence::{BackupPlan, CopyAction, Evidence, Lifecycle, PlanRule, RuleTimes};
use guardian_core::incident::{Lane, Success, resource_of};
use guardian_core::ports::Recoveries;
use guardian_tests::{Mode, World, event};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::setting::{CENTRAL, failed_job, function, world};
use crate::storms::{come_back, running};

/// The plan of the failed copy: nightly, as its rule says.
fn plan(schedule: &str) -> BackupPlan {
    let job = failed_job();
    let reference = job.plan.unwrap();
    BackupPlan {
        account_id: job.account,
        region: job.region,
        id: reference.plan_id.unwrap(),
        name: "nightly".to_owned(),
        created_at: None,
        rules: vec![PlanRule {
            name: "nightly".to_owned(),
            target_vault: "local-vault".to_owned(),
            copy_actions: vec![CopyAction {
                destination_vault_arn: Arn::parse(CENTRAL).unwrap(),
                delete_after_days: None,
                move_to_cold_storage_after_days: None,
            }],
            times: RuleTimes { rule_id: reference.rule_id, schedule: Some(schedule.to_owned()), ..RuleTimes::default() },
            lifecycle: Lifecycle::default(),
        }],
    }
}

/// A good copy of the same resource so many hours ago.
async fn good(world: &World, hours: i64) {
    let at = world.now() - SignedDuration::from_hours(hours);
    let evidence = Evidence::of_event(failed_job(), at);
    let job = json!({"account_id": "111111111111", "region": "eu-central-1", "job_type": "copy", "state": "COMPLETED"});
    let success =
        Success { job: serde_json::from_value(job).unwrap(), created_at: at, lane: Lane::of(&evidence), resource: resource_of(&evidence) };
    world.keep_good(&success, at).await.unwrap();
}

async fn fail(world: &World) -> Value {
    let bytes = event("copy-job/failed").to_string();
    function(world).event(bytes.as_bytes(), Instant::now() + Duration::from_secs(60)).await.unwrap();
    world.alerts().pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn severity_is_the_age_of_the_last_good_copy_against_the_schedule() {
    for (hours, schedule, breached, severity, words) in [
        (20, "cron(0 5 ? * * *)", false, "medium", "Its plan promises one every 24 hours: that holds until 2026-11-02 09:37 UTC."),
        (30, "cron(0 5 ? * * *)", true, "high", "Its plan promises one every 24 hours: that is missed since 2026-11-01 23:37 UTC."),
        (80, "cron(0 5 ? * * *)", true, "critical", "that is missed since"),
        // Nobody is late who copies on Sundays only.
        (80, "cron(0 5 ? * SUN *)", false, "medium", "Its plan promises one every 7 days"),
        (3, "rate(90 minutes)", true, "high", "Its plan promises one every 90 minutes"),
    ] {
        let world = world();
        world.set(|state| state.plans = vec![plan(schedule)]);
        good(&world, hours).await;
        let alert = fail(&world).await;
        assert_eq!((alert["severity"].as_str(), &alert["impact"]["breached"]), (Some(severity), &json!(breached)), "{hours} {schedule}");
        let email = world.get(|state| state.sent[0].email.clone());
        // Lines are wrapped.
        let flat = email.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(words), "{email}");
        assert_eq!(world.incidents()[0].standing.as_ref().unwrap().severity.as_str(), severity);
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_knows_changes_nothing_and_a_plan_that_cannot_be_read_is_a_gap() {
    // Without a good copy, without the plan, without its rule, with a schedule that is none.
    let other = BackupPlan { rules: Vec::new(), ..plan("rate(1 day)") };
    for (known, plans) in [(false, vec![plan("rate(1 day)")]), (true, vec![]), (true, vec![other]), (true, vec![plan("at noon")])] {
        let world = world();
        world.set(|state| state.plans = plans);
        if known {
            good(&world, 500).await;
        }
        let alert = fail(&world).await;
        assert_eq!(alert["severity"], "high");
        assert!(alert["impact"].get("breached").is_none() && alert["impact"].get("recovery_point_objective").is_none());
        assert_eq!(alert["impact"].get("last_good_copy_at").is_some(), known);
    }
    for mode in [Mode::Denied, Mode::Down, Mode::Hanging] {
        let world = world();
        good(&world, 500).await;
        world.set(|state| state.readers = mode);
        let alert = fail(&world).await;
        let named = |gap: &Value| gap["action"] == "backup:GetBackupPlan" && gap["account_id"] == "111111111111";
        assert!(alert["gaps"].as_array().unwrap().iter().any(named), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reminder_says_that_the_objective_is_missed_by_now() {
    let world = running();
    world.set(|state| state.plans = vec![plan("cron(0 5 ? * * *)")]);
    good(&world, 22).await;
    assert_eq!(fail(&world).await["severity"], "medium");
    come_back(&world, 5 * 3600).await;
    let last = world.alerts().pop().unwrap();
    assert_eq!((last["kind"].as_str(), last["severity"].as_str()), (Some("reminder"), Some("high")));
    assert_eq!(last["impact"]["breached"], true);
}

#[tokio::test(start_paused = true)]
async fn a_reminder_knows_of_a_good_copy_that_was_made_since() {
    let world = running();
    world.set(|state| state.plans = vec![plan("cron(0 5 ? * * *)")]);
    good(&world, 22).await;
    assert_eq!(fail(&world).await["severity"], "medium");
    come_back(&world, 3600).await;
    good(&world, 0).await;
    come_back(&world, 4 * 3600).await;
    let last = world.alerts().pop().unwrap();
    assert_eq!((last["kind"].as_str(), last["severity"].as_str()), (Some("reminder"), Some("medium")));
    assert_eq!(last["impact"]["breached"], false, "{}", last["impact"]);
}
