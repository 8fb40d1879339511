//! What a sweep saw: one inventory of the organization, one of each account.
//!
//! An inventory is what AWS said, folded so that its size follows the number of resources and not that of recovery points. It holds no opinion;
//! what could not be read is a gap in its place. Everything here can be written down and read again, for a sweep may be resumed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    BackupPlan, Copies, Fact, GlobalSettings, Key, KeyPolicy, Member, Members, Organization, PolicyLevels, ResourcePoints, Role, Selection,
    Vault, VaultPolicy, WantedPlan,
};
use crate::alarm_path::Kept;
use crate::alarm_path::facts::TopicSettings;
use crate::arn::{AccountId, Arn, Region};

/// The organization, as its management account or a delegated administrator tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrganizationInventory {
    /// When it was read.
    pub at: Timestamp,
    /// Id and management account.
    #[serde(default)]
    pub organization: Fact<Organization>,
    /// `FeatureSet` of `organizations:DescribeOrganization`: `ALL` or `CONSOLIDATED_BILLING`.
    #[serde(default)]
    pub feature_set: Fact<String>,
    /// Its accounts, by id.
    #[serde(default)]
    pub members: Fact<Members>,
    /// Service principals with trusted access (`organizations:ListAWSServiceAccessForOrganization`).
    #[serde(default)]
    pub trusted_services: Fact<Vec<String>>,
    /// Delegated administrators of AWS Backup (`organizations:ListDelegatedAdministrators`).
    #[serde(default)]
    pub delegated_administrators: Fact<Vec<AccountId>>,
    /// Policy types that are switched on at the root (`organizations:ListRoots`): `BACKUP_POLICY`, `SERVICE_CONTROL_POLICY`, …
    #[serde(default)]
    pub policy_types: Fact<Vec<String>>,
    /// What the organization allows AWS Backup (`backup:DescribeGlobalSettings` in the management account).
    #[serde(default)]
    pub global_settings: Fact<GlobalSettings>,
    /// Which resource types its management account has switched on, by Region (`backup:DescribeRegionSettings` there): that decides for the plans
    /// that backup policies of the organization make in every account.
    #[serde(default)]
    pub opt_in: BTreeMap<Region, Fact<RegionSettings>>,
    /// What the guardian knows of its own alarm path. Only one that is deployed looks at it.
    #[serde(default, skip_serializing_if = "is_not_asked")]
    pub alarm_path: Fact<AlarmPath>,
}

impl OrganizationInventory {
    /// An account of it.
    pub fn member(&self, account: &AccountId) -> Option<&Member> {
        self.members.known()?.of(account)
    }
}

fn is_not_asked<T>(fact: &Fact<T>) -> bool {
    matches!(fact, Fact::NotAsked)
}

/// What the last looks at the alarm path came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlarmPath {
    /// The account of the guardian.
    pub account_id: AccountId,
    /// When a look at all parts last ended.
    #[serde(default)]
    pub looked: Fact<Timestamp>,
    /// So old that may be, in hours.
    pub limit_hours: u64,
    /// What is wrong, or could not be looked at.
    #[serde(default)]
    pub troubles: Vec<Kept>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountInventory {
    /// The account.
    pub account_id: AccountId,
    /// When the reading began.
    pub at: Timestamp,
    /// The plans that the effective backup policy of the organization wants it to have (`organizations:DescribeEffectivePolicy`).
    #[serde(default)]
    pub wanted_plans: Fact<Vec<WantedPlan>>,
    /// The SCPs that bound it.
    #[serde(default)]
    pub scps: Fact<PolicyLevels>,
    /// The RCPs that bound it.
    #[serde(default)]
    pub rcps: Fact<PolicyLevels>,
    /// `AWSServiceRoleForBackup`; a gap of reason [`NotFound`](super::GapReason::NotFound) says that it does not exist.
    #[serde(default)]
    pub service_linked_role: Fact<Role>,
    /// The roles that its selections and the organization's plans name; likewise.
    #[serde(default)]
    pub roles: BTreeMap<Arn, Fact<Role>>,
    /// Of an account that keeps copies: the roles that AWS Backup may assume and that no selection names, such as the one that carries copies back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub carriers: BTreeMap<Arn, Fact<Role>>,
    /// Likewise: the roles that the policies of its vaults and keys leave alone by name, such as the one that breaks the glass.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub exempt: BTreeMap<Arn, Fact<Role>>,
    /// Who may assume which of its roles (`iam:ListRoles`).
    #[serde(default)]
    pub trusts: Fact<Vec<RoleTrust>>,
    /// Its Regions.
    pub regions: BTreeMap<Region, RegionInventory>,
}

