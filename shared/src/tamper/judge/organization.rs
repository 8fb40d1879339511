//! The organization, its policies and administrators.

use serde_json::Value;

use super::super::deed::command;
use super::super::write::member;
use super::backup::named;
use super::documents::{list, lost, parts, sorted};
use super::{Deed, DeedKind, Judged, Scene, Severity, Silence, Write, plans, trail};

/// Actions that a service control policy protects backups by.
const PROTECTED: [&str; 7] = [
    "backup:DeleteRecoveryPoint",
    "backup:DeleteBackupVault",
    "backup:UpdateRecoveryPointLifecycle",
    "backup:PutBackupVaultAccessPolicy",
    "kms:ScheduleKeyDeletion",
    "kms:DisableKey",
    "organizations:LeaveOrganization",
];
/// Permissions that one message lists.
const MOST: usize = 6;

pub(super) fn judge(write: &Write, scene: &Scene<'_>) -> Judged {
    match write.event_name.as_str() {
        "UpdatePolicy" => policy(write, scene),
        "DetachPolicy" => {
            let what = format!("detached the policy {} from {}", named(write, "policyId"), named(write, "targetId"));
            weakened(write, Severity::Medium, what, "What the policy backed up or protected there is not any more.", "Attach it again.", {
                let values = (write.text("policyId").unwrap_or_default(), write.text("targetId").unwrap_or_default());
                command("aws organizations attach-policy --policy-id {} --target-id {}", &[&values.0, &values.1])
            })
        }
        "DeletePolicy" => {
            let what = format!("deleted the policy {} of the organization", named(write, "policyId"));
            weakened(write, Severity::Medium, what, "It cannot be attached again.", "Make it again from its source.", None)
        }
        "DisablePolicyType" => {
            let kind = named(write, "policyType");
            let severity = if kind == "BACKUP_POLICY" { Severity::Critical } else { Severity::High };
            let what = format!("switched the policy type {kind} off for {}", named(write, "rootId"));
            let endangers = "All policies of this type are without effect, and their attachments are gone.";
            weakened(write, severity, what, endangers, "Switch the type on again and attach the policies.", None)
        }
        "DisableAWSServiceAccess" | "DeregisterDelegatedAdministrator" => administrator(write),
        "LeaveOrganization" | "RemoveAccountFromOrganization" | "CloseAccount" | "MoveAccount" => account(write, scene),
        _ => Err(Silence::Harmless),
    }
}

fn weakened(write: &Write, severity: Severity, what: String, endangers: &str, undo: &str, command: Option<String>) -> Judged {
    Deed::of(write, DeedKind::OrganizationPolicyWeakened, severity, what).endangers(endangers).undo(undo, command).judged()
}

fn policy(write: &Write, scene: &Scene<'_>) -> Judged {
    let Some(content) = write.document("content") else { return Err(Silence::Unchanged) };
    let id = named(write, "policyId");
    let endangers = "It holds in every account below from its next evaluation on.";
    let undo = "Put the older content back from its source; AWS keeps no versions of it.";
    let show = command("aws organizations describe-policy --policy-id {}", &[&id]);
    let Some(before) = scene.before else {
        let of_backups = content.get("plans").is_some() || is_backup_policy(write);
        if of_backups && !plans::copies(&content) {
            let what = format!("left the backup policy {id} without any copy action");
            return weakened(write, Severity::Medium, what, endangers, undo, show);
        }
        return Err(Silence::NoBefore);
    };
    if sorted(&before.value) == sorted(&content) {
        return Err(Silence::Unchanged);
    }
    if [&before.value, &content].iter().any(|policy| policy.get("plans").is_some()) {
        let mut found = plans::of_policy(&before.value, &content, write.at);
        if found.is_empty() {
            return Err(Silence::OnlyWidens);
        }
        let is_loss = found.iter().any(|difference| difference.is_loss);
        let (severity, done) = if is_loss { (Severity::High, "took from") } else { (Severity::Medium, "changed") };
        let what = format!("{done} the backup policy {id}: {}", plans::list(&mut found, MOST));
        return weakened(write, severity, what, endangers, undo, show);
    }
    let denies = |value: &Value| parts(value, "Deny");
    let mut open = lost(&denies(&before.value), &denies(&content));
    open.retain(|part| part.is_about(&PROTECTED));
    if !open.is_empty() {
        let what = format!("took from the policy {id} of the organization what it denied: {}", list(&open, MOST));
        return weakened(write, Severity::High, what, endangers, undo, show);
    }
    Err(Silence::NotOfBackups)
}

fn is_backup_policy(write: &Write) -> bool {
    let summary = member(&write.response, "policySummary").or_else(|| member(&write.response, "policy"));
    summary.is_some_and(|summary| summary.to_string().contains("BACKUP_POLICY"))
}

fn administrator(write: &Write) -> Judged {
    let service = named(write, "servicePrincipal");
    if service == "cloudtrail.amazonaws.com" && write.event_name == "DisableAWSServiceAccess" {
        return trail::without_access(write);
    }
    if service != "backup.amazonaws.com" {
        return Err(Silence::NotOfBackups);
    }
    let (what, undo) = if write.event_name == "DisableAWSServiceAccess" {
        (
            "took AWS Backup its access to the organization".to_owned(),
            Some("aws organizations enable-aws-service-access --service-principal backup.amazonaws.com".to_owned()),
        )
    } else {
        let account = named(write, "accountId");
        let pattern = "aws organizations register-delegated-administrator --account-id {} --service-principal backup.amazonaws.com";
        (format!("removed account {account} as administrator of AWS Backup"), command(pattern, &[&account]))
    };
    Deed::of(write, DeedKind::AdministratorRemoved, Severity::High, what)
        .endangers("Jobs of all accounts are not seen any more, and policies or copies across accounts may end.")
        .undo("Put it back, in the management account.", undo)
        .judged()
}

fn account(write: &Write, scene: &Scene<'_>) -> Judged {
    // Whoever leaves does so in its own trail.
    let told = write.text("accountId");
    let account = told.clone().unwrap_or_else(|| write.account.to_string());
    let keeps = scene.backup_accounts.iter().any(|known| known.as_str() == account);
    if write.event_name == "MoveAccount" {
        let what = format!("moved account {account} from {} to {}", named(write, "sourceParentId"), named(write, "destinationParentId"));
        let severity = if keeps { Severity::High } else { Severity::Low };
        return Deed::of(write, DeedKind::AccountMoved, severity, what)
            .endangers("Other policies hold for it now: its backups may follow another plan, or none.")
            .undo("Compare the effective backup policy of the account; move it back where it lost one.", None)
            .judged();
    }
    let what = match write.event_name.as_str() {
        "CloseAccount" => format!("closed account {account}"),
        "LeaveOrganization" => format!("took account {account} out of the organization"),
        _ => format!("removed account {account} from the organization"),
    };
    Deed::of(write, DeedKind::AccountMoved, if keeps { Severity::Critical } else { Severity::High }, what)
        .endangers("Copies between it and the organization are refused, and no policy of the organization binds it any more.")
        .undo("Invite it again, or ask AWS Support for a closed one.", None)
        .judged()
}
