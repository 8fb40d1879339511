//! Everything arrives twice, and some of it broken.

use std::sync::Arc;
use std::time::Duration;

use diagnose_job::{ItemError, Outcome};
use guardian_tests::{Mode, batch, batch_of_texts, event, failures};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::setting::{failed_job, function, invoke, world};

/// The failed copy with another job id and resource.
fn another(n: u32) -> Value {
    let mut event = event("copy-job/failed");
    event["detail"]["copyJobId"] = json!(format!("47C8EF56-0000-0000-0000-{n:012}"));
    event
}

/// A copy of another account, recovery point and vault, so that it is another incident whatever the cause.
fn another_incident(n: u32) -> Value {
    let mut event = another(n);
    let (source, central) = (format!("local-{n}"), format!("central-{n}"));
    event["account"] = json!(format!("5{n:011}"));
    event["resources"] = json!([format!("arn:aws:ec2:eu-central-1::snapshot/snap-{n:017}")]);
    event["detail"]["sourceBackupVaultArn"] = json!(format!("arn:aws:backup:eu-central-1:5{n:011}:backup-vault:{source}"));
    event["detail"]["destinationBackupVaultArn"] = json!(format!("arn:aws:backup:eu-central-1:222222222222:backup-vault:{central}"));
    event["detail"]["iamRoleArn"] = json!(format!("arn:aws:iam::5{n:011}:role/service-role/AWSBackupDefaultServiceRole"));
    event
}

#[tokio::test(start_paused = true)]
async fn five_deliveries_of_one_event_make_one_message() {
    let world = world();
    let event = event("copy-job/failed");
    let first = function(&world);
    for _ in 0..2 {
        assert_eq!(failures(&invoke(&first, batch(std::slice::from_ref(&event))).await), [""; 0]);
    }
    // Another instance, a whole batch of duplicates, and a bare event.
    assert_eq!(failures(&invoke(&function(&world), batch(&[event.clone(), event.clone()])).await), [""; 0]);
    assert_eq!(invoke(&function(&world), event).await, json!({"outcome": "already-done"}));
    assert_eq!(world.alerts().len(), 1);
    let alert = &world.alerts()[0];
    assert_eq!(alert["kind"], "failure");
    assert_eq!(alert["jobs"][0]["account_id"], "111111111111");
}

