//! What a check is: metadata, and one function from a view of the inventory to outcomes.

use serde::{Deserialize, Serialize};

use super::{AccountView, OrganizationView};
use crate::arn::{AccountId, Arn, Region};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::Gap;

/// Metadata of a check. A plain static value; codes and names are forever.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// `BKC-001`, …
    pub code: &'static str,
    /// Kebab-case name of the good state: it names the two files of the check.
    pub name: &'static str,
    /// One line: the good state.
    pub title: &'static str,
    /// Severity of a failure.
    pub severity: Severity,
    /// Version of the project that introduced it.
    pub since: &'static str,
    /// IAM actions that its evidence comes from.
    pub needs: &'static [&'static str],
    /// How far its remedy may be trusted.
    pub remedy: Grade,
    /// AWS documentation it rests on.
    pub references: &'static [&'static str],
    /// The page: manual and test in one.
    pub page: &'static str,
}

/// A check.
#[derive(Clone, Copy)]
pub struct Check {
    /// Metadata.
    pub meta: Meta,
    /// Judges. Pure.
    pub judge: Judge,
}

/// What a check looks at.
#[derive(Clone, Copy)]
pub enum Judge {
    /// The organization, once per sweep.
    Organization(fn(&OrganizationView<'_>) -> Vec<Outcome>),
    /// One account, once per account.
    Account(fn(&AccountView<'_>) -> Vec<Outcome>),
}

/// What a check says of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The thing.
    pub subject: Subject,
    /// In a word.
    pub status: Status,
    /// What was seen, in one sentence without its end. Untrusted text in it is marked off by backticks and made inert by the renderers.
    pub seen: String,
    /// What to do; absent where nothing is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// Ids of what it was concluded from: policies, statements, recovery points, keys. Untrusted text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// What could not be read and would decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
}

/// In a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Seen and ill.
    Fail,
    /// Not seen.
    Unknown,
    /// Seen and ill, and somebody took responsibility until a date.
    Excepted,
    /// Seen and well.
    Pass,
    /// Does not concern it.
    NotApplicable,
}

/// What an outcome is about, and the account that must act.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// The account that owns the thing.
    pub account_id: AccountId,
    /// Its Region; absent for what is global.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The thing; absent where it is the account, the Region or the organization itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_arn: Option<Arn>,
    /// What tells several outcomes on one thing apart: a rule of a plan, a statement. Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
}
