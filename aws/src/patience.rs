//! The patience of work that nobody waits for: calls are paced below the published limits, and what may pass is asked again.
//!
//! The way of a first alert has no patience: its calls are bounded by the evidence window. A sweep makes ten thousand calls, and one answer that got
//! lost must not become a hole in the report. There is one layer that asks again, so that a call counts once: the retries of the SDK are off.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use guardian_core::evidence::GapReason;
use tokio::time::{Instant, sleep_until};

use crate::answers::{Failure, Question};
use crate::session::retries;

/// Failures in a row after which an answer is given up. At a fault in every third call this loses one answer in a hundred thousand.
const MOST_FAILURES: u32 = 10;
/// First and longest wait after a failure.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A bucket that was told to slow down does not go below this part of its rate.
const SLOWEST: f64 = 0.1;

/// Asks in a pace, and again.
#[derive(Debug)]
pub(crate) struct Patience {
    /// How many times the published rates; more than 1 where AWS raised the quotas.
    times: f64,
    buckets: Mutex<Buckets>,
}

/// Buckets by name. A full one is like a new one, so that it need not be kept: a sweep goes through the buckets of thousands of accounts.
#[derive(Debug, Default)]
struct Buckets {
    by_name: BTreeMap<String, Bucket>,
    /// How many were left when it was last looked for full ones.
    left: usize,
}

/// Buckets before it is worth to look for full ones.
const WORTH_A_LOOK: usize = 512;

impl Buckets {
    fn named(&mut self, name: String, limit: Limit, now: Instant) -> &mut Bucket {
        if self.by_name.len() > self.left.saturating_mul(2).max(WORTH_A_LOOK) {
            self.by_name.retain(|_, bucket| !bucket.is_full(now));
            self.left = self.by_name.len();
        }
        self.by_name.entry(name).or_insert_with(|| Bucket::new(limit, now))
    }
}

/// Calls per second, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Limit {
    rate: f64,
    burst: f64,
}

/// The published limits of an operation, each with what it is shared by
/// (<https://docs.aws.amazon.com/general/latest/gr/bk.html>,
/// <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html>,
/// <https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html>). AWS Backup publishes no bursts; one second's worth is taken
/// for one. What AWS does not publish gets a modest pace.
fn limits(service: &str, operation: &str) -> Vec<(&'static str, Limit)> {
    let even = |rate: f64| Limit { rate, burst: rate };
    let of = |rate: f64, burst: f64| Limit { rate, burst };
    match service {
        "backup" => {
            let own = match operation {
                "DescribeBackupVault" => even(5.0),
                _ if operation.starts_with("List") => even(20.0),
                _ => even(15.0),
            };
            vec![("", own), ("backup", even(50.0))]
        }
        "organizations" => vec![match operation {
            "ListAccounts" => ("", of(8.0, 12.0)),
            "DescribePolicy" => ("", of(2.0, 2.0)),
            "ListRoots" | "DescribeOrganization" => ("", of(1.0, 2.0)),
            _ => ("", of(5.0, 8.0)),
        }],
        "sts" => vec![("", even(600.0))],
        "kms" => vec![("", even(100.0))],
        "cloudtrail" if operation == "GetEventSelectors" => vec![("", even(1.0))],
        _ => vec![("", even(10.0))],
    }
}

#[derive(Debug)]
struct Bucket {
    limit: Limit,
    /// Part of the rate that the service lets through now.
    part: f64,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn new(limit: Limit, now: Instant) -> Self {
        Self { limit, part: 1.0, tokens: limit.burst, at: now }
    }

    /// Takes a token, and tells when it is there. Tokens may be owed: who comes later waits longer.
    fn take(&mut self, now: Instant) -> Instant {
        let rate = self.limit.rate * self.part;
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * rate).min(self.limit.burst);
        self.at = self.at.max(now);
        self.tokens -= 1.0;
        // A little more of the rate with every call that goes well: a throttle is not remembered for ever.
        self.part = (self.part + 0.02).min(1.0);
        if self.tokens >= 0.0 { now } else { now + Duration::from_secs_f64(-self.tokens / rate) }
    }

    /// Whether it is as it was when it was new.
    fn is_full(&self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.part >= 1.0 && self.tokens + passed * self.limit.rate >= self.limit.burst
    }

    fn slow_down(&mut self) {
        self.part = (self.part / 2.0).max(SLOWEST);
    }
}

impl Patience {
    /// At so many times the published rates.
    pub(crate) fn at(times: f64) -> Self {
        Self { times: times.max(SLOWEST), buckets: Mutex::default() }
    }

    fn names(question: &Question) -> impl Iterator<Item = (String, Limit)> + '_ {
        let place = format!("{} {}", question.account, question.region.as_ref().map_or("", |region| region.as_str()));
        limits(question.service, question.operation).into_iter().map(move |(shared, limit)| {
            let name = if shared.is_empty() {
                format!("{place} {}:{}", question.service, question.operation)
            } else {
                format!("{place} {shared}")
            };
            (name, limit)
        })
    }

    /// Waits for a turn at a call.
    pub(crate) async fn turn(&self, question: &Question) {
        let now = Instant::now();
        let at = {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            let turns = Self::names(question).map(|(name, limit)| {
                let limit = Limit { rate: limit.rate * self.times, burst: limit.burst * self.times };
                buckets.named(name, limit, now).take(now)
            });
            turns.max().unwrap_or(now)
        };
        if at > now {
            sleep_until(at).await;
        }
    }

    /// Waits after a failure; `false` where it will not pass, or did not so often that it is given up.
    pub(crate) async fn once_more(&self, question: &Question, failure: &Failure, in_a_row: u32) -> bool {
        if !failure.reason.may_pass() || in_a_row >= MOST_FAILURES {
            return false;
        }
        if failure.reason == GapReason::Throttled {
            let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
            for (name, _) in Self::names(question) {
                if let Some(bucket) = buckets.by_name.get_mut(&name) {
                    bucket.slow_down();
                }
            }
        }
        wait(in_a_row).await;
        true
    }
}

