//! `Recovery Point Index State Change`. The state is `indexStatus`; the vault ARN may have the internal form `arn:aws:cryo:…`.

use super::change::Change;
use super::field::Fields;
use super::job_fields::status_message;

pub(super) fn read(change: &mut Change, detail: &mut Fields<'_>) {
    change.object_arn = detail.arn("recoveryPointArn").or(change.object_arn.take());
    change.vault_arn = detail.arn("backupVaultArn");
    change.resource_arn = detail.arn("sourceResourceArn");
    change.resource_type = detail.text("resourceType");
    change.changed_at =
        ["indexDeletionTime", "indexCompletionTime", "indexCreationTime"].into_iter().find_map(|name| detail.timestamp(name));
    change.status_message = status_message(detail, "indexStatusMessage");
}
