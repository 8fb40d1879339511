//! The first alert waits for evidence one window and no longer; what is missing is named.

use std::time::Duration;

use guardian_core::evidence::Change;
use guardian_tests::world::account;
use guardian_tests::{Mode, World, event};
use serde_json::Value;
use tokio::time::Instant;

use crate::setting::{KEY, arn, denial, function, invoke, world};

/// Diagnoses the failed copy and returns the alert and how long it took.
async fn diagnose(world: &World) -> (Value, Duration) {
    let started = Instant::now();
    invoke(&function(world), event("copy-job/failed")).await;
    let took = started.elapsed();
    assert_eq!(world.alerts().len(), 1);
    (world.alerts().remove(0), took)
}

fn reasons(alert: &Value, action: &str) -> Vec<String> {
    let gaps = alert["gaps"].as_array().unwrap().iter().filter(|gap| gap["action"] == action);
    gaps.map(|gap| gap["reason"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn with_everything_there_nobody_waits() {
    let world = world();
    world.set(|state| state.recorded = vec![denial()]);
    let (alert, took) = diagnose(&world).await;
    assert!(took < Duration::from_millis(10), "{took:?}");
    assert_eq!(alert["denied"]["action"], "kms:CreateGrant", "{alert:#}");
    assert_eq!(alert["denied"]["recorded_in"], "222222222222");
    let first = world.get(|state| state.lookups[0].clone());
    assert_eq!((first.account_id.as_str(), first.role_name.as_str()), ("222222222222", "AWSServiceRoleForBackup"));
    assert_eq!(first.event_names.first(), Some(&"CreateGrant"), "in the backup account the session name selects nothing");
    assert_eq!(first.object, Some(arn(KEY)));
}

#[tokio::test(start_paused = true)]
async fn a_denial_of_our_own_store_makes_lookups_needless() {
    let world = world();
    world.set(|state| state.kept = [denial()].into());
    let (alert, _) = diagnose(&world).await;
    assert_eq!(alert["denied"]["action"], "kms:CreateGrant", "{alert:#}");
    assert!(world.get(|state| state.lookups.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn a_store_of_denials_that_hangs_costs_a_part_of_the_window_and_nothing_but_itself() {
    let world = world();
    world.set(|state| (state.store, state.recorded) = (Mode::Hanging, vec![denial()]));
    let (alert, took) = diagnose(&world).await;
    assert!(took <= Duration::from_millis(400), "{took:?}");
    let late = alert["gaps"].as_array().unwrap().iter().filter(|gap| gap["reason"] == "timed-out");
    assert!(late.clone().count() > 0 && late.clone().all(|gap| gap["action"] == "dynamodb:Query"), "{:#}", alert["gaps"]);
    assert_eq!(alert["denied"]["action"], "kms:CreateGrant", "{alert:#}");
}

#[tokio::test(start_paused = true)]
async fn who_changed_the_key_is_told_by_slow_readers_too_or_named_as_not_seen() {
    let change = Change {
        action: "kms:PutKeyPolicy".to_owned(),
        actor: "arn:aws:sts::111111111111:assumed-role/Admin/anna".to_owned(),
        event_id: "5d529779-2d27-42b5-92da-000000000030".to_owned(),
        at: "2026-11-01T16:02:11Z".parse().unwrap(),
        account_id: account("111111111111"),
        resource_arn: Some(arn(KEY)),
        source_ip: None,
    };
    // The key is known after one answer and the change after two; the search for denials begins without it after 400 ms.
    for (milliseconds, seen) in [(0, true), (300, true), (450, true), (600, false)] {
        let world = world();
        world.set(|state| {
            state.recorded = vec![denial()];
            state.changed = vec![change.clone()];
            state.answers_after = Duration::from_millis(milliseconds);
        });
        let (alert, took) = diagnose(&world).await;
        assert!(took <= Duration::from_millis(1000), "{took:?}");
        assert_eq!(alert["changed"]["actor"] == change.actor.as_str(), seen, "{milliseconds}: {:#}", alert["changed"]);
        assert_eq!(
            reasons(&alert, "cloudtrail:LookupEvents").contains(&"timed-out".to_owned()),
            !seen,
            "{milliseconds}: {:#}",
            alert["gaps"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_trail_that_hangs_costs_one_window_and_is_named() {
    let world = world();
    world.set(|state| state.trail = Mode::Hanging);
    let (alert, took) = diagnose(&world).await;
    assert!(took <= Duration::from_millis(1000), "{took:?}");
    assert!(took >= Duration::from_millis(900), "the window is used: {took:?}");
    assert!(reasons(&alert, "cloudtrail:LookupEvents").contains(&"timed-out".to_owned()), "{:#}", alert["gaps"]);
}

#[tokio::test(start_paused = true)]
async fn a_trail_that_is_denied_or_down_is_named_at_once() {
    for (mode, reason) in [(Mode::Denied, "access-denied"), (Mode::Down, "unavailable")] {
        let world = world();
        world.set(|state| state.trail = mode);
        let (alert, took) = diagnose(&world).await;
        assert!(took < Duration::from_millis(10), "{took:?}");
        assert!(reasons(&alert, "cloudtrail:LookupEvents").contains(&reason.to_owned()), "{:#}", alert["gaps"]);
    }
}

#[tokio::test(start_paused = true)]
async fn readers_that_hang_cost_one_window_and_every_question_is_named() {
    let world = world();
    world.set(|state| (state.readers, state.trail, state.store) = (Mode::Hanging, Mode::Hanging, Mode::Hanging));
    let (alert, took) = diagnose(&world).await;
    assert!(took <= Duration::from_millis(1000), "{took:?}");
    for action in [
        "backup:DescribeCopyJob",
        "backup:DescribeRecoveryPoint",
        "backup:DescribeBackupVault",
        "backup:GetBackupVaultAccessPolicy",
        "cloudtrail:LookupEvents",
        "dynamodb:Query",
    ] {
        assert!(reasons(&alert, action).contains(&"timed-out".to_owned()), "{action}: {:#}", alert["gaps"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cannot_be_assumed_is_named_with_its_account() {
    let world = world();
    world.set(|state| state.readers = Mode::Denied);
    let (alert, _) = diagnose(&world).await;
    let gaps = alert["gaps"].as_array().unwrap();
    for account in ["111111111111", "222222222222"] {
        let named = gaps
            .iter()
            .any(|gap| gap["action"] == "sts:AssumeRole" && gap["account_id"] == account && gap["reason"] == "role-not-assumable");
        assert!(named, "{account}: {gaps:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_back_searches_the_source_account_as_the_destination() {
    let world = world();
    invoke(&function(&world), event("copy-job/failed-copy-back")).await;
    let searched = world.get(|state| {
        state
            .lookups
            .iter()
            .map(|query| (query.account_id.to_string(), query.role_name.clone(), query.event_names.len()))
            .collect::<Vec<_>>()
    });
    assert_eq!(searched[0], ("111111111111".to_owned(), "AWSServiceRoleForBackup".to_owned(), 0), "its session name is not common there");
    assert_eq!((searched[1].0.as_str(), searched[1].1.as_str()), ("222222222222", "AWSBackupDefaultServiceRole"));
    assert!(searched[1].2 > 0, "in the backup account event names select");
}

#[tokio::test(start_paused = true)]
async fn a_copy_across_regions_is_searched_in_both() {
    let world = world();
    invoke(&function(&world), event("copy-job/failed-cross-region")).await;
    let searched = world.get(|state| {
        state
            .lookups
            .iter()
            .map(|query| (query.account_id.to_string(), query.region.to_string()))
            .collect::<std::collections::BTreeSet<_>>()
    });
    for account in ["111111111111", "222222222222"] {
        for region in ["eu-central-1", "eu-west-1"] {
            assert!(searched.contains(&(account.to_owned(), region.to_owned())), "{account} {region}: {searched:?}");
        }
    }
}
