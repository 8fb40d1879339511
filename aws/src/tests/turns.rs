//! Turns at `LookupEvents` that several instances share. The table here keeps the item and the condition as DynamoDB would.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::canned::{Call, Canned, Reply, account, error, ok, region};
use crate::turns::{Turn, TurnTable};

/// The item: newest and earlier turn.
type Item = Arc<Mutex<Option<(i64, i64)>>>;

fn value(call: &Call, name: &str) -> i64 {
    call.body["ExpressionAttributeValues"][name]["N"].as_str().unwrap().parse().unwrap()
}

fn answer(item: &Item, call: &Call) -> Reply {
    assert_eq!(call.operation, "DynamoDB_20120810.UpdateItem");
    let [at, free, absurd] = [":at", ":free", ":absurd"].map(|name| value(call, name));
    let mut item = item.lock().unwrap();
    let (newest, earlier) = item.unwrap_or((0, 0));
    if item.is_none() || (newest <= at && earlier <= free) || newest > absurd || earlier > absurd {
        *item = Some((at, newest));
        return ok("{}");
    }
    let old = json!({"newest_at": {"N": newest.to_string()}, "earlier_at": {"N": earlier.to_string()}});
    let body = json!({"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "message": "no", "Item": old});
    (400, vec![], body.to_string())
}

/// A table that several instances share.
fn shared(item: &Item) -> Canned {
    let item = Arc::clone(item);
    Canned::new(move |_, call| Some(answer(&item, call)))
}

async fn take(turns: &TurnTable, patience: Duration) -> Turn {
    turns.take(&account("222222222222"), &region("eu-central-1"), Instant::now() + patience).await
}

#[tokio::test(start_paused = true)]
async fn instances_that_share_a_table_never_take_three_turns_in_one_second() {
    let item = Item::default();
    let canned = shared(&item);
    let tasks = (0..9).map(|_| {
        let turns = TurnTable::new(&canned.config(), "guardian");
        tokio::spawn(async move { take(&turns, Duration::from_secs(60)).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), Turn::Taken);
    }
    let mut seen = None;
    let mut taken = Vec::new();
    // What the table accepted is what a second table, asked the same in the same order, accepts.
    let again = Item::default();
    for call in canned.calls() {
        if answer(&again, &call).0 == 200 {
            let at = value(&call, ":at");
            assert!(seen <= Some(at), "turns are taken in their order");
            seen = Some(at);
            taken.push(at);
        }
    }
    assert_eq!(taken.len(), 9);
    for three in taken.windows(3) {
        assert!(three[2] - three[0] >= 1_000, "{taken:?}");
    }
    assert!(taken[8] - taken[0] < 6_000, "and not slower than it must be: {taken:?}");
    let call = &canned.calls()[0];
    assert_eq!(call.body["Key"], json!({"pk": {"S": "turns#222222222222#eu-central-1"}, "sk": {"S": "lookup-events"}}));
    assert!(call.body["ConditionExpression"].as_str().unwrap().contains("newest_at <= :at AND earlier_at <= :free"));
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_would_come_too_late_is_not_taken() {
    let now = Timestamp::now().as_millisecond();
    let item: Item = Arc::new(Mutex::new(Some((now + 5_000, now + 4_000))));
    let turns = TurnTable::new(&shared(&item).config(), "guardian");
    assert_eq!(take(&turns, Duration::from_secs(1)).await, Turn::TooLate);
    assert_eq!(*item.lock().unwrap(), Some((now + 5_000, now + 4_000)));
    assert_eq!(take(&turns, Duration::from_secs(10)).await, Turn::Taken);
}

#[tokio::test(start_paused = true)]
async fn a_clock_gone_wrong_does_not_stop_the_others() {
    let far = Timestamp::now().as_millisecond() + 3_600_000;
    let item: Item = Arc::new(Mutex::new(Some((far, far))));
    let turns = TurnTable::new(&shared(&item).config(), "guardian");
    for _ in 0..3 {
        assert_eq!(take(&turns, Duration::from_secs(5)).await, Turn::Taken);
    }
    assert!(item.lock().unwrap().is_some_and(|(newest, earlier)| newest < far && earlier < far));
}

#[tokio::test(start_paused = true)]
async fn without_the_table_nobody_waits_for_it_twice() {
    let silent: fn(usize, &Call) -> Option<Reply> = |_, _| None;
    let denied: fn(usize, &Call) -> Option<Reply> = |_, _| Some(error("AccessDeniedException"));
    for mode in [silent, denied] {
        let canned = Canned::new(mode);
        let turns = TurnTable::new(&canned.config(), "guardian");
        let started = Instant::now();
        for _ in 0..5 {
            assert_eq!(take(&turns, Duration::from_secs(5)).await, Turn::Unknown);
        }
        assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
        assert_eq!(canned.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lookup_asks_for_its_turn_first_and_goes_on_without_the_table() {
    for down in [false, true] {
        let item = Item::default();
        let canned = Canned::new(move |_, call| match call.operation.as_str() {
            "AssumeRole" => Some(crate::canned::session(call)),
            update if update.ends_with("UpdateItem") && down => Some(error("ResourceNotFoundException")),
            update if update.ends_with("UpdateItem") => Some(answer(&item, call)),
            _ => Some(ok(json!({"Events": Value::Array(Vec::new())}))),
        });
        let key = crate::canned::arn("arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab");
        let from = "2026-11-02T05:16:00Z".parse().unwrap();
        let cloud = canned.cloud().sharing_turns("guardian");
        guardian_core::ports::TrailReader::changes(&cloud, &key, from, from, 3, Duration::from_secs(5)).await;
        let operations = canned.operations();
        let place = |name: &str| operations.iter().position(|operation| operation.ends_with(name));
        assert!(place("UpdateItem") < place("LookupEvents"), "{operations:?}");
        assert!(place("LookupEvents").is_some(), "{operations:?}");
    }
}
