//! Adapters over the real SDK clients and canned answers.

mod access;
mod answers;
mod drills;
mod incidents;
mod lists;
mod path;
mod plans;
mod reads;
mod releases;
mod routes;
mod table;
mod tables;
mod topics;
mod trails;
mod turns;
