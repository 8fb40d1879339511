//! Drills: copies what the jobs of an incident left uncopied, and tries copies, copies back and restores: parse, gather, decide, act.
//!
//! It is deployed only where drills were switched on, and works on messages that a person or a schedule put into its queue. The command line does
//! the same with the same parts: [`gather()`], [`find`], [`act`] and [`look`].

pub mod act;
mod config;
mod drill;
pub mod find;
pub mod gather;
mod handler;
pub mod look;
mod work;

pub use config::Config;
pub use handler::{Handler, ItemError, Outcome, Ports};
