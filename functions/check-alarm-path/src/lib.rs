//! Looks whether the alarm path lives: topics, their keys and subscribers, rules, dead-letter queues, heartbeats, and the forwarding of every
//! account. What is wrong is told once when it begins, once a day while it lasts, and once when all is well again.
//!
//! A message of the schedule begins a look at every part; what one invocation has no time for goes on in a message of its own queue.

pub mod config;
mod handler;
mod look;
mod tell;

pub use config::{Config, Path};
pub use handler::{Handler, ItemError, Outcome, Ports};
pub use look::{Part, Shard};
