//! Thirty of a hundred calls refused, failing, hanging or with their answers lost: every failure is told, in time, and the alert says what
//! it could not see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use guardian_tests::fate::{Chance, Trouble};
use guardian_tests::{batch, failures};
use tokio::time::Instant;

use crate::estate::{ROUTES, Route};
use crate::setting::{ports, scope, world};

const TIMEOUT: Duration = Duration::from_secs(60);
const VISIBILITY: Duration = Duration::from_secs(360);
const RECEIVES: usize = 60;
/// Reasons that only a call in trouble can have; one that was not made in time has another.
const TROUBLED: [&str; 3] = ["access-denied", "unavailable", "unreadable"];

/// What the reads of one invocation met, by action and account: in trouble, and well.
type Reads = Arc<Mutex<BTreeMap<(String, String), (usize, usize)>>>;

#[tokio::test(start_paused = true)]
async fn with_thirty_of_a_hundred_calls_in_trouble_every_failure_is_told_in_time_and_says_what_it_could_not_see() {
    let count = if std::env::var_os("GUARDIAN_SOAK").is_some() { 1_000 } else { ROUTES };
    let world = world();
    world.set(|state| state.running_since = Some(Instant::now()));
    let reads = Reads::default();
    let mut chance = Chance::new(20_261_127);
    let troubles = Arc::new(Mutex::new((0usize, 0usize)));
    let (noted, counted) = (Arc::clone(&reads), Arc::clone(&troubles));
    world.destine(7, move |call| {
        let trouble = (chance.below(100) < 30).then(|| chance.of(&[Trouble::Denied, Trouble::Down, Trouble::Hanging, Trouble::Lost]));
        let mut counts = counted.lock().unwrap();
        *counts = (counts.0 + 1, counts.1 + usize::from(trouble.is_some()));
        if let Some(account) = call.account {
            let mut noted = noted.lock().unwrap();
            let (bad, well) = noted.entry((call.operation.to_owned(), account.to_string())).or_default();
            *if trouble.is_some() { bad } else { well } += 1;
        }
        trouble
    });
    let (mut repeated, mut out_of_time, mut unseen) = (0, 0, 0);
    for n in 0..count {
        let route = Route::new(&world, n);
        let (living, life) = world.living("diagnose-job");
        let handler = Arc::new(diagnose_job::Handler::new(ports(&living), scope(), Duration::from_secs(4 * 3600)));
        let before = world.get(|state| state.sent.len());
        let mut receives = 0;
        loop {
            receives += 1;
            assert!(receives <= RECEIVES, "route {n} is lost");
            reads.lock().unwrap().clear();
            let sent = world.get(|state| state.sent.len());
            let deadline = Instant::now() + TIMEOUT;
            let work = tokio::time::timeout_at(deadline, Arc::clone(&handler).handle(batch(&[route.failure(n)]), deadline));
            let answer = life.during(work).await.unwrap();
            out_of_time += usize::from(answer.is_err());
            let new = world.get(|state| state.sent[sent..].iter().map(|message| message.default.clone()).collect::<Vec<_>>());
            for alert in new {
                let alert = serde_json::from_str::<serde_json::Value>(&alert).unwrap();
                let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                let gaps = alert["gaps"].as_array().unwrap();
                let told = gaps.iter().map(|gap| (text(&gap["action"]), text(&gap["account_id"]))).collect::<BTreeSet<_>>();
                let met = reads.lock().unwrap().clone();
                for (read, _) in met.iter().filter(|(_, (bad, well))| *bad > 0 && *well == 0) {
                    assert!(told.contains(read), "route {n}: {read:?} is not among {told:?}");
                    unseen += 1;
                }
                for gap in gaps.iter().filter(|gap| TROUBLED.contains(&text(&gap["reason"]).as_str())) {
                    let read = (text(&gap["action"]), text(&gap["account_id"]));
                    let ours = read.0.starts_with("dynamodb:");
                    assert!(ours || met.get(&read).is_some_and(|(bad, _)| *bad > 0), "route {n}: {read:?} was not in trouble");
                }
            }
            let done = answer.is_ok_and(|answer| failures(&answer.unwrap()).is_empty());
            // What is received again comes after the leases, and a new minute lets messages out.
            tokio::time::sleep(if done { Duration::from_secs(2) } else { VISIBILITY }).await;
            if done {
                break;
            }
        }
        let told = world.get(|state| state.sent.len()) - before;
        assert!(told > 0 || world.incidents().iter().any(|incident| incident.deferred), "route {n} is not told");
        repeated += told.saturating_sub(1);
    }
    let (calls, bad) = *troubles.lock().unwrap();
    println!(
        "{count} failures, {bad} of {calls} calls in trouble, {repeated} messages repeated, {unseen} unseen facts told, {out_of_time} out of time"
    );
    assert_eq!(out_of_time, 0, "an invocation ran out of time");
    assert!(unseen > count, "too little was unseen to show anything");
}
