//! A route: everything that decides whether copies of one kind work.

use serde::{Deserialize, Serialize};

use crate::arn::{AccountId, Arn, Region, backup_service_linked_role};
use crate::evidence::Evidence;

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
    /// The key that protects the recovery point; absent where it is not encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_key_arn: Option<Arn>,
    /// The key of the destination vault; absent where it was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_key_arn: Option<Arn>,
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
            destination_key_arn: evidence.destination_vault.known().and_then(|vault| vault.encryption_key_arn.clone()),
            job_role_arn: evidence.role_arn()?.clone(),
            organization_id: None,
        })
    }

    /// The partition.
    pub fn partition(&self) -> &str {
        self.source_vault_arn.partition()
    }

    /// Whether the copy leaves the account.
    pub fn crosses_accounts(&self) -> bool {
        self.source_account != self.destination_account
    }

    /// The service-linked role that performs the copy in the destination account.
    pub fn copier(&self) -> String {
        backup_service_linked_role(self.partition(), &self.destination_account)
    }

    /// The service on whose behalf keys are called: a key policy sees it as `kms:ViaService`.
    pub fn service(&self) -> &'static str {
        match self.resource_type.to_ascii_lowercase().as_str() {
            _ if self.fully_managed => "backup",
            "rds" | "aurora" | "neptune" | "documentdb" => "rds",
            "fsx" => "fsx",
            // EBS, EC2 and Storage Gateway copy EBS snapshots; a type we do not know is most likely one of theirs.
            _ => "ec2",
        }
    }
}
