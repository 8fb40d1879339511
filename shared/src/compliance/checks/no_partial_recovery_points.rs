//! No recovery point is partial.

use crate::compliance::say::{count, listed, quoted};
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
    points::each(view, |subject, place, vault, points| {
        let ill = points.iter().filter(|points| points.partial > 0);
        let total = ill.clone().map(|points| points.partial).fold(0_u64, u64::saturating_add);
        let mut resources = ill.map(|points| points.resource_arn.as_str()).collect::<Vec<_>>();
        resources.sort_unstable();
        resources.dedup();
        if total == 0 {
            return Outcome::pass(subject, "no recovery point in it is partial");
        }
        let of = format!("{} of {}", count(usize::try_from(total).unwrap_or(usize::MAX), "recovery point"), listed(&resources));
        let seen = format!("partial, and not to be restored from: {of}");
        let remedy = format!(
            "{} look into the jobs that made them, back the resources up again, and delete the partial ones from {}",
            place.words(),
            quoted(vault.arn.resource_name())
        );
        Outcome::fail(subject, seen, remedy).from(resources)
    })
}
