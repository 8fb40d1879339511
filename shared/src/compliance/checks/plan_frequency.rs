//! Every plan backs up often enough.

use crate::compliance::say::{hours, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::coverage::Schedule;
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-050",
        name: "plan-frequency",
        title: "Every plan backs up often enough",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/creating-a-backup-plan.html",
        ],
        page: include_str!("plan-frequency.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let limit = view.scope.baseline.frequency_hours;
    view.plans(|subject, _, _, _, plan| {
        if plan.rules.is_empty() {
            return vec![Outcome::not_applicable(subject, "it has no rule")];
        }
        // Rules add up: one that is frequent enough suffices.
        let mut shortest: Option<i64> = None;
        let mut open = Vec::new();
        for rule in &plan.rules {
            if rule.times.continuous {
                return vec![Outcome::pass(subject, format!("rule {} backs up continuously", quoted(&rule.name)))];
            }
            let schedule = rule.times.schedule.as_deref().map(|expression| Schedule::parse(expression, rule.times.zone.as_deref()));
            match schedule {
                // None where it runs less than twice in a lifetime.
                Some(Ok(schedule)) => {
                    if let Some(pause) = schedule.largest_gap(view.now).map(hours) {
                        shortest = Some(shortest.map_or(pause, |shortest| shortest.min(pause)));
                    }
                }
                Some(Err(_)) | None => open.push(rule.name.as_str()),
            }
        }
        let outcome = match shortest {
            Some(pause) if pause <= limit => {
                Outcome::pass(subject, format!("its longest pause is {pause} hours, and {limit} are agreed on"))
            }
            _ if !open.is_empty() => Outcome::unknown(subject, format!("not seen: a schedule of {}", listed(&open)), Vec::new()),
            pause => {
                let pause = pause.map_or_else(|| "it never runs twice".to_owned(), |pause| format!("its longest pause is {pause} hours"));
                let remedy = format!(
                    "give the plan {} a rule that runs at least every {limit} hours (or change the backup policy that made it)",
                    quoted(&plan.name)
                );
                Outcome::fail(subject, format!("{pause}, and {limit} are agreed on"), remedy)
            }
        };
        vec![outcome]
    })
}
