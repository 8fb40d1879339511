//! How much is lost if nothing else goes wrong: the age of the newest good copy against what the route's own schedule promises.

use jiff::{SignedDuration, Timestamp};

use crate::diagnosis::Severity;
use crate::evidence::Gap;
use crate::report::alert::Impact;

/// So many missed objectives are an emergency whatever the cause is.
const EMERGENCY: i32 = 3;

/// What is known of the newest good copy of a resource in a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// When it was made. Absent: not known, which is not the same as never.
    pub last_good: Option<Timestamp>,
    /// The longest that the rule of the plan lets pass between two.
    pub objective: Option<SignedDuration>,
    /// Why the rule could not be read.
    pub gap: Option<Gap>,
}

impl Exposure {
    /// What an alert told of it.
    pub fn of(impact: &Impact) -> Self {
        Self { last_good: impact.last_good_copy_at, objective: impact.recovery_point_objective, gap: None }
    }

    /// Since when, or from when on, the newest good copy is older than the objective.
    pub fn breached_at(&self) -> Option<Timestamp> {
        self.last_good?.checked_add(self.objective?).ok()
    }

    /// Whether the newest good copy is older than the objective; `None` where nobody can tell.
    pub fn is_breached(&self, now: Timestamp) -> Option<bool> {
        self.breached_at().map(|at| at < now)
    }

    /// How bad a failure is that leaves a resource so. What is harmless by its cause stays harmless, and what is critical by its cause critical;
    /// unknown changes nothing.
    pub fn weigh(&self, severity: Severity, now: Timestamp) -> Severity {
        let (Some(last_good), Some(objective)) = (self.last_good, self.objective) else { return severity };
        let age = now.duration_since(last_good);
        match severity {
            Severity::Info | Severity::Low | Severity::Critical => severity,
            Severity::Medium | Severity::High if age <= objective => Severity::Medium,
            Severity::Medium | Severity::High if age <= objective.saturating_mul(EMERGENCY) => Severity::High,
            Severity::Medium | Severity::High => Severity::Critical,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severity_follows_the_age_of_the_newest_good_copy() {
        let now = "2026-11-02T06:00:00Z".parse::<Timestamp>().unwrap();
        let daily = |hours: i64| Exposure {
            last_good: Some(now - SignedDuration::from_hours(hours)),
            objective: Some(SignedDuration::from_hours(24)),
            gap: None,
        };
        for (hours, breached, high, medium) in [
            (1, false, Severity::Medium, Severity::Medium),
            (24, false, Severity::Medium, Severity::Medium),
            (25, true, Severity::High, Severity::High),
            (72, true, Severity::High, Severity::High),
            (73, true, Severity::Critical, Severity::Critical),
        ] {
            let exposure = daily(hours);
            assert_eq!(exposure.is_breached(now), Some(breached), "{hours}");
            assert_eq!((exposure.weigh(Severity::High, now), exposure.weigh(Severity::Medium, now)), (high, medium), "{hours}");
            for by_cause in [Severity::Info, Severity::Low, Severity::Critical] {
                assert_eq!(exposure.weigh(by_cause, now), by_cause);
            }
        }
        for unknown in [Exposure { objective: None, ..daily(99) }, Exposure { last_good: None, ..daily(99) }] {
            assert_eq!((unknown.is_breached(now), unknown.weigh(Severity::High, now)), (None, Severity::High));
        }
    }
}
