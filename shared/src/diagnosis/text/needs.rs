//! What would settle an open reading.

use std::collections::BTreeSet;

use super::Hints;
use crate::diagnosis::{Candidate, Cause};

/// Facts and calls that tell the candidates apart, sorted. Facts that are already known are not asked for again.
pub(super) fn of(candidates: &[Candidate], hints: &Hints) -> Vec<String> {
    let mut needs = BTreeSet::new();
    for candidate in candidates {
        needs.extend(of_cause(candidate.cause));
    }
    if hints.crosses_accounts.is_some() {
        needs.remove("crosses_accounts");
    }
    if hints.crosses_regions.is_some() {
        needs.remove("crosses_regions");
    }
    if hints.fully_managed.is_some() {
        needs.remove("fully_managed");
    }
    if hints.key_manager.is_some() && hints.key_state.is_some() {
        needs.remove("kms:DescribeKey");
    }
    needs.into_iter().map(str::to_owned).collect()
}

fn of_cause(cause: Cause) -> &'static [&'static str] {
    match cause {
        Cause::KmsKeyPolicyMissingDestination => {
            &["cloudtrail:LookupEvents", "crosses_accounts", "fully_managed", "kms:DescribeKey", "kms:GetKeyPolicy"]
        }
        Cause::KmsRolePermissionMissing => &["cloudtrail:LookupEvents", "crosses_accounts", "kms:DescribeKey", "kms:GetKeyPolicy"],
        Cause::KmsKeyUnusable => &["kms:DescribeKey"],
        Cause::SourceKeyAwsManaged => &["backup:DescribeRecoveryPoint", "kms:DescribeKey"],
        Cause::DestinationVaultKeyAwsManaged => &["backup:DescribeBackupVault", "kms:DescribeKey"],
        Cause::DestinationVaultPolicy => &["backup:GetBackupVaultAccessPolicy", "cloudtrail:LookupEvents"],
        Cause::BackupRoleMissingPermission | Cause::ExplicitDenyPolicy | Cause::AccessDeniedUnspecified => &["cloudtrail:LookupEvents"],
        Cause::PassroleMissing => &["cloudtrail:LookupEvents", "sts:DecodeAuthorizationMessage"],
        Cause::BackupRoleNotAssumable => &["iam:GetRole"],
        Cause::OrganizationMismatch | Cause::CrossAccountFeatureDisabled => {
            &["backup:DescribeGlobalSettings", "organizations:DescribeOrganization"]
        }
        Cause::UnsupportedCrossAccountCrossRegion => &["crosses_accounts", "crosses_regions"],
        Cause::UnsupportedResourceOrOperation => &["backup:DescribeRegionSettings"],
        Cause::SharingRevokedByAutomation => &["cloudtrail:LookupEvents"],
        Cause::VaultLockRetention => &["backup:DescribeBackupVault"],
        Cause::ContinuousBackupConflict => &["backup:ListRecoveryPointsByResource"],
        Cause::ConcurrentJob | Cause::WindowExpired => &["backup:DescribeBackupJob", "backup:ListBackupJobs"],
        Cause::UserAborted => &["cloudtrail:LookupEvents"],
        Cause::NotFound => &["backup:DescribeBackupVault", "backup:DescribeProtectedResource", "backup:DescribeRecoveryPoint"],
        Cause::ServiceInternalOrTransient | Cause::Unexplained => &["cloudtrail:LookupEvents", "message"],
        // Told by AWS itself, never read from a message.
        Cause::SelectionNotProcessed
        | Cause::SelectionDeleted
        | Cause::OrganizationPolicyInvalid
        | Cause::ContinuousBackupInterrupted
        | Cause::ObjectsLeftOut => &[],
        Cause::MaintenanceWindowConflict
        | Cause::QuotaOrLimit
        | Cause::TagOrMetadataPartial
        | Cause::ResourceInvalidState
        | Cause::S3Prerequisite
        | Cause::VssPrerequisite
        | Cause::VmwareInfrastructure
        | Cause::InvalidParameter
        | Cause::ThreatsFound
        | Cause::JobStuck
        | Cause::RunMissed => &["message"],
    }
}
