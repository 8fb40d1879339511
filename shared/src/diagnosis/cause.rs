//! The causes a job can fail for. The labels are a contract: new ones may be added, none is ever renamed.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! causes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $label:literal,)+) => {
        /// Why a job failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Cause {
            $($(#[doc = $doc])+ #[serde(rename = $label)] $variant,)+
        }

        impl Cause {
            /// Every cause, in a fixed order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The label, as printed in alerts.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }

            /// The cause with that label.
            pub fn from_label(label: &str) -> Option<Self> {
                match label {
                    $($label => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

causes! {
    /// The destination side may not use the customer managed key that protects the source recovery point.
    KmsKeyPolicyMissingDestination = "kms-key-policy-missing-destination",
    /// Inside one account the job role lacks rights on a key.
    KmsRolePermissionMissing = "kms-role-permission-missing",
    /// The key is disabled, pending deletion, deleted, or none was given.
    KmsKeyUnusable = "kms-key-unusable",
    /// The source is under an AWS managed key and can never leave the account.
    SourceKeyAwsManaged = "source-key-aws-managed",
    /// The destination vault is under `aws/backup`.
    DestinationVaultKeyAwsManaged = "destination-vault-key-aws-managed",
    /// The destination vault's access policy does not admit the copy.
    DestinationVaultPolicy = "destination-vault-policy",
    /// The job role lacks an action of the resource's service.
    BackupRoleMissingPermission = "backup-role-missing-permission",
    /// The role is missing, not trusted, or not yet known everywhere.
    BackupRoleNotAssumable = "backup-role-not-assumable",
    /// A restore lacks `iam:PassRole` on the instance's role.
    PassroleMissing = "passrole-missing",
    /// A Deny wins.
    ExplicitDenyPolicy = "explicit-deny-policy",
    /// Access was denied, and the text does not say where.
    AccessDeniedUnspecified = "access-denied-unspecified",
    /// The accounts are not in one organization.
    OrganizationMismatch = "organization-mismatch",
    /// Cross-account backup is switched off in the organization.
    CrossAccountFeatureDisabled = "cross-account-feature-disabled",
    /// The type cannot cross account and Region in one action.
    UnsupportedCrossAccountCrossRegion = "unsupported-cross-account-cross-region",
    /// The type, image, option group or Region cannot do this.
    UnsupportedResourceOrOperation = "unsupported-resource-or-operation",
    /// An automation took back the sharing AWS Backup had set up.
    SharingRevokedByAutomation = "sharing-revoked-by-automation",
    /// The retention lies outside the range of the locked vault.
    VaultLockRetention = "vault-lock-retention",
    /// The bucket already has a continuous recovery point.
    ContinuousBackupConflict = "continuous-backup-conflict",
    /// Another job of the same resource was running.
    ConcurrentJob = "concurrent-job",
    /// The job did not start or finish in its window.
    WindowExpired = "window-expired",
    /// The resource's own backup or maintenance window was in the way.
    MaintenanceWindowConflict = "maintenance-window-conflict",
    /// A quota or limit was reached.
    QuotaOrLimit = "quota-or-limit",
    /// Data is safe, tags or metadata are not.
    TagOrMetadataPartial = "tag-or-metadata-partial",
    /// Something named by the job does not exist.
    NotFound = "not-found",
    /// The resource was in a state that allows no backup.
    ResourceInvalidState = "resource-invalid-state",
    /// The bucket does not meet AWS Backup's conditions.
    S3Prerequisite = "s3-prerequisite",
    /// Windows VSS did not work.
    VssPrerequisite = "vss-prerequisite",
    /// Gateway, hypervisor or network trouble on premises.
    VmwareInfrastructure = "vmware-infrastructure",
    /// A parameter of the request is wrong.
    InvalidParameter = "invalid-parameter",
    /// Someone stopped the job.
    UserAborted = "user-aborted",
    /// AWS failed.
    ServiceInternalOrTransient = "service-internal-or-transient",
    /// A malware scan found threats in a recovery point.
    ThreatsFound = "threats-found",
    /// The job has made no progress for longer than AWS itself tries.
    JobStuck = "job-stuck",
    /// A rule of a plan was due, and AWS lists no job of it.
    RunMissed = "run-missed",
    /// A plan ran, and AWS Backup could not process a selection of it, so it made no job.
    SelectionNotProcessed = "selection-not-processed",
    /// A selection of a plan was deleted with its service-linked role.
    SelectionDeleted = "selection-deleted",
    /// The effective backup policy of the organization is not valid, so it makes no plan.
    OrganizationPolicyInvalid = "organization-policy-invalid",
    /// A continuous backup stopped.
    ContinuousBackupInterrupted = "continuous-backup-interrupted",
    /// A job ended without a part of the objects of its resource.
    ObjectsLeftOut = "objects-left-out",
    /// No rule explains it: the next rule to write.
    Unexplained = "unexplained",
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
