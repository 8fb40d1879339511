//! What an evaluation answers, and its reasons.

use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

/// What AWS would answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the field's own terms")]
pub enum Decision {
    Allowed,
    ImplicitlyDenied,
    ExplicitlyDenied,
    /// It depends on what is not known or not documented.
    Uncertain,
}

impl Decision {
    /// `Allowed`, `ImplicitlyDenied`, `ExplicitlyDenied`, `Uncertain`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "Allowed",
            Self::ImplicitlyDenied => "ImplicitlyDenied",
            Self::ExplicitlyDenied => "ExplicitlyDenied",
            Self::Uncertain => "Uncertain",
        }
    }
}

/// A layer of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the field's own terms")]
pub enum Layer {
    Scp,
    Rcp,
    Identity,
    Boundary,
    Session,
    Resource,
}

impl Layer {
    /// As printed in reasons.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scp => "scp",
            Self::Rcp => "rcp",
            Self::Identity => "identity",
            Self::Boundary => "boundary",
            Self::Session => "session",
            Self::Resource => "resource",
        }
    }
}

/// A statement and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The layer.
    pub layer: Layer,
    /// Which document of the layer (SCPs and RCPs: counted through all levels), from 0.
    pub document: usize,
    /// Which statement, from 0.
    pub statement: usize,
    /// Its Sid. Untrusted text.
    pub sid: Option<String>,
    /// Whether it denies.
    pub denies: bool,
    /// As what a resource policy names the caller, where it does: `everybody, user or service`, `session`, `role`, `account`.
    pub names: Option<&'static str>,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It matched.
    Matched,
    /// It may match: the named parts could not be settled.
    Depends(Vec<String>),
    /// It did not match, for this part.
    Missed(Missed),
}

/// The part of a statement that did not match.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the elements of the policy language")]
pub enum Missed {
    Action,
    Principal,
    Resource,
    /// Operator and condition key as written. Untrusted text.
    Condition {
        operator: String,
        key: String,
    },
}

impl Missed {
    fn part(&self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Principal => "principal",
            Self::Resource => "resource",
            Self::Condition { .. } => "condition",
        }
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The decision.
    pub decision: Decision,
    /// Every statement of the layers that applied.
    pub reasons: Vec<Reason>,
    /// Layers that were exempt, and why.
    pub exemptions: Vec<&'static str>,
    /// Which layer failed to allow: `identity policies`, `SCP level 2 of 3`, …
    pub missing: Vec<String>,
    /// Where only the kind of denial is open, because a deny may be in what was not seen: the layers that do not allow it, whatever that says.
    pub refused_by: Vec<String>,
    /// Condition keys and open points that the answer depends on.
    pub depends_on: Vec<String>,
    /// What could not be read, with the document and statement it is in.
    pub problems: Vec<String>,
}

/// `resource[1]#2:Sid`: layer, document and statement from 1.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]#{}", self.layer.as_str(), self.document + 1, self.statement + 1)?;
        self.sid.as_ref().map_or(Ok(()), |sid| write!(f, ":{sid}"))
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entry = serializer.serialize_struct("Reason", 6)?;
        entry.serialize_field("statement", &Printed(self))?;
        entry.serialize_field("layer", self.layer.as_str())?;
        entry.serialize_field("effect", if self.denies { "Deny" } else { "Allow" })?;
        if let Some(names) = self.names {
            entry.serialize_field("names_caller_as", names)?;
        }
        match &self.outcome {
            Outcome::Matched => entry.serialize_field("outcome", "matched")?,
            Outcome::Depends(on) => {
                entry.serialize_field("outcome", "depends")?;
                entry.serialize_field("depends_on", on)?;
            }
            Outcome::Missed(missed) => {
                entry.serialize_field("outcome", "did not match")?;
                entry.serialize_field("part", missed.part())?;
                if let Missed::Condition { operator, key } = missed {
                    entry.serialize_field("operator", operator)?;
                    entry.serialize_field("key", key)?;
                }
            }
        }
        entry.end()
    }
}

/// The reasons of an answer, as `why` in JSON.
#[derive(Serialize)]
pub(super) struct Why<'a> {
    statements: &'a [Reason],
    missing: &'a [String],
    exemptions: &'a [&'static str],
    depends_on: &'a [String],
    problems: &'a [String],
}

impl Answer {
    pub(super) fn why(&self) -> Why<'_> {
        Why {
            statements: &self.reasons,
            missing: &self.missing,
            exemptions: &self.exemptions,
            depends_on: &self.depends_on,
            problems: &self.problems,
        }
    }
}

struct Printed<'a, T>(&'a T);

impl<T: fmt::Display> Serialize for Printed<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}
