//! `Backup Plan State Change`. The date is `creationDate`, `modifiedAt` or `deletionDate` according to the state.

use super::change::Change;
use super::field::Fields;

pub(super) fn read(change: &mut Change, detail: &mut Fields<'_>) {
    change.name = detail.text("backupPlanId");
    change.object_arn = detail.arn("backupPlanArn").or(change.object_arn.take());
    change.changed_at = ["deletionDate", "modifiedAt", "creationDate"].into_iter().find_map(|name| detail.timestamp(name));
}
