//! `collect-denials` keeps what a diagnosis will need, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use collect_denials::Handler;
use guardian_tests::{Mode, World, batch, batch_of_texts, event, failures};
use serde_json::Value;
use tokio::time::Instant;

use crate::setting::{function, invoke, world};

async fn collect(world: &World, payload: Value) -> Value {
    let handler = Handler { store: world.clone(), now: world.clock(), metrics: world.metrics() };
    Arc::new(handler).handle(payload, Instant::now() + Duration::from_secs(30)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_denial_that_arrives_twice_is_kept_once_and_read_by_the_diagnosis() {
    let world = world();
    let denied = event("cloudtrail/create-grant-denied");
    assert_eq!(failures(&collect(&world, batch(&[denied.clone(), denied.clone()])).await), [""; 0]);
    collect(&world, denied).await;
    assert_eq!(world.get(|state| state.kept.len()), 1);
    invoke(&function(&world), event("copy-job/failed")).await;
    assert_eq!(world.alerts()[0]["denied"]["action"], "kms:CreateGrant");
}

#[tokio::test(start_paused = true)]
async fn a_re_encrypt_is_kept_per_action_and_calls_that_worked_are_dropped() {
    let world = world();
    let events = [event("cloudtrail/create-grant-succeeded"), event("cloudtrail/backup-job-completed"), event("copy-job/failed")];
    assert_eq!(failures(&collect(&world, batch(&events)).await), [""; 0]);
    assert_eq!(world.get(|state| state.kept.len()), 0);
    assert_eq!(world.get(|state| state.metrics.iter().filter(|line| line.contains("\"ignored\":1")).count()), 3);
}

#[tokio::test(start_paused = true)]
async fn a_role_that_aws_backup_could_not_assume_is_kept_and_what_names_no_role_is_counted() {
    let world = world();
    let events = [event("cloudtrail/assume-role-denied"), event("cloudtrail/create-grant-disabled-in-key-account")];
    assert_eq!(failures(&collect(&world, batch(&events)).await), [""; 0]);
    let kept = world.get(|state| state.kept.iter().map(|denial| (denial.action.clone(), denial.role_name())).collect::<Vec<_>>());
    assert_eq!(kept, [(Some("sts:AssumeRole".to_owned()), Some("AWSBackupDefaultServiceRole".to_owned()))]);
    assert!(world.get(|state| state.metrics.iter().any(|line| line.contains("no-role"))));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_or_kept_comes_again() {
    let world = world();
    let bodies = ["nonsense".to_owned(), event("cloudtrail/create-grant-denied").to_string()];
    assert_eq!(failures(&collect(&world, batch_of_texts(&bodies)).await), ["m-0"]);
    for mode in [Mode::Down, Mode::Hanging] {
        world.set(|state| state.store = mode);
        assert_eq!(failures(&collect(&world, batch(&[event("cloudtrail/create-grant-denied")])).await), ["m-0"], "{mode:?}");
    }
}
