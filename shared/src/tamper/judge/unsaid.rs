//! Calls whose record leaves out what decides them: CloudTrail omits a field that is too large, and others may be missing.

use super::{Deed, DeedKind, Judged, Scene, Severity, Write, is_aws_backup, is_linked_role, keys, roles};

/// What a call is for, what it changes, and the members of which its request has one if it says anything.
fn decided_by(write: &Write) -> Option<(DeedKind, &'static str, &'static [&'static str])> {
    Some(match (write.service.as_str(), write.event_name.as_str()) {
        ("backup", "UpdateBackupPlan") => (DeedKind::PlanWeakened, "a backup plan", &["backupPlan"]),
        ("backup", "UpdateRecoveryPointLifecycle") => (DeedKind::RetentionShortened, "the life of a recovery point", &["recoveryPointArn"]),
        ("backup", "PutBackupVaultAccessPolicy") => (DeedKind::VaultPolicyWeakened, "the access policy of a vault", &["policy"]),
        ("backup", "PutBackupVaultLockConfiguration") => (DeedKind::VaultLockLoosened, "the lock of a vault", &["backupVaultName"]),
        ("backup", "PutBackupVaultNotifications") => (DeedKind::MonitoringRemoved, "the notifications of a vault", &["backupVaultEvents"]),
        ("backup", "UpdateRegionSettings") => (
            DeedKind::OptedOut,
            "the settings of AWS Backup in a Region",
            &["resourceTypeOptInPreference", "resourceTypeManagementPreference"],
        ),
        ("backup", "UpdateGlobalSettings") => {
            (DeedKind::GlobalSettingOff, "the settings of AWS Backup for the organization", &["globalSettings"])
        }
        ("kms", "PutKeyPolicy") => (DeedKind::KeyPolicyNarrowed, "the policy of a key", &["policy"]),
        ("iam", "UpdateAssumeRolePolicy") => (DeedKind::RoleWeakened, "who may assume a role", &["policyDocument"]),
        ("iam", "PutRolePolicy" | "CreatePolicyVersion") => (DeedKind::RoleWeakened, "what a role may do", &["policyDocument"]),
        ("organizations", "UpdatePolicy") => (DeedKind::OrganizationPolicyWeakened, "a policy of the organization", &["policyId"]),
        ("organizations", "DeregisterDelegatedAdministrator") => {
            (DeedKind::AdministratorRemoved, "who administers a service for the organization", &["servicePrincipal"])
        }
        ("organizations", "DisableAWSServiceAccess") => {
            (DeedKind::AdministratorRemoved, "which services have access to the organization", &["servicePrincipal"])
        }
        ("cloudtrail", "PutEventSelectors") => {
            (DeedKind::TrailStopped, "what a trail records", &["eventSelectors", "advancedEventSelectors"])
        }
        ("cloudtrail", "UpdateTrail") => (DeedKind::TrailStopped, "a trail", &["name"]),
        _ => return None,
    })
}

/// A call that changed something of which its record does not say how; `None` where the record says what is judged, and where it says that the object
/// is none of backups.
pub(super) fn judge(write: &Write, scene: &Scene<'_>) -> Option<Judged> {
    let (kind, what, members) = decided_by(write)?;
    // A document that cannot be read says nothing.
    let is_said = |name: &&str| match *name {
        "policy" | "policyDocument" => write.document(name).is_some(),
        name => write.part(name).is_some(),
    };
    let is_others = write.object().is_some()
        && match write.service.as_str() {
            "iam" => !roles::is_used(write, scene),
            "kms" => !keys::is_used(write, scene),
            _ => false,
        };
    if members.iter().any(is_said) || is_others || is_aws_backup(&write.actor) || is_linked_role(&write.actor) {
        return None;
    }
    let object = write.object().map_or_else(|| "the record does not name it".to_owned(), |arn| arn.as_str().to_owned());
    Some(
        Deed::of(write, kind, Severity::Medium, format!("changed {what} ({object}), and the record does not say how"))
            .endangers("It may protect, back up or copy less than before; nobody has looked at what was written.")
            .undo(
                "Look at it as it is now, and ask whoever this is: CloudTrail leaves out of a record what is too large, and it is in no other place.",
                None,
            )
            .judged(),
    )
}
