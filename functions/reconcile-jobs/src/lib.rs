//! Finds the failed jobs that no event announced and the runs that made no job, and hands them to the diagnosis as events.
//!
//! AWS Backup sends events on a best-effort basis: only lists are complete. A message of the schedule begins a look at every place; what one
//! invocation has no time for goes on in a message of its own queue. The claims of the diagnosis make a job that was announced and found alike one.

pub mod config;
mod handler;
mod look;
mod runs;
mod work;

pub use config::Config;
pub use handler::{Handler, ItemError, Outcome, Ports};
pub use runs::{Runs, Step};
pub use work::{Left, Shard, Work};
