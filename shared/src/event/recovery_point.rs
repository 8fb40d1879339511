//! `Recovery Point State Change`. It has no key; `isEncrypted` is a text, `calculatedLifeCycle` has a capital C.

use super::change::Change;
use super::field::Fields;

pub(super) fn read(change: &mut Change, detail: &mut Fields<'_>) {
    change.object_arn = change.object_arn.take().or_else(|| detail.arn("recoveryPointArn"));
    change.vault_arn = detail.arn("backupVaultArn");
    change.name = detail.text("backupVaultName");
    change.resource_arn = detail.arn("resourceArn");
    change.resource_type = detail.text("resourceType");
    change.encrypted = detail.flag("isEncrypted");
    change.changed_at = ["completionDate", "creationDate"].into_iter().find_map(|name| detail.timestamp(name));
    let mut lifecycle = Fields::of("detail.calculatedLifeCycle", detail.get("calculatedLifeCycle"));
    change.delete_at = lifecycle.timestamp("deleteAt");
    detail.problems.append(&mut lifecycle.problems);
    let mut lifecycle = Fields::of("detail.lifecycle", detail.get("lifecycle"));
    change.delete_after_event = lifecycle.text("deleteAfterEvent");
    detail.problems.append(&mut lifecycle.problems);
}