/// A role and who may assume it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoleTrust {
    /// The role. The roles of IAM Identity Center lie in `aws-reserved/sso.amazonaws.com/`.
    pub role_arn: Arn,
    /// `AssumeRolePolicyDocument`.
    pub document: Value,
}

/// One account in one Region.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegionInventory {
    /// Whether the Region is switched on for the account (`account:ListRegions`). Nothing else is asked where it is not.
    pub enabled: Fact<bool>,
    /// Which resource types AWS Backup protects there (`backup:DescribeRegionSettings`).
    pub settings: Fact<RegionSettings>,
    /// The default encryption of new EBS volumes.
    pub ebs: Fact<EbsDefaults>,
    /// Its vaults, by ARN.
    pub vaults: Fact<Vec<VaultInventory>>,
    /// Its plans, those of the organization included.
    pub plans: Fact<Vec<PlanInventory>>,
    /// Its resources that have or had tags (`tag:GetResources`), by ARN.
    pub resources: Fact<Vec<Resource>>,
    /// The keys of its vaults, of its EBS default and of its recovery points that belong to this account.
    pub keys: BTreeMap<Arn, KeyInventory>,
    /// The topics that its vaults announce to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub topics: BTreeMap<Arn, TopicInventory>,
    /// The trails that see this Region.
    pub trails: Fact<Vec<Trail>>,
    /// What was restored to see whether it can be.
    pub restore_testing: Fact<RestoreTesting>,
    /// Which images of others may be used there (`ec2:GetAllowedImagesSettings`).
    pub allowed_images: Fact<AllowedImages>,
    /// What completed backup jobs of late said (`backup:ListBackupJobs`).
    pub backup_messages: Fact<JobMessages>,
    /// What completed copy jobs of late said (`backup:ListCopyJobs`).
    pub copy_messages: Fact<JobMessages>,
}

/// `backup:DescribeRegionSettings`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionSettings {
    /// Resource type to whether AWS Backup protects it. A type that is not named is not known.
    pub opted_in: BTreeMap<String, bool>,
    /// Resource type to whether AWS Backup manages its backups itself; likewise. Tables are copied only where it does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub managed: BTreeMap<String, bool>,
}

/// `ec2:GetEbsEncryptionByDefault` and `ec2:GetEbsDefaultKmsKeyId`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EbsDefaults {
    /// Whether new volumes are encrypted.
    pub encrypted: bool,
    /// The key as EC2 names it: an ARN, an id or an alias such as `alias/aws/ebs`.
    #[serde(default)]
    pub key: Option<String>,
}

/// A vault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaultInventory {
    /// `backup:ListBackupVaults`.
    pub vault: Vault,
    /// Its access policy.
    #[serde(default)]
    pub policy: Fact<VaultPolicy>,
    /// The events that it announces, by the topic (`backup:GetBackupVaultNotifications`); no topic: it announces nothing.
    #[serde(default)]
    pub notifications: Fact<Option<VaultNotifications>>,
    /// What of this account it holds.
    #[serde(default)]
    pub points: Fact<Vec<ResourcePoints>>,
    /// What of other accounts it holds.
    #[serde(default, skip_serializing_if = "Copies::is_empty")]
    pub copies: Copies,
}

/// `backup:GetBackupVaultNotifications`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the members of the API answer")]
pub struct VaultNotifications {
    pub topic_arn: Arn,
    pub events: Vec<String>,
}

/// A plan and its selections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanInventory {
    /// The plan.
    pub plan: Fact<BackupPlan>,
    /// Its id, which is known where the plan could not be read.
    pub id: String,
    /// Its selections; each may be a gap of its own.
    pub selections: Fact<Vec<Fact<Selection>>>,
}

