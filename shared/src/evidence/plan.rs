//! What an account plans to back up and to copy: plans, selections, and the recovery points that they made.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::arn::{AccountId, Arn, Region, backup_vault};

/// `GetBackupPlan`. A plan that a backup policy of the organization made is like any other; its id starts with `orgs/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the members of the API answer")]
pub struct BackupPlan {
    pub account_id: AccountId,
    pub region: Region,
    pub id: String,
    /// Untrusted text.
    pub name: String,
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    pub rules: Vec<PlanRule>,
}

impl BackupPlan {
    /// Whether it copies anything.
    pub fn copies(&self) -> bool {
        self.rules.iter().any(|rule| !rule.copy_actions.is_empty())
    }

    /// ARN of a vault of the plan's account and Region.
    pub fn vault(&self, name: &str) -> Option<Arn> {
        backup_vault(&self.account_id, &self.region, name)
    }
}

/// A rule of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the members of the API answer")]
pub struct PlanRule {
    /// Untrusted text.
    pub name: String,
    pub target_vault: String,
    pub copy_actions: Vec<CopyAction>,
    #[serde(default)]
    pub times: RuleTimes,
    #[serde(default)]
    pub lifecycle: Lifecycle,
}

/// What becomes of a recovery point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the members of the API answer")]
pub struct Lifecycle {
    pub move_to_cold_storage_after_days: Option<i64>,
    /// Absent: it is kept for ever.
    pub delete_after_days: Option<i64>,
}

/// When a rule runs, and which rule it is: other versions of the plan may have another of the same name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the members of the API answer")]
pub struct RuleTimes {
    pub rule_id: Option<String>,
    /// `ScheduleExpression`. Untrusted text.
    pub schedule: Option<String>,
    /// `ScheduleExpressionTimezone`. Untrusted text.
    pub zone: Option<String>,
    pub start_window_minutes: Option<i64>,
    /// `EnableContinuousBackup`.
    pub continuous: bool,
}

/// A copy that a rule makes of every backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the members of the API answer")]
pub struct CopyAction {
    pub destination_vault_arn: Arn,
    /// Retention of the copy in days; absent: it is kept for ever.
    #[serde(default)]
    pub delete_after_days: Option<i64>,
    /// Days until the copy goes to cold storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub move_to_cold_storage_after_days: Option<i64>,
}

/// `GetBackupSelection`: which resources a plan backs up, and through which role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the members of the API answer")]
pub struct Selection {
    /// Untrusted text.
    pub name: String,
    pub role_arn: Arn,
    /// ARNs or patterns of ARNs.
    pub resources: Vec<String>,
    pub not_resources: Vec<String>,
    /// `ListOfTags`: one of them must hold.
    pub tags: Vec<TagTest>,
    /// `Conditions`: all of them must hold.
    pub conditions: Vec<TagTest>,
    /// A selection cannot be changed, only be made anew.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
}

/// What a selection asks of a tag. Untrusted text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the members of the API answer")]
pub struct TagTest {
    pub operator: TagOperator,
    /// With or without `aws:ResourceTag/`.
    pub key: String,
    pub value: String,
}

/// How a tag is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "AWS' own names, without `String`")]
pub enum TagOperator {
    Equals,
    NotEquals,
    Like,
    NotLike,
}

/// A plan that the effective backup policy of the organization wants an account to have (`organizations:DescribeEffectivePolicy`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedPlan {
    /// Untrusted text.
    pub name: String,
    /// The Regions in which the account is to have it.
    pub regions: Vec<String>,
    /// Its rules. Vaults may be named with `$account` and `$region`.
    pub rules: Vec<WantedRule>,
    /// The plan as the effective policy has it, in the syntax of backup policies, without inheritance operators. Untrusted text.
    #[serde(default)]
    pub content: serde_json::Value,
}

/// A rule of such a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedRule {
    /// Name of the vault that it backs up into.
    pub target_vault: String,
    /// ARNs of the vaults that it copies to.
    pub destinations: Vec<String>,
}

/// A recovery point of `ListRecoveryPointsByBackupVault`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the members of the API answer")]
pub struct StoredPoint {
    pub arn: Arn,
    pub resource_arn: Option<Arn>,
    pub resource_type: String,
    pub encryption_key_arn: Option<Arn>,
    pub created_at: Option<Timestamp>,
    /// The plan whose job made it; absent for a backup on demand.
    pub plan_id: Option<String>,
    /// It is itself a copy, from this vault.
    pub copied_from: Option<Arn>,
}
