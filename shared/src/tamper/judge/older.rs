//! What puts back the document that a write replaced: nobody but the guardian may still have it.

use super::super::deed::{BEFORE_FILE, Deed, Scene, command, is_plain};
use super::Write;

/// The deed with the document that was there before, where one was, it is known, and a command puts such a document back.
pub(super) fn kept(write: &Write, scene: &Scene<'_>, mut deed: Box<Deed>) -> Box<Deed> {
    let before = scene.before.map(|before| &before.value).filter(|value| value.is_object());
    if let Some((before, command)) = before.zip(put_back(write)).filter(|_| is_plain(&write.event_id)) {
        deed.undo.text = "Read what was there before, and put it back.".to_owned();
        deed.undo.command = Some(command);
        deed.undo.document_kept = true;
        deed.before_document = Some(before.clone());
    }
    deed
}

fn put_back(write: &Write) -> Option<String> {
    let part = |name: &str| write.text(name).unwrap_or_default();
    let (pattern, values) = match (write.service.as_str(), write.event_name.as_str()) {
        ("kms", "PutKeyPolicy") => {
            ("aws kms put-key-policy --policy-name default --key-id {} --policy {} --region {}", vec![part("keyId")])
        }
        ("backup", "PutBackupVaultAccessPolicy" | "DeleteBackupVaultAccessPolicy") => {
            ("aws backup put-backup-vault-access-policy --backup-vault-name {} --policy {} --region {}", vec![part("backupVaultName")])
        }
        ("iam", "UpdateAssumeRolePolicy") => {
            ("aws iam update-assume-role-policy --role-name {} --policy-document {}", vec![part("roleName")])
        }
        ("iam", "PutRolePolicy" | "DeleteRolePolicy") => {
            ("aws iam put-role-policy --role-name {} --policy-name {} --policy-document {}", vec![part("roleName"), part("policyName")])
        }
        ("organizations", "UpdatePolicy") => ("aws organizations update-policy --policy-id {} --content {}", vec![part("policyId")]),
        _ => return None,
    };
    let file = format!("file://{BEFORE_FILE}");
    let mut values = values.iter().map(String::as_str).collect::<Vec<_>>();
    values.extend([file.as_str(), write.region.as_str()]);
    command(pattern, &values)
}
