//! Calls that AWS refused, as CloudTrail records them.
//!
//! A denied KMS call is recorded in the **caller's** account only
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/logging-using-cloudtrail.html>), so a denial always says in whose trail it was found.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Gap;
use crate::arn::{AccountId, Arn, Region};

/// What kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DenialKind {
    /// Authorization: some policy said no or none said yes.
    AccessDenied,
    /// The key is disabled.
    KeyDisabled,
    /// The key is pending deletion, pending import, unavailable, …
    KeyInvalidState,
    /// The key or its Region is wrong, or it is gone.
    NotFound,
    /// RDS' own wording for "does not exist, is not enabled or you do not have permissions".
    KeyNotAccessible,
    /// A grant is gone.
    GrantLost,
    /// Any other error of the call.
    Other,
}

/// The type of policy that decided, where the message says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "AWS' own names")]
pub enum PolicyType {
    ServiceControlPolicy,
    ResourceControlPolicy,
    PermissionsBoundary,
    SessionPolicy,
    ResourceBasedPolicy,
    IdentityBasedPolicy,
    VpcEndpointPolicy,
    RoleTrustPolicy,
}

/// Whether a statement denied, or none allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// "with an explicit deny in …".
    ExplicitDeny,
    /// "because no … allows …".
    ImplicitDeny,
}

/// One refused call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Denial {
    /// When the call was made; CloudTrail's resolution is a second.
    pub event_time: Timestamp,
    /// CloudTrail event id.
    pub event_id: String,
    /// The account whose trail has the record: the caller's.
    pub recorded_in: AccountId,
    /// The Region of the record.
    pub region: Region,
    /// `kms.amazonaws.com`, …
    pub event_source: String,
    /// `CreateGrant`, `ReEncrypt`, …
    pub event_name: String,
    /// `AccessDenied`, `DisabledException`, `Client.UnauthorizedOperation`, …
    pub error_code: String,
    /// Class of the error code.
    pub kind: DenialKind,
    /// The caller's ARN (an assumed-role session ARN). Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// The role behind the session, with its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_arn: Option<Arn>,
    /// The IAM action that was refused, such as `kms:CreateGrant`; from the message, else from source and event name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The object: `requestParameters.keyId`, else `resources`, else the ARN in the message, else unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Arn>,
    /// The policy type that decided, where the message says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_type: Option<PolicyType>,
    /// ARN of the policy that decided, in newer messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_arn: Option<String>,
    /// Explicit or implicit, where the message says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// Encryption context of the request: names the snapshot for EBS.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub encryption_context: BTreeMap<String, String>,
    /// Whether a service made the call (`invokedBy`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoked_by: Option<String>,
    /// The message, at most 1 KiB. Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl Denial {
    /// Name of the role that the refusal is about: the role behind the session; for a refused AssumeRole, where a service calls and no session
    /// exists, the role it could not assume. `None` for the reduced record that the owner of a key sees.
    pub fn role_name(&self) -> Option<String> {
        let session = self.principal.as_deref().and_then(|text| Arn::parse(text).ok());
        let by_session = self.issuer_arn.as_ref().or(session.as_ref()).and_then(Arn::role_name);
        let assumed = self.resource.as_ref().filter(|_| self.event_source == "sts.amazonaws.com").and_then(Arn::role_name);
        by_session.or(assumed).map(str::to_owned)
    }

    /// The text that EC2 wants decoded with `sts:DecodeAuthorizationMessage`, in the account that was refused. `None` where CloudTrail has cut
    /// the message at 1 KB: half of it cannot be decoded.
    pub fn encoded_message(&self) -> Option<&str> {
        const MARK: &str = "Encoded authorization failure message: ";
        let message = self.message.as_deref().filter(|message| message.len() < 1024)?;
        let (_, after) = message.split_once(MARK)?;
        after.split_whitespace().next()
    }
}

/// One look for denials: where, which window, how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Search {
    /// `push` (our own store of CloudTrail events) or `lookup-events`.
    pub source: String,
    /// The account that was searched.
    pub account_id: AccountId,
    /// The Region that was searched.
    pub region: Region,
    /// Start of the window.
    pub from: Timestamp,
    /// End of the window.
    pub until: Timestamp,
    /// Calls used.
    pub calls: u32,
    /// Records read.
    pub records: u32,
    /// How it ended.
    pub end: SearchEnd,
    /// Why it ended early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SearchEnd {
    /// The whole window was read.
    Complete,
    /// It stopped early; the gap says why.
    Partial,
    /// Nothing could be read.
    Failed,
}
