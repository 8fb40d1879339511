//! What a sweep says: a head, the organization, one result per account, and totals. Reports are rendered from these and from nothing else.
//!
//! Accounts come one after the other, by id, so that a report of ten thousand of them needs the memory of one.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Outcome, Status, Subject};
use crate::arn::{AccountId, Region};
use crate::coverage::{Protection, ResourceCoverage};
use crate::diagnosis::Severity;
use crate::evidence::Gap;

/// Schema of the machine form.
pub const SWEEP_SCHEMA: &str = "backup-guardian/sweep/v1";

/// What is known before the first account is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepHead {
    /// [`SWEEP_SCHEMA`].
    pub schema: String,
    /// When the sweep began.
    pub at: Timestamp,
    /// Version of the guardian.
    pub version: String,
    /// The organization, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    /// The Regions that were asked for.
    pub regions: Vec<Region>,
    /// The accounts that keep the copies.
    pub backup_accounts: Vec<AccountId>,
}

/// An outcome with the check that it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckOutcome {
    /// `BKC-001`, …
    pub code: String,
    /// Name of the check.
    pub check: String,
    /// Severity of a failure of this check.
    pub severity: Severity,
    /// What it says.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A part of the organization of which nothing, or not everything, could be read. It is never compliant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotEvaluated {
    /// The account.
    pub account_id: AccountId,
    /// The Region; absent: all of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The reads that failed.
    pub gaps: Vec<Gap>,
}

/// The organization.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrganizationResult {
    /// What the checks say.
    pub outcomes: Vec<CheckOutcome>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountResult {
    /// The account.
    pub account_id: AccountId,
    /// Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its resources, by ARN.
    pub coverage: Vec<ResourceCoverage>,
    /// What the checks say, by code and subject.
    pub outcomes: Vec<CheckOutcome>,
    /// Of what nothing, or not everything, could be read.
    pub not_evaluated: Vec<NotEvaluated>,
}

impl AccountResult {
    /// The name of the account that an outcome is about, where that is this one: a source account is judged by things of the backup account, too.
    pub fn name_of(&self, subject: &Subject) -> Option<&String> {
        self.name.as_ref().filter(|_| subject.account_id == self.account_id)
    }
}

/// The sums of a sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Accounts, those that could not be read included.
    pub accounts: u64,
    /// Those of which nothing, or not everything, could be read.
    pub accounts_not_evaluated: u64,
    /// Resources by how well they are protected.
    pub resources: BTreeMap<Protection, u64>,
    /// Outcomes by status.
    pub outcomes: BTreeMap<Status, u64>,
    /// Failures by severity, excepted ones left out.
    pub failures: BTreeMap<Severity, u64>,
}
