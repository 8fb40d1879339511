//! Who may do what, beyond the policies of keys and vaults: grants, roles, and the policies of the organization.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::arn::{AccountId, Arn};
use crate::policy::Grant;

/// `kms:ListGrants`, all pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyGrants {
    /// The key.
    pub key_arn: Arn,
    /// Its grants.
    pub grants: Vec<Grant>,
}

/// A policy document with the name AWS lists it under.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedPolicy {
    /// Name of an inline policy, or the friendly name of a managed one. Untrusted text.
    pub name: String,
    /// ARN of a managed policy or of a policy of the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<Arn>,
    /// The document.
    pub document: Value,
}

/// A role with everything that its own account says about it: `iam:GetRole`, its inline and its attached policies, its boundary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// The role.
    pub arn: Arn,
    /// Its trust policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Value>,
    /// Its inline and attached policies, sorted by name.
    #[serde(default)]
    pub policies: Vec<NamedPolicy>,
    /// Its permissions boundary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<NamedPolicy>,
}

/// `organizations:DescribeOrganization`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// `o-exampleorgid`.
    pub id: String,
    /// The account that owns the organization.
    pub management_account: AccountId,
}

/// The SCPs or RCPs that apply to an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyLevels {
    /// The account.
    pub account_id: AccountId,
    /// One list for the root, one for each unit on the way, one for the account itself, in this order.
    pub levels: Vec<Vec<NamedPolicy>>,
}

/// The two kinds of policies with which an organization bounds what its accounts may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    /// Service control policies: bound the principals of an account.
    Scp,
    /// Resource control policies: bound the access to the objects of an account.
    Rcp,
}
