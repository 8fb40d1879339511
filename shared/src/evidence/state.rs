//! What the cloud says of jobs, recovery points, vaults and keys.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::arn::{AccountId, Arn};
use crate::event::{JobId, JobState};

/// `DescribeBackupJob`, `DescribeCopyJob`, `DescribeRestoreJob` in the account that owns the job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the members of the API answer")]
pub struct JobDescription {
    pub state: Option<JobState>,
    pub status_message: Option<String>,
    /// An open set; compare without case.
    pub message_category: Option<String>,
    pub role_arn: Option<Arn>,
    pub resource_arn: Option<Arn>,
    pub resource_type: Option<String>,
    pub resource_name: Option<String>,
    pub recovery_point_arn: Option<Arn>,
    pub vault_arn: Option<Arn>,
    pub destination_vault_arn: Option<Arn>,
    pub destination_recovery_point_arn: Option<Arn>,
    pub destination_vault_type: Option<String>,
    pub created_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub parent_job_id: Option<JobId>,
    pub is_parent: Option<bool>,
    pub number_of_child_jobs: Option<i64>,
    /// Retention of the copy in days, where the copy has a lifecycle.
    pub delete_after_days: Option<i64>,
    /// What a restore made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_resource_arn: Option<Arn>,
}

/// `DescribeRecoveryPoint`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the members of the API answer")]
pub struct RecoveryPoint {
    pub arn: Arn,
    #[serde(default)]
    pub status: Option<String>,
    #[serde(default)]
    pub status_message: Option<String>,
    #[serde(default)]
    pub is_encrypted: Option<bool>,
    #[serde(default)]
    pub encryption_key_arn: Option<Arn>,
    #[serde(default)]
    pub resource_arn: Option<Arn>,
    #[serde(default)]
    pub resource_type: Option<String>,
    #[serde(default)]
    pub resource_name: Option<String>,
    #[serde(default)]
    pub vault_type: Option<String>,
    /// `CalculatedLifecycle.DeleteAt`: absent where it is kept for ever.
    #[serde(default)]
    pub delete_at: Option<jiff::Timestamp>,
    /// `WARM`, or where it lies else: from cold storage nothing is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

/// `DescribeBackupVault`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the members of the API answer")]
pub struct Vault {
    pub arn: Arn,
    #[serde(default)]
    pub vault_type: Option<String>,
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub encryption_key_arn: Option<Arn>,
    #[serde(default)]
    pub locked: Option<bool>,
    #[serde(default)]
    pub min_retention_days: Option<i64>,
    #[serde(default)]
    pub max_retention_days: Option<i64>,
    /// From then on nobody can remove the lock; absent: a lock in governance mode, or none.
    #[serde(default)]
    pub lock_date: Option<Timestamp>,
    /// How many recovery points it holds.
    #[serde(default)]
    pub points: Option<i64>,
}

/// `DescribeGlobalSettings` in the management account: what the organization allows AWS Backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalSettings {
    /// The account that was asked; only there the setting can be changed.
    pub management_account: AccountId,
    /// `isCrossAccountBackupEnabled`: copies into other accounts.
    pub cross_account_backup: bool,
}

/// `GetBackupVaultAccessPolicy`. A vault without a policy answers ResourceNotFound: that is knowledge, not a gap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaultPolicy {
    /// The vault.
    pub vault_arn: Arn,
    /// `None`: the vault has no policy, so nobody outside its account may copy into it.
    pub document: Option<serde_json::Value>,
}

/// Who manages a key. A policy of an AWS managed key cannot be changed, so nothing under it can leave the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "AWS' own names")]
pub enum KeyManager {
    Aws,
    Customer,
}

/// `kms:DescribeKey`; it works across accounts and on disabled keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the members of the API answer")]
pub struct Key {
    pub arn: Arn,
    #[serde(default)]
    pub manager: Option<KeyManager>,
    /// `Enabled`, `Disabled`, `PendingDeletion`, `PendingImport`, `Unavailable`, …: an open set.
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub deletion_at: Option<Timestamp>,
}

/// `kms:GetKeyPolicy`; it works in the key's own account only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyPolicy {
    /// The key.
    pub key_arn: Arn,
    /// The document as stored.
    pub document: serde_json::Value,
}

/// A write on an object of the route, from CloudTrail of its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// As IAM names it: `kms:PutKeyPolicy`, `kms:RevokeGrant`, …
    pub action: String,
    /// ARN of who did it. Untrusted text.
    pub actor: String,
    /// Event id in CloudTrail.
    pub event_id: String,
    /// When.
    pub at: Timestamp,
    /// The account whose trail has it.
    pub account_id: AccountId,
    /// The object that was written to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_arn: Option<Arn>,
    /// Address or AWS service the call came from. Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
}
