//! Copies on demand what the jobs of an incident left uncopied: parse, gather, decide, act.
//!
//! It is deployed only where drills were switched on, and works on messages that a person put into its queue. The command line does the same with
//! the same parts: [`gather()`] and [`act`].

pub mod act;
mod config;
pub mod gather;
mod handler;
mod work;

pub use config::Config;
pub use handler::{Handler, ItemError, Outcome, Ports};
