//! Recovery points are deleted when they should be.

use crate::compliance::points::Kind;
use crate::compliance::say::quoted;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, points};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-058",
        name: "no-expired-recovery-points",
        title: "Recovery points are deleted when they should be",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:ListRecoveryPointsByBackupVault"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/deleting-backups.html"],
        page: include_str!("no-expired-recovery-points.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    points::each(view, |subject, place, inventory, points| {
        let ill = Kind::of(points, |points| points.expired, &inventory.copies.expired);
        if ill.is_none() {
            return Outcome::pass(subject, "no recovery point has outlived its end");
        }
        let of = ill.words();
        let since = points.iter().map(|points| points.expired_since).chain([inventory.copies.expired_since]).flatten().min();
        let since = since.map(|at| format!(", the first since {at}")).unwrap_or_default();
        let seen = format!("their end has come, and they could not be deleted: {of}{since}");
        let remedy = format!(
            "{} look for what denies the deletion of the recovery points in {} (a policy, a missing role, a key that is gone) and delete them: {}",
            place.words(),
            quoted(inventory.vault.arn.resource_name()),
            quoted(&command(
                "aws backup delete-recovery-point --recovery-point-arn ARN",
                &[("backup-vault-name", inventory.vault.arn.resource_name())]
            ))
        );
        Outcome::fail(subject, seen, remedy).from(ill.resources)
    })
}
