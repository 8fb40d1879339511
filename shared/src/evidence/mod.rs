//! What was seen, and what could not be seen.
//!
//! A [`Fact`] is known with its value, source and time; or a [`Gap`] that names the action that was missing; or it was never asked for.
//! Absence is never health: a rule that needs a gap answers "cannot tell".

pub mod access;
pub mod cloudtrail;
pub mod denial;
mod fact;
mod inventory;
mod members;
pub mod plan;
mod points;
pub mod state;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::arn::{AccountId, Arn, Region};
use crate::event::Job;
pub use access::{Bound, KeyGrants, NamedPolicy, Organization, PolicyLevels, Role};
pub use denial::{Denial, DenialKind, Effect, PolicyType, Search, SearchEnd};
pub use inventory::{
    AccountInventory, AlarmPath, AllowedImages, Destination, EbsDefaults, ImageCriterion, JobMessage, JobMessages, KeyInventory,
    ManagementEvents, OrganizationInventory, PlanInventory, RegionInventory, RegionSettings, Resource, RestoreTesting, RoleTrust,
    TopicInventory, Trail, VaultInventory, VaultNotifications,
};
pub use members::{Member, Members};
pub use plan::{
    BackupPlan, CopyAction, Lifecycle, PlanRule, RuleTimes, Selection, StoredPoint, TagOperator, TagTest, WantedPlan, WantedRule,
};
pub use points::{Copies, Counted, Point, ResourcePoints};
pub use state::{Change, GlobalSettings, JobDescription, Key, KeyManager, KeyPolicy, RecoveryPoint, Vault, VaultPolicy};

/// Something we asked the cloud.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact<T> {
    /// Seen.
    Known {
        /// What was seen.
        value: T,
        /// The call it came from, such as `kms:DescribeKey`.
        source: String,
        /// When.
        at: Timestamp,
    },
    /// Asked and not answered.
    Gap(Gap),
    /// Not asked: it does not apply to this job, or what it depends on is itself unknown.
    #[default]
    NotAsked,
}

impl<T> Fact<T> {
    /// The value, if it was seen.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            Self::Gap(_) | Self::NotAsked => None,
        }
    }

    /// The same fact of something else.
    pub fn map_known<U>(self, change: impl FnOnce(T) -> U) -> Fact<U> {
        match self {
            Self::Known { value, source, at } => Fact::Known { value: change(value), source, at },
            Self::Gap(gap) => Fact::Gap(gap),
            Self::NotAsked => Fact::NotAsked,
        }
    }

    /// The gap, if the question was asked in vain.
    pub fn gap(&self) -> Option<&Gap> {
        match self {
            Self::Gap(gap) => Some(gap),
            Self::Known { .. } | Self::NotAsked => None,
        }
    }
}

/// A read that failed. It says which permission or answer was missing, where, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// IAM action, such as `kms:DescribeKey`.
    pub action: String,
    /// The account that was asked.
    pub account_id: AccountId,
    /// The Region that was asked; absent for global services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Why there is no answer.
    pub reason: GapReason,
    /// The error code of AWS, or what else is worth a line. Untrusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How the detail of a gap ends where AWS said that the policy of the object itself admits nobody whom IAM alone would.
const NO_RESOURCE_POLICY: &str = ": no resource-based policy allows it";

impl Gap {
    /// The detail of a refused read, from the error code of AWS and its message. Of the message only this is kept: that nothing in the policy of the
    /// object allows the call. It is not said where IAM lacks the permission, and a denial by statement is another thing.
    pub fn detail_of_refusal(code: &str, message: &str) -> String {
        let end = if cloudtrail::lacks_resource_policy(message) { NO_RESOURCE_POLICY } else { "" };
        format!("{code}{end}")
    }

    /// Whether the read was refused because nothing in the policy of the object allows it.
    pub fn lacks_resource_policy(&self) -> bool {
        self.reason == GapReason::AccessDenied && self.detail.as_ref().is_some_and(|detail| detail.ends_with(NO_RESOURCE_POLICY))
    }
}

/// Why a read gave nothing. A bounded set: it is counted and alarmed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapReason {
    /// The reader role may not do this, or AWS hides the object behind a denial.
    AccessDenied,
    /// The reader role of that account could not be assumed.
    RoleNotAssumable,
    /// The object does not exist (any more) in that account and Region.
    NotFound,
    /// Throttled until the budget was used up.
    Throttled,
    /// No answer inside the evidence window.
    TimedOut,
    /// The service failed or could not be reached.
    Unavailable,
    /// The budget of calls ended before the question was answered.
    BudgetSpent,
    /// An answer that could not be understood.
    Unreadable,
    /// The guardian was not told how to ask: a setting is missing.
    NotConfigured,
}

