//! Adapters over the real SDK clients and canned answers.

mod access;
mod reads;
mod tables;
mod topics;
mod trails;
mod turns;
