//! From evidence to a verdict.

pub mod assess;
mod cause;
mod engine;
pub mod explain;
pub mod facts;
pub mod key_policy;
pub mod matching;
mod mend;
pub mod notice;
pub mod rule;
pub mod rules;
mod statement;
pub mod steps;
pub mod text;
pub mod told;
pub mod vault_policy;
pub mod verdict;

pub use assess::{Assessment, Evaluation, Stand};
pub use cause::Cause;
pub use engine::diagnose;
pub(crate) use mend::shown;
pub use rule::{Answer, Finding, Meta, Rule};
pub use verdict::{ActIn, Candidate, Certainty, Denied, Grade, Patch, Severity, Side, Step, Verdict};

/// The page of the verdict that no rule gave, for whoever asks what `unexplained` means.
pub const UNEXPLAINED_PAGE: &str = include_str!("unexplained.md");
