//! No recovery point is partial.

use crate::compliance::points::Kind;
use crate::compliance::say::quoted;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, points};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-059",
        name: "no-partial-recovery-points",
        title: "No recovery point is partial",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["backup:ListRecoveryPointsByBackupVault"],
        remedy: Grade::HumanOnly,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/API_RecoveryPointByBackupVault.html"],
        page: include_str!("no-partial-recovery-points.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    points::each(view, |subject, place, inventory, points| {
        let ill = Kind::of(points, |points| points.partial, &inventory.copies.partial);
        if ill.is_none() {
            return Outcome::pass(subject, "no recovery point in it is partial");
        }
        let of = ill.words();
        let seen = format!("partial, and not to be restored from: {of}");
        let remedy = format!(
            "{} look into the jobs that made them, back the resources up again, and delete the partial ones from {}",
            place.words(),
            quoted(inventory.vault.arn.resource_name())
        );
        Outcome::fail(subject, seen, remedy).from(ill.resources)
    })
}
