//! How an organization is set up by the templates: which stacks with which parameters, and every command in its order.
//!
//! Decides from [`Answers`] what is to be made and from what was [`Seen`] what is there already. It must not know how the templates are read, nor how
//! a plan is printed. That every parameter exists in its template and is one that it takes is proved by a test over the templates themselves.

mod agree;
mod answers;
mod example;
mod form;
mod names;
mod notes;
mod plan;
mod scope;
mod seen;
mod stacks;
mod steps;
#[cfg(test)]
mod tests;
mod there;

pub use answers::{
    ACKNOWLEDGEMENT, ANSWERS_SCHEMA, Answers, BackupAccount, BackupPolicy, Guardian, Kept, Lock, LockMode, OrganizationIds, Protect,
    Sources,
};
pub use example::{example, fill};
pub use form::Problem;
pub use plan::{Action, Omitted, Plan, Step, plan};
pub use scope::{OfTopology, of_topology};
pub use seen::{Gather, Seen, SeenAccount, SeenRegion};
pub use stacks::{Made, Parameters, Stack, watched};
