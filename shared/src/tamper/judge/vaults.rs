//! Vaults, their policies and their locks.

use jiff::SignedDuration;
use serde_json::Value;

use super::super::deed::command;
use super::super::write::member;
use super::backup::{SHORT, named};
use super::documents::{Part, list, lost, parts, sorted};
use super::plans::FEW_DAYS;
use super::{Deed, DeedKind, Judged, Scene, Severity, Silence, Write, by_account};

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
/// A lock that demands more days than this refuses the monthly copies of `deploy/management-account.yaml`.
const LONG: f64 = 400.0;
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
    if before.is_none() && scene.keeps_copies(&write.account) {
        // Whatever it said before, no copy comes in any more.
        closed.extend(denies.iter().filter(|part| part.is_about(&COPY) && part.principal == "*" && part.condition.is_empty()).cloned());
    }
    if before.is_some() {
        closed.extend(lost(&denies, &denied).into_iter().filter(|part| part.is_about(&COPY)));
    }
    let outsiders = allows.iter().filter(|part| part.lets_in(&PROTECTED, &write.account, scene)).cloned().collect();
    let opened = lost(&outsiders, &allowed);
    let show = || command("aws backup get-backup-vault-access-policy --backup-vault-name {} --region {}", &[&vault, write.region.as_str()]);
    let texts = |parts: &[Part]| (!parts.is_empty()).then(|| list(parts, MOST));
    if let Some(text) = texts(&opened) {
        return Deed::of(
            write,
            DeedKind::VaultOpened,
            Severity::High,
            format!("let somebody into the vault {vault} who may be outside: {text}"),
        )
        .changed(before.map(|_| "not let in".to_owned()), Some(text))
        .endangers(
            "Whoever it is may use the vault; backups can be copied out of it or filled with others' data. Inside is who is in this organization by its account id or by a condition such as StringEquals aws:PrincipalOrgID, with no other value.",
        )
        .undo("Put the older policy back; this shows the one that is there now.", show())
        .judged();
    }
    let lost_parts = [unprotected, closed].concat();
    if let Some(text) = texts(&lost_parts) {
        let severity = by_account(write, scene, Severity::High, Severity::Medium);
        return Deed::of(
            write,
            DeedKind::VaultPolicyWeakened,
            severity,
            format!(
                "weakened the access policy of the vault {vault}: {text}{}",
                if before.is_some() { "" } else { " is denied; what it said before is not known" }
            ),
        )
        .changed(before.as_ref().map(|_| text), before.map(|_| "no longer so".to_owned()))
        .endangers("Recovery points can be deleted where that was denied, or copies are refused that were admitted.")
        .undo("Put the older policy back; this shows the one that is there now.", show())
        .judged();
    }
    if before.is_none() {
        return Err(Silence::NoBefore);
    }
    Err(Silence::OnlyWidens)
}

/// The lock that a vault had, put again; the date from which a lock is final is for people to set anew.
fn put_again(write: &Write, lock: &Value) -> Option<String> {
    let vault = named(write, "backupVaultName");
    let days = |name: &str| member(lock, name).and_then(Value::as_u64).map(|days| days.to_string());
    let (least, most) = (days("minRetentionDays"), days("maxRetentionDays"));
    let mut pattern = "aws backup put-backup-vault-lock-configuration --backup-vault-name {} --region {}".to_owned();
    let mut values = vec![vault.as_str(), write.region.as_str()];
    for (option, days) in [(" --min-retention-days {}", &least), (" --max-retention-days {}", &most)] {
        if let Some(days) = days {
            pattern.push_str(option);
            values.push(days);
        }
    }
    command(&pattern, &values).filter(|_| least.is_some() || most.is_some())
}

fn show(write: &Write) -> Option<String> {
    let vault = named(write, "backupVaultName");
    command("aws backup describe-backup-vault --backup-vault-name {} --region {}", &[&vault, write.region.as_str()])
}

