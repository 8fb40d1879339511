//! Roles of backups. Any role may be one that a selection names; what is known by its name is told here, the rest is kept for the diagnosis and the
//! prediction, which know the routes.

use serde_json::Value;

use super::super::deed::command;
use super::backup::named;
use super::documents::{Part, list, lost, parts, sorted};
use super::{Deed, DeedKind, Judged, Scene, Severity, Silence, Write, is_linked_role};

/// Permissions that one message lists.
const MOST: usize = 6;
/// What AWS Backup loses with its role.
const ENDANGERED: &str =
    "AWS Backup works with this role: backups, copies or restores may be refused, or never begin, from the next run on.";

pub(super) fn judge(write: &Write, scene: &Scene<'_>) -> Judged {
    if !is_used(write, scene) {
        return Err(Silence::NotOfBackups);
    }
    let name = name_of(write);
    // A service looks after its own service-linked role.
    if is_linked_role(&write.actor) {
        return Err(Silence::ServiceItself);
    }
    let policy = write.text("policyArn").or_else(|| write.text("policyName")).unwrap_or_default();
    let shown = if policy.is_empty() { "that the record does not name" } else { policy.as_str() };
    let before = scene.before.map(|before| &before.value);
    let (what, severity, undo, pattern, values) = match write.event_name.as_str() {
        "DeleteRole" => (
            format!("deleted the role {name}"),
            Severity::High,
            "Make the role again under the same path and name, with its trust policy and its policies, from its source.",
            "",
            vec![],
        ),
        "DeleteServiceLinkedRole" => (
            format!("deleted the service-linked role {name}"),
            Severity::High,
            "Make the role again.",
            if name == "AWSServiceRoleForBackup" {
                "aws iam create-service-linked-role --aws-service-name backup.amazonaws.com"
            } else {
                ""
            },
            vec![],
        ),
        // To take away what only denies is to mend.
        "DetachRolePolicy" if only_denies(&policy) => return Err(Silence::Mends),
        "DetachRolePolicy" => (
            format!("took the policy {shown} from the role {name}"),
            Severity::High,
            "Attach it again.",
            "aws iam attach-role-policy --role-name {} --policy-arn {}",
            vec![&name, &policy],
        ),
        "AttachRolePolicy" if only_denies(&policy) => (
            format!("attached the policy {shown}, which denies everything or the most, to the role {name}"),
            Severity::High,
            "Detach it, unless somebody stops this role on purpose.",
            "aws iam detach-role-policy --role-name {} --policy-arn {}",
            vec![&name, &policy],
        ),
        // AWS' other policies allow and deny nothing. What one of the account's own denies is not in the call.
        "AttachRolePolicy" => return Err(if is_of_aws(&policy) { Silence::OnlyWidens } else { Silence::NotOfBackups }),
        "DeleteRolePermissionsBoundary" => return Err(Silence::OnlyWidens),
        "DeleteRolePolicy" if before.is_some_and(|before| !before.is_null() && parts(before, "Allow").is_empty()) => {
            return Err(Silence::Mends);
        }
        "DeleteRolePolicy" => (
            format!("deleted the policy {shown} of the role {name}"),
            Severity::High,
            "Put it back from its source; this lists the policies of its own that the role still has.",
            "aws iam list-role-policies --role-name {}",
            vec![&name],
        ),
        "PutRolePermissionsBoundary" => (
            format!("bounded the role {name} by {}", named(write, "permissionsBoundary")),
            Severity::Medium,
            "Put back the boundary that the role had before; this shows the one that it has now.",
            "aws iam get-role --role-name {}",
            vec![&name],
        ),
        "UpdateAssumeRolePolicy" => return trust(write, scene, &name),
        "PutRolePolicy" => {
            let document = write.document("policyDocument").ok_or(Silence::NoBefore)?;
            let (text, severity) = narrowed(before, &document)?;
            (
                format!("changed the policy {shown} of the role {name}: {text}"),
                severity,
                "Put back what was there before; this shows the policy as it is now.",
                "aws iam get-role-policy --role-name {} --policy-name {}",
                vec![&name, &policy],
            )
        }
        "SetDefaultPolicyVersion" => (
            format!("made version {} the one that counts of the policy {name}", named(write, "versionId")),
            Severity::Low,
            "Make the version that counted before the default again (`aws iam set-default-policy-version`); this lists the versions.",
            "aws iam list-policy-versions --policy-arn {}",
            vec![&policy],
        ),
        "CreatePolicyVersion" if write.text("setAsDefault").as_deref() == Some("true") => {
            let document = write.document("policyDocument").ok_or(Silence::NoBefore)?;
            let (text, severity) = match narrowed(before.filter(|before| !before.is_null()), &document) {
                Err(Silence::NoBefore) => ("whether it allows less than before is not known".to_owned(), Severity::Low),
                narrowed => narrowed?,
            };
            (
                format!("replaced the policy {name}: {text}"),
                severity,
                "Make the version that counted before the default again (`aws iam set-default-policy-version`); this lists the versions.",
                "aws iam list-policy-versions --policy-arn {}",
                vec![&policy],
            )
        }
        _ => return Err(Silence::Harmless),
    };
    let values = values.into_iter().map(String::as_str).collect::<Vec<_>>();
    let command = command(pattern, &values).filter(|command| !command.is_empty());
    Deed::of(write, DeedKind::RoleWeakened, severity, what).endangers(ENDANGERED).undo(undo, command).judged()
}

