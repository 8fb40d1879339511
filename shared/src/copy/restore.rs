//! What a restore needs of keys.
//!
//! A restore runs in the account of the vault, with the role of the restore job; the service that owns the resource calls the keys for it. To bring
//! a copy home it is copied back first ([`Route::back`](super::Route::back)) and restored there.

use super::context::Caller;
use super::family::owning_service;
use super::requirement::{Need, Object, Requirement, customer_key};
use super::{Actor, Family};
use crate::arn::{AccountId, Arn, Region};

/// Everything that decides whether restores of one kind work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restore {
    /// The account of the vault and of the new resource.
    pub account: AccountId,
    /// Their Region.
    pub region: Region,
    /// `EBS`, `RDS`, …
    pub resource_type: String,
    /// Whether AWS Backup manages the recovery point fully.
    pub fully_managed: bool,
    /// The key that protects the recovery point; absent where it is not encrypted, or under a key that AWS owns.
    pub key_arn: Option<Arn>,
    /// Whether that key is known to be an AWS managed key.
    pub key_aws_managed: bool,
    /// The key of the new resource; that of the recovery point, where no other is chosen.
    pub new_key_arn: Option<Arn>,
    /// Whether that key is known to be an AWS managed key.
    pub new_key_aws_managed: bool,
    /// The role of the restore job.
    pub role_arn: Arn,
    /// The organization, where it is known.
    pub organization_id: Option<String>,
}

/// Which restores a row is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Not fully managed, by the service that stores it.
    Stored(Family),
    /// Fully managed, of this type.
    Managed(&'static str),
    /// Fully managed, of any type.
    AnyManaged,
}

struct Row {
    kind: Kind,
    object: Object,
    actions: &'static [&'static str],
    need: Need,
    source: &'static str,
}

const RESTORE_ROLE: &str = "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForRestores.html";
const ENCRYPTION: &str = "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html";
const EBS: &str = "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html";
const RDS: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.Keys.html";
const EFS: &str = "https://docs.aws.amazon.com/efs/latest/ug/EFSKMSPolicy.html";

const DESCRIBE_AND_GRANT: &[&str] = &["kms:DescribeKey", "kms:CreateGrant"];

const fn row(kind: Kind, object: Object, actions: &'static [&'static str], need: Need, source: &'static str) -> Row {
    Row { kind, object, actions, need, source }
}

const TABLE: &[Row] = &[
    row(
        Kind::Stored(Family::Ebs),
        Object::SourceKey,
        &["kms:DescribeKey", "kms:Decrypt", "kms:ReEncryptFrom", "kms:CreateGrant"],
        Need::Always,
        EBS,
    ),
    row(
        Kind::Stored(Family::Ebs),
        Object::DestinationKey,
        &["kms:DescribeKey", "kms:ReEncryptTo", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"],
        Need::Always,
        EBS,
    ),
    row(Kind::Stored(Family::Rds), Object::SourceKey, DESCRIBE_AND_GRANT, Need::Always, RDS),
    row(Kind::Stored(Family::Rds), Object::DestinationKey, DESCRIBE_AND_GRANT, Need::Always, RDS),
    row(Kind::Stored(Family::Fsx), Object::SourceKey, DESCRIBE_AND_GRANT, Need::Always, RESTORE_ROLE),
    row(Kind::Stored(Family::Fsx), Object::DestinationKey, DESCRIBE_AND_GRANT, Need::Always, RESTORE_ROLE),
    row(
        Kind::Managed("efs"),
        Object::DestinationKey,
        &["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"],
        Need::Always,
        EFS,
    ),
    // The role must have access to the key of the vault, says the document; it does not name the calls.
    row(Kind::AnyManaged, Object::SourceKey, &["kms:DescribeKey", "kms:Decrypt", "kms:CreateGrant"], Need::Perhaps, ENCRYPTION),
    row(
        Kind::Managed("dynamodb"),
        Object::DestinationKey,
        &["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKey", "kms:CreateGrant"],
        Need::Perhaps,
        RESTORE_ROLE,
    ),
    row(Kind::Managed("s3"), Object::DestinationKey, &["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKey"], Need::Perhaps, ENCRYPTION),
];

impl Restore {
    /// Everything that AWS documents such a restore to need of keys.
    pub fn requirements(&self) -> Vec<Requirement> {
        self.of_need(Need::Always)
    }

    /// Calls that AWS may make besides: the documents leave it open.
    pub fn possible(&self) -> Vec<Requirement> {
        self.of_need(Need::Perhaps)
    }

    fn of_need(&self, need: Need) -> Vec<Requirement> {
        let kind = self.resource_type.to_ascii_lowercase();
        let family = Family::of_type(&self.resource_type);
        let applies = |row: &&Row| match row.kind {
            Kind::Stored(stored) => !self.fully_managed && stored == family,
            Kind::Managed(name) => self.fully_managed && name == kind,
            Kind::AnyManaged => self.fully_managed,
        };
        let rows = TABLE.iter().filter(|row| row.need == need).filter(applies);
        rows.flat_map(|row| row.actions.iter().filter_map(|action| self.requirement(row, action))).collect()
    }

    fn requirement(&self, row: &Row, action: &'static str) -> Option<Requirement> {
        let (resource, owner) = match row.object {
            Object::SourceKey => customer_key(self.key_arn.as_ref(), self.key_aws_managed, &self.account)?,
            Object::DestinationKey => customer_key(self.new_key_arn.as_ref(), self.new_key_aws_managed, &self.account)?,
            Object::RecoveryPoint | Object::DestinationVault => return None,
        };
        let principal = self.role_arn.as_str().to_owned();
        let caller = Caller { role_arn: &principal, account: &self.account, organization_id: self.organization_id.as_deref() };
        let service = owning_service(&self.resource_type);
        let (via, context) = caller.calls_key_through(service, &self.region, action, &owner, &self.region);
        Some(Requirement {
            actor: Actor::JobRole,
            principal,
            action,
            object: row.object,
            resource,
            resource_account: owner,
            contexts: vec![context],
            via: vec![Some(via)],
            need: row.need,
            own_policies_assumed: false,
            source: row.source,
        })
    }
}
