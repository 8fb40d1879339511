//! Copy actions keep copies long enough.

use crate::arn::Arn;
use crate::compliance::say::{days, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};
use std::collections::BTreeMap;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-052",
        name: "copy-retention",
        title: "Copy actions keep copies long enough",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
        ],
        page: include_str!("copy-retention.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let limit = view.scope.baseline.retention_days;
    view.plans(|subject, _, _, _, plan| {
        let mut longest: BTreeMap<&Arn, Option<i64>> = BTreeMap::new();
        let actions = plan.rules.iter().flat_map(|rule| &rule.copy_actions);
        for action in
            actions.filter(|action| action.destination_vault_arn.account().is_some_and(|account| view.is_backup_account(&account)))
        {
            let kept = longest.entry(&action.destination_vault_arn).or_insert(action.delete_after_days);
            *kept = match (*kept, action.delete_after_days) {
                (Some(one), Some(other)) => Some(one.max(other)),
                _ => None,
            };
        }
        if longest.is_empty() {
            return vec![Outcome::not_applicable(subject, "it copies into no backup account")];
        }
        let outcomes = longest.into_iter().map(|(vault, kept)| {
            let subject = subject.clone().part(vault.as_str());
            if kept.is_none_or(|kept| kept >= limit) {
                return Outcome::pass(subject, format!("copies are kept {}, and {limit} days are agreed on", days(kept)));
            }
            let remedy = format!(
                "give a copy action of the plan {} a lifecycle of at least {limit} days (or change the backup policy that made it)",
                quoted(&plan.name)
            );
            Outcome::fail(subject, format!("copies are kept {} at most, and {limit} days are agreed on", days(kept)), remedy)
        });
        outcomes.collect()
    })
}
