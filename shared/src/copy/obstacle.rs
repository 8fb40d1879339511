//! What no policy can mend: copies that AWS does not make.
//!
//! The support matrix is AWS' of August 2026: <https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-feature-availability.html>.

use super::{Route, VaultKind};

/// Why a copy on a route cannot work, whatever the policies say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// The recovery point is under an AWS managed key, whose policy cannot be changed, and so cannot leave its account or go into an air-gapped
    /// vault.
    SourceKeyAwsManaged,
    /// The destination vault is under the AWS managed key of AWS Backup, which EC2, RDS and FSx cannot use for a copy from another account.
    DestinationKeyAwsManaged,
    /// The destination is the vault `Default`, which takes nothing from other accounts.
    DefaultVault,
    /// Backups of this type cannot be copied at all.
    NeverCopied,
    /// Backups of this type cannot be copied into another account.
    NotAcrossAccounts,
    /// Backups of this type cannot be copied into an air-gapped vault.
    NotIntoAirGapped,
}

impl Obstacle {
    /// Where AWS says so.
    pub fn source(self) -> &'static str {
        match self {
            Self::SourceKeyAwsManaged | Self::DestinationKeyAwsManaged => {
                "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html"
            }
            Self::DefaultVault => "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
            Self::NeverCopied | Self::NotAcrossAccounts | Self::NotIntoAirGapped => {
                "https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-feature-availability.html"
            }
        }
    }

    /// Why, in a sentence without its end.
    pub fn reason(self) -> &'static str {
        match self {
            Self::SourceKeyAwsManaged => {
                "the recovery point is under an AWS managed key, whose policy cannot be changed and which no other account can use"
            }
            Self::DestinationKeyAwsManaged => {
                "the destination vault is under an AWS managed key; that of AWS Backup cannot take copies of this type from another account"
            }
            Self::DefaultVault => "the vault `Default` takes no copies from other accounts",
            Self::NeverCopied => "backups of this type cannot be copied",
            Self::NotAcrossAccounts => "backups of this type cannot be copied into another account",
            Self::NotIntoAirGapped => "backups of this type cannot be copied into a logically air-gapped vault",
        }
    }

    /// Whether it is sure. An AWS managed key of a vault is that of AWS Backup, unless somebody chose that of the storage service.
    pub fn is_certain(self) -> bool {
        self != Self::DestinationKeyAwsManaged
    }
}

/// Everything that stands in the way of copies on a route.
pub fn obstacles(route: &Route) -> Vec<Obstacle> {
    let kind = route.resource_type.to_ascii_lowercase();
    let across = route.crosses_accounts();
    let stored = !route.fully_managed;
    let into_air_gapped = route.destination_vault_kind == VaultKind::AirGapped && route.source_vault_kind == VaultKind::Standard;
    let redshift = kind.starts_with("redshift");
    let never = redshift || kind == "dynamodb" && stored;
    [
        (never, Obstacle::NeverCopied),
        (across && kind == "cloudformation", Obstacle::NotAcrossAccounts),
        (
            into_air_gapped && !never && (kind == "rds" || kind == "cloudformation" || kind.starts_with("sap hana")),
            Obstacle::NotIntoAirGapped,
        ),
        (across && route.destination_vault_arn.resource_name() == "Default", Obstacle::DefaultVault),
        (stored && route.source_key_aws_managed && (across || into_air_gapped), Obstacle::SourceKeyAwsManaged),
        (stored && route.destination_key_aws_managed && across, Obstacle::DestinationKeyAwsManaged),
    ]
    .into_iter()
    .filter_map(|(stands, obstacle)| stands.then_some(obstacle))
    .collect()
}
