//! The ports of the core that only the work off the hot path needs: reports and the parts of sweeps in S3, the rules of EventBridge.
//!
//! Apart from `guardian-aws`, so that `diagnose-job` neither compiles nor links these SDK crates.

mod reports;
mod rules;
mod store;
pub mod sweep;

pub use reports::{Kind, ReportBucket};
pub use rules::Rules;
pub use store::{NotASweep, S3Parts, SweepId};

#[cfg(test)]
#[path = "../../aws/src/canned.rs"]
mod canned;
#[cfg(test)]
use guardian_aws::session;
#[cfg(test)]
mod tests;
