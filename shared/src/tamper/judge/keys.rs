//! Keys, their policies and grants, and the defaults of EBS.

use super::super::deed::command;
use super::backup::named;
use super::documents::{Part, list, lost, parts, sorted};
use super::{Deed, DeedKind, Judged, Scene, Severity, Silence, Write, is_linked_role};

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
/// Permissions that one message lists.
const MOST: usize = 6;

pub(super) fn judge(write: &Write, scene: &Scene<'_>) -> Judged {
    match write.event_name.as_str() {
        "DisableKey" => key_lost(
            write,
            scene,
            "disabled",
            "Whatever is under this key can be neither copied nor restored until it is enabled again.",
            "enable-key",
        ),
        "ScheduleKeyDeletion" => key_lost(
            write,
            scene,
            "scheduled for deletion",
            "When the waiting period is over, every recovery point under this key is lost for good.",
            "cancel-key-deletion",
        ),
        "DeleteImportedKeyMaterial" => key_lost(
            write,
            scene,
            "stripped of its material",
            "Every recovery point under this key is unreadable until the same material is imported again.",
            "",
        ),
        "PutKeyPolicy" => policy(write, scene),
        "RevokeGrant" | "RetireGrant" => grant(write, scene),
        "EnableKey" | "CancelKeyDeletion" => Err(Silence::Mends),
        _ => Err(Silence::Harmless),
    }
}

/// Whether backups are known to use the key. That no copy hangs on it says nothing: backups that are never copied use keys, too.
fn is_used(write: &Write, scene: &Scene<'_>) -> bool {
    let owner = write.object().and_then(crate::arn::Arn::account).unwrap_or_else(|| write.account.clone());
    let speaks_of_backups = scene.before.is_some_and(|before| is_of_backups(&before.value.to_string()));
    scene.keeps_copies(&owner) || speaks_of_backups || scene.of_a_route
}

fn is_of_backups(text: &str) -> bool {
    text.to_lowercase().contains("backup")
}

fn key_lost(write: &Write, scene: &Scene<'_>, what: &str, endangers: &str, undo: &str) -> Judged {
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
    let back = match undo {
        "" => None,
        undo => command(&format!("aws kms {undo} --key-id {{}} --region {{}}"), &[&key, write.region.as_str()]),
    };
    let sentence = match kind {
        DeedKind::KeyDisabled => format!("disabled the key {key}"),
        _ => format!("left the key {key} {what}"),
    };
    Deed::of(write, kind, severity, sentence).endangers(format!("{endangers}{note}")).undo("Take it back at once.", back).judged()
}

fn policy(write: &Write, scene: &Scene<'_>) -> Judged {
    let Some(document) = write.document("policy") else { return Err(Silence::NoBefore) };
    let Some(before) = scene.before else { return Err(Silence::NoBefore) };
    if sorted(&before.value) == sorted(&document) {
        return Err(Silence::Unchanged);
    }
    let owner = write.object().and_then(crate::arn::Arn::account).unwrap_or_else(|| write.account.clone());
    let used = scene.keeps_copies(&owner) || scene.of_a_route;
    let concerns = |part: &Part| {
        let foreign = part.account().is_some_and(|account| account != owner.as_str());
        let whole = part.account() == Some(owner.as_str()) && part.principal == owner.as_str();
        part.is_about(&USED) && (used || foreign || whole || part.principal == "*" || is_of_backups(&part.text()))
    };
    let mut taken = lost(&parts(&before.value, "Allow"), &parts(&document, "Allow"));
    taken.retain(concerns);
    let mut forbidden = lost(&parts(&document, "Deny"), &parts(&before.value, "Deny"));
    forbidden.retain(concerns);
    if taken.is_empty() && forbidden.is_empty() {
        let any = !lost(&parts(&before.value, "Allow"), &parts(&document, "Allow")).is_empty();
        return Err(if any { Silence::NotOfBackups } else { Silence::OnlyWidens });
    }
    let key = named(write, "keyId");
    let mut changes = Vec::new();
    if !taken.is_empty() {
        changes.push(format!("no longer allowed: {}", list(&taken, MOST)));
    }
    if !forbidden.is_empty() {
        changes.push(format!("denied: {}", list(&forbidden, MOST)));
    }
    let text = changes.join("; ");
    let show =
        command("aws kms get-key-policy --policy-name default --output text --key-id {} --region {}", &[&key, write.region.as_str()]);
    Deed::of(write, DeedKind::KeyPolicyNarrowed, Severity::High, format!("narrowed the policy of the key {key}: {text}"))
        .changed((!taken.is_empty()).then(|| list(&taken, MOST)), Some(text))
        .endangers("Copies and restores under this key may be refused from the next one on.")
        .undo("Put back what was taken out; this shows the policy as it is now.", show)
        .judged()
}

fn grant(write: &Write, scene: &Scene<'_>) -> Judged {
    // Each copy and each volume has grants of its own, which the service that made them gives back.
    if write.actor.invoked_by.is_some() || is_linked_role(&write.actor) {
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
pub(super) fn ebs(write: &Write) -> Judged {
    let (what, severity, endangers, undo) = match write.event_name.as_str() {
        "DisableEbsEncryptionByDefault" => (
            format!("switched the default encryption of EBS off in {}", write.region),
            Severity::Medium,
            "New volumes are not encrypted unless somebody asks for it.",
            "aws ec2 enable-ebs-encryption-by-default --region {}",
        ),
        "ResetEbsDefaultKmsKeyId" => (
            format!("gave new EBS volumes in {} the key that AWS manages", write.region),
            Severity::High,
            "Backups of volumes under a key that AWS manages can never be copied into another account.",
            "aws ec2 get-ebs-default-kms-key-id --region {}",
        ),
        "ModifyEbsDefaultKmsKeyId" => (
            format!("gave new EBS volumes in {} another key: {}", write.region, named(write, "kmsKeyId")),
            Severity::Medium,
            "Backups of new volumes can be copied only where the policy of this key lets the backup account use it.",
            "aws ec2 get-ebs-default-kms-key-id --region {}",
        ),
        "EnableEbsEncryptionByDefault" => return Err(Silence::Mends),
        _ => return Err(Silence::Harmless),
    };
    Deed::of(write, DeedKind::EbsDefaultChanged, severity, what)
        .endangers(endangers)
        .undo("Set it back.", command(undo, &[write.region.as_str()]))
        .judged()
}
