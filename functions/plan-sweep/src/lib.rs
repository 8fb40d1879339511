//! Plans a sweep: reads the organization and says in batches which accounts are to be read; later, which vaults.
//!
//! A plan that is asked for again is the same: the sweep is named by its execution, and what was begun is taken up.

pub mod config;
mod handler;

pub use config::Config;
pub use handler::{Answer, Item, PlanError, Request, batches, opened, plan};
