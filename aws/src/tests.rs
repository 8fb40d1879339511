//! Adapters over the real SDK clients and canned answers.

mod reads;
mod tables;
mod topics;
mod trails;
