//! One failed job becomes one alert: parse, gather, decide, act.
//!
//! Every delivery is claimed by (account, Region, job type, job id, state), so that it is told once however often it comes. A table that is
//! down does not silence the guardian: it sends, bounded by a limiter in every instance.

pub mod config;
mod error;
mod exposure;
pub mod gather;
mod handler;
pub mod later;
pub mod limiter;
pub mod messenger;

pub use config::Config;
pub use error::{ItemError, Outcome};
pub use exposure::exposure;
pub use handler::{Handler, Ports, alert, later as after};