impl GapReason {
    /// The name in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessDenied => "access-denied",
            Self::RoleNotAssumable => "role-not-assumable",
            Self::NotFound => "not-found",
            Self::Throttled => "throttled",
            Self::TimedOut => "timed-out",
            Self::Unavailable => "unavailable",
            Self::BudgetSpent => "budget-spent",
            Self::Unreadable => "unreadable",
            Self::NotConfigured => "not-configured",
        }
    }

    /// Whether asking again a little later may help.
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Throttled | Self::TimedOut | Self::Unavailable | Self::Unreadable)
    }
}

/// Everything a diagnosis may look at. Frozen before the rules see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The moment of the diagnosis.
    pub now: Timestamp,
    /// The job as the event told it.
    pub job: Job,
    /// The job as its owner account describes it.
    #[serde(default)]
    pub description: Fact<JobDescription>,
    /// The recovery point that is read (copy, restore) or was made (backup).
    #[serde(default)]
    pub recovery_point: Fact<RecoveryPoint>,
    /// The vault of the job; for a copy the source vault.
    #[serde(default)]
    pub vault: Fact<Vault>,
    /// Copies: the destination vault.
    #[serde(default)]
    pub destination_vault: Fact<Vault>,
    /// Copies: the access policy of the destination vault.
    #[serde(default)]
    pub destination_vault_policy: Fact<VaultPolicy>,
    /// The key that protects the recovery point.
    #[serde(default)]
    pub source_key: Fact<Key>,
    /// Its policy, readable only in the key's own account.
    #[serde(default)]
    pub source_key_policy: Fact<KeyPolicy>,
    /// Grants on the source key.
    #[serde(default)]
    pub source_key_grants: Fact<KeyGrants>,
    /// Copies: the access policy of the source vault.
    #[serde(default)]
    pub vault_policy: Fact<VaultPolicy>,
    /// Copies: the key of the destination vault.
    #[serde(default)]
    pub destination_key: Fact<Key>,
    /// Its policy.
    #[serde(default)]
    pub destination_key_policy: Fact<KeyPolicy>,
    /// Grants on it.
    #[serde(default)]
    pub destination_key_grants: Fact<KeyGrants>,
    /// The job role with its policies; asked for only where the job role may be what was refused.
    #[serde(default)]
    pub role: Fact<Role>,
    /// The organization, likewise.
    #[serde(default)]
    pub organization: Fact<Organization>,
    /// The SCPs that bound the source account, likewise.
    #[serde(default)]
    pub scps: Fact<PolicyLevels>,
    /// The RCPs that bound the objects of the source account, likewise.
    #[serde(default)]
    pub rcps: Fact<PolicyLevels>,
    /// Denied or failed calls found near the job, in any order, duplicates allowed.
    #[serde(default)]
    pub denials: Vec<Denial>,
    /// Where denials were looked for and until when: "none found" is a result too.
    #[serde(default)]
    pub searches: Vec<Search>,
    /// Writes on the source key near the failure (key policy, grants, state), newest first.
    #[serde(default)]
    pub changes: Fact<Vec<Change>>,
    /// Id of the organization, where the guardian was told: compared with `aws:PrincipalOrgID` of vault policies.
    #[serde(default)]
    pub organization_id: Option<String>,
}

impl Evidence {
    /// Evidence that holds the event only.
    pub fn of_event(job: Job, now: Timestamp) -> Self {
        Self {
            now,
            job,
            description: Fact::NotAsked,
            recovery_point: Fact::NotAsked,
            vault: Fact::NotAsked,
            destination_vault: Fact::NotAsked,
            destination_vault_policy: Fact::NotAsked,
            source_key: Fact::NotAsked,
            source_key_policy: Fact::NotAsked,
            source_key_grants: Fact::NotAsked,
            vault_policy: Fact::NotAsked,
            destination_key: Fact::NotAsked,
            destination_key_policy: Fact::NotAsked,
            destination_key_grants: Fact::NotAsked,
            role: Fact::NotAsked,
            organization: Fact::NotAsked,
            scps: Fact::NotAsked,
            rcps: Fact::NotAsked,
            denials: Vec::new(),
            searches: Vec::new(),
            changes: Fact::NotAsked,
            organization_id: None,
        }
    }

    /// The account whose side gives: it owns the job, the source vault and the job role.
    pub fn source_account(&self) -> &AccountId {
        &self.job.account
    }

    /// The destination vault, from the description or else the event.
    pub fn destination_vault_arn(&self) -> Option<&Arn> {
        self.description.known().and_then(|d| d.destination_vault_arn.as_ref()).or(self.job.destination_vault_arn.as_ref())
    }