/// The same for whoever has no patience: as often as a client of the SDK tries.
pub(crate) async fn once_more(failure: &Failure, in_a_row: u32) -> bool {
    let worth_it = failure.reason.may_pass() && in_a_row < retries().max_attempts();
    if worth_it {
        wait(in_a_row).await;
    }
    worth_it
}

async fn wait(in_a_row: u32) {
    let (first, longest) = WAITS;
    tokio::time::sleep(first.saturating_mul(1 << in_a_row.saturating_sub(1).min(16)).min(longest)).await;
}

#[cfg(test)]
mod tests {
    use guardian_core::arn::{AccountId, Region};
    use serde_json::json;

    use super::*;

    fn question(account: &str, operation: &'static str) -> Question {
        Question {
            account: AccountId::parse(account).unwrap(),
            region: Some(Region::parse("eu-central-1").unwrap()),
            service: "backup",
            operation,
            request: json!({}),
        }
    }

    /// Seconds that so many calls take.
    async fn seconds(patience: &Patience, calls: usize, question: &Question) -> f64 {
        let start = Instant::now();
        for _ in 0..calls {
            patience.turn(question).await;
        }
        start.elapsed().as_secs_f64()
    }

    #[tokio::test(start_paused = true)]
    async fn calls_keep_the_published_rate_of_their_account_and_no_other() {
        let patience = Patience::at(1.0);
        let lists = question("111111111111", "ListBackupVaults");
        assert!(seconds(&patience, 20, &lists).await < 0.01, "one second's worth at once");
        let took = seconds(&patience, 60, &lists).await;
        assert!((2.9..3.2).contains(&took), "60 calls at 20 a second took {took}");
        assert!(seconds(&patience, 20, &question("222222222222", "ListBackupVaults")).await < 0.01, "another account has its own");
    }

    #[tokio::test(start_paused = true)]
    async fn all_operations_together_keep_the_rate_of_the_service() {
        let patience = Patience::at(1.0);
        let operations =
            ["ListBackupVaults", "ListBackupPlans", "ListBackupSelections", "ListRecoveryPointsByBackupVault", "GetBackupPlan"];
        let start = Instant::now();
        for _ in 0..40 {
            for operation in operations {
                patience.turn(&question("111111111111", operation)).await;
            }
        }
        let took = start.elapsed().as_secs_f64();
        assert!(took >= (200.0 - 50.0) / 50.0 - 0.01, "200 calls at 50 a second took {took}");
    }

    #[tokio::test(start_paused = true)]
    async fn full_buckets_are_not_kept_and_the_others_are() {
        let patience = Patience::at(1.0);
        let busy = question("999999999999", "ListBackupVaults");
        for account in 0..3 * WORTH_A_LOOK {
            patience.turn(&question(&format!("{account:012}"), "ListBackupVaults")).await;
            tokio::time::advance(Duration::from_millis(60)).await;
            patience.turn(&busy).await;
        }
        assert!(patience.buckets.lock().unwrap().by_name.len() <= WORTH_A_LOOK + 2);
        // It was drawn from in every step, and still knows it.
        seconds(&patience, 20, &busy).await;
        let throttled = Failure::new(GapReason::Throttled, "ThrottlingException");
        assert!(patience.once_more(&busy, &throttled, 1).await);
        let parts = || patience.buckets.lock().unwrap().by_name.values().filter(|bucket| bucket.part < 1.0).count();
        let slowed = parts();
        assert!(slowed > 0);
        for account in 0..2 * WORTH_A_LOOK {
            patience.turn(&question(&format!("{account:012}"), "ListBackupPlans")).await;
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        patience.turn(&question("888888888888", "ListBackupPlans")).await;
        assert_eq!(parts(), slowed, "what was told to slow down is remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_throttled_slows_down_and_recovers() {
        let patience = Patience::at(1.0);
        let lists = question("111111111111", "ListBackupVaults");
        seconds(&patience, 20, &lists).await;
        let even = seconds(&patience, 20, &lists).await;
        let throttled = Failure::new(GapReason::Throttled, "ThrottlingException");
        assert!(patience.once_more(&lists, &throttled, 1).await);
        seconds(&patience, 4, &lists).await;
        let slow = seconds(&patience, 10, &lists).await * 2.0;
        assert!(slow > even * 1.2, "{slow} after {even}");
        seconds(&patience, 60, &lists).await;
        let again = seconds(&patience, 20, &lists).await;
        assert!((again - even).abs() < 0.1, "{again} after {even}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_will_not_pass_is_not_asked_again_and_what_may_is_given_up_in_the_end() {
        let patience = Patience::at(1.0);
        let lists = question("111111111111", "ListBackupVaults");
        assert!(!patience.once_more(&lists, &Failure::new(GapReason::AccessDenied, "AccessDeniedException"), 1).await);
        let down = Failure::new(GapReason::Unavailable, "ServiceUnavailableException");
        assert!(patience.once_more(&lists, &down, MOST_FAILURES - 1).await);
        assert!(!patience.once_more(&lists, &down, MOST_FAILURES).await);
    }
}
