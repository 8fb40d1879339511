//! Whether a write is a deed, service by service. Each silence has its reason.

mod announced;
mod backup;
mod documents;
mod inside;
mod keys;
mod organization;
mod plans;
mod roles;
mod scp;
mod trail;
mod vaults;

pub use announced::announced;

use super::deed::{Deed, DeedKind, Judged, Scene, Silence};
use super::{Actor, Write};
use crate::arn::linked_service;
use crate::diagnosis::Severity;

/// Codes by which a caller was told that it may not do this. Any other refusal says nothing of what it wanted.
const DENIED: [&str; 4] = ["AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation", "UnauthorizedOperation"];

/// Judges a write.
pub fn judge(write: &Write, scene: &Scene<'_>) -> Judged {
    if let Some(code) = &write.error_code {
        return refused(write, code);
    }
    match write.service.as_str() {
        "backup" => backup::judge(write, scene),
        "kms" => keys::judge(write, scene),
        "iam" => roles::judge(write, scene),
        "organizations" => organization::judge(write, scene),
        "ec2" => keys::ebs(write),
        "cloudtrail" => trail::judge(write, scene),
        _ => Err(Silence::Harmless),
    }
}

/// What was tried and refused. Whoever may not delete backups and tries it is worth a look, because stolen credentials look like this first; a
/// mistake of somebody who may, such as a vault that is not empty, is not.
fn refused(write: &Write, code: &str) -> Judged {
    let grave = matches!(
        (write.service.as_str(), write.event_name.as_str()),
        (
            "backup",
            "DeleteRecoveryPoint"
                | "DeleteBackupVault"
                | "DeleteBackupVaultAccessPolicy"
                | "DeleteBackupVaultLockConfiguration"
                | "DisassociateRecoveryPoint"
                | "UpdateRecoveryPointLifecycle"
        ) | ("kms", "ScheduleKeyDeletion" | "DisableKey" | "DeleteImportedKeyMaterial")
            | ("cloudtrail", "StopLogging" | "DeleteTrail")
    );
    // Services try what they may not, too, and go on.
    if !grave || !DENIED.contains(&code) || write.actor.is_service || write.actor.invoked_by.is_some() {
        return Err(Silence::Refused);
    }
    let kind = match write.event_name.as_str() {
        "DeleteBackupVault" => DeedKind::VaultDeleted,
        "DeleteBackupVaultAccessPolicy" => DeedKind::VaultPolicyWeakened,
        "DeleteBackupVaultLockConfiguration" => DeedKind::VaultLockRemoved,
        "DisassociateRecoveryPoint" => DeedKind::PointDisassociated,
        "UpdateRecoveryPointLifecycle" => DeedKind::RetentionShortened,
        "ScheduleKeyDeletion" | "DeleteImportedKeyMaterial" => DeedKind::KeyDeletionScheduled,
        "DisableKey" => DeedKind::KeyDisabled,
        "StopLogging" | "DeleteTrail" => DeedKind::TrailStopped,
        _ => DeedKind::PointDeleted,
    };
    let object = write.object().map_or_else(|| "something that the record does not name".to_owned(), |arn| arn.as_str().to_owned());
    let mut deed = Deed::of(write, kind, Severity::Low, format!("was refused {} on {object}", write.action()))
        .endangers("Nothing yet: the call was refused. The same caller may find another way.")
        .undo("Ask whoever this is; where nobody knows, take its credentials away.", None);
    deed.refused = Some(code.to_owned());
    deed.judged()
}

/// Whether AWS Backup itself is the caller: its service-linked role, which nobody else can assume, or the service.
fn is_aws_backup(actor: &Actor) -> bool {
    linked_service(&actor.id) == Some("backup.amazonaws.com") || actor.invoked_by.as_deref() == Some("backup.amazonaws.com")
}

/// Whether a service-linked role of some service is the caller.
fn is_linked_role(actor: &Actor) -> bool {
    actor.is_service || linked_service(&actor.id).is_some()
}

/// How bad it is in an account that keeps the copies, and elsewhere.
fn by_account(write: &Write, scene: &Scene<'_>, copies: Severity, elsewhere: Severity) -> Severity {
    if scene.keeps_copies(&write.account) { copies } else { elsewhere }
}
