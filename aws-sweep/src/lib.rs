//! The ports of the core that only the work off the hot path needs: reports in S3, the rules of EventBridge.
//!
//! Apart from `guardian-aws`, so that `diagnose-job` neither compiles nor links these SDK crates.

mod reports;
mod rules;
pub mod sweep;

pub use reports::ReportBucket;
pub use rules::Rules;

#[cfg(test)]
#[path = "../../aws/src/canned.rs"]
mod canned;
#[cfg(test)]
use guardian_aws::session;
#[cfg(test)]
mod tests;
