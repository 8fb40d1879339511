//! Recovery points are encrypted.

use crate::compliance::points::Kind;
use crate::compliance::say::quoted;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, points};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-056",
        name: "recovery-points-encrypted",
        title: "Recovery points are encrypted",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:ListRecoveryPointsByBackupVault"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
            "https://docs.aws.amazon.com/securityhub/latest/userguide/backup-controls.html",
        ],
        page: include_str!("recovery-points-encrypted.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    points::each(view, |subject, place, inventory, points| {
        let ill = Kind::of(points, |points| points.unencrypted, &inventory.copies.unencrypted);
        if ill.is_none() {
            return Outcome::pass(subject, "every recovery point in it is encrypted");
        }
        let of = ill.words();
        let seen = format!("without encryption: {of}");
        let remedy = format!(
            "{} encrypt the resources, and let the recovery points of {} expire; encrypted copies are made by copying them into a vault under a customer managed key",
            place.words(),
            quoted(inventory.vault.arn.resource_name())
        );
        Outcome::fail(subject, seen, remedy).from(ill.resources)
    })
}
