//! What must work again before an incident is over.
//!
//! A lane is a route with the key and the role that one job used: (account, Region, job type, vaults, resource type, key, role). A later job
//! proves the fix for the lane it runs in, and for nothing else.

use serde::{Deserialize, Serialize};

use super::digest;
use crate::arn::{AccountId, Arn, Region};
use crate::event::JobType;
use crate::evidence::Evidence;

/// A lane.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lane {
    /// Account of the job, from the envelope of its event.
    pub account: AccountId,
    /// Region of the job.
    pub region: Region,
    /// Kind of job.
    pub job_type: JobType,
    /// Vault of the job: of a copy its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// Where a copy goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_vault: Option<String>,
    /// Type of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// Key of the recovery point, as read through the reader role; absent where it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Role of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

impl Lane {
    /// The lane of a job, as far as the evidence tells.
    pub fn of(evidence: &Evidence) -> Self {
        let text = |arn: Option<&Arn>| arn.map(|arn| arn.as_str().to_owned());
        let job = &evidence.job;
        Self {
            account: job.account.clone(),
            region: job.region.clone(),
            job_type: job.job_type,
            vault: text(job.vault_arn.as_ref().or_else(|| evidence.description.known()?.vault_arn.as_ref())),
            destination_vault: text(evidence.destination_vault_arn()),
            resource_type: evidence.resource_type().map(str::to_owned),
            key: text(evidence.source_key_arn()),
            role: text(evidence.role_arn()),
        }
    }

    /// Name of the lane, the same wherever it is computed.
    pub fn id(&self) -> String {
        let [key, role] = [&self.key, &self.role].map(|part| part.as_deref().unwrap_or_default());
        digest("backup-guardian/lane/v1", &[&self.route_id(), key, role])
    }

    /// Name of the route without key and role: what a job is looked up by before its key is read.
    pub fn route_id(&self) -> String {
        let [vault, destination, kind] =
            [&self.vault, &self.destination_vault, &self.resource_type].map(|part| part.as_deref().unwrap_or_default());
        let fields = [self.account.as_str(), self.region.as_str(), self.job_type.as_str(), vault, destination, kind];
        digest("backup-guardian/route/v1", &fields)
    }

    /// Whether a job in `other` proves something for this lane: the same route under the same key, by the same role. A key that was not
    /// read proves nothing.
    pub fn is_proved_by(&self, other: &Self) -> bool {
        self.key.is_some() && self.role.is_some() && self == other
    }
}
