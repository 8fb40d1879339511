//! Every plan keeps backups long enough.

use crate::compliance::say::{days, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-051",
        name: "plan-retention",
        title: "Every plan keeps backups long enough",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/creating-a-backup-plan.html",
        ],
        page: include_str!("plan-retention.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let limit = view.scope.baseline.retention_days;
    view.plans(|subject, _, _, _, plan| {
        if plan.rules.is_empty() {
            return vec![Outcome::not_applicable(subject, "it has no rule")];
        }
        let own = plan.rules.iter().map(|rule| rule.lifecycle.delete_after_days);
        let copies = plan.rules.iter().flat_map(|rule| rule.copy_actions.iter().map(|action| action.delete_after_days));
        // Without an end is longer than any number of days.
        let longest = own.chain(copies).max_by_key(|kept| kept.unwrap_or(i64::MAX)).flatten();
        let kept = days(longest);
        if longest.is_none_or(|longest| longest >= limit) {
            return vec![Outcome::pass(subject, format!("it keeps backups or their copies {kept}, and {limit} days are agreed on"))];
        }
        let remedy = format!(
            "give a rule of the plan {}, or its copy action, a lifecycle of at least {limit} days (or change the backup policy that made it)",
            quoted(&plan.name)
        );
        vec![Outcome::fail(subject, format!("it keeps backups and their copies {kept} at most, and {limit} days are agreed on"), remedy)]
    })
}
