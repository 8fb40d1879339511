//! What a rule of a plan promises.

use jiff::{SignedDuration, Timestamp};

use super::Schedule;
use crate::evidence::BackupPlan;

/// The recovery point objective that a rule can keep: the longest pause of its schedule. `None` where the plan has no such rule any more, or a
/// schedule that we cannot read.
pub fn objective(plan: &BackupPlan, rule_id: &str, from: Timestamp) -> Option<SignedDuration> {
    let rule = plan.rules.iter().find(|rule| rule.times.rule_id.as_deref() == Some(rule_id))?;
    let schedule = Schedule::parse(rule.times.schedule.as_deref()?, rule.times.zone.as_deref()).ok()?;
    schedule.largest_gap(from)
}
