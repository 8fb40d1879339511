//! Does every part of the topology still hold?
//!
//! A check looks at the inventory of the organization or of one account and says of each thing it is about: well, ill, not its affair, or not seen.
//! It must not know how inventories are read, nor who reads the report. What was not seen is never well.

pub mod baseline;
mod bound;
mod check;
pub mod checks;
mod deeds;
mod engine;
mod exempt;
pub mod frameworks;
mod gaps;
mod guard;
mod holders;
mod keyed;
mod outsiders;
mod points;
mod probe;
mod result;
mod rows;
mod say;
mod stops;
mod view;
mod walk;
mod way_out;
mod ways;

pub use baseline::Baseline;
pub use check::{Check, Judge, Meta, Outcome, Status, Subject};
pub use engine::{judge_account, judge_organization};
pub use gaps::worth_another_look;
pub use result::{AccountResult, CheckOutcome, NotEvaluated, OrganizationResult, SWEEP_SCHEMA, SweepHead, Totals};
pub use stops::{Stopped, naming_vaults, stops};
pub use view::{AccountView, OrganizationView, Scope};
