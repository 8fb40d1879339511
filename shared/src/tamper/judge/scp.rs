//! What control policies of the organization protect, and what they refuse to backups.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Severity;
use super::documents::{Part, list, parts};

/// What a Deny protects backups from. With [`AROUND`] it is all that `deploy/management-account.yaml` denies.
const BACKUPS: [&str; 20] = [
    "account:CloseAccount",
    "backup:DeleteBackupVault",
    "backup:DeleteBackupVaultAccessPolicy",
    "backup:DeleteBackupVaultLockConfiguration",
    "backup:DeleteBackupVaultNotifications",
    "backup:DeleteRecoveryPoint",
    "backup:DisassociateRecoveryPoint",
    "backup:PutBackupVaultAccessPolicy",
    "backup:PutBackupVaultLockConfiguration",
    "backup:PutBackupVaultNotifications",
    "backup:UpdateGlobalSettings",
    "backup:UpdateRecoveryPointLifecycle",
    "backup:UpdateRegionSettings",
    "ec2:DisableImage",
    "kms:DeleteImportedKeyMaterial",
    "kms:DisableKey",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "organizations:LeaveOrganization",
];
/// What is denied for other reasons, too: it need not have protected backups.
const AROUND: [&str; 43] = [
    "ec2:DeleteSnapshot",
    "ec2:DeregisterImage",
    "events:DeleteRule",
    "events:DisableRule",
    "events:PutRule",
    "events:PutTargets",
    "events:RemoveTargets",
    "fsx:DeleteBackup",
    "iam:AttachRolePolicy",
    "iam:AttachUserPolicy",
    "iam:CreateAccessKey",
    "iam:CreateLoginProfile",
    "iam:CreateRole",
    "iam:DeactivateMFADevice",
    "iam:DeleteAccessKey",
    "iam:DeleteLoginProfile",
    "iam:DeleteRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DeleteServiceLinkedRole",
    "iam:DeleteUser",
    "iam:DeleteUserPermissionsBoundary",
    "iam:DeleteUserPolicy",
    "iam:DetachRolePolicy",
    "iam:DetachUserPolicy",
    "iam:EnableMFADevice",
    "iam:PassRole",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:PutUserPermissionsBoundary",
    "iam:PutUserPolicy",
    "iam:UpdateAccessKey",
    "iam:UpdateAssumeRolePolicy",
    "iam:UpdateLoginProfile",
    "iam:UpdateUser",
    "kms:DeleteAlias",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "lambda:UpdateFunctionCode",
    "lambda:UpdateFunctionConfiguration",
    "rds:DeleteDBClusterSnapshot",
    "rds:DeleteDBSnapshot",
];
/// What keeps the records of all this, though the policies of this project leave it to those of the organization.
const RECORDS: [&str; 4] = ["cloudtrail:DeleteTrail", "cloudtrail:PutEventSelectors", "cloudtrail:StopLogging", "cloudtrail:UpdateTrail"];
/// What backups and copies are made with by roles that such a policy binds.
const NEEDED: [&str; 15] = [
    "backup:CopyFromBackupVault",
    "backup:CopyIntoBackupVault",
    "backup:StartBackupJob",
    "backup:StartCopyJob",
    "backup:StartRestoreJob",
    "dynamodb:StartAwsBackupJob",
    "ec2:CreateImage",
    "ec2:CreateSnapshot",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "rds:CreateDBClusterSnapshot",
    "rds:CreateDBSnapshot",
];
/// Permissions that one message lists.
const MOST: usize = 6;

/// What is said of everything at once has other reasons than backups, such as a policy of Regions.
fn is_sweeping(part: &Part) -> bool {
    part.action == "*" || part.action.starts_with("everything but")
}

fn is_about(part: &Part, actions: &[&str]) -> bool {
    part.is_about(actions) || part.action.starts_with("everything but")
}

fn lost(before: &BTreeSet<Part>, after: &BTreeSet<Part>) -> BTreeSet<Part> {
    super::documents::lost(before, after).into_iter().collect()
}

/// How much these Deny parts protect, and what.
fn protecting(denies: BTreeSet<Part>) -> Option<(Severity, String)> {
    let is_grave = |part: &Part| !is_sweeping(part) && (part.is_about(&BACKUPS) || part.is_about(&RECORDS));
    let (grave, others) = denies.into_iter().partition::<Vec<_>, _>(is_grave);
    if !grave.is_empty() {
        return Some((Severity::High, list(&grave, MOST)));
    }
    let others = others.into_iter().filter(|part| is_sweeping(part) || part.is_about(&AROUND)).collect::<Vec<_>>();
    (!others.is_empty()).then(|| (Severity::Medium, list(&others, MOST)))
}

