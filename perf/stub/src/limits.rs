//! The published limits, enforced as token buckets per account and Region.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Calls per second, and how many at once. Written down apart from the guardian's own table, from the same pages of AWS.
fn limit(service: &str, operation: &str) -> (f64, f64) {
    match (service, operation) {
        ("backup", "DescribeBackupVault") => (5.0, 5.0),
        ("backup", operation) if operation.starts_with("List") => (20.0, 20.0),
        ("backup", _) => (15.0, 15.0),
        ("organizations", "ListAccounts") => (8.0, 12.0),
        ("organizations", "ListRoots" | "DescribeOrganization") => (1.0, 2.0),
        ("organizations", "DescribePolicy") => (2.0, 2.0),
        ("organizations", _) => (5.0, 8.0),
        ("sts", _) => (600.0, 600.0),
        ("kms", _) => (1000.0, 1000.0),
        _ => (20.0, 20.0),
    }
}

/// Lets a call through, or not.
#[derive(Debug, Default)]
pub struct Buckets(Mutex<BTreeMap<String, (f64, Option<Instant>)>>);

impl Buckets {
    /// Whether the limits allow a call now; a call that is turned away costs nothing.
    pub fn allow(&self, account: &str, region: &str, service: &str, operation: &str) -> bool {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = vec![(format!("{account} {region} {service}:{operation}"), limit(service, operation))];
        if service == "backup" {
            wanted.push((format!("{account} {region} backup"), (50.0, 50.0)));
        }
        let now = Instant::now();
        for (name, (rate, burst)) in &wanted {
            let (tokens, at) = buckets.entry(name.clone()).or_insert((*burst, None));
            if let Some(at) = at {
                *tokens = (*tokens + now.duration_since(*at).as_secs_f64() * rate).min(*burst);
            }
            *at = Some(now);
        }
        let there = wanted.iter().all(|(name, _)| buckets.get(name).is_some_and(|(tokens, _)| *tokens >= 1.0));
        if there {
            for (name, _) in &wanted {
                if let Some((tokens, _)) = buckets.get_mut(name) {
                    *tokens -= 1.0;
                }
            }
        }
        there
    }
}
