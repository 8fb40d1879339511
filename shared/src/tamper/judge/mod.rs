//! Whether a write is a deed, service by service. Each silence has its reason.

mod announced;
mod backup;
mod documents;
mod keys;
mod older;
mod organization;
mod plans;
mod roles;
mod scp;
mod trail;
mod unsaid;
mod vaults;

pub use announced::announced;

use super::deed::{Deed, DeedKind, Judged, Scene, Silence};
use super::{Actor, Write};
use crate::arn::linked_service;
use crate::diagnosis::Severity;

/// Codes by which a caller was told that it may not do this. Any other refusal says nothing of what it wanted.
const DENIED: [&str; 4] = ["AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation", "UnauthorizedOperation"];

/// Services whose own work is refused now and then, and that go on; they make grants for it and give them back. Others, such as CloudFormation, act
/// for somebody. The rules of EventBridge keep what these do with grants from us: a test compares both.
pub const ON_THEIR_OWN: [&str; 19] = [
    "AWS Internal",
    "autoscaling.amazonaws.com",
    "backup.amazonaws.com",
    "dynamodb.amazonaws.com",
    "ec2.amazonaws.com",
    "elasticfilesystem.amazonaws.com",
    "es.amazonaws.com",
    "fsx.amazonaws.com",
    "kms.amazonaws.com",
    "lambda.amazonaws.com",
    "rds.amazonaws.com",
    "redshift.amazonaws.com",
    "s3.amazonaws.com",
    "sagemaker.amazonaws.com",
    "secretsmanager.amazonaws.com",
    "ssm-sap.amazonaws.com",
    "storagegateway.amazonaws.com",
    "timestream.amazonaws.com",
    "workspaces.amazonaws.com",
];

/// Judges a write.
pub fn judge(write: &Write, scene: &Scene<'_>) -> Judged {
    match &write.error_code {
        Some(code) => refused(write, scene, code),
        None => succeeded(write, scene).map(|deed| older::kept(write, scene, deed)),
    }
}

fn succeeded(write: &Write, scene: &Scene<'_>) -> Judged {
    if let Some(told) = unsaid::judge(write, scene) {
        return told;
    }
    match write.service.as_str() {
        "backup" => backup::judge(write, scene),
        "kms" => keys::judge(write, scene),
        "iam" => roles::judge(write, scene),
        "organizations" => organization::judge(write, scene),
        "ec2" => keys::ebs(write, scene),
        "cloudtrail" => trail::judge(write, scene),
        _ => Err(Silence::Harmless),
    }
}

/// What a call was for that is grave whatever is in it. What there was before is not looked up for a call that was refused, so what it would have
/// taken is not known.
fn always_grave(write: &Write, scene: &Scene<'_>) -> Option<DeedKind> {
    Some(match (write.service.as_str(), write.event_name.as_str()) {
        ("backup", "DeleteRecoveryPoint") => DeedKind::PointDeleted,
        ("backup", "DisassociateRecoveryPoint") => DeedKind::PointDisassociated,
        ("backup", "UpdateRecoveryPointLifecycle") => DeedKind::RetentionShortened,
        ("backup", "DeleteBackupVault") => DeedKind::VaultDeleted,
        ("backup", "DeleteBackupVaultAccessPolicy" | "PutBackupVaultAccessPolicy") => DeedKind::VaultPolicyWeakened,
        ("backup", "DeleteBackupVaultLockConfiguration") => DeedKind::VaultLockRemoved,
        ("backup", "PutBackupVaultLockConfiguration") => DeedKind::VaultLockLoosened,
        ("backup", "DeleteBackupPlan") => DeedKind::PlanDeleted,
        ("kms", "ScheduleKeyDeletion" | "DeleteImportedKeyMaterial") => DeedKind::KeyDeletionScheduled,
        ("kms", "DisableKey") => DeedKind::KeyDisabled,
        // Who builds applications is refused this every day, for keys of applications.
        ("kms", "PutKeyPolicy") if keys::is_used(write, scene) => DeedKind::KeyPolicyNarrowed,
        ("organizations", "DetachPolicy" | "DeletePolicy" | "UpdatePolicy") => DeedKind::OrganizationPolicyWeakened,
        ("cloudtrail", "StopLogging" | "DeleteTrail" | "PutEventSelectors") => DeedKind::TrailStopped,
        _ => return None,
    })
}

/// What was tried and refused. Whoever may not endanger backups and tries it is worth a look, because stolen credentials look like this first; a
/// mistake of somebody who may, such as a vault that is not empty, is not.
fn refused(write: &Write, scene: &Scene<'_>, code: &str) -> Judged {
    if !DENIED.contains(&code) || is_linked_role(&write.actor) || is_service_itself(&write.actor) {
        return Err(Silence::Refused);
    }
    let known = succeeded(write, scene).ok().filter(|deed| deed.severity >= Severity::High).map(|deed| deed.kind);
    let Some(kind) = known.or_else(|| always_grave(write, scene)) else { return Err(Silence::Refused) };
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

/// Whether a service made the call for work of its own.
fn is_service_itself(actor: &Actor) -> bool {
    actor.invoked_by.as_deref().is_some_and(|service| ON_THEIR_OWN.contains(&service))
}

/// How bad it is in an account that keeps the copies, and elsewhere.
fn by_account(write: &Write, scene: &Scene<'_>, copies: Severity, elsewhere: Severity) -> Severity {
    if scene.keeps_copies(&write.account) { copies } else { elsewhere }
}
