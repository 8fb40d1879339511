//! What the domain asks of the outside, in its own words. One trait per role; the whole list fits on a screen.
//!
//! Reads answer with a [`Fact`]: a failed read is a gap, never an error. Only writes can fail, and they say whether a retry may help.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;

use crate::arn::{AccountId, Arn, Region};
use crate::event::{Job, JobKey};
use crate::evidence::{
    Bound, Change, Denial, Fact, JobDescription, Key, KeyGrants, KeyPolicy, Organization, PolicyLevels, RecoveryPoint, Role, Search, Vault,
    VaultPolicy,
};
use crate::incident::IncidentId;
use crate::report::Message;

/// Reads AWS Backup in the account that owns the object.
pub trait BackupReader: Send + Sync {
    /// The job as its owner describes it.
    fn job(&self, job: &Job) -> impl Future<Output = Fact<JobDescription>> + Send;
    /// A recovery point in a vault.
    fn recovery_point(&self, vault: &Arn, point: &Arn) -> impl Future<Output = Fact<RecoveryPoint>> + Send;
    /// A vault.
    fn vault(&self, vault: &Arn) -> impl Future<Output = Fact<Vault>> + Send;
    /// The access policy of a vault.
    fn vault_policy(&self, vault: &Arn) -> impl Future<Output = Fact<VaultPolicy>> + Send;
}

/// Reads keys in the account that owns them.
pub trait KeyReader: Send + Sync {
    /// State and manager of a key.
    fn key(&self, key: &Arn) -> impl Future<Output = Fact<Key>> + Send;
    /// Policy of a key.
    fn key_policy(&self, key: &Arn) -> impl Future<Output = Fact<KeyPolicy>> + Send;
    /// Grants on a key.
    fn grants(&self, key: &Arn) -> impl Future<Output = Fact<KeyGrants>> + Send;
}

/// Reads roles in the account that owns them.
pub trait RoleReader: Send + Sync {
    /// A role with all its policies. `region` is where the question comes from; IAM itself is global.
    fn role(&self, role: &Arn, region: &Region) -> impl Future<Output = Fact<Role>> + Send;
}

/// Reads the organization, where the guardian was told how.
pub trait OrganizationReader: Send + Sync {
    /// The organization. `account` is the member that the question is about.
    fn organization(&self, account: &AccountId) -> impl Future<Output = Fact<Organization>> + Send;
    /// The policies that bound a member, root first.
    fn bounds(&self, account: &AccountId, kind: Bound) -> impl Future<Output = Fact<PolicyLevels>> + Send;
}

/// Which denials to look for: one account and Region, one window, the principal that may have been refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenialQuery {
    /// The caller's account: its trail has the record.
    pub account_id: AccountId,
    /// The Region.
    pub region: Region,
    /// Name of the role behind the session.
    pub role_name: String,
    /// Start of the window.
    pub from: Timestamp,
    /// End of the window.
    pub until: Timestamp,
    /// Event names to look for where the session name is too common to select by (busy backup account), most telling first.
    pub event_names: Vec<&'static str>,
    /// The key or object of the job, where it is known: a denial that names it ends the search.
    pub object: Option<Arn>,
    /// How long the caller can wait. A search that runs out of time answers with what it has.
    pub patience: Duration,
}

/// Finds denials in CloudTrail's event history.
pub trait TrailReader: Send + Sync {
    /// The denials of a principal in a window, with an account of the search; at most `budget` calls.
    fn denials(&self, query: &DenialQuery, budget: u32) -> impl Future<Output = (Vec<Denial>, Search)> + Send;
    /// Writes on an object in a window, newest first; at most `budget` calls and no longer than `patience`.
    fn changes(
        &self,
        object: &Arn,
        from: Timestamp,
        until: Timestamp,
        budget: u32,
        patience: Duration,
    ) -> impl Future<Output = Fact<Vec<Change>>> + Send;
}

/// Keeps the denials that arrived as events.
pub trait DenialStore: Send + Sync {
    /// Keeps denials; the same denial twice is one.
    fn keep(&self, denials: &[Denial]) -> impl Future<Output = Result<(), PortError>> + Send;
    /// The kept denials of a query.
    fn find(&self, query: &DenialQuery) -> impl Future<Output = (Vec<Denial>, Search)> + Send;
}

/// What a claim on a piece of work found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Ours until the lease ends.
    Mine,
    /// Done before.
    Done,
    /// Someone else is at it: end in an error, so that the message comes again.
    Held,
}

/// Makes deliveries happen once: conditional writes with a lease that outlives the invocation.
pub trait Claims: Send + Sync {
    /// Claims a delivery.
    fn claim(&self, key: &JobKey, now: Timestamp, lease_until: Timestamp) -> impl Future<Output = Result<Claim, PortError>> + Send;
    /// Marks it done.
    fn done(&self, key: &JobKey, now: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Gives back a claim whose work failed, so that the next delivery need not wait for the end of the lease. Another's claim stays.
    fn release(&self, key: &JobKey, lease_until: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// What joining an incident found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Nobody was told yet: announce it, then say [`Incidents::announced`].
    First,
    /// Announced before, and the repeat interval is not over.
    Silent {
        /// Jobs of the incident so far, this one included.
        jobs_total: u64,
    },
    /// Announced before, the repeat interval is over: remind.
    Remind {
        /// Jobs of the incident so far, this one included.
        jobs_total: u64,
        /// When the incident was opened.
        opened_at: Timestamp,
    },
    /// Someone else is announcing it: end in an error, so that the message comes again.
    Held,
}

/// Keeps incidents and their members.
pub trait Incidents: Send + Sync {
    /// Adds a job to an incident, and claims its announcement where one is due.
    fn join(
        &self,
        id: &IncidentId,
        job: &Job,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> impl Future<Output = Result<Joined, PortError>> + Send;
    /// The announcement was accepted.
    fn announced(&self, id: &IncidentId, now: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
    /// The announcement failed: whoever comes next may make it. Another's claim stays.
    fn release(&self, id: &IncidentId, lease_until: Timestamp) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// Sends messages.
pub trait AlertSink: Send + Sync {
    /// Sends a message; success means that it was accepted.
    fn send(&self, message: &Message) -> impl Future<Output = Result<(), PortError>> + Send;
}

/// A write that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{operation}` failed with `{code}`")]
pub struct PortError {
    /// The call, such as `dynamodb:PutItem`.
    pub operation: &'static str,
    /// Error code of AWS, or a word of ours (`timeout`, `unreachable`).
    pub code: String,
    /// Whether a retry may help.
    pub retryable: bool,
}
