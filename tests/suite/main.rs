//! The suite: what a user relies on, through the real parts. One binary, because each links every SDK.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod alarm_path;
mod collect;
mod deliveries;
mod estate;
mod evidence_window;
mod exposure;
mod faults;
mod inventory;
mod kills;
mod missed;
mod notices;
mod purity;
mod queues;
mod reconcile;
mod setting;
mod storms;
mod strangers;
mod sweep_batches;
