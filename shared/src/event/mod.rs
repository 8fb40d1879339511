//! Events as they arrive: lenient in, strict out.
//!
//! AWS documents no schema for `aws.backup` events and its own samples contradict each other, so every field is read by its own rule and an
//! unreadable field is a [`Problem`](job::Problem), never a lost event. Identity (account, Region) is taken from the envelope only.

pub mod job;

pub use job::{Job, JobId, JobKey, JobState, JobType, PlanRef, Problem};
