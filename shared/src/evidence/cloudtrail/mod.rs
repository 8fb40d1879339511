//! Records of CloudTrail: from `LookupEvents` (the text in `CloudTrailEvent`) and from EventBridge (`detail`), which are the same JSON.
//!
//! Decides what a record says: who called what on which key, and how it ended. Must not know which job it belongs to.
//! Source: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html>.

mod change;
mod denial;
mod identity;
mod key;
mod message;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Change, Denial};
use crate::arn::{AccountId, Arn, Region};
use crate::event::field::{Fields, clip};
pub use identity::{Identity, IdentityKind};

/// CloudTrail cuts error messages at 1 KB.
const LONGEST_MESSAGE: usize = 1024;
/// Longest single text kept of a parameter, in bytes.
const LONGEST_TEXT: usize = 256;
/// Most entries kept of a map.
const MAX_ENTRIES: usize = 16;

/// A record, reduced to what a verdict may use. Every text in it is untrusted and bounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `eventTime`; its resolution is a second.
    pub event_time: Timestamp,
    /// `eventID`.
    pub event_id: String,
    /// `sharedEventID`: equal in the two records of one call across accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_event_id: Option<String>,
    /// `recipientAccountId`: whose trail it is.
    pub recorded_in: AccountId,
    /// `awsRegion`.
    pub region: Region,
    /// `eventSource`, such as `kms.amazonaws.com`, in lower case.
    pub event_source: String,
    /// `eventName`.
    pub event_name: String,
    /// `eventType`: `AwsApiCall`, `AwsServiceEvent`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// Whether the call reads only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// `errorCode`; absent where the call succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// `errorMessage`, at most 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// Who called.
    pub identity: Identity,
    /// Address or AWS service the call came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// Texts among the request parameters, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Encryption context of the request; for `ReEncrypt` that of the source.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub encryption_context: BTreeMap<String, String>,
    /// Encryption context of the destination of a `ReEncrypt`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub destination_encryption_context: BTreeMap<String, String>,
    /// `resources[].ARN`, in CloudTrail's order: for `ReEncrypt` the source key comes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Arn>,
    /// `additionalEventData`, texts only, such as `keyMaterialId`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub additional: BTreeMap<String, String>,
    /// `serviceEventDetails` of a service event, texts only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_details: BTreeMap<String, String>,
}

/// The JSON is no record of CloudTrail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` of the CloudTrail record is {what}")]
pub struct RecordError {
    /// The field without which a record is of no use.
    pub field: &'static str,
    /// What is wrong with it.
    pub what: &'static str,
}

impl Record {
    /// Reads a record. Only what says when, where and what is demanded; everything else may be missing, `null` or of another type.
    pub fn parse(record: &Value) -> Result<Self, RecordError> {
        if !record.is_object() {
            return Err(RecordError { field: "record", what: "not an object" });
        }
        let mut fields = Fields::of("", Some(record));
        let missing = |field: &'static str| RecordError { field, what: "missing or unreadable" };
        let identity = Identity::read(fields.get("userIdentity"));
        let event_time = fields.timestamp("eventTime").ok_or(missing("eventTime"))?;
        let event_id = fields.text("eventID").ok_or(missing("eventID"))?;
        let event_source = fields.name("eventSource").ok_or(missing("eventSource"))?.to_lowercase();
        let event_name = fields.name("eventName").ok_or(missing("eventName"))?;
        let region = fields.text("awsRegion").and_then(|text| Region::parse(&text).ok()).ok_or(missing("awsRegion"))?;
        // Records of version 1.01 and older have no recipient; they were written in the caller's account only.
        let recorded_in = fields
            .text("recipientAccountId")
            .and_then(|text| AccountId::parse(&text).ok())
            .or_else(|| identity.account_id.clone())
            .ok_or(missing("recipientAccountId"))?;
        let request = fields.get("requestParameters").and_then(Value::as_object);
        let context = |names: &[&[&str]]| names.iter().find_map(|path| map_at(request, path)).map(texts).unwrap_or_default();
        Ok(Self {
            event_time,
            event_id,
            shared_event_id: fields.text("sharedEventID"),
            recorded_in,
            region,
            event_source,
            event_name,
            event_type: fields.text("eventType"),
            read_only: fields.flag("readOnly"),
            error_code: fields.text("errorCode"),
            error_message: fields
                .get("errorMessage")
                .and_then(Value::as_str)
                .map(|text| clip(text.trim(), LONGEST_MESSAGE).to_owned())
                .filter(|text| !text.is_empty()),
            identity,
            source_ip: fields.text("sourceIPAddress"),
            parameters: request.map(texts).unwrap_or_default(),
            encryption_context: context(&[
                &["encryptionContext"],
                &["sourceEncryptionContext"],
                &["constraints", "encryptionContextSubset"],
                &["constraints", "encryptionContextEquals"],
            ]),
            destination_encryption_context: context(&[&["destinationEncryptionContext"]]),
            resources: resources(fields.get("resources")),
            additional: fields.get("additionalEventData").and_then(Value::as_object).map(texts).unwrap_or_default(),
            service_details: fields.get("serviceEventDetails").and_then(Value::as_object).map(texts).unwrap_or_default(),
        })
    }

    /// The calls that were refused or failed: none where the call succeeded; one per IAM action, because one `ReEncrypt` needs two.
    pub fn denial(&self) -> Vec<Denial> {
        denial::of(self)
    }

    /// The write on a key, vault, role, policy or setting that the record is, if it is one and succeeded.
    pub fn change(&self) -> Option<Change> {
        change::of(self)
    }

    /// A request parameter by any of its names.
    fn parameter(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.parameters.get(*name)).map(String::as_str)
    }

    /// Partition of the Region: part of every ARN that is made here.
    fn partition(&self) -> &'static str {
        self.region.partition()
    }
}

fn map_at<'v>(map: Option<&'v Map<String, Value>>, path: &[&str]) -> Option<&'v Map<String, Value>> {
    path.iter().try_fold(map?, |map, name| map.get(*name).and_then(Value::as_object))
}

/// The texts, numbers and booleans of a map, by name, bounded.
fn texts(map: &Map<String, Value>) -> BTreeMap<String, String> {
    map.iter()
        .filter_map(|(name, value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => return None,
            };
            // A name or key that is cut would be another one.
            (name.len() <= LONGEST_TEXT && text.len() <= 8 * LONGEST_TEXT).then(|| (name.clone(), text))
        })
        .take(MAX_ENTRIES * 2)
        .collect()
}

fn resources(value: Option<&Value>) -> Vec<Arn> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(MAX_ENTRIES)
        .filter_map(|resource| {
            let mut fields = Fields::of("resources", Some(resource));
            fields.arn("ARN")
        })
        .collect()
}

/// Whether a text of refusal says that nothing in the policy of the object allows the call
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>).
pub(super) fn lacks_resource_policy(text: &str) -> bool {
    let refusal = message::read(text);
    refusal.effect == Some(super::Effect::ImplicitDeny) && refusal.policy_type == Some(super::PolicyType::ResourceBasedPolicy)
}
