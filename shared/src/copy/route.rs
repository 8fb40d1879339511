//! A route: everything that decides whether copies of one kind work.

use serde::{Deserialize, Serialize};

use super::Family;
use crate::arn::{AccountId, Arn, Region, backup_service_linked_role};
use crate::evidence::{Evidence, KeyManager};

/// What kind of vault it is: a logically air-gapped vault has rules of its own for keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VaultKind {
    /// A backup vault. A vault whose type was not seen is taken for one.
    #[default]
    Standard,
    /// A logically air-gapped vault.
    AirGapped,
}

impl VaultKind {
    /// By the type that AWS Backup names (`LOGICALLY_AIR_GAPPED_BACKUP_VAULT`, …).
    pub fn named(vault_type: Option<&str>) -> Self {
        match vault_type {
            Some("LOGICALLY_AIR_GAPPED_BACKUP_VAULT" | "RESTORE_ACCESS_BACKUP_VAULT") => Self::AirGapped,
            _ => Self::Standard,
        }
    }
}

/// One way from a source vault to a destination vault, for one resource type under one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    /// The account that owns the job, the resource and the source vault.
    pub source_account: AccountId,
    /// Its Region.
    pub source_region: Region,
    /// Source vault.
    pub source_vault_arn: Arn,
    /// Destination vault.
    pub destination_vault_arn: Arn,
    /// The account that owns the destination vault.
    pub destination_account: AccountId,
    /// Region of the destination vault.
    pub destination_region: Region,
    /// `EBS`, `RDS`, …
    pub resource_type: String,
    /// Whether AWS Backup manages the recovery point fully: then the key of the source vault protects it, else that of the resource.
    pub fully_managed: bool,
    /// The recovery point, or a pattern for all of them.
    pub recovery_point_arn: Arn,
    /// The key that protects the recovery point; absent where it is not encrypted, or under a key that AWS owns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_key_arn: Option<Arn>,
    /// Whether that key is known to be an AWS managed key.
    #[serde(default)]
    pub source_key_aws_managed: bool,
    /// What the source vault is.
    #[serde(default)]
    pub source_vault_kind: VaultKind,
    /// The key of the source vault; on the way back it is the key of the copy. Absent where it was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_vault_key_arn: Option<Arn>,
    /// The key of the destination vault; absent where it was not seen, or AWS owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_key_arn: Option<Arn>,
    /// Whether that key is known to be an AWS managed key.
    #[serde(default)]
    pub destination_key_aws_managed: bool,
    /// What the destination vault is.
    #[serde(default)]
    pub destination_vault_kind: VaultKind,
    /// The job role.
    pub job_role_arn: Arn,
    /// The organization, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
}

impl Route {
    /// The route of a copy job, as far as the evidence shows it.
    pub fn of(evidence: &Evidence) -> Option<Self> {
        let destination_vault_arn = evidence.destination_vault_arn()?.clone();
        let (vault, destination) = (evidence.vault.known(), evidence.destination_vault.known());
        let described = evidence.description.known().and_then(|description| description.destination_vault_type.as_deref());
        let aws_managed = |key: Option<&crate::evidence::Key>| key.is_some_and(|key| key.manager == Some(KeyManager::Aws));
        Some(Self {
            source_account: evidence.source_account().clone(),
            source_region: evidence.job.region.clone(),
            source_vault_arn: evidence.job.vault_arn.clone()?,
            destination_account: destination_vault_arn.account()?,
            destination_region: destination_vault_arn.region()?,
            destination_vault_arn,
            resource_type: evidence.resource_type()?.to_owned(),
            fully_managed: evidence.fully_managed()?,
            recovery_point_arn: evidence.recovery_point_arn()?.clone(),
            source_key_arn: evidence.source_key_arn().cloned(),
            source_key_aws_managed: aws_managed(evidence.source_key.known()),
            source_vault_kind: VaultKind::named(vault.and_then(|vault| vault.vault_type.as_deref())),
            source_vault_key_arn: vault.and_then(|vault| vault.encryption_key_arn.clone()),
            destination_key_arn: destination.and_then(|vault| vault.encryption_key_arn.clone()),
            destination_key_aws_managed: aws_managed(evidence.destination_key.known()),
            destination_vault_kind: VaultKind::named(destination.and_then(|vault| vault.vault_type.as_deref()).or(described)),
            job_role_arn: evidence.role_arn()?.clone(),
            organization_id: evidence.organization_id.clone(),
        })
    }

