//! Adapters over the real SDK clients and canned answers.

mod access;
mod answers;
mod reads;
mod tables;
mod topics;
mod trails;
mod turns;
