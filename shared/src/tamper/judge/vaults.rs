//! Vaults, their policies and their locks.

use serde_json::Value;

use super::super::deed::command;
use super::super::write::member;
use super::backup::named;
use super::documents::{Part, list, lost, parts, sorted};
use super::{Deed, DeedKind, Judged, Scene, Severity, Silence, Write, by_account, inside};

/// What a Deny in the policy of a vault protects from.
const PROTECTED: [&str; 7] = [
    "backup:DeleteRecoveryPoint",
    "backup:UpdateRecoveryPointLifecycle",
    "backup:DisassociateRecoveryPoint",
    "backup:DeleteBackupVault",
    "backup:DeleteBackupVaultAccessPolicy",
    "backup:PutBackupVaultAccessPolicy",
    "backup:DeleteBackupVaultLockConfiguration",
];
/// What lets copies in.
const COPY: [&str; 1] = ["backup:CopyIntoBackupVault"];
/// Permissions that one message lists.
const MOST: usize = 6;

pub(super) fn judge(write: &Write, scene: &Scene<'_>) -> Judged {
    match write.event_name.as_str() {
        "DeleteBackupVault" => {
            let what = format!("deleted the vault {}", named(write, "backupVaultName"));
            Deed::of(write, DeedKind::VaultDeleted, Severity::High, what)
                .endangers("Every backup and copy into this vault fails from now on.")
                .undo("Make the vault again under the same name, with its key, policy and lock; then repeat what failed.", None)
                .judged()
        }
        "DeleteBackupVaultAccessPolicy" => policy_removed(write, scene),
        "PutBackupVaultAccessPolicy" => policy(write, scene),
        "DeleteBackupVaultLockConfiguration" => lock_removed(write, scene),
        "PutBackupVaultLockConfiguration" => lock(write, scene),
        "DisassociateBackupVaultMpaApprovalTeam" => {
            let what = format!("took the approval team from the vault {}", named(write, "backupVaultName"));
            Deed::of(write, DeedKind::ApprovalRemoved, Severity::High, what)
                .endangers("Access to this vault needs the approval of nobody any more.")
                .undo("Associate the approval team again, in the management account.", None)
                .judged()
        }
        _ => Err(Silence::Harmless),
    }
}

fn policy_removed(write: &Write, scene: &Scene<'_>) -> Judged {
    if scene.before.is_some_and(|before| before.value.is_null()) {
        return Err(Silence::Unchanged);
    }
    let before = scene.before.map(|before| sorted(&before.value));
    let severity = by_account(write, scene, Severity::High, Severity::Medium);
    Deed::of(
        write,
        DeedKind::VaultPolicyWeakened,
        severity,
        format!("deleted the access policy of the vault {}", named(write, "backupVaultName")),
    )
    .changed(before, Some("no policy".to_owned()))
    .endangers("No other account can copy into the vault any more, and no Deny keeps anybody of its account from deleting.")
    .undo("Put the policy back from its source, or from the last report of a sweep.", None)
    .judged()
}

