//! Which change breaks the next copy, and which mends it.
//!
//! Of every kind of copy ([`Leg`](crate::copy::Leg)) is kept what decides it: objects (a key, a vault, a role, what bounds an account) as they were
//! last seen, each once however many copies it decides. Where an object is written to, it is read anew, and the copies that it decides are judged
//! with the old state and with the new one. A copy that worked and will fail is broken by the write, one that would have failed and works is mended.
//! What depends on something unseen is taken for neither, and said.
//!
//! Decides about kept facts; must not know where they are kept, how an object is read, or what CloudTrail writes of a change.

mod before;
mod blame;
mod edit;
mod held;
mod incident;
mod keep;
mod kept;
mod shift;
mod touch;

pub use before::{as_it_was, decided_by_grants};
pub use blame::{Blame, blame};
pub use edit::{Edit, EditError, apply};
pub use held::{Held, ObjectId, Objects, filled, overlay};
pub use incident::{SOON, cause_of, first_run, severity};
pub use keep::keep;
pub use kept::{KeptLeg, KeptRoutes, LegId};
pub use shift::{Shift, Shifts, shifts};
pub use touch::{Place, Touch, touched};

#[cfg(test)]
mod tests;
