//! The table of what a copy needs. Each row names its source.
//!
//! Who calls a key, and through which service, depends on who stores the recovery point ([`Family`]), on the kinds of the two vaults and on whether
//! the copy leaves the account. The way back is not in the table: it is a route with its sides swapped.
//!
//! `kms:ListGrants` is not in it: the service-linked role may call it, but no document names it among what a copy needs to succeed.

use super::{Actor, Family, Need, Object, Route, VaultKind};

/// One row: on routes of this kind, this actor does these actions to this object.
pub(super) struct Row {
    on: (Accounts, &'static [Family], &'static [Vaults]),
    pub(super) actor: Actor,
    pub(super) object: Object,
    pub(super) actions: Actions,
    pub(super) through: Through,
    pub(super) need: Need,
    pub(super) source: &'static str,
}

/// Actions by name, or by what the service of the resource type calls them.
#[derive(Clone, Copy)]
pub(super) enum Actions {
    These(&'static [&'static str]),
    /// Lets another account read the snapshot.
    Share,
    /// Makes the copy.
    Copy,
}

impl Actions {
    pub(super) fn of_type(self, resource_type: &str) -> &'static [&'static str] {
        match (self, resource_type.to_ascii_lowercase().as_str()) {
            (Self::These(actions), _) => actions,
            (Self::Share, "ebs" | "storage gateway") => &["ec2:ModifySnapshotAttribute"],
            (Self::Share, "ec2") => &["ec2:ModifyImageAttribute"],
            (Self::Share, "rds") => &["rds:ModifyDBSnapshotAttribute"],
            (Self::Share, "aurora" | "documentdb" | "neptune") => &["rds:ModifyDBClusterSnapshotAttribute"],
            (Self::Copy, "ebs" | "storage gateway") => &["ec2:CopySnapshot"],
            (Self::Copy, "ec2") => &["ec2:CopyImage"],
            (Self::Copy, "rds") => &["rds:CopyDBSnapshot"],
            (Self::Copy, "aurora" | "documentdb" | "neptune") => &["rds:CopyDBClusterSnapshot"],
            (Self::Copy, "fsx") => &["fsx:CopyBackup"],
            // How FSx shares a backup is not documented; of a type that is not known here nothing is.
            (Self::Share | Self::Copy, _) => &[],
        }
    }
}

/// Does the copy leave the account?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Accounts {
    Any,
    Across,
    Within,
}

/// What kind of vaults the copy goes between. The rules of air-gapped vaults hold where a customer managed key encrypts one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vaults {
    Standard,
    /// From a standard vault into an air-gapped one, under a customer managed key.
    IntoAirGapped,
    /// Likewise, under a key that AWS owns.
    IntoAirGappedOwned,
    /// From an air-gapped vault under a customer managed key into a standard one.
    OutOfAirGapped,
    /// Likewise, under a key that AWS owns.
    OutOfAirGappedOwned,
    /// Between air-gapped vaults.
    AirGapped,
}

impl Vaults {
    fn of(route: &Route) -> Self {
        match (route.source_vault_kind, route.destination_vault_kind) {
            (VaultKind::Standard, VaultKind::Standard) => Self::Standard,
            (VaultKind::Standard, VaultKind::AirGapped) if route.destination_key_arn.is_some() => Self::IntoAirGapped,
            (VaultKind::Standard, VaultKind::AirGapped) => Self::IntoAirGappedOwned,
            (VaultKind::AirGapped, VaultKind::Standard) if route.source_key_arn.is_some() => Self::OutOfAirGapped,
            (VaultKind::AirGapped, VaultKind::Standard) => Self::OutOfAirGappedOwned,
            (VaultKind::AirGapped, VaultKind::AirGapped) => Self::AirGapped,
        }
    }
}

/// Through which service the call reaches the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Through {
    /// No key is called.
    Nothing,
    /// The service that stores the recovery point: `ec2`, `rds`, `fsx`.
    Storage,
    /// AWS Backup.
    Backup,
    /// One of the two; which is not documented.
    StorageOrBackup,
    /// None: the role calls the key itself.
    Itself,
    /// AWS Backup, or none; which is not documented.
    BackupOrItself,
    /// AWS Backup, with a permission that the managed policy of the role does not show.
    BackupUnpublished,
}

impl Through {
    /// Whether AWS Backup makes the call, or may make it.
    pub(super) fn by_backup(self) -> bool {
        matches!(self, Self::Backup | Self::StorageOrBackup | Self::BackupOrItself | Self::BackupUnpublished)
    }
}

impl Row {
    pub(super) fn applies(&self, route: &Route) -> bool {
        let (accounts, families, vaults) = self.on;
        let accounts = match accounts {
            Accounts::Any => true,
            Accounts::Across => route.crosses_accounts(),
            Accounts::Within => !route.crosses_accounts(),
        };
        accounts && families.contains(&route.family()) && vaults.contains(&Vaults::of(route))
    }
}

