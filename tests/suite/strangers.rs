//! What a member account can put into its own events changes no alert of another account.

use std::sync::Arc;
use std::time::Duration;

use diagnose_job::messenger::Messenger;
use guardian_tests::{World, event};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::setting::{denial, function, world};

const STRANGER: &str = "999999999999";

/// An event of the stranger: every member that AWS Backup fills from what the account chose may name what belongs to the victim.
fn strange() -> impl Strategy<Value = Value> {
    let victim = event("copy-job/failed");
    let detail = victim["detail"].as_object().unwrap().clone();
    let own = |value: &Value| Value::String(value.as_str().unwrap_or_default().replace("111111111111", STRANGER));
    let members = detail.keys().cloned().collect::<Vec<_>>();
    let choices = prop::collection::vec(0u8..4, members.len());
    let states = prop::sample::select(vec!["FAILED", "COMPLETED", "EXPIRED", "ABORTED", "PARTIAL", "nonsense"]);
    let messages = prop::sample::select(vec!["Given key ID is not accessible", "Access Denied", "stopped by user", "", "<!channel>"]);
    (choices, states, messages, any::<bool>(), any::<bool>()).prop_map(move |(choices, state, message, theirs, flat)| {
        let mut event = victim.clone();
        event["account"] = json!(STRANGER);
        for (member, choice) in members.iter().zip(choices) {
            let value = &detail[member];
            match choice {
                0 => event["detail"][member] = own(value),
                1 => _ = event["detail"].as_object_mut().unwrap().remove(member),
                2 => event["detail"][member] = json!({}),
                _ => {}
            }
        }
        event["detail"]["state"] = json!(state);
        event["detail"]["statusMessage"] = json!(message);
        event["detail"]["account"] = json!("111111111111");
        if !theirs {
            event["resources"] = json!([]);
        }
        if flat {
            event["detail"]["accountId"] = json!("111111111111");
        }
        event
    })
}

/// An event of the stranger may well be refused or quarantined: what counts is what the victim's becomes.
async fn tell(world: &World, event: &Value) {
    let _ = function(world).event(event.to_string().as_bytes(), Instant::now() + Duration::from_secs(60)).await;
}

async fn completed(world: &World, event: &Value) {
    let ports = (world.clone(), world.clone(), world.clone());
    let messenger = Messenger::new("record-success", ports, world.clock(), world.metrics(), Duration::from_secs(4 * 3600));
    let handler = Arc::new(record_success::Handler { readers: world.clone(), messenger, repeat_after: SignedDuration::from_hours(4) });
    let _ = handler.event(event.to_string().as_bytes(), Instant::now() + Duration::from_secs(60)).await;
}

/// The messages about jobs of the victim.
fn of_victim(world: &World) -> Vec<Value> {
    world.alerts().into_iter().filter(|alert| alert["jobs"][0]["account_id"] == "111111111111").collect()
}

async fn story(strange: &[Value]) -> (Vec<Value>, Vec<Value>) {
    let world = world();
    world.set(|state| state.recorded.push(denial()));
    for event in strange {
        tell(&world, event).await;
        completed(&world, event).await;
    }
    world.set(|state| state.clock += SignedDuration::from_mins(2));
    let mut failed = event("copy-job/failed");
    tell(&world, &failed).await;
    for event in strange {
        tell(&world, event).await;
        completed(&world, event).await;
    }
    let first = of_victim(&world);
    // The same cause again is known, and its end is the victim's own.
    failed["detail"]["copyJobId"] = json!("47C8EF56-0000-0000-0000-000000000002");
    tell(&world, &failed).await;
    (first, of_victim(&world))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_stream_of_a_stranger_suppresses_merges_or_alters_an_alert(strange in prop::collection::vec(strange(), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let alone = runtime.block_on(story(&[]));
        let among = runtime.block_on(story(&strange));
        prop_assert_eq!(alone.0.len(), 1);
        prop_assert_eq!(among, alone);
    }
}
