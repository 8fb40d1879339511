//! What a copy needs: which principal does which action on which key or vault, in which request context.
//!
//! The table is data, each entry with its source. It knows nothing of policies; [`policy`](crate::policy) says whether they grant it.

mod judge;
mod managed;
mod requirement;
mod route;

pub use judge::{Judged, RoutePolicies, judge};
pub use managed::{BACKUP_SERVICE_LINKED_ROLE, ManagedPolicy};
pub use requirement::{Actor, Object, Requirement, requirements};
pub use route::Route;
