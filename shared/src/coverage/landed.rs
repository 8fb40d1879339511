//! What of a resource is protected, and whether its copies landed.
//!
//! Every tool stops at "a plan has a copy action". Here the recovery points themselves are looked at: those in the account, and those that arrived in
//! the vaults that the copy actions name, joined by the account of the vault they came from, for some resource ARNs carry no account.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::arn::{AccountId, Arn, Region};
use crate::evidence::{Fact, Gap, ResourcePoints, Vault};

/// How well a resource is protected. From the worst to the best that can be said, what is not known apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protection {
    /// No selection selects it.
    Unprotected,
    /// A selection would select it, but AWS Backup is switched off for its type in this Region.
    OptInBlocked,
    /// A rule selects it, and there is no recovery point of it.
    SelectedNeverBackedUp,
    /// It is backed up, a rule asks for copies, and none ever landed in a vault that the rule names.
    NeverCopied,
    /// It was backed up, or its copies landed, but the newest is older than the schedule of its rule allows.
    Stale,
    /// Somebody took responsibility for its lacking protection, until a date.
    Excepted,
    /// What decides was not seen.
    Unknown,
    /// Backed up by its schedule, and where a rule asks for copies, they landed.
    Protected,
}

/// One resource, as the report shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceCoverage {
    /// The account that owns it.
    pub account_id: AccountId,
    /// Its Region.
    pub region: Region,
    /// The resource.
    pub resource_arn: Arn,
    /// `EBS`, `RDS`, …
    pub resource_type: String,
    /// Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// The verdict.
    pub protection: Protection,
    /// Why, in one sentence without its end; no untrusted text.
    pub why: String,
    /// The rules that select it, or may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SelectingRule>,
    /// Its newest complete recovery point in its own account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_backup: Option<Newest>,
    /// Its newest copy in each vault that a rule names, whether or not there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<Landing>,
    /// Who took responsibility, where somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<ExceptedBy>,
    /// What could not be read and would decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
}

/// A rule that selects a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SelectingRule {
    /// The plan.
    pub plan_id: String,
    /// Its name. Untrusted text.
    pub plan_name: String,
    /// The selection. Untrusted text.
    pub selection_name: String,
    /// The rule. Untrusted text.
    pub rule_name: String,
    /// Whether it certainly does; if not, it depends on what was not seen or is not documented.
    pub certain: bool,
    /// Why the resource is in: which of its tags, which pattern. Untrusted text.
    pub because: String,
    /// The longest pause that its schedule has, in hours; absent where the schedule cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_pause_hours: Option<i64>,
}

/// A newest recovery point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newest {
    /// The vault.
    pub vault_arn: Arn,
    /// The recovery point.
    pub recovery_point_arn: Arn,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_arn: Option<Arn>,
    /// When it will be deleted; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at: Option<Timestamp>,
}

/// What arrived in one vault that a rule copies to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landing {
    /// The vault that the copy action names.
    pub vault_arn: Arn,
    /// The newest copy; absent where none landed or the vault was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Newest>,
    /// Whether the vault was read.
    pub read: bool,
    /// Recovery points that should have been copied there and were not: younger than the newest copy, and old enough that it would be there.
    pub uncopied: u64,
    /// When the first of those will be deleted: until then it can still be copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_uncopied_expires_at: Option<Timestamp>,
    /// Whether the newest copy is under the key of that vault, where both are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under_vault_key: Option<bool>,
}

/// Who answers for what is not protected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptedBy {
    /// Untrusted text.
    pub owner: String,
    /// Untrusted text.
    pub reason: String,
    /// The last moment at which it holds.
    pub until: Timestamp,
}

/// A vault that copies of one account go to, and what of that account arrived there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrivals {
    /// The vault, which is the same for every account.
    pub vault: Arc<Fact<Vault>>,
    /// The copies whose source vault belongs to the account.
    pub points: Fact<Vec<ResourcePoints>>,
}

/// By the ARN of the vault.
pub type ArrivalsByVault = BTreeMap<Arn, Arrivals>;