const CROSS_ACCOUNT: &str = "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html";
const ENCRYPTION: &str = "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html";
const AIR_GAPPED: &str = "https://docs.aws.amazon.com/aws-backup/latest/devguide/logicallyairgappedvault.html";
const KNOWLEDGE_CENTER: &str = "https://repost.aws/knowledge-center/backup-cross-account-copy-error";
const SERVICE_LINKED: &str =
    "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceLinkedRolePolicyForBackup.html";
const SERVICE_ROLE: &str = "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForBackup.html";
const EBS_PERMISSIONS: &str = "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html";
const RDS_PERMISSIONS: &str = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.Encryption.Keys.html";

const EVERY: &[Family] = &[Family::Ebs, Family::Rds, Family::Fsx, Family::Managed];
const STORED: &[Family] = &[Family::Ebs, Family::Rds, Family::Fsx];
const EBS: &[Family] = &[Family::Ebs];
const RDS_FSX: &[Family] = &[Family::Rds, Family::Fsx];
const MANAGED: &[Family] = &[Family::Managed];

const ALL: &[Vaults] = &[
    Vaults::Standard,
    Vaults::IntoAirGapped,
    Vaults::IntoAirGappedOwned,
    Vaults::OutOfAirGapped,
    Vaults::OutOfAirGappedOwned,
    Vaults::AirGapped,
];
const STANDARD: &[Vaults] = &[Vaults::Standard];
const INTO: &[Vaults] = &[Vaults::IntoAirGapped, Vaults::IntoAirGappedOwned];
const OWNED: &[Vaults] = &[Vaults::IntoAirGappedOwned, Vaults::OutOfAirGappedOwned];
const OUT_OF: &[Vaults] = &[Vaults::OutOfAirGapped];
const OUT_OF_OWNED: &[Vaults] = &[Vaults::OutOfAirGappedOwned];
const CUSTOMER_AIR_GAPPED: &[Vaults] = &[Vaults::IntoAirGapped, Vaults::OutOfAirGapped, Vaults::AirGapped];

const DESCRIBE: &[&str] = &["kms:DescribeKey"];
const DESCRIBE_AND_GRANT: &[&str] = &["kms:DescribeKey", "kms:CreateGrant"];

use Accounts::{Across, Any, Within};
use Actor::{Copier, JobRole};
use Need::{Always, Perhaps};
use Object::{DestinationKey, DestinationVault, RecoveryPoint, SourceKey};
use Through::{Backup, BackupOrItself, BackupUnpublished, Itself, Nothing, Storage, StorageOrBackup};

type Call = (Actor, Object, &'static [&'static str], Through);

const fn row(on: (Accounts, &'static [Family], &'static [Vaults]), call: Call, need: Need, source: &'static str) -> Row {
    let (actor, object, actions, through) = call;
    Row { on, actor, object, actions: Actions::These(actions), through, need, source }
}

/// What the job role does to the snapshot itself, by the API of its service. What the service-linked role does to it, nothing can deny.
const fn snapshot(on: (Accounts, &'static [Family], &'static [Vaults]), actions: Actions, need: Need) -> Row {
    Row { on, actor: JobRole, object: RecoveryPoint, actions, through: Nothing, need, source: SERVICE_ROLE }
}

