//! What people and machines read: transcripts of every sink, the schema, the limits, and hostile text.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests: what is not there is a failed test")]

mod cases;
mod contract;
mod hostile;
mod limits;
mod sweep;
mod topology;
mod transcripts;

#[path = "../support/sweep.rs"]
#[expect(dead_code, reason = "the example uses the rest")]
mod sweeps;
