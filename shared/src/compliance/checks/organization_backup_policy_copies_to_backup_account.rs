//! Every plan of the organization's backup policy copies into the backup account.

use crate::arn::{AccountId, Arn};
use crate::compliance::say::{listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, Subject};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::WantedPlan;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-010",
        name: "organization-backup-policy-copies-to-backup-account",
        title: "Every plan of the organization's backup policy copies into the backup account",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["organizations:DescribeEffectivePolicy"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_backup_syntax.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
        ],
        page: include_str!("organization-backup-policy-copies-to-backup-account.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let subject = view.place().here();
    if view.scope.backup_accounts.is_empty() {
        return vec![Outcome::not_applicable(subject, "no account is named that keeps copies")];
    }
    let Some(plans) = view.account.wanted_plans.known() else {
        return vec![Outcome::unseen(subject, "the effective backup policy", &view.account.wanted_plans)];
    };
    if plans.is_empty() {
        return vec![Outcome::not_applicable(subject, "no backup policy is in force")];
    }
    plans.iter().map(|plan| one(view, subject.clone().part(plan.name.clone()), plan)).collect()
}

fn one(view: &AccountView<'_>, subject: Subject, plan: &WantedPlan) -> Outcome {
    let named = plan.rules.iter().flat_map(|rule| &rule.destinations);
    let into =
        named.filter(|arn| Arn::parse(arn).ok().and_then(|arn| arn.account()).is_some_and(|account| view.is_backup_account(&account)));
    let mut into = into.map(String::as_str).collect::<Vec<_>>();
    into.sort_unstable();
    into.dedup();
    if !into.is_empty() {
        return Outcome::pass(subject, format!("it copies into {}", listed(&into)));
    }
    let accounts = view.scope.backup_accounts.iter().map(AccountId::as_str).collect::<Vec<_>>();
    let remedy = format!(
        "add a copy action to a rule of the plan {} in the backup policy, keyed by the ARN of a vault of account {}",
        quoted(&plan.name),
        listed(&accounts)
    );
    Outcome::fail(
        subject,
        "no rule of it copies into a backup account: the backups stay where an attacker of the account can reach them",
        remedy,
    )
}
