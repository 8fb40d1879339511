//! Resource types by the way in which AWS Backup copies them.

/// Who stores a recovery point decides which key protects it and who calls that key
/// (<https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// EBS snapshots, AMIs, Storage Gateway volumes: copied by Amazon EC2.
    Ebs,
    /// Snapshots of RDS, Aurora, DocumentDB and Neptune: copied by Amazon RDS.
    Rds,
    /// Backups of Amazon FSx.
    Fsx,
    /// Fully managed by AWS Backup, under the key of the vault: EFS, S3, DynamoDB with advanced features, Timestream, virtual machines,
    /// SAP HANA, Aurora DSQL, EKS, CloudFormation, and everything in an air-gapped vault.
    Managed,
}

impl Family {
    /// The family of a type that AWS Backup does not manage fully.
    pub fn of_type(resource_type: &str) -> Self {
        match resource_type.to_ascii_lowercase().as_str() {
            "rds" | "aurora" | "neptune" | "documentdb" => Self::Rds,
            "fsx" => Self::Fsx,
            // EBS, EC2 and Storage Gateway copy EBS snapshots; a type we do not know is most likely one of theirs.
            _ => Self::Ebs,
        }
    }

    /// Whether a service of its own stores recovery points of a type, and not AWS Backup.
    pub fn stores(resource_type: &str) -> bool {
        let kind = resource_type.to_ascii_lowercase();
        Self::of_type(&kind) != Self::Ebs || matches!(kind.as_str(), "ebs" | "ec2" | "storage gateway")
    }

    /// The service that calls keys for it.
    pub fn service(self) -> &'static str {
        match self {
            Self::Ebs => "ec2",
            Self::Rds => "rds",
            Self::Fsx => "fsx",
            Self::Managed => "backup",
        }
    }
}

/// The service that holds the resource itself, as `kms:ViaService` names it: restores call keys through it.
pub(super) fn owning_service(resource_type: &str) -> &'static str {
    match resource_type.to_ascii_lowercase().as_str() {
        "efs" => "elasticfilesystem",
        "dynamodb" => "dynamodb",
        "s3" => "s3",
        "redshift" => "redshift",
        "redshift serverless" => "redshift-serverless",
        "aurora dsql" => "dsql",
        "timestream" => "timestream",
        "virtualmachine" | "sap hana on amazon ec2" | "eks" | "cloudformation" => "backup",
        _ => Family::of_type(resource_type).service(),
    }
}