fn lock_removed(write: &Write, scene: &Scene<'_>) -> Judged {
    let severity = by_account(write, scene, Severity::Critical, Severity::High);
    // What it was put with: a lock of governance mode, or one that was not final yet.
    let (how, undo) = match scene.before.and_then(|before| put_again(write, &before.value)) {
        Some(again) => ("Lock it again, with the retention that it had.", Some(again)),
        None => ("Lock it again; this shows the vault as it is now.", show(write)),
    };
    Deed::of(write, DeedKind::VaultLockRemoved, severity, format!("removed the lock of the vault {}", named(write, "backupVaultName")))
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
    let vault = named(write, "backupVaultName");
    let before = scene.before.map(|before| &before.value);
    let of_both = |name: &str| (before.and_then(|before| number(before, name)), number(&write.request, name));
    let ((least, least_now), (most, most_now)) = (of_both("minRetentionDays"), of_both("maxRetentionDays"));
    let (clock, clock_now) = of_both("changeableForDays");
    let or = |days: Option<f64>, none: &str| days.map_or_else(|| none.to_owned(), |days| days.to_string());

    let mut lost = Vec::new();
    if let Some(least) = least.filter(|least| least_now.is_none_or(|now| now < *least)) {
        lost.push(format!("at least {least} days, now {}", or(least_now, "no least")));
    }
    let older = before.filter(|before| !before.is_null());
    if let Some(now) = most_now.filter(|now| older.is_some() && most.is_none_or(|most| *now < most)) {
        lost.push(format!("at most {now} days, before {}", or(most, "no most")));
    }
    if let Some(clock) = clock.filter(|_| clock_now.is_none()) {
        lost.push(format!("final after {clock} days, now never"));
    }

    let final_at = clock_now.filter(|now| clock != Some(*now)).map(|days| {
        let at = SignedDuration::try_from_secs_f64(days * 86_400.0).ok().and_then(|days| write.at.checked_add(days).ok());
        (days, at.map_or_else(|| "then".to_owned(), |at| format!("{at:.0}")))
    });
    let mut sharper = Vec::new();
    if let Some((days, at)) = &final_at {
        sharper.push(format!("it is final in {days} days, at {at}"));
    }
    if let Some(now) = least_now.filter(|now| *now > LONG && least.is_none_or(|least| least < *now)) {
        sharper.push(format!("it refuses whatever is kept for fewer than {now} days"));
    }
    if let Some(now) = most_now.filter(|now| *now < SHORT && most.is_none_or(|most| *now < most)) {
        sharper.push(format!("it refuses whatever is kept for more than {now} days"));
    }
    if scene.before.is_none()
        && scene.keeps_copies(&write.account)
        && let Some(now) = least_now.filter(|now| *now < FEW_DAYS)
    {
        lost.push(format!("at least {now} days, and what it demanded before is not known"));
    }

    if lost.is_empty() && sharper.is_empty() {
        let is_same = (least, most, clock) == (least_now, most_now, clock_now);
        return Err(match older {
            None => Silence::NoBefore,
            Some(_) if is_same => Silence::Unchanged,
            Some(_) => Silence::OnlyWidens,
        });
    }
    let texts = [lost.clone(), sharper.clone()].concat().join("; ");
    let again = older.and_then(|older| put_again(write, older));
    let (how, undo) = match (&final_at, again) {
        (Some((_, at)), again) => {
            let remove = "aws backup delete-backup-vault-lock-configuration --backup-vault-name {} --region {}";
            let remove = command(remove, &[&vault, write.region.as_str()]);
            let both = remove.map(|remove| again.map_or_else(|| remove.clone(), |again| format!("{remove} && {again}")));
            let older = if older.is_some() { ", and puts the older one" } else { "" };
            (
                format!(
                    "Look at what it demands, and whether every plan keeps to it. Until {at} this takes the lock away{older}; then nobody can."
                ),
                both,
            )
        }
        (None, Some(again)) => ("Give the lock its old retention back.".to_owned(), Some(again)),
        (None, None) => ("Give the lock a retention that every plan keeps to; this shows the vault as it is now.".to_owned(), show(write)),
    };
    let (kind, verb) = match lost.is_empty() {
        true => (DeedKind::VaultLockSharpened, "sharpened"),
        false => (DeedKind::VaultLockLoosened, "loosened"),
    };
    let severity = match (sharper.is_empty(), scene.before) {
        (true, None) => Severity::Medium,
        (true, Some(_)) => by_account(write, scene, Severity::High, Severity::Medium),
        (false, _) => Severity::High,
    };
    let endangers = if lost.is_empty() {
        "A backup or copy that does not keep to it fails, what it admits is kept that long, and once it is final nobody can change it."
    } else {
        "Recovery points may be kept for a shorter time than the lock demanded, or copies that are kept longer are refused."
    };
    Deed::of(write, kind, severity, format!("{verb} the lock of the vault {vault}: {texts}"))
        .changed(before.map(sorted), Some(texts))
        .endangers(endangers)
        .undo(how, undo)
        .judged()
}
