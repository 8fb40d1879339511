//! Ends a sweep: judges what was read, writes the reports, hands findings over, tells what changed, and says which sweep is the newest.
//!
//! Everything may happen twice: reports take the place of their older selves, findings have ids, and what was told is noted before the sweep
//! becomes the newest. A crash in between repeats at most one message.

pub mod config;
mod handler;
mod import;
mod latest;

pub use config::{Config, Told};
pub use handler::{Answer, Handler, Ports, ReportSweepError, Request};
pub use import::Importer;
