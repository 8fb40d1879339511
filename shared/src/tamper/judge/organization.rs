//! The organization, its policies and administrators.

use super::super::deed::command;
use super::super::write::member;
use super::backup::named;
use super::documents::sorted;
use super::{Deed, DeedKind, Judged, Scene, Severity, Silence, Write, plans, scp, trail};

/// Permissions that one message lists.
const MOST: usize = 6;

pub(super) fn judge(write: &Write, scene: &Scene<'_>) -> Judged {
    match write.event_name.as_str() {
        "UpdatePolicy" => policy(write, scene),
        "AttachPolicy" => attached(write, scene),
        "DetachPolicy" => {
            let (policy, target) = (named(write, "policyId"), named(write, "targetId"));
            let attach = command("aws organizations attach-policy --policy-id {} --target-id {}", &[&policy, &target]);
            taken_away(write, scene, &format!("detached the policy {policy} from {target}"), "Attach it again.", attach)
        }
        "DeletePolicy" => {
            let what = format!("deleted the policy {} of the organization", named(write, "policyId"));
            taken_away(write, scene, &what, "It cannot be attached again: make it anew from its source.", None)
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
        let mut alone = plans::of_policy_alone(&content, write.at);
        if !alone.is_empty() {
            let what = format!("wrote the backup policy {id}, and what it was before is not known: {}", plans::list(&mut alone, MOST));
            return weakened(write, Severity::Medium, what, endangers, undo, show);
        }
        if scp::says_nothing(&content) {
            let what = format!(
                "left the policy {id} of the organization with nothing but leave for everything; what it denied before is not known"
            );
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
    match scp::worst(&before.value, &content) {
        None => Err(Silence::NotOfBackups),
        Some((severity, what)) => {
            weakened(write, severity, format!("changed the policy {id} of the organization: {what}"), endangers, undo, show)
        }
    }
}

/// An attachment takes something only where the policy refuses what backups need.
fn attached(write: &Write, scene: &Scene<'_>) -> Judged {
    let Some((severity, what)) = scene.before.and_then(|before| scp::refused(&before.value)) else { return Err(Silence::Harmless) };
    let (policy, target) = (named(write, "policyId"), named(write, "targetId"));
    let detach = command("aws organizations detach-policy --policy-id {} --target-id {}", &[&policy, &target]);
    let what = format!("attached the policy {policy} to {target}: {what}");
    weakened(
        write,
        severity,
        what,
        "It holds in every account below at once.",
        "Look whether it spares backups; if not, detach it.",
        detach,
    )
}

/// A policy that holds no more: by what it said, where the log knows that.
fn taken_away(write: &Write, scene: &Scene<'_>, what: &str, undo: &str, command: Option<String>) -> Judged {
    let Some(content) = scene.before.map(|before| &before.value) else {
        // AWS' own, known by its id: where nothing else allows, nothing is allowed.
        if write.text("policyId").as_deref() == Some("p-FullAWSAccess") {
            let endangers = "Whatever no other policy there allows is refused to every account below, backups and copies among it.";
            return weakened(write, Severity::High, what.to_owned(), endangers, undo, command);
        }
        let endangers = "What it said is not known: what it backed up, protected or allowed there is not any more.";
        return weakened(write, Severity::Medium, what.to_owned(), endangers, undo, command);
    };
    if content.get("plans").is_some() {
        return weakened(write, Severity::High, what.to_owned(), "What it had backed up there is not backed up any more.", undo, command);
    }
    match scp::protected(content) {
        None if scp::allows(content) => {
            let endangers = "What it allowed backups, and no other policy there does, is refused.";
            weakened(write, Severity::Medium, what.to_owned(), endangers, undo, command)
        }
        None => Err(Silence::NotOfBackups),
        Some((severity, list)) => weakened(write, severity, what.to_owned(), &format!("There is allowed again: {list}."), undo, command),
    }
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
        // Whoever joins comes from the root, of which everything that held there still holds below.
        if !keeps && write.text("sourceParentId").is_some_and(|parent| parent.starts_with("r-")) {
            return Err(Silence::OnlyWidens);
        }
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