    /// The way back: the copy in the destination vault, copied into the source vault again. The same rules hold with the sides swapped; the job
    /// belongs to the backup account then, and so does its role.
    pub fn back(&self, job_role_arn: Arn) -> Self {
        let mut back = Self {
            source_account: self.destination_account.clone(),
            source_region: self.destination_region.clone(),
            source_vault_arn: self.destination_vault_arn.clone(),
            destination_account: self.source_account.clone(),
            destination_region: self.source_region.clone(),
            destination_vault_arn: self.source_vault_arn.clone(),
            resource_type: self.resource_type.clone(),
            fully_managed: self.fully_managed || self.destination_vault_kind == VaultKind::AirGapped,
            recovery_point_arn: self.recovery_point_arn.clone(),
            // The copy is under the key of the vault that holds it.
            source_key_arn: self.destination_key_arn.clone().filter(|_| !self.copy_stays_unencrypted()),
            source_key_aws_managed: self.destination_key_aws_managed,
            source_vault_kind: self.destination_vault_kind,
            source_vault_key_arn: self.destination_key_arn.clone(),
            destination_key_arn: self.source_vault_key_arn.clone(),
            destination_key_aws_managed: self.source_vault_key_arn == self.source_key_arn && self.source_key_aws_managed,
            destination_vault_kind: self.source_vault_kind,
            job_role_arn,
            organization_id: self.organization_id.clone(),
        };
        if let Ok(pattern) = Arn::parse(&back.recovery_points()) {
            back.recovery_point_arn = pattern;
        }
        back
    }

    /// Unencrypted snapshots of these types stay unencrypted in the copy; all others are encrypted under the key of the vault
    /// (<https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html>).
    fn copy_stays_unencrypted(&self) -> bool {
        let kind = self.resource_type.to_ascii_lowercase();
        self.source_key_arn.is_none() && !self.fully_managed && matches!(kind.as_str(), "aurora" | "documentdb" | "neptune")
    }

    /// A pattern for every recovery point of this route: a permission for one of them does not help tomorrow's
    /// (<https://docs.aws.amazon.com/aws-backup/latest/devguide/access-control.html>).
    pub fn recovery_points(&self) -> String {
        let (partition, region, account) = (self.partition(), &self.source_region, &self.source_account);
        if self.fully_managed {
            return format!("arn:{partition}:backup:{region}:{account}:recovery-point:*");
        }
        match self.resource_type.to_ascii_lowercase().as_str() {
            "ec2" => format!("arn:{partition}:ec2:{region}::image/*"),
            "rds" => format!("arn:{partition}:rds:{region}:{account}:snapshot:awsbackup:*"),
            "aurora" | "documentdb" | "neptune" => format!("arn:{partition}:rds:{region}:{account}:cluster-snapshot:awsbackup:*"),
            "fsx" => format!("arn:{partition}:fsx:{region}:{account}:backup/*"),
            "ebs" | "storage gateway" => format!("arn:{partition}:ec2:{region}::snapshot/*"),
            // Of a type that is not known here only the recovery point itself tells its form.
            _ => self.recovery_point_arn.as_str().to_owned(),
        }
    }

    /// The partition.
    pub fn partition(&self) -> &str {
        self.source_vault_arn.partition()
    }

    /// Whether the copy leaves the account.
    pub fn crosses_accounts(&self) -> bool {
        self.source_account != self.destination_account
    }

    /// Whether the copy leaves the Region.
    pub fn crosses_regions(&self) -> bool {
        self.source_region != self.destination_region
    }

    /// The service-linked role that performs the copy in the destination account.
    pub fn copier(&self) -> String {
        backup_service_linked_role(self.partition(), &self.destination_account)
    }

    /// Which rules hold for its keys.
    pub fn family(&self) -> Family {
        if self.fully_managed { Family::Managed } else { Family::of_type(&self.resource_type) }
    }

    /// The service on whose behalf keys are called: a key policy sees it as `kms:ViaService`.
    pub fn service(&self) -> &'static str {
        self.family().service()
    }
}
