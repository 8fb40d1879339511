//! Which failures are one incident.
//!
//! Identity is (cause, object that must change), plus the source account where that object is not known: one broken central vault policy is one
//! incident with 500 accounts in it, 500 broken key policies are 500. Text that a member account can choose never enters the identity.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::arn::AccountId;
use crate::diagnosis::Cause;

/// The id of an incident: 26 characters, derived, so that the same cause gives the same id wherever it is computed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(String);

impl IncidentId {
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
    let mut hash = Sha256::new();
    // Length-prefixed, so that no field can flow into its neighbour.
    let mut field = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    field("backup-guardian/incident/v1");
    field(cause.label());
    match object {
        Object::Known { arn, account_id } => {
            field("known");
            field(account_id.as_str());
            field(arn);
        }
        Object::Provisional { account_id, route } => {
            field("provisional");
            field(account_id.as_str());
            field(route);
        }
    }
    let digest = hash.finalize();
    let hex = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    IncidentId(format!("bg-{}", hex.chars().take(23).collect::<String>()))
}