/// How surely these Deny parts refuse what backups need, and what. Whether a condition holds for backups is not known.
fn refusing(denies: BTreeSet<Part>) -> Option<(Severity, String)> {
    let (conditional, sure) = denies
        .into_iter()
        .filter(|part| is_about(part, &NEEDED))
        .partition::<Vec<_>, _>(|part| !part.condition.is_empty() || part.action.starts_with("everything but"));
    if !sure.is_empty() {
        return Some((Severity::High, format!("denied from now on: {}", list(&sure, MOST))));
    }
    (!conditional.is_empty()).then(|| (Severity::Medium, format!("perhaps denied from now on: {}", list(&conditional, MOST))))
}

/// What of [`NEEDED`] is allowed less.
fn less_allowed(before: &BTreeSet<Part>, after: &BTreeSet<Part>) -> Option<(Severity, String)> {
    let allowed = |parts: &BTreeSet<Part>, action: &str| {
        let found = parts.iter().filter(|part| is_about(part, &[action]));
        found.map(|part| if part.condition.is_empty() && part.is_about(&[action]) { 2_u8 } else { 1 }).max().unwrap_or(0)
    };
    let less = NEEDED.into_iter().filter(|action| allowed(after, action) < allowed(before, action)).collect::<Vec<_>>();
    let severity = if less.iter().any(|action| allowed(after, action) == 0) { Severity::High } else { Severity::Medium };
    let more = less.len().saturating_sub(MOST);
    let text = less.iter().take(MOST).copied().collect::<Vec<_>>().join(", ");
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!less.is_empty()).then(|| (severity, format!("no longer allowed, or under other conditions: {text}{rest}")))
}

/// What a policy protects backups from.
pub(super) fn protected(content: &Value) -> Option<(Severity, String)> {
    protecting(parts(content, "Deny"))
}

/// What a policy refuses to backups where it is attached beside others.
pub(super) fn refused(content: &Value) -> Option<(Severity, String)> {
    refusing(parts(content, "Deny"))
}

/// Whether a policy allows something that backups need.
pub(super) fn allows(content: &Value) -> bool {
    parts(content, "Allow").iter().any(|part| is_about(part, &NEEDED))
}

/// Whether a policy allows everything and denies nothing: it bounds nobody.
pub(super) fn says_nothing(content: &Value) -> bool {
    let everything = |part: &Part| part.action == "*" && part.condition.is_empty() && part.is_about_everybody();
    parts(content, "Deny").is_empty() && parts(content, "Allow").iter().any(everything)
}

/// What a change of a policy takes from backups, and how bad the worst of it is.
pub(super) fn worst(before: &Value, after: &Value) -> Option<(Severity, String)> {
    let of_both = |effect| (parts(before, effect), parts(after, effect));
    let ((denied, denied_now), (allowed, allowed_now)) = (of_both("Deny"), of_both("Allow"));
    let open = protecting(lost(&denied, &denied_now)).map(|(severity, list)| (severity, format!("no longer denied: {list}")));
    let found = [open, refusing(lost(&denied_now, &denied)), less_allowed(&allowed, &allowed_now)];
    let mut found = found.into_iter().flatten().collect::<Vec<_>>();
    found.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    let worst = found.first()?.0;
    Some((worst, found.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The actions that stand in the policies of the template: words such as `kms:PutKeyPolicy` outside comments.
    fn denied_by_the_template() -> BTreeSet<&'static str> {
        let template = include_str!("../../../../deploy/management-account.yaml");
        let lines = template.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let words = lines.flat_map(|line| line.split([' ', ',', '[', ']']));
        let is_action = |word: &&str| {
            word.split_once(':').is_some_and(|(service, name)| {
                !service.is_empty()
                    && service.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
                    && name.starts_with(|c: char| c.is_ascii_uppercase())
                    && name.bytes().all(|b| b.is_ascii_alphanumeric())
            })
        };
        words.filter(is_action).collect()
    }

    #[test]
    fn what_the_template_denies_is_what_a_policy_protects_backups_by() {
        let ours = BACKUPS.into_iter().chain(AROUND).collect::<BTreeSet<_>>();
        assert_eq!(ours, denied_by_the_template());
        assert_eq!(ours.len(), BACKUPS.len() + AROUND.len(), "each once");
    }
}