#[tokio::test(start_paused = true)]
async fn more_jobs_of_one_cause_join_silently_and_are_told_again_after_the_repeat_interval() {
    let world = world();
    let function = function(&world);
    invoke(&function, batch(&[another(1), another(2), another(3)])).await;
    assert_eq!(world.alerts().len(), 1);
    world.set(|state| state.clock += jiff::SignedDuration::from_hours(5));
    tokio::time::advance(Duration::from_secs(5 * 3600)).await;
    invoke(&function, batch(&[another(4)])).await;
    let alerts = world.alerts();
    assert_eq!(alerts.len(), 2);
    assert_eq!((alerts[1]["kind"].as_str(), alerts[1]["jobs_total"].as_u64()), (Some("reminder"), Some(4)));
    assert_eq!(alerts[0]["incident_id"], alerts[1]["incident_id"]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_another_invocation_holds_fails_so_that_it_comes_again() {
    let world = world();
    let lease = world.get(|state| state.clock) + jiff::SignedDuration::from_secs(30);
    world.claim_for_another(failed_job().key(), lease);
    let function = function(&world);
    assert_eq!(failures(&invoke(&function, batch(&[event("copy-job/failed")])).await), ["m-0"]);
    assert!(world.alerts().is_empty());
    // The other invocation died: after its lease the work is ours.
    world.set(|state| state.clock += jiff::SignedDuration::from_secs(31));
    assert_eq!(failures(&invoke(&function, batch(&[event("copy-job/failed")])).await), [""; 0]);
    assert_eq!(world.alerts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn two_at_the_same_time_make_one_message_and_one_retry() {
    let world = world();
    // The first is still gathering when the second arrives.
    world.set(|state| state.trail = Mode::Hanging);
    let body = event("copy-job/failed").to_string();
    let deadline = Instant::now() + Duration::from_secs(60);
    let (one, two) = (function(&world), function(&world));
    let (one, two) = tokio::join!(one.event(body.as_bytes(), deadline), two.event(body.as_bytes(), deadline));
    let outcomes = [one, two];
    assert!(outcomes.contains(&Ok(Outcome::Announced)), "{outcomes:?}");
    assert!(outcomes.contains(&Err(ItemError::Claimed)), "{outcomes:?}");
    assert_eq!(world.alerts().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_down_denied_or_hanging_silences_nobody() {
    for mode in [Mode::Down, Mode::Denied, Mode::Hanging] {
        let world = world();
        world.set(|state| (state.table, state.store) = (mode, mode));
        let function = function(&world);
        let started = Instant::now();
        for _ in 0..5 {
            assert_eq!(failures(&invoke(&function, batch(&[event("copy-job/failed")])).await), [""; 0], "{mode:?}");
        }
        assert_eq!(world.alerts().len(), 1, "{mode:?}: an instance remembers what it told");
        assert!(world.get(|state| state.metrics.iter().any(|line| line.contains("failed-open"))));
        let first = Duration::from_secs(11) * 5;
        assert!(started.elapsed() < first, "{mode:?}: {:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn without_the_table_a_storm_is_bounded_and_nothing_is_lost() {
    let world = world();
    world.set(|state| state.table = Mode::Down);
    let function = function(&world);
    let storm = (0..10).map(another_incident).collect::<Vec<_>>();
    let failed = failures(&invoke(&function, batch(&storm)).await);
    let sent = world.alerts().len();
    assert!((1..10).contains(&sent), "{sent}");
    assert_eq!(failed.len(), 10 - sent, "what was not sent comes again");
    world.set(|state| state.table = Mode::Well);
    assert_eq!(failures(&invoke(&function, batch(&storm)).await), [""; 0]);
    let told = world.alerts().iter().map(|alert| alert["incident_id"].to_string()).collect::<std::collections::BTreeSet<_>>().len();
    let waiting = world.incidents().iter().filter(|incident| incident.deferred).count();
    assert_eq!((told + waiting, world.alerts().len() <= 10), (10, true), "ten at once is what an e-mail subscription bears");
    assert!(waiting == 0 || world.get(|state| state.put_off.iter().any(|(work, _)| work.contains("digest"))));
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_was_not_accepted_is_sent_by_the_next_delivery() {
    for mode in [Mode::Down, Mode::Hanging, Mode::Denied] {
        let world = world();
        world.set(|state| state.topic = mode);
        let function = function(&world);
        assert_eq!(failures(&invoke(&function, batch(&[event("copy-job/failed")])).await), ["m-0"], "{mode:?}");
        world.set(|state| state.topic = Mode::Well);
        // Not a second later: the claim and the incident were given back.
        assert_eq!(failures(&invoke(&function, batch(&[event("copy-job/failed")])).await), [""; 0], "{mode:?}");
        assert_eq!(world.alerts().len(), 1, "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_an_event_fails_alone_and_is_counted() {
    let world = world();
    let bodies = ["{", "[]", "\"text\"", "{}", ""].map(str::to_owned).into_iter();
    let bodies = bodies.chain([event("copy-job/failed").to_string()]).collect::<Vec<_>>();
    let response = invoke(&function(&world), batch_of_texts(&bodies)).await;
    assert_eq!(failures(&response), ["m-0", "m-1", "m-2", "m-3", "m-4"]);
    assert_eq!(world.alerts().len(), 1, "the good one is alerted");
    let counted = world.get(|state| state.metrics.iter().filter(|line| line.contains("\"quarantined\":1")).count());
    assert_eq!(counted, 5);
}

#[tokio::test(start_paused = true)]
async fn unknown_events_and_healthy_jobs_are_done_and_say_nothing() {
    let world = world();
    let mut unknown = event("copy-job/failed");
    unknown["detail-type"] = json!("Something New State Change");
    let events = [unknown, event("copy-job/completed"), event("copy-job/running"), event("backup-vault/created")];
    assert_eq!(failures(&invoke(&function(&world), batch(&events)).await), [""; 0]);
    assert!(world.alerts().is_empty());
    let counted = world.get(|state| state.metrics.iter().any(|line| line.contains("unknown-detail-type")));
    assert!(counted, "an unknown detail-type is counted");
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_job_is_alerted_with_its_raw_text() {
    let world = world();
    let mut damaged = event("copy-job/failed");
    damaged["detail"] = Value::Null;
    assert_eq!(failures(&invoke(&function(&world), batch(&[damaged])).await), [""; 0]);
    assert_eq!(world.alerts().len(), 1);
    assert_eq!(world.alerts()[0]["jobs"][0]["account_id"], "111111111111");
}

#[tokio::test(start_paused = true)]
async fn a_status_message_of_300_kilobytes_is_sent_within_the_limit_of_sns() {
    let world = world();
    let mut event = event("copy-job/failed");
    event["detail"]["statusMessage"] = json!("Given key ID is not accessible. ".repeat(10_000));
    assert_eq!(failures(&invoke(&function(&world), batch(&[event])).await), [""; 0]);
    let size = world.get(|state| {
        let message = &state.sent[0];
        json!({"default": message.default, "email": message.email, "sms": message.sms}).to_string().len()
    });
    assert!(size <= 262_144, "{size}");
}

#[tokio::test(start_paused = true)]
async fn no_item_is_begun_that_cannot_be_finished() {
    let world = world();
    let events = [another(1), another(2)];
    let response = Arc::clone(&function(&world)).handle(batch(&events), Instant::now() + Duration::from_secs(5)).await.unwrap();
    assert_eq!(failures(&response), ["m-0", "m-1"]);
    assert!(world.alerts().is_empty());
}
