//! Roles of backups. Any role may be one that a selection names; what is known by its name is told here, the rest is kept for the diagnosis and the
//! prediction, which know the routes.

use super::super::deed::command;
use super::backup::named;
use super::documents::{list, lost, parts, sorted};
use super::{Deed, DeedKind, Judged, Scene, Severity, Silence, Write, is_linked_role};

/// Permissions that one message lists.
const MOST: usize = 6;

pub(super) fn judge(write: &Write, scene: &Scene<'_>) -> Judged {
    let name = write.text("roleName").or_else(|| write.text("policyArn")).unwrap_or_default();
    if !(name.to_lowercase().contains("backup") || scene.of_a_route) {
        return Err(Silence::NotOfBackups);
    }
    // A service looks after its own service-linked role.
    if is_linked_role(&write.actor) {
        return Err(Silence::ServiceItself);
    }
    let policy =
        || write.text("policyArn").or_else(|| write.text("policyName")).unwrap_or_else(|| "that the record does not name".to_owned());
    let (what, severity) = match write.event_name.as_str() {
        "DeleteRole" => (format!("deleted the role {name}"), Severity::High),
        "DeleteServiceLinkedRole" => (format!("deleted the service-linked role {name}"), Severity::High),
        "DetachRolePolicy" => (format!("took the policy {} from the role {name}", policy()), Severity::High),
        "DeleteRolePolicy" => (format!("deleted the policy {} of the role {name}", policy()), Severity::High),
        "PutRolePermissionsBoundary" => {
            let boundary = named(write, "permissionsBoundary");
            (format!("bounded the role {name} by {boundary}"), Severity::Medium)
        }
        "UpdateAssumeRolePolicy" => return trust(write, scene, &name),
        "PutRolePolicy" => {
            let denies = write.document("policyDocument").map(|document| parts(&document, "Deny")).unwrap_or_default();
            if denies.is_empty() {
                return Err(Silence::OnlyWidens);
            }
            let denied = list(&denies.into_iter().collect::<Vec<_>>(), MOST);
            (format!("denied the role {name}: {denied}"), Severity::Medium)
        }
        "AttachRolePolicy" | "DeleteRolePermissionsBoundary" => return Err(Silence::OnlyWidens),
        "SetDefaultPolicyVersion" => {
            (format!("made version {} the one that counts of the policy {name}", named(write, "versionId")), Severity::Low)
        }
        "CreatePolicyVersion" if write.text("setAsDefault").as_deref() == Some("true") => {
            (format!("replaced the policy {name}"), Severity::Low)
        }
        _ => return Err(Silence::Harmless),
    };
    Deed::of(write, DeedKind::RoleWeakened, severity, what)
        .endangers("AWS Backup works with this role: backups, copies or restores may be refused, or never begin, from the next run on.")
        .undo("Put it back as it was.", command("aws iam get-role --role-name {}", &[&name]))
        .judged()
}

fn trust(write: &Write, scene: &Scene<'_>, name: &str) -> Judged {
    let Some(document) = write.document("policyDocument") else { return Err(Silence::NoBefore) };
    let now = parts(&document, "Allow");
    let taken = match scene.before {
        Some(before) if sorted(&before.value) == sorted(&document) => return Err(Silence::Unchanged),
        Some(before) => lost(&parts(&before.value, "Allow"), &now),
        // Whatever it was before: such a role is of no use to AWS Backup.
        None if !document.to_string().contains("backup.amazonaws.com") && name.to_lowercase().contains("awsbackup") => Vec::new(),
        None => return Err(Silence::NoBefore),
    };
    if scene.before.is_some() && taken.is_empty() {
        return Err(Silence::OnlyWidens);
    }
    let text = if taken.is_empty() { "AWS Backup is not in it".to_owned() } else { format!("no longer: {}", list(&taken, MOST)) };
    Deed::of(write, DeedKind::RoleWeakened, Severity::High, format!("changed who may assume the role {name}: {text}"))
        .changed((!taken.is_empty()).then(|| list(&taken, MOST)), Some(text))
        .endangers("Where AWS Backup cannot assume the role no job is made at all, so none fails.")
        .undo("Let backup.amazonaws.com assume it again.", command("aws iam get-role --role-name {}", &[name]))
        .judged()
}
