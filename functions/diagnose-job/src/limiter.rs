//! How many alerts one instance may send while the table is down and nobody can tell which were sent before.
//!
//! The bound of the whole function is this limit times its reserved concurrency: with the default of 5 instances at most 10 alerts in any second
//! and 60 in any minute. Above 10 e-mails per second SNS disables a subscription.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use guardian_core::incident::IncidentId;
use tokio::time::Instant;

/// Alerts that may be sent at once.
const BURST: u32 = 2;
/// One more after this time.
const REFILL: Duration = Duration::from_secs(6);
/// Incidents remembered; the oldest is forgotten first.
const REMEMBERED: usize = 512;

/// A token bucket, and the memory of what this instance sent.
#[derive(Debug)]
pub struct Limiter {
    state: Mutex<State>,
    repeat_after: Duration,
}

#[derive(Debug)]
struct State {
    tokens: u32,
    refilled: Instant,
    sent: BTreeMap<IncidentId, Instant>,
}

/// What the limiter says to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Send it.
    Send,
    /// This instance told the incident already.
    Told,
    /// Too many: let the message come again.
    Wait,
}

impl Limiter {
    /// An incident is told again after `repeat_after`.
    pub fn new(repeat_after: Duration) -> Self {
        let state = State { tokens: BURST, refilled: Instant::now(), sent: BTreeMap::new() };
        Self { state: Mutex::new(state), repeat_after }
    }

    /// Asks for an alert without the table.
    pub fn ask(&self, incident: &IncidentId) -> Permit {
        let now = Instant::now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.sent.get(incident).is_some_and(|at| now.duration_since(*at) < self.repeat_after) {
            return Permit::Told;
        }
        let earned = u32::try_from(now.duration_since(state.refilled).as_secs() / REFILL.as_secs()).unwrap_or(u32::MAX);
        if earned > 0 {
            state.tokens = state.tokens.saturating_add(earned).min(BURST);
            state.refilled = now;
        }
        if state.tokens == 0 {
            return Permit::Wait;
        }
        state.tokens -= 1;
        Permit::Send
    }

    /// Remembers that an incident was told.
    pub fn told(&self, incident: &IncidentId) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.sent.insert(incident.clone(), Instant::now());
        if state.sent.len() > REMEMBERED
            && let Some(oldest) = state.sent.iter().min_by_key(|(_, at)| **at).map(|(id, _)| id.clone())
        {
            state.sent.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use guardian_core::arn::AccountId;
    use guardian_core::diagnosis::Cause;
    use guardian_core::incident::{Object, identify};

    use super::*;

    fn incident(n: u32) -> IncidentId {
        let account_id = AccountId::parse("111111111111").unwrap();
        identify(Cause::NotFound, &Object::Provisional { account_id, route: n.to_string() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_without_the_table_is_bounded_and_the_same_incident_is_told_once() {
        let limiter = Limiter::new(Duration::from_secs(3600));
        let sent = (0..100).filter(|n| limiter.ask(&incident(*n)) == Permit::Send).count();
        assert_eq!(sent, 2);
        tokio::time::advance(Duration::from_secs(60)).await;
        let sent = (100..200).filter(|n| limiter.ask(&incident(*n)) == Permit::Send).count();
        assert_eq!(sent, 2, "what was not used does not pile up");
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(limiter.ask(&incident(7)), Permit::Send);
        limiter.told(&incident(7));
        assert_eq!(limiter.ask(&incident(7)), Permit::Told);
        tokio::time::advance(Duration::from_secs(3601)).await;
        assert_eq!(limiter.ask(&incident(7)), Permit::Send, "after the repeat interval it is told again");
    }
}
