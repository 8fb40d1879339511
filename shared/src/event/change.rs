//! Changes of vaults, plans, settings, recovery points and indexes, as AWS Backup announces them. They name no actor; CloudTrail does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::envelope::Envelope;
use super::field::Fields;
use super::job::Problem;
use crate::arn::{AccountId, Arn, Region};

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ChangeKind {
    Vault,
    Plan,
    RegionSetting,
    RecoveryPoint,
    RecoveryPointIndex,
}

/// A change as its event tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What changed.
    pub kind: ChangeKind,
    /// The account, from the envelope.
    pub account: AccountId,
    /// The Region, from the envelope.
    pub region: Region,
    /// `CREATED`, `MODIFIED`, `DELETED`, a status of a recovery point or index, …: an open set in upper case; empty where the event names none.
    pub state: String,
    /// `id` of the envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// `time` of the envelope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_time: Option<Timestamp>,
    /// When it changed, where the event says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
    /// The vault, plan or recovery point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_arn: Option<Arn>,
    /// Name of the vault or id of the plan. Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The vault of a recovery point or index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault_arn: Option<Arn>,
    /// The resource of a recovery point or index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_arn: Option<Arn>,
    /// `EBS`, `Aurora`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// Vaults: whether the vault is locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<bool>,
    /// Recovery points: whether the point is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// Recovery points: when the lifecycle deletes the point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at: Option<Timestamp>,
    /// Recovery points: after what the lifecycle deletes the point, whatever its date: `DELETE_AFTER_COPY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_after_event: Option<String>,
    /// Region settings: opted in or out, by resource type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub opt_in: BTreeMap<String, bool>,
    /// The text of AWS about an index. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    /// What could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

impl Change {
    /// What every change has in common: identity from the envelope, state from the field that has it.
    pub(super) fn begin(
        kind: ChangeKind,
        (account, region): (&AccountId, &Region),
        envelope: &Envelope,
        detail: &mut Fields<'_>,
        state_fields: &[&str],
    ) -> Self {
        let state = state_fields.iter().find_map(|name| detail.text(name));
        if state.is_none() {
            detail.problem(state_fields.first().copied().unwrap_or("state"), "missing");
        }
        Self {
            kind,
            account: account.clone(),
            region: region.clone(),
            state: state.unwrap_or_default().to_uppercase(),
            event_id: envelope.event_id.clone(),
            event_time: envelope.time,
            changed_at: None,
            object_arn: envelope.resource(),
            name: None,
            vault_arn: None,
            resource_arn: None,
            resource_type: None,
            locked: None,
            encrypted: None,
            delete_at: None,
            delete_after_event: None,
            opt_in: BTreeMap::new(),
            status_message: None,
            problems: Vec::new(),
        }
    }
}
