//! Every plan copies into a backup account.

use crate::arn::{AccountId, Arn};
use crate::compliance::say::{listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};
use std::collections::BTreeSet;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-054",
        name: "plan-copies-to-backup-account",
        title: "Every plan copies into a backup account",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
        ],
        page: include_str!("plan-copies-to-backup-account.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    if view.scope.backup_accounts.is_empty() {
        return vec![Outcome::not_applicable(view.place().here(), "no account is named that keeps copies")];
    }
    view.in_source_account(|| {
        view.plans(|subject, _, _, _, plan| {
            let actions = plan.rules.iter().flat_map(|rule| &rule.copy_actions);
            let into = actions
                .map(|action| &action.destination_vault_arn)
                .filter(|arn| arn.account().is_some_and(|account| view.is_backup_account(&account)));
            let into = into.map(Arn::as_str).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
            if !into.is_empty() {
                return vec![Outcome::pass(subject, format!("it copies into {}", listed(&into)))];
            }
            let accounts = view.scope.backup_accounts.iter().map(AccountId::as_str).collect::<Vec<_>>();
            let remedy = format!(
                "add a copy action into a vault of account {} to the plan {} (or to the backup policy that made it)",
                listed(&accounts),
                quoted(&plan.name)
            );
            vec![Outcome::fail(subject, format!("no rule of the plan {} copies into a backup account", quoted(&plan.name)), remedy)]
        })
    })
}
