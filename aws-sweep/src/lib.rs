//! The ports of the core that only the work off the hot path needs: reports in S3, the rules of EventBridge.
//!
//! Apart from `guardian-aws`, so that `diagnose-job` neither compiles nor links these SDK crates.

mod reports;

pub use reports::ReportBucket;
