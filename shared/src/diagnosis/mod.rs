//! From evidence to a verdict.

mod cause;
pub mod explain;
pub mod rule;
pub mod text;
pub mod verdict;

pub use cause::Cause;
pub use rule::{Answer, Finding, Meta, Rule};
pub use verdict::{ActIn, Candidate, Certainty, Denied, Grade, Severity, Side, Step, Verdict};
