//! What a rule of a plan promises: how old the newest backup and the newest copy may be, and from when on that can be asked.

use jiff::{SignedDuration, Timestamp};

use super::expected::{schedule_of, start_window_of};
use super::missed::DEFAULT_START_WINDOW;
use super::schedule::Schedule;
use crate::evidence::{BackupPlan, PlanRule, Point};

/// Clocks are changed by an hour, and a list shows a new recovery point a little late.
const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// A rule, read for what it promises.
#[derive(Debug)]
pub(super) struct Promise<'a> {
    pub(super) rule: &'a PlanRule,
    schedule: Option<Schedule>,
    /// The longest time between two runs; `None` where the schedule cannot be read or hardly ever runs.
    pub(super) pause: Option<SignedDuration>,
    /// From the instant of a run until its recovery point must be there. A job may begin until the end of the start window; how long it may take
    /// then, AWS limits by a completion window of seven days, within which nobody would ever miss a backup: the start window is taken as the measure
    /// of it once more.
    lag: SignedDuration,
    /// The only rule of its plan: what the plan made, it made.
    only: bool,
}

/// Whether a thing is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstRun {
    /// It was.
    Past,
    /// It will be at this time.
    Due(Timestamp),
    /// The schedule tells no time.
    NotKnown,
}

impl<'a> Promise<'a> {
    pub(super) fn new(plan: &BackupPlan, rule: &'a PlanRule, now: Timestamp) -> Self {
        let schedule = schedule_of(&rule.times).ok();
        let window = start_window_of(&rule.times).unwrap_or(DEFAULT_START_WINDOW);
        Self {
            pause: schedule.as_ref().and_then(|schedule| schedule.largest_gap(now)),
            lag: window.saturating_add(window).saturating_add(GRACE),
            schedule,
            rule,
            only: plan.rules.len() == 1,
        }
    }

    /// How old the newest backup may be.
    pub(super) fn backup_within(&self) -> Option<SignedDuration> {
        Some(self.pause?.saturating_add(self.lag))
    }

    /// How old the newest copy may be. A copy carries the time of the copy or that of the backup (AWS does not say which): with the longer
    /// allowance for the earlier of the two, a copy that is too old is so in both readings.
    pub(super) fn copy_within(&self, copy: SignedDuration) -> Option<SignedDuration> {
        Some(self.backup_within()?.saturating_add(copy))
    }

    /// How long after it was begun a backup must have been copied.
    pub(super) fn copied_after(&self, copy: SignedDuration) -> SignedDuration {
        self.lag.saturating_add(copy)
    }

    /// When the first backup must be there, where the rule selects since then.
    pub(super) fn first_due(&self, since: Option<Timestamp>) -> Option<Timestamp> {
        self.pause?;
        let Some(since) = since else { return Some(Timestamp::MIN) };
        let schedule = self.schedule.as_ref()?;
        let run = match schedule.pace() {
            Some(pace) => since.checked_add(pace).ok()?,
            None => schedule.next_after(since)?,
        };
        run.checked_add(self.lag).ok()
    }

    /// Whether a recovery point was made by this rule as it is: ids of rules are those of a version of the plan.
    pub(super) fn made(&self, plan_id: &str, point: &Point) -> bool {
        point.plan_id.as_deref() == Some(plan_id)
            && match (&point.rule_id, &self.rule.times.rule_id) {
                (Some(of_point), Some(own)) => of_point == own,
                _ => self.only,
            }
    }
}

impl FirstRun {
    pub(super) fn of(due: Option<Timestamp>, then: SignedDuration, now: Timestamp) -> Self {
        match due.map(|due| due.checked_add(then)) {
            None => Self::NotKnown,
            Some(Ok(due)) if due <= now => Self::Past,
            Some(Ok(due)) => Self::Due(due),
            // Later than any time.
            Some(Err(_)) => Self::NotKnown,
        }
    }
}
