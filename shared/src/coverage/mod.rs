//! What a plan covers. So far: whether a selection selects a resource.

mod selection;

pub use selection::{Selected, selects};