    /// The account that receives the copy.
    pub fn destination_account(&self) -> Option<AccountId> {
        self.destination_vault_arn().and_then(Arn::account)
    }

    /// The Region that receives the copy.
    pub fn destination_region(&self) -> Option<Region> {
        self.destination_vault_arn().and_then(Arn::region)
    }

    /// Whether the copy leaves the account; `None` where the destination is unknown.
    pub fn crosses_accounts(&self) -> Option<bool> {
        self.destination_account().map(|destination| &destination != self.source_account())
    }

    /// Whether the copy leaves the Region; `None` where the destination is unknown.
    pub fn crosses_regions(&self) -> Option<bool> {
        self.destination_region().map(|destination| destination != self.job.region)
    }

    /// The recovery point, from the description or else the event.
    pub fn recovery_point_arn(&self) -> Option<&Arn> {
        self.description.known().and_then(|d| d.recovery_point_arn.as_ref()).or(self.job.recovery_point_arn.as_ref())
    }

    /// Whether AWS Backup manages the recovery point fully (its ARN is one of AWS Backup), which decides whether the key of the vault or the
    /// key of the resource protects it (<https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html>).
    pub fn fully_managed(&self) -> Option<bool> {
        self.recovery_point_arn().map(|arn| arn.service() == "backup")
    }

    /// ARN of the key that protects the recovery point, as far as it was seen.
    pub fn source_key_arn(&self) -> Option<&Arn> {
        self.recovery_point
            .known()
            .and_then(|point| point.encryption_key_arn.as_ref())
            .or_else(|| self.source_key.known().map(|key| &key.arn))
    }

    /// Account that owns the key of the recovery point.
    pub fn source_key_account(&self) -> Option<AccountId> {
        self.source_key_arn().and_then(Arn::account)
    }

    /// The job role.
    pub fn role_arn(&self) -> Option<&Arn> {
        self.description.known().and_then(|d| d.role_arn.as_ref()).or(self.job.role_arn.as_ref())
    }

    /// The text of AWS about the job: the description's where it has one, else the event's.
    pub fn status_message(&self) -> Option<&str> {
        self.description.known().and_then(|d| d.status_message.as_deref()).or(self.job.status_message.as_deref())
    }

    /// `EBS`, `RDS`, …
    pub fn resource_type(&self) -> Option<&str> {
        self.job.resource_type.as_deref().or_else(|| self.description.known().and_then(|d| d.resource_type.as_deref()))
    }

    /// Every gap of the evidence, sorted, without duplicates.
    pub fn gaps(&self) -> Vec<Gap> {
        let mut gaps = [
            self.description.gap(),
            self.recovery_point.gap(),
            self.vault.gap(),
            self.destination_vault.gap(),
            self.destination_vault_policy.gap(),
            self.source_key.gap(),
            self.source_key_policy.gap(),
            self.source_key_grants.gap(),
            self.vault_policy.gap(),
            self.destination_key.gap(),
            self.destination_key_policy.gap(),
            self.destination_key_grants.gap(),
            self.role.gap(),
            self.organization.gap(),
            self.scps.gap(),
            self.rcps.gap(),
            self.changes.gap(),
        ]
        .into_iter()
        .flatten()
        .chain(self.searches.iter().filter_map(|search| search.gap.as_ref()))
        .cloned()
        .collect::<Vec<_>>();
        gaps.sort();
        gaps.dedup();
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_text_that_says_so_tells_that_the_policy_of_the_object_allows_nothing() {
        let who = "User: arn:aws:sts::111111111111:assumed-role/reader/s is not authorized to perform: kms:GetKeyPolicy";
        let key = "arn:aws:kms:eu-central-1:111111111111:key/11111111-aaaa-4aaa-8aaa-111111111111";
        for (why, told) in [
            ("because no resource-based policy allows the kms:GetKeyPolicy action", true),
            ("because no identity-based policy allows the kms:GetKeyPolicy action", false),
            ("with an explicit deny in a resource-based policy", false),
            (
                "because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access",
                false,
            ),
        ] {
            let detail = Gap::detail_of_refusal("AccessDeniedException", &format!("{who} on resource: {key} {why}"));
            let gap = Gap {
                action: "kms:GetKeyPolicy".to_owned(),
                account_id: crate::arn::AccountId::parse("111111111111").unwrap(),
                region: None,
                reason: GapReason::AccessDenied,
                detail: Some(detail),
            };
            assert_eq!(gap.lacks_resource_policy(), told, "{why}");
            let other = Gap { reason: GapReason::Unavailable, ..gap };
            assert!(!other.lacks_resource_policy());
        }
    }
}
