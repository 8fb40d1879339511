//! Keys, their policies and grants, and the defaults of EBS.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::deed::{command, is_plain};
use super::super::state::state;
use super::backup::named;
use super::documents::{Part, list, lost, parts, sorted};
use super::{Deed, DeedKind, Judged, Scene, Severity, Silence, Write, is_linked_role, is_service_itself};
use crate::arn::AccountId;

/// What backups and copies need of a key.
const USED: [&str; 7] = [
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:DescribeKey",
];
/// What a Deny in the policy of a key protects from.
const PROTECTED: [&str; 4] = ["kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:DeleteImportedKeyMaterial", "kms:PutKeyPolicy"];
/// With what a stranger reads backups or makes their key useless. Who may only encrypt does neither.
const OPENS: [&str; 7] = [
    "kms:Decrypt",
    "kms:ReEncryptFrom",
    "kms:CreateGrant",
    "kms:ScheduleKeyDeletion",
    "kms:DisableKey",
    "kms:DeleteImportedKeyMaterial",
    "kms:PutKeyPolicy",
];
/// Permissions that one message lists.
const MOST: usize = 6;

pub(super) fn judge(write: &Write, scene: &Scene<'_>) -> Judged {
    match write.event_name.as_str() {
        "DisableKey" => key_lost(
            write,
            scene,
            "disabled",
            "Whatever is under this key can be neither copied nor restored until it is enabled again.",
            ("Enable it again.", "aws kms enable-key --key-id {} --region {}"),
        ),
        "ScheduleKeyDeletion" => key_lost(
            write,
            scene,
            "scheduled for deletion",
            "When the waiting period is over, every recovery point under this key is lost for good.",
            (
                "Take it back and enable the key: after the first of these commands alone it stays disabled.",
                "aws kms cancel-key-deletion --key-id {} --region {} && aws kms enable-key --key-id {} --region {}",
            ),
        ),
        "DeleteImportedKeyMaterial" => key_lost(
            write,
            scene,
            "stripped of its material",
            "Every recovery point under this key is unreadable until the same material is imported again.",
            (
                "Import the same material again; this asks AWS for what the import needs.",
                "aws kms get-parameters-for-import --key-id {} --wrapping-algorithm RSAES_OAEP_SHA_256 --wrapping-key-spec RSA_4096 --region {}",
            ),
        ),
        "PutKeyPolicy" => policy(write, scene),
        "RevokeGrant" | "RetireGrant" => grant(write, scene),
        "EnableKey" | "CancelKeyDeletion" => Err(Silence::Mends),
        _ => Err(Silence::Harmless),
    }
}

/// Whether backups are known to use the key. That no copy hangs on it says nothing: backups that are never copied use keys, too.
pub(super) fn is_used(write: &Write, scene: &Scene<'_>) -> bool {
    let owner = write.object().and_then(crate::arn::Arn::account).unwrap_or_else(|| write.account.clone());
    let speaks_of_backups = scene.before.is_some_and(|before| is_of_backups(&before.value.to_string()));
    scene.keeps_copies(&owner) || speaks_of_backups || scene.of_a_route
}

fn is_of_backups(text: &str) -> bool {
    text.to_lowercase().contains("backup")
}

fn key_lost(write: &Write, scene: &Scene<'_>, what: &str, endangers: &str, (undo, pattern): (&str, &str)) -> Judged {
    let used = is_used(write, scene);
    let kind = if write.event_name == "DisableKey" { DeedKind::KeyDisabled } else { DeedKind::KeyDeletionScheduled };
    let severity = match (used, kind) {
        (true, DeedKind::KeyDeletionScheduled) => Severity::Critical,
        (true, _) => Severity::High,
        // A key that protects backups and of which nobody knows it is the worst to lose.
        (false, _) => Severity::Medium,
    };
    let key = write.object().map_or_else(|| "that the record does not name".to_owned(), |key| key.as_str().to_owned());
    let note = if used { "" } else { " Whether backups use this key is not known here." };
    let region = write.region.as_str();
    let back = command(pattern, &[&key, region, &key, region]);
    let sentence = match kind {
        DeedKind::KeyDisabled => format!("disabled the key {key}"),
        _ => format!("left the key {key} {what}"),
    };
    Deed::of(write, kind, severity, sentence).endangers(format!("{endangers}{note}")).undo(undo, back).judged()
}