fn policy(write: &Write, scene: &Scene<'_>) -> Judged {
    let Some(document) = write.document("policy") else { return Err(Silence::NoBefore) };
    if scene.before.is_some_and(|before| sorted(&before.value) == sorted(&document)) {
        return Err(Silence::Unchanged);
    }
    let vault = named(write, "backupVaultName");
    let (allows, denies) = (parts(&document, "Allow"), parts(&document, "Deny"));
    let before = scene.before.map(|before| (parts(&before.value, "Allow"), parts(&before.value, "Deny")));
    let (allowed, denied) = before.clone().unwrap_or_default();
    let unprotected = lost(&denied, &denies).into_iter().filter(|part| part.is_about(&PROTECTED)).collect::<Vec<_>>();
    // A Deny of copies is as bad as the loss of what allows them.
    let mut closed = lost(&allowed, &allows).into_iter().filter(|part| part.is_about(&COPY)).collect::<Vec<_>>();
    if before.is_some() {
        closed.extend(lost(&denies, &denied).into_iter().filter(|part| part.is_about(&COPY)));
    }
    let opened = lost(&inside::open(&document, write, scene), &allowed);
    let texts = |parts: &[Part]| (!parts.is_empty()).then(|| list(parts, MOST));
    if let Some(text) = texts(&opened) {
        return Deed::of(
            write,
            DeedKind::VaultOpened,
            Severity::High,
            format!("let somebody into the vault {vault} who may be outside: {text}"),
        )
        .changed(before.map(|_| "not let in".to_owned()), Some(text))
        .endangers("Whoever it is may use the vault; backups can be copied out of it or filled with others' data.")
        .undo(
            "Put the older policy back. Inside is who is in this organization by a condition such as StringEquals aws:PrincipalOrgID, with no other value.",
            None,
        )
        .judged();
    }
    let lost_parts = [unprotected, closed].concat();
    if let Some(text) = texts(&lost_parts) {
        let severity = by_account(write, scene, Severity::High, Severity::Medium);
        let undo =
            command("aws backup get-backup-vault-access-policy --backup-vault-name {} --region {}", &[&vault, write.region.as_str()]);
        return Deed::of(
            write,
            DeedKind::VaultPolicyWeakened,
            severity,
            format!("weakened the access policy of the vault {vault}: {text}"),
        )
        .changed(Some(text), Some("no longer so".to_owned()))
        .endangers("Recovery points can be deleted where that was denied, or copies are refused that were admitted.")
        .undo("Put the older policy back; this shows the one that is there now.", undo)
        .judged();
    }
    if before.is_none() {
        return Err(Silence::NoBefore);
    }
    Err(Silence::OnlyWidens)
}

fn lock_removed(write: &Write, scene: &Scene<'_>) -> Judged {
    let severity = by_account(write, scene, Severity::Critical, Severity::High);
    let vault = named(write, "backupVaultName");
    // What it was put with: a lock of governance mode.
    let least = scene.before.and_then(|before| member(&before.value, "minRetentionDays")).and_then(Value::as_u64);
    let undo = match least {
        Some(least) => command(
            "aws backup put-backup-vault-lock-configuration --backup-vault-name {} --min-retention-days {} --region {}",
            &[&vault, &least.to_string(), write.region.as_str()],
        ),
        None => command("aws backup describe-backup-vault --backup-vault-name {} --region {}", &[&vault, write.region.as_str()]),
    };
    let how = if least.is_some() {
        "Lock it again, with the retention that it had."
    } else {
        "Lock it again; this shows the vault as it is now."
    };
    Deed::of(write, DeedKind::VaultLockRemoved, severity, format!("removed the lock of the vault {vault}"))
        .changed(scene.before.map(|before| sorted(&before.value)), Some("no lock".to_owned()))
        .endangers("Recovery points of this vault can be deleted at once; a deletion often follows.")
        .undo(how, undo)
        .judged()
}

fn lock(write: &Write, scene: &Scene<'_>) -> Judged {
    let number = |value: &Value, name: &str| {
        let value = member(value, name)?;
        value.as_f64().or_else(|| value.as_str()?.parse().ok())
    };
    let Some(before) = scene.before.filter(|before| !before.value.is_null()) else { return Err(Silence::NoBefore) };
    let of_both = |name: &str| (number(&before.value, name), number(&write.request, name));
    let ((least, least_now), (most, most_now)) = (of_both("minRetentionDays"), of_both("maxRetentionDays"));
    let mut lost = Vec::new();
    if let Some(least) = least.filter(|least| least_now.is_none_or(|now| now < *least)) {
        lost.push(format!("at least {least} days, now {}", least_now.map_or_else(|| "no least".to_owned(), |now| now.to_string())));
    }
    if let Some(now) = most_now.filter(|now| most.is_none_or(|most| *now < most)) {
        lost.push(format!("at most {now} days, before {}", most.map_or_else(|| "no most".to_owned(), |most| most.to_string())));
    }
    if lost.is_empty() {
        return Err(if (least, most) == (least_now, most_now) { Silence::Unchanged } else { Silence::OnlyWidens });
    }
    let severity = by_account(write, scene, Severity::High, Severity::Medium);
    let what = format!("loosened the lock of the vault {}: {}", named(write, "backupVaultName"), lost.join("; "));
    Deed::of(write, DeedKind::VaultLockLoosened, severity, what)
        .changed(Some(sorted(&before.value)), Some(lost.join("; ")))
        .endangers("Recovery points may be kept for a shorter time than the lock demanded, or copies that are kept longer are refused.")
        .undo("Give the lock its old retention back.", None)
        .judged()
}
