//! The domain of Backup Guardian: facts in, verdicts out.
//!
//! This crate decides; it never looks. It has no clock, no environment, no randomness and no I/O: `now` is part of the
//! [evidence](evidence::Evidence), and everything the cloud can tell arrives as a [`Fact`](evidence::Fact) that is either known, with
//! its source and time, or a gap that names the missing permission. The same evidence always gives the same bytes.

pub mod alarm_path;
pub mod arn;
pub mod compliance;
pub mod copy;
pub mod coverage;
pub mod diagnosis;
pub mod drill;
pub mod event;
pub mod evidence;
pub mod incident;
pub mod invariants;
pub mod policy;
pub mod ports;
pub mod prediction;
pub mod remedy;
pub mod report;
pub mod tamper;
pub mod topology;