fn policy(write: &Write, scene: &Scene<'_>) -> Judged {
    let Some(document) = write.document("policy") else { return Err(Silence::NoBefore) };
    if scene.before.is_some_and(|before| sorted(&before.value) == sorted(&document)) {
        return Err(Silence::Unchanged);
    }
    let owner = write.object().and_then(crate::arn::Arn::account).unwrap_or_else(|| write.account.clone());
    let (allows, denies) = (parts(&document, "Allow"), parts(&document, "Deny"));
    let before = scene.before.map(|before| (parts(&before.value, "Allow"), parts(&before.value, "Deny")));
    let (allowed, denied) = before.clone().unwrap_or_default();
    let of_backups = is_used(write, scene);
    let mut opened = lost(&allows, &allowed);
    opened.retain(|part| of_backups && part.is_about(&OPENS) && part.lets_in(&PROTECTED, &owner, scene));
    if before.is_none() && opened.is_empty() {
        return without_its_account(write, scene, &owner, &allows);
    }
    let mut unprotected = lost(&denied, &denies);
    let mut taken = lost(&allowed, &allows);
    // Without a before nobody knows which Deny is new.
    let mut forbidden = if before.is_some() { lost(&denies, &denied) } else { Vec::new() };
    let loses = !(taken.is_empty() && unprotected.is_empty() && forbidden.is_empty());
    unprotected.retain(|part| of_backups && part.is_about(&PROTECTED));
    let used = scene.keeps_copies(&owner) || scene.of_a_route;
    let concerns = |part: &Part| {
        let foreign = part.account().is_some_and(|account| account != owner.as_str());
        let whole = part.account() == Some(owner.as_str()) && part.principal == owner.as_str();
        part.is_about(&USED) && (used || foreign || whole || part.is_about_everybody() || is_of_backups(&part.text()))
    };
    taken.retain(concerns);
    forbidden.retain(concerns);
    let key = named(write, "keyId");
    // The first that happened gives the deed its name.
    let (kind, what, endangers) = if !unprotected.is_empty() {
        let what = format!("took from the policy of the key {key} what protected it");
        (
            DeedKind::KeyUnprotected,
            what,
            "Whoever administers the key may now delete or disable it, and with it every recovery point under it.",
        )
    } else if !opened.is_empty() {
        let what = format!("let somebody use the key {key} who may be outside");
        (DeedKind::KeyOpened, what, "Whoever it is may read what is under this key, or make the key useless.")
    } else if !taken.is_empty() || !forbidden.is_empty() {
        let what = format!("narrowed the policy of the key {key}");
        (DeedKind::KeyPolicyNarrowed, what, "Copies and restores under this key may be refused from the next one on.")
    } else {
        return Err(if loses { Silence::NotOfBackups } else { Silence::OnlyWidens });
    };
    let text = [("no longer denied", &unprotected), ("let in", &opened), ("no longer allowed", &taken), ("denied", &forbidden)]
        .into_iter()
        .filter(|(_, parts)| !parts.is_empty())
        .map(|(how, parts)| format!("{how}: {}", list(parts, MOST)))
        .collect::<Vec<_>>()
        .join("; ");
    let gone = [unprotected, taken].concat();
    let show =
        command("aws kms get-key-policy --policy-name default --output text --key-id {} --region {}", &[&key, write.region.as_str()]);
    Deed::of(write, kind, Severity::High, format!("{what}: {text}"))
        .changed((!gone.is_empty()).then(|| list(&gone, MOST)), Some(text))
        .endangers(endangers)
        .undo("Put the older policy back; this shows the one that is there now.", show)
        .judged()
}

