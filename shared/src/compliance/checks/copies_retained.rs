//! Copies are kept long enough.

use crate::compliance::rows::Look;
use crate::compliance::say::{days, days_between, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, rows};
use crate::coverage::Protection;
use crate::diagnosis::{Grade, Severity};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-068",
        name: "copies-retained",
        title: "Copies are kept long enough",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:ListRecoveryPointsByBackupVault"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
        ],
        page: include_str!("copies-retained.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let limit = view.scope.baseline.retention_days;
    let kept = |created: Timestamp, end: Option<Timestamp>| end.is_none_or(|end| days_between(created, end) >= limit);
    // Short-lived copies beside longer ones of the same resource are fine.
    let mut longer = BTreeSet::new();
    for (vault, arrivals) in view.arrivals {
        for points in arrivals.points.known().into_iter().flatten() {
            if points.newest.iter().any(|point| kept(point.created_at, point.delete_at)) {
                longer.insert((vault, &points.resource_arn));
            }
        }
    }
    rows::each(view, "a copy is kept long enough", |row| {
        let mut open = matches!(row.protection, Protection::Unknown) && row.copies.iter().any(|landing| !landing.read);
        let mut well = false;
        for landing in &row.copies {
            let Some(newest) = &landing.newest else { continue };
            if kept(newest.created_at, newest.delete_at) || longer.contains(&(&landing.vault_arn, &row.resource_arn)) {
                well = true;
                continue;
            }
            // Others of its copies may be kept longer, and were not seen.
            if view.arrivals.get(&landing.vault_arn).is_none_or(|arrivals| arrivals.points.known().is_none()) {
                open = true;
                continue;
            }
            let end = newest.delete_at.map(|end| days_between(newest.created_at, end));
            return Look::Ill(
                format!("its copies in {} are kept {}, and {limit} days are agreed on", quoted(landing.vault_arn.as_str()), days(end)),
                format!(
                    "give the copy action into {} a lifecycle of at least {limit} days, in the plan of account {} or in the backup policy that made it",
                    quoted(landing.vault_arn.as_str()),
                    row.account_id
                ),
            );
        }
        if open {
            Look::Open
        } else if well {
            Look::Well
        } else {
            Look::Other
        }
    })
}