/// A resource with its tags (`tag:GetResources`). Untrusted text throughout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// The resource.
    pub arn: Arn,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// A key, in the account that owns it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyInventory {
    /// State and manager.
    pub key: Fact<Key>,
    /// Its policy.
    pub policy: Fact<KeyPolicy>,
    /// Whether its material is renewed by itself (`kms:GetKeyRotationStatus`); not asked of keys for which AWS has no such setting.
    pub rotation: Fact<bool>,
    /// Its aliases (`kms:ListAliases`); asked only where its policy leaves a role alone, which may know it by one.
    #[serde(skip_serializing_if = "is_not_asked")]
    pub aliases: Fact<Vec<String>>,
}

/// A topic that a vault announces to, in the account that owns it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopicInventory {
    /// Its policy, and the name of its key (`sns:GetTopicAttributes`).
    pub settings: Fact<TopicSettings>,
    /// Its key, where it has one.
    pub key: Fact<Key>,
    /// The policy of that key; not asked where AWS manages it.
    pub key_policy: Fact<KeyPolicy>,
}

/// A trail (`cloudtrail:DescribeTrails`, `GetTrailStatus`, `GetEventSelectors`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trail {
    /// The trail; that of an organization belongs to another account.
    pub arn: Arn,
    /// Whether it writes now.
    pub logging: Fact<bool>,
    /// What of the management events it keeps.
    pub management_events: Fact<ManagementEvents>,
}

/// Which management events a trail keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManagementEvents {
    /// Calls that only read; a denied `kms:Decrypt` is one.
    pub reads: bool,
    /// Calls that change something.
    pub writes: bool,
    /// Calls of AWS KMS, which a trail may leave out.
    pub kms: bool,
}

/// Restore testing plans and the newest restore that one of them made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreTesting {
    /// Names of the plans. Untrusted text.
    pub plans: Vec<String>,
    /// The newest restore of each resource type that ended well.
    pub restored: BTreeMap<String, Timestamp>,
    /// How many minutes that one took from its creation to its end, rounded up; absent where AWS did not tell both.
    #[serde(default)]
    pub minutes: BTreeMap<String, i64>,
}

/// `ec2:GetAllowedImagesSettings`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedImages {
    /// `disabled`, `audit-mode` or `enabled`: an open set.
    pub state: String,
    /// An image is allowed that meets one of these. The images of the account itself always are.
    #[serde(default)]
    pub criteria: Vec<ImageCriterion>,
    /// `account` or `declarative-policy`: who may change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
}

/// All of it must be met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCriterion {
    /// Accounts and aliases (`amazon`, `aws-backup-vault`, …); none: whoever provides it.
    #[serde(default)]
    pub providers: Vec<String>,
    /// The names of what else an image must meet, such as `ImageNames`.
    #[serde(default)]
    pub further: Vec<String>,
}

/// Jobs of one kind that completed of late.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMessages {
    /// How many there are.
    pub jobs: u64,
    /// What some of them said, class by class.
    #[serde(default)]
    pub messages: Vec<JobMessage>,
}

impl JobMessages {
    /// How far back is looked, in hours: over a daily sweep, every job is seen at least once.
    pub const HOURS: i64 = 48;
}

/// The same said of several jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMessage {
    /// Class of the text.
    pub class: String,
    /// The text of the newest job. Untrusted.
    pub text: String,
    /// `MessageCategory`: an open set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// `EBS`, `RDS`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// How many jobs said it.
    pub jobs: u64,
    /// Ids of the newest of them, newest first; at most [`KEPT`](Self::KEPT).
    pub newest: Vec<String>,
}

impl JobMessage {
    /// How many ids are kept.
    pub const KEPT: usize = 20;
}

/// A vault that copies go to, with what decides them: read once for all source accounts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Destination {
    /// The vault.
    pub vault: Fact<Vault>,
    /// Its access policy.
    pub policy: Fact<VaultPolicy>,
    /// Its key.
    pub key: Fact<Key>,
    /// The policy of its key.
    pub key_policy: Fact<KeyPolicy>,
}
