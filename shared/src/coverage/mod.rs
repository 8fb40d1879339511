//! What plans cover: whether a selection selects a resource, when a rule should have run, which runs never became a job, and how well each
//! resource is protected.
//!
//! Decides about resources and times; must not know how plans and jobs are read, nor who is told.

mod choice;
mod cover;
mod cron;
mod expected;
mod holdings;
mod judge;
mod landed;
mod landing;
mod missed;
mod objective;
mod opt_in;
mod place;
mod promise;
mod resource_type;
mod schedule;
mod selection;

pub use cover::cover;
pub use cron::CronError;
pub use expected::{NotJudged, OpenPlan, OpenRule, expect, next_run};
pub use landed::{Arrivals, ArrivalsByVault, ExceptedBy, Landing, Newest, Protection, ResourceCoverage, SelectingRule};
pub use missed::{Due, MissedRun, RuleSchedule, due, missed};
pub use objective::objective;
pub use opt_in::{Chosen, opted_in};
pub use resource_type::{OptInOfNamed, ResourceType};
pub use schedule::{GAP_YEARS, Schedule, ScheduleError};
pub use selection::{Because, Matcher, Named, Selected, Weighed, selects};
