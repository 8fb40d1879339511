//! How fast a rate-limited API may be called: a sliding window per account and Region.
//!
//! `LookupEvents` allows 2 calls per second per account and Region
//! (<https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>). A token bucket would allow twice that in the second
//! in which it is full, so the last calls are remembered instead.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use guardian_core::arn::{AccountId, Region};
use tokio::time::Instant;

type Window = Arc<tokio::sync::Mutex<VecDeque<Instant>>>;

/// At most `calls` calls in any `window`, per account and Region, within this process.
#[derive(Debug)]
pub struct Pace {
    calls: usize,
    window: Duration,
    recent: Mutex<BTreeMap<(AccountId, Region), Window>>,
}

impl Pace {
    /// A pace of so many calls in any such window.
    pub fn new(calls: usize, window: Duration) -> Self {
        Self { calls: calls.max(1), window, recent: Mutex::default() }
    }

    /// The pace of `LookupEvents`.
    pub fn lookup_events() -> Self {
        // A little wider than a second: the service counts arrivals, not departures.
        Self::new(2, Duration::from_millis(1_020))
    }

    /// Waits for a turn and takes it; `false` where the turn would come after `deadline` (nothing is taken then).
    pub async fn turn(&self, account: &AccountId, region: &Region, deadline: Instant) -> bool {
        let window = {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(recent.entry((account.clone(), region.clone())).or_default())
        };
        // The lock is fair, so callers are served in order.
        let Ok(mut calls) = tokio::time::timeout_at(deadline, window.lock()).await else { return false };
        if calls.len() >= self.calls
            && let Some(oldest) = calls.front().copied()
        {
            let free = oldest + self.window;
            if free > deadline {
                return false;
            }
            tokio::time::sleep_until(free).await;
            calls.pop_front();
        }
        if Instant::now() > deadline {
            return false;
        }
        calls.push_back(Instant::now());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(account: &str) -> (AccountId, Region) {
        (AccountId::parse(account).unwrap(), Region::parse("eu-central-1").unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn never_more_than_two_calls_in_any_second_of_an_account_and_region() {
        let pace = Arc::new(Pace::lookup_events());
        let start = Instant::now();
        let far = start + Duration::from_secs(60);
        let tasks = (0..9)
            .map(|_| {
                let pace = Arc::clone(&pace);
                tokio::spawn(async move {
                    let (account, region) = place("222222222222");
                    assert!(pace.turn(&account, &region, far).await);
                    Instant::now()
                })
            })
            .collect::<Vec<_>>();
        let mut times = Vec::new();
        for task in tasks {
            times.push(task.await.unwrap());
        }
        times.sort();
        for pair in times.windows(3) {
            assert!(pair[2] - pair[0] >= Duration::from_secs(1), "three calls in {:?}", pair[2] - pair[0]);
        }
        assert!(*times.last().unwrap() - start < Duration::from_secs(5), "and not slower than it must be");
    }

    #[tokio::test(start_paused = true)]
    async fn accounts_do_not_wait_for_each_other_and_nobody_waits_past_the_deadline() {
        let pace = Pace::lookup_events();
        let deadline = Instant::now() + Duration::from_millis(500);
        let (one, region) = place("111111111111");
        let (two, _) = place("222222222222");
        assert!(pace.turn(&one, &region, deadline).await);
        assert!(pace.turn(&one, &region, deadline).await);
        assert!(!pace.turn(&one, &region, deadline).await, "the third has to wait longer than the caller can");
        assert!(pace.turn(&two, &region, deadline).await);
        assert_eq!(Instant::now() + Duration::from_millis(500), deadline, "nobody slept");
    }
}
