//! Reads a batch of a sweep: accounts, or vaults that copies go to.
//!
//! Each is read in a task of its own and kept as soon as it is there: one that fails stops no other, and whoever tries the batch again reads
//! only what is missing. An account that lets nobody in is no failure: the report says that it was not evaluated.

mod handler;

pub use handler::{Answer, BatchError, read};
