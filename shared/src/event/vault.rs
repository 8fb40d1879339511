//! `Backup Vault State Change`. `isLocked` is a text and comes with MODIFIED only.

use super::change::Change;
use super::field::Fields;

pub(super) fn read(change: &mut Change, detail: &mut Fields<'_>) {
    change.name = detail.text("backupVaultName");
    change.object_arn = detail.arn("backupVaultArn").or(change.object_arn.take());
    change.locked = detail.flag("isLocked");
    change.changed_at = ["modifiedAt", "creationDate", "deletionDate"].into_iter().find_map(|name| detail.timestamp(name));
}