/// What a copy calls on the source key through the service that stores the recovery point. The policy of the service-linked role admits these and
/// no Decrypt: data is read through the grant.
const USE_AND_GRANT: &[&str] = &["kms:DescribeKey", "kms:ReEncryptFrom", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"];

pub(super) const TABLE: &[Row] = &[
    // The vaults: the job role takes the recovery point out of one and puts it into the other.
    row((Any, EVERY, ALL), (JobRole, RecoveryPoint, &["backup:CopyFromBackupVault"], Nothing), Always, CROSS_ACCOUNT),
    row((Any, EVERY, ALL), (JobRole, DestinationVault, &["backup:CopyIntoBackupVault"], Nothing), Always, CROSS_ACCOUNT),
    // The snapshot: shared with the other account by the job role, or copied by it within its own.
    snapshot((Across, STORED, STANDARD), Actions::Share, Always),
    snapshot((Within, STORED, STANDARD), Actions::Copy, Always),
    snapshot((Any, STORED, INTO), Actions::Share, Perhaps),
    // Into another account, stored by EC2, RDS or FSx: the service-linked role of the destination copies.
    row((Across, STORED, STANDARD), (Copier, SourceKey, USE_AND_GRANT, Storage), Always, SERVICE_LINKED),
    row(
        (Across, STORED, STANDARD),
        (Copier, DestinationKey, &["kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"], Storage),
        Always,
        SERVICE_LINKED,
    ),
    // Its DescribeKey is tied to no service in its policy, so AWS Backup may ask for itself who manages the keys.
    row((Across, STORED, STANDARD), (Copier, SourceKey, DESCRIBE, Itself), Perhaps, SERVICE_LINKED),
    row((Across, STORED, STANDARD), (Copier, DestinationKey, DESCRIBE, Itself), Perhaps, SERVICE_LINKED),
    // What sharing a snapshot takes of the job role is documented nowhere; its managed policy admits this.
    row((Across, STORED, STANDARD), (JobRole, SourceKey, DESCRIBE, Itself), Perhaps, SERVICE_ROLE),
    row((Across, EBS, STANDARD), (JobRole, SourceKey, &["kms:ReEncryptFrom", "kms:CreateGrant"], Storage), Perhaps, SERVICE_ROLE),
    // Into another account, fully managed: the account of the destination must be let in; who calls is not documented.
    row((Across, MANAGED, STANDARD), (Copier, SourceKey, &["kms:DescribeKey", "kms:Decrypt"], BackupOrItself), Always, KNOWLEDGE_CENTER),
    row((Across, MANAGED, STANDARD), (Copier, SourceKey, &["kms:CreateGrant"], Backup), Always, ENCRYPTION),
    row(
        (Across, MANAGED, STANDARD),
        (Copier, DestinationKey, &["kms:DescribeKey", "kms:GenerateDataKey", "kms:CreateGrant"], Backup),
        Always,
        ENCRYPTION,
    ),
    row((Across, MANAGED, STANDARD), (JobRole, SourceKey, DESCRIBE_AND_GRANT, Backup), Perhaps, SERVICE_ROLE),
    // Within the account the job role copies: of what the services ask for, its managed policy admits this.
    row(
        (Within, EBS, STANDARD),
        (JobRole, SourceKey, &["kms:DescribeKey", "kms:ReEncryptFrom", "kms:CreateGrant"], Storage),
        Always,
        EBS_PERMISSIONS,
    ),
    row(
        (Within, EBS, STANDARD),
        (
            JobRole,
            DestinationKey,
            &["kms:DescribeKey", "kms:ReEncryptTo", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"],
            Storage,
        ),
        Always,
        EBS_PERMISSIONS,
    ),
    row((Within, RDS_FSX, STANDARD), (JobRole, SourceKey, DESCRIBE_AND_GRANT, Storage), Always, RDS_PERMISSIONS),
    row((Within, RDS_FSX, STANDARD), (JobRole, DestinationKey, DESCRIBE_AND_GRANT, Storage), Always, RDS_PERMISSIONS),
    row((Within, MANAGED, STANDARD), (JobRole, SourceKey, DESCRIBE_AND_GRANT, Backup), Perhaps, SERVICE_ROLE),
    row((Within, MANAGED, STANDARD), (JobRole, DestinationKey, DESCRIBE_AND_GRANT, Backup), Perhaps, SERVICE_ROLE),
    // The role must have access to the key, says the document; the managed policy shows no such permission.
    row((Within, MANAGED, STANDARD), (JobRole, SourceKey, &["kms:Decrypt"], BackupUnpublished), Perhaps, ENCRYPTION),
    row((Within, MANAGED, STANDARD), (JobRole, DestinationKey, &["kms:GenerateDataKey"], BackupUnpublished), Perhaps, ENCRYPTION),
    // Air-gapped vaults under a customer managed key: both keys are shared with the copy role of the source.
    row((Any, EVERY, CUSTOMER_AIR_GAPPED), (JobRole, SourceKey, DESCRIBE_AND_GRANT, Backup), Always, AIR_GAPPED),
    row((Any, EVERY, CUSTOMER_AIR_GAPPED), (JobRole, DestinationKey, DESCRIBE_AND_GRANT, Backup), Always, AIR_GAPPED),
    // Out of one, the destination's service-linked role besides; with which calls is not documented.
    row((Any, EVERY, OUT_OF), (Copier, SourceKey, DESCRIBE_AND_GRANT, StorageOrBackup), Always, AIR_GAPPED),
    row((Any, EVERY, OUT_OF), (Copier, DestinationKey, DESCRIBE_AND_GRANT, StorageOrBackup), Always, AIR_GAPPED),
    row(
        (Any, EVERY, OUT_OF),
        (Copier, SourceKey, &["kms:Decrypt", "kms:ReEncryptFrom", "kms:GenerateDataKeyWithoutPlaintext"], StorageOrBackup),
        Perhaps,
        AIR_GAPPED,
    ),
    row((Any, EVERY, OUT_OF_OWNED), (Copier, DestinationKey, DESCRIBE_AND_GRANT, StorageOrBackup), Perhaps, AIR_GAPPED),
    // Under a key that AWS owns nothing is to be shared, says the document; of the other vault's or the resource's key it says nothing.
    row((Any, EVERY, OWNED), (JobRole, SourceKey, DESCRIBE_AND_GRANT, Backup), Perhaps, AIR_GAPPED),
    row((Any, EVERY, OWNED), (JobRole, DestinationKey, DESCRIBE_AND_GRANT, Backup), Perhaps, AIR_GAPPED),
    row((Across, STORED, INTO), (Copier, SourceKey, USE_AND_GRANT, Storage), Perhaps, SERVICE_LINKED),
];