fn name_of(write: &Write) -> String {
    write.text("roleName").or_else(|| write.text("policyArn")).unwrap_or_default()
}

/// Whether the role or policy is one of backups: by its name, or because a copy hangs on it.
pub(super) fn is_used(write: &Write, scene: &Scene<'_>) -> bool {
    is_of_backups(&name_of(write)) || scene.of_a_route
}

fn is_of_backups(name: &str) -> bool {
    name.to_lowercase().contains("backup")
}

fn is_of_aws(policy: &str) -> bool {
    policy.split(':').nth(4) == Some("aws")
}

/// Whether it is one of the policies of AWS that stop whoever has them.
fn only_denies(policy: &str) -> bool {
    let name = policy.rsplit('/').next().unwrap_or_default();
    is_of_aws(policy) && (name == "AWSDenyAll" || name.starts_with("AWSCompromisedKeyQuarantine"))
}

/// What a policy of a role allows less than before or denies anew, and how bad that is. A Deny under a condition may leave all that is needed.
fn narrowed(before: Option<&Value>, document: &Value) -> Result<(String, Severity), Silence> {
    if before.is_some_and(|before| sorted(before) == sorted(document)) {
        return Err(Silence::Unchanged);
    }
    let taken = before.map(|before| lost(&parts(before, "Allow"), &parts(document, "Allow"))).unwrap_or_default();
    let denied = lost(&parts(document, "Deny"), &before.map(|before| parts(before, "Deny")).unwrap_or_default());
    if taken.is_empty() && denied.is_empty() {
        return Err(if before.is_some() { Silence::OnlyWidens } else { Silence::NoBefore });
    }
    let severe = !taken.is_empty() || denied.iter().any(|part| part.condition.is_empty());
    Ok((told([("no longer allowed", &taken), ("denied", &denied)]), if severe { Severity::High } else { Severity::Medium }))
}

fn told<const N: usize>(changes: [(&str, &Vec<Part>); N]) -> String {
    let some = changes.into_iter().filter(|(_, parts)| !parts.is_empty());
    some.map(|(how, parts)| format!("{how}: {}", list(parts, MOST))).collect::<Vec<_>>().join("; ")
}

fn trust(write: &Write, scene: &Scene<'_>, name: &str) -> Judged {
    let Some(document) = write.document("policyDocument") else { return Err(Silence::NoBefore) };
    let before = scene.before.map(|before| &before.value);
    if before.is_some_and(|before| sorted(before) == sorted(&document)) {
        return Err(Silence::Unchanged);
    }
    let of = |effect: &str| before.map(|before| parts(before, effect)).unwrap_or_default();
    let mut opened = lost(&parts(&document, "Allow"), &of("Allow"));
    opened.retain(|part| part.is_outside(&write.account, scene));
    let taken = lost(&of("Allow"), &parts(&document, "Allow"));
    let mut denied = lost(&parts(&document, "Deny"), &of("Deny"));
    denied.retain(|part| part.is_about(&["sts:AssumeRole"]) && (before.is_some() || part.condition.is_empty()));
    // Whatever it was before: such a role is of no use to AWS Backup. The guardian's own roles never were.
    let useless = before.is_none() && !document.to_string().contains("backup.amazonaws.com") && !name.starts_with("backup-guardian-");
    let mut text = told([("no longer", &taken), ("denied", &denied), ("let in", &opened)]);
    let (kind, severity, endangers) = if !taken.is_empty() || !denied.is_empty() {
        (DeedKind::RoleWeakened, Severity::High, "Where AWS Backup cannot assume the role no job is made at all, so none fails.")
    } else if !opened.is_empty() {
        (
            DeedKind::RoleOpened,
            Severity::High,
            "Whoever it is may do what AWS Backup does with this role: read, copy, restore or delete backups.",
        )
    } else if useless {
        text = "AWS Backup is not in it; whether it was is not known".to_owned();
        // A role may be called after backups and be another service's.
        let known = scene.of_a_route || name.to_lowercase().contains("awsbackup");
        let severity = if known { Severity::High } else { Severity::Medium };
        (DeedKind::RoleWeakened, severity, "Where AWS Backup cannot assume the role no job is made at all, so none fails.")
    } else {
        return Err(if before.is_some() { Silence::OnlyWidens } else { Silence::NoBefore });
    };
    Deed::of(write, kind, severity, format!("changed who may assume the role {name}: {text}"))
        .changed((!taken.is_empty()).then(|| list(&taken, MOST)), Some(text))
        .endangers(endangers)
        .undo(
            "Put the older trust policy back, with backup.amazonaws.com in it where jobs run with this role; this shows the role as it is now.",
            command("aws iam get-role --role-name {}", &[name]),
        )
        .judged()
}
