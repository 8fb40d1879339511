//! What a rule is: metadata, and one function from evidence to an answer.

use super::{Cause, Certainty};
use crate::diagnosis::verdict::{ActIn, Denied, Grade, Severity, Step};
use crate::evidence::Evidence;
use crate::incident::Object;

/// Metadata of a rule. A plain static value; codes and names are forever.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// `BKD-001`, …
    pub code: &'static str,
    /// Kebab-case name: names the cause, and the two files of the rule.
    pub name: &'static str,
    /// One line.
    pub title: &'static str,
    /// The causes it can find; the first is the usual one.
    pub causes: &'static [Cause],
    /// Severity of an unprotected resource of this cause.
    pub severity: Severity,
    /// Version of the project that introduced it.
    pub since: &'static str,
    /// IAM actions the evidence comes from.
    pub needs: &'static [&'static str],
    /// How far its remedy may be trusted.
    pub remedy: Grade,
    /// AWS documentation the rule rests on.
    pub references: &'static [&'static str],
    /// The page: manual and test in one.
    pub page: &'static str,
}

/// A rule.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Metadata.
    pub meta: Meta,
    /// Judges the evidence. Pure.
    pub judge: fn(&Evidence) -> Answer,
}

/// What a rule answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The rule explains the failure.
    Explains(Box<Finding>),
    /// The evidence excludes this cause.
    RuledOut {
        /// Why, in a few words, for the trace.
        why: String,
    },
    /// The evidence does not suffice.
    CannotTell {
        /// The IAM actions or facts that would settle it.
        needs: Vec<String>,
    },
}

/// An explanation.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The cause.
    pub cause: Cause,
    /// How sure.
    pub certainty: Certainty,
    /// Other than the rule's own severity, where the facts say so (a harmless EXPIRED is `Info`).
    pub severity: Option<Severity>,
    /// Who must act.
    pub act_in: ActIn,
    /// What must change.
    pub object: Object,
    /// The refused call.
    pub denied: Option<Denied>,
    /// The cause in one sentence.
    pub summary: String,
    /// What to do.
    pub next_steps: Vec<Step>,
    /// The facts it rests on.
    pub used: Vec<String>,
}
