//! What a plan covers: whether a selection selects a resource, when a rule should have run, and which runs never became a job.
//!
//! Decides about resources and times; must not know how plans and jobs are read, nor who is told.

mod cron;
mod expected;
mod landed;
mod missed;
mod objective;
mod opt_in;
mod resource_type;
mod schedule;
mod selection;

pub use cron::CronError;
pub use expected::{NotJudged, OpenPlan, OpenRule, expect};
pub use landed::{Arrivals, ArrivalsByVault, ExceptedBy, Landing, Newest, Protection, ResourceCoverage, SelectingRule};
pub use missed::{Due, MissedRun, RuleSchedule, due, missed};
pub use objective::objective;
pub use opt_in::{Chosen, opted_in};
pub use resource_type::{OptInOfNamed, ResourceType};
pub use schedule::{GAP_YEARS, Schedule, ScheduleError};
pub use selection::{Because, Matcher, Named, Selected, Weighed, selects};
