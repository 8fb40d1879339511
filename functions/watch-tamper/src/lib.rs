//! Keeps every write on what backups rest on, and tells those that endanger backups: who did it, what it endangers, how to undo it.

mod config;
mod handler;
pub mod predict;

pub use config::Config;
pub use handler::{FUNCTION, Handler, ItemError, Outcome, Watched};
