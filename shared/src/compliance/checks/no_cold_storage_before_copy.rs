//! Backups stay warm until they are copied.

use crate::compliance::say::{count, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, Subject};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{BackupPlan, PlanRule};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-055",
        name: "no-cold-storage-before-copy",
        title: "Backups stay warm until they are copied",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/recov-point-create-a-copy.html",
        ],
        page: include_str!("no-cold-storage-before-copy.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let within = view.scope.baseline.copy_within_hours;
    view.plans(|subject, _, _, _, plan| {
        let copying = plan.rules.iter().filter(|rule| !rule.copy_actions.is_empty());
        let mut outcomes = copying.map(|rule| of(subject.clone().part(rule.name.clone()), plan, rule, within)).collect::<Vec<_>>();
        if outcomes.is_empty() {
            outcomes.push(Outcome::not_applicable(subject, "it copies nothing"));
        }
        outcomes
    })
}

fn of(subject: Subject, plan: &BackupPlan, rule: &PlanRule, within: i64) -> Outcome {
    match rule.lifecycle.move_to_cold_storage_after_days {
        None => Outcome::pass(subject, "backups never go to cold storage"),
        Some(cold) if cold.saturating_mul(24) > within => {
            Outcome::pass(subject, format!("backups go to cold storage after {cold} days, and copies land within {within} hours"))
        }
        Some(cold) => {
            let remedy = format!(
                "let rule {} of plan {} (or the backup policy that made it) move backups to cold storage later, or have the copies moved instead",
                quoted(&rule.name),
                quoted(&plan.name)
            );
            let seen = format!(
                "backups go to cold storage after {}, where nothing can be copied from: a copy that is late, or tried again, fails",
                count(usize::try_from(cold).unwrap_or_default(), "day")
            );
            Outcome::fail(subject, seen, remedy)
        }
    }
}