/// A policy that does not let the account of its key in, of a key of copies. Whatever it was before, only whom it names can use or mend the key.
fn without_its_account(write: &Write, scene: &Scene<'_>, owner: &AccountId, allows: &BTreeSet<Part>) -> Judged {
    if !scene.keeps_copies(owner) || allows.iter().any(|part| part.principal == owner.as_str() || part.is_about_everybody()) {
        return Err(Silence::NoBefore);
    }
    let key = named(write, "keyId");
    let parts = allows.iter().cloned().collect::<Vec<_>>();
    let now = if parts.is_empty() { "nobody".to_owned() } else { list(&parts, MOST) };
    let show =
        command("aws kms get-key-policy --policy-name default --output text --key-id {} --region {}", &[&key, write.region.as_str()]);
    let what = format!("wrote a policy of the key {key} that leaves its own account out, and what it was before is not known");
    Deed::of(write, DeedKind::KeyPolicyNarrowed, Severity::Medium, what)
        .changed(None, Some(now))
        .endangers("Nobody else can use or mend the key: copies and restores under it may be refused from the next one on.")
        .undo("Look whether those are left in the policy who need the key; this shows the policy that is there now.", show)
        .judged()
}

fn grant(write: &Write, scene: &Scene<'_>) -> Judged {
    // Each copy and each volume has grants of its own, which the service that made them gives back.
    if is_service_itself(&write.actor) || is_linked_role(&write.actor) {
        return Err(Silence::ServiceItself);
    }
    if !is_used(write, scene) {
        return Err(Silence::NotOfBackups);
    }
    let what = format!("took away the grant {} of the key {}", named(write, "grantId"), named(write, "keyId"));
    Deed::of(write, DeedKind::GrantRevoked, Severity::Medium, what)
        .endangers("Whoever used the key by this grant is refused from now on: a running copy, or the resource itself.")
        .undo("The service makes a new grant with its next work, where the policy of the key lets it; a resource may have to be attached again.", None)
        .judged()
}

/// The defaults of EBS in an account and Region.
pub(super) fn ebs(write: &Write, scene: &Scene<'_>) -> Judged {
    let key = |value: &Value| value.as_str().unwrap_or("the key that AWS manages").to_owned();
    let (was, is) = (scene.before.map(|before| &before.value), state(write).map(|state| state.value));
    if was.is_some() && was == is.as_ref() {
        return Err(Silence::Unchanged);
    }
    let older = was.and_then(Value::as_str).filter(|key| is_plain(key));
    let again = older.map(|key| format!("aws ec2 modify-ebs-default-kms-key-id --kms-key-id {key} --region {{}}"));
    let key_before = match &again {
        Some(again) => ("Give new volumes the key that they had before.", again.as_str()),
        None => (
            "Give new volumes the key that they had before (`aws ec2 modify-ebs-default-kms-key-id`); this only shows which one they get now.",
            "aws ec2 get-ebs-default-kms-key-id --region {}",
        ),
    };
    let (what, severity, endangers, (undo, pattern)) = match write.event_name.as_str() {
        "DisableEbsEncryptionByDefault" => (
            format!("switched the default encryption of EBS off in {}", write.region),
            Severity::Medium,
            "New volumes are not encrypted unless somebody asks for it.",
            ("Switch it on again.", "aws ec2 enable-ebs-encryption-by-default --region {}"),
        ),
        "ResetEbsDefaultKmsKeyId" => (
            format!("gave new EBS volumes in {} the key that AWS manages", write.region),
            Severity::High,
            "Backups of volumes under a key that AWS manages can never be copied into another account.",
            key_before,
        ),
        "ModifyEbsDefaultKmsKeyId" => (
            format!("gave new EBS volumes in {} another key: {}", write.region, named(write, "kmsKeyId")),
            Severity::Medium,
            "Backups of new volumes can be copied only where the policy of this key lets the backup account use it.",
            key_before,
        ),
        "EnableEbsEncryptionByDefault" => return Err(Silence::Mends),
        _ => return Err(Silence::Harmless),
    };
    Deed::of(write, DeedKind::EbsDefaultChanged, severity, what)
        .changed(was.map(key), is.as_ref().map(key))
        .endangers(endangers)
        .undo(undo, command(pattern, &[write.region.as_str()]))
        .judged()
}
