//! Which failures are one incident.
//!
//! Identity is (cause, object that must change), plus the source account where that object is not known: one broken central vault policy is one
//! incident with 500 accounts in it, 500 broken key policies are 500. Text that a member account can choose never enters the identity.

mod exposure;
mod lane;
mod life;
pub mod pace;
mod state;

pub use exposure::Exposure;
pub use lane::Lane;
pub use life::{
    acknowledged, another, choose, closed, completed, deferred, failed, failure, followed_up, looked, not_told, remind_at, resource_of,
    taken, told, waited,
};
pub use state::{Acknowledgement, Closing, Due, Failure, Incident, LaneState, Member, Moment, Refusal, Standing, Success, Told, View};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::arn::AccountId;
use crate::diagnosis::Cause;
use crate::diagnosis::facts::reading;
use crate::evidence::Evidence;

/// The id of an incident: 26 characters, derived, so that the same cause gives the same id wherever it is computed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(String);

impl IncidentId {
    /// An id as it was kept.
    pub fn from_kept(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What a digest of incidents is called. It is no incident: the id only tells one digest from another.
    pub fn of_digest(ids: &[&Self], at: jiff::Timestamp) -> Self {
        let at = at.to_string();
        let fields = ids.iter().map(|id| id.as_str()).chain([at.as_str()]).collect::<Vec<_>>();
        Self(format!("bg-{}", digest("backup-guardian/digest/v1", &fields)))
    }

    /// What a look of the guardian at its own alarm path is called. It is no incident either.
    pub fn of_self_check(part: &crate::arn::Arn, at: jiff::Timestamp) -> Self {
        Self(format!("bg-{}", digest("backup-guardian/self-check/v1", &[part.as_str(), &at.to_string()])))
    }

    /// The deeds of one actor; `actor` is what all its sessions have in common, and names its account.
    pub fn of_actor(actor: &str) -> Self {
        Self(format!("bg-{}", digest("backup-guardian/tamper/v1", &[actor])))
    }

    /// What the report of a sweep is called. It is no incident either.
    pub fn of_sweep(organization: &str, at: jiff::Timestamp) -> Self {
        Self(format!("bg-{}", digest("backup-guardian/sweep/v1", &[organization, &at.to_string()])))
    }

    /// The predictions about one object: later writes on it belong to the same.
    pub fn of_prediction(object: &str) -> Self {
        Self(format!("bg-{}", digest("backup-guardian/prediction/v1", &[object])))
    }

    /// The text of the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for IncidentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What must change, as learnt through the reader role, or the best provisional name for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "object")]
pub enum Object {
    /// An object of AWS whose ARN was read, not told: a key, a vault, a role, a policy.
    Known {
        /// Its ARN.
        arn: String,
        /// The account that owns it.
        account_id: AccountId,
    },
    /// Not known yet: the route and the class of the text stand in for it.
    Provisional {
        /// Source account of the job.
        account_id: AccountId,
        /// Source vault, destination vault, resource type and text fingerprint, joined.
        route: String,
    },
}

/// The incident of a cause and an object.
pub fn identify(cause: Cause, object: &Object) -> IncidentId {
    let fields = match object {
        Object::Known { arn, account_id } => ["known", account_id.as_str(), arn],
        Object::Provisional { account_id, route } => ["provisional", account_id.as_str(), route],
    };
    let [kind, account, name] = fields;
    IncidentId(format!("bg-{}", digest("backup-guardian/incident/v1", &[cause.label(), kind, account, name])))
}

/// What an incident is called before its object is known: jobs of one lane with one class of text. The account in the lane is that of the
/// envelope, so nobody can choose a name that belongs to another account.
pub fn provisional(evidence: &Evidence) -> IncidentId {
    let lane = Lane::of(evidence).id();
    IncidentId(format!("bg-{}", digest("backup-guardian/provisional/v1", &[&lane, &reading(evidence).fingerprint])))
}

/// A short name for the ARN of a resource: ARNs may be longer than a key of the table.
pub fn name_of(resource: &str) -> String {
    digest("backup-guardian/resource/v1", &[resource])
}

/// A short name for some fields. Length-prefixed, so that no field can flow into its neighbour.
pub(crate) fn digest(kind: &str, fields: &[&str]) -> String {
    let mut hash = Sha256::new();
    for field in std::iter::once(&kind).chain(fields) {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field.as_bytes());
    }
    let hex = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    hex.chars().take(23).collect()
}
