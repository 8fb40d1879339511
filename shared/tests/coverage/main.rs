//! What plans cover: selections on documented cases, resources of whole accounts, and the properties that both keep.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod accounts;
mod estate;
mod evidence;
mod properties;
mod selections;
