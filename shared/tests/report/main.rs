//! What people and machines read: transcripts of every sink, the schema, the limits, and hostile text.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a case that cannot be built is a failed test")]

mod cases;
mod transcripts;
