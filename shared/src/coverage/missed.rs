//! Runs that should have made a job, and made none.
//!
//! A run counts as missed only when its whole start window is over and no job of any state lies in it: too late is better than wrong.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::schedule::Schedule;

/// Start window of a rule that names none (<https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupRule.html>).
pub(super) const DEFAULT_START_WINDOW: SignedDuration = SignedDuration::from_hours(8);
/// Clocks differ, and a list shows a new job a little late.
const GRACE: SignedDuration = SignedDuration::from_mins(15);
/// A job may carry a time shortly before its run.
const EARLY: SignedDuration = SignedDuration::from_mins(5);
/// Most runs that one look finds; an hourly rule has 24 a day.
const MOST: usize = 64;

/// A rule of a plan, as far as its times go.
#[derive(Clone, Debug)]
pub struct RuleSchedule {
    /// When it runs.
    pub schedule: Schedule,
    /// `StartWindowMinutes`.
    pub start_window: Option<SignedDuration>,
    /// Since when the rule is as it is: what would have been before was not due.
    pub since: Option<Timestamp>,
}

/// A run whose start window is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Due {
    /// When it should have begun; for a rate, the end of the period in which one was due.
    pub run_at: Timestamp,
    /// A job of the run was created after this …
    pub from: Timestamp,
    /// … and before this.
    pub until: Timestamp,
}

/// A run without a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissedRun {
    /// When it should have begun.
    pub run_at: Timestamp,
    /// When its start window was over.
    pub window_ended_at: Timestamp,
}

impl Due {
    /// Whether a job created then is one of the run.
    pub fn is_answered_by(&self, created: Timestamp) -> bool {
        self.from <= created && created <= self.until
    }
}

/// The runs of a rule whose start window ended after `after` and until `now`, oldest first.
pub fn due(rule: &RuleSchedule, after: Timestamp, now: Timestamp) -> Vec<Due> {
    let window = rule.start_window.unwrap_or(DEFAULT_START_WINDOW);
    let slack = window.saturating_add(GRACE);
    let known = |run_at: &Timestamp| rule.since.is_none_or(|since| since < *run_at);
    if let Some(pace) = rule.schedule.pace() {
        return rated(pace, slack, now).filter(|due| known(&due.from)).into_iter().collect();
    }
    let mut runs = Vec::new();
    let mut at = after.checked_sub(slack).unwrap_or(Timestamp::MIN);
    while let Some(run_at) = rule.schedule.next_after(at).filter(|_| runs.len() < MOST) {
        let (Ok(from), Ok(until)) = (run_at.checked_sub(EARLY), run_at.checked_add(slack)) else { break };
        if until > now {
            break;
        }
        runs.extend(Some(Due { run_at, from, until }).filter(|due| known(&due.run_at)));
        at = run_at;
    }
    runs
}

/// A rate has no instants: within its pace and a start window there must be a job, whenever one looks. The runs are counted from 1970, so that
/// the same miss has the same name at every look within a pace.
fn rated(pace: SignedDuration, slack: SignedDuration, now: Timestamp) -> Option<Due> {
    let seconds = pace.as_secs().max(1);
    let run_at = Timestamp::from_second(now.as_second().div_euclid(seconds).checked_mul(seconds)?).ok()?;
    let from = now.checked_sub(pace).ok()?.checked_sub(slack).ok()?;
    Some(Due { run_at, from, until: now })
}

/// Of these runs, those in whose window no job was created.
pub fn missed(due: &[Due], created: &[Timestamp]) -> Vec<MissedRun> {
    let has_a_job = |due: &&Due| !created.iter().any(|at| due.is_answered_by(*at));
    due.iter().filter(has_a_job).map(|due| MissedRun { run_at: due.run_at, window_ended_at: due.until }).collect()
}
