//! The suite: what a user relies on, through the real parts. One binary, because each links every SDK.

mod collect;
mod deliveries;
mod evidence_window;
mod purity;
mod setting;
