//! Who does what to the things that backups rest on, and what that endangers.
//!
//! Decides whether a write is a deed that people must hear of, and how the deeds of one actor become one incident; must not know how writes
//! arrive, where they are kept or who is told.

mod burst;
mod deed;
mod judge;
mod kept;
mod state;
mod write;

pub use burst::{Burst, MOST_KEPT, Pattern, actor_of, done};
pub use deed::{BEFORE_FILE, Deed, DeedKind, Judged, Scene, Silence, Undo};
pub use judge::{ON_THEIR_OWN, announced, judge};
pub use kept::kept;
pub use state::{Before, State, aspect, state};
pub use write::{Actor, Incoming, Write, announced_name, log_name, log_names, read};
