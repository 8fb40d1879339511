//! The retention of copies lies inside the range of the vault that they go to.

use crate::compliance::say::{days, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, Subject};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{BackupPlan, Fact, PlanRule, Vault};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-026",
        name: "vault-retention-range-fits-copies",
        title: "The retention of copies lies inside the range of the vault that they go to",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:GetBackupPlan", "backup:DescribeBackupVault"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html"],
        page: include_str!("vault-retention-range-fits-copies.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.plans(|subject, _, _, _, plan| {
        let mut outcomes = Vec::new();
        for rule in &plan.rules {
            for action in &rule.copy_actions {
                let subject = subject.clone().part(format!("{} -> {}", rule.name, action.destination_vault_arn));
                let vault = view.destinations.get(&action.destination_vault_arn).map(|destination| &destination.vault);
                let Some(known) = vault.and_then(Fact::known) else {
                    outcomes.push(Outcome::unseen(subject, "the vault that copies go to", vault.unwrap_or(&Fact::NotAsked)));
                    continue;
                };
                outcomes.push(fits(subject, plan, rule, known, action.delete_after_days));
            }
        }
        if outcomes.is_empty() {
            outcomes.push(Outcome::not_applicable(subject, "it copies nothing"));
        }
        outcomes
    })
}

fn fits(subject: Subject, plan: &BackupPlan, rule: &PlanRule, vault: &Vault, kept: Option<i64>) -> Outcome {
    let name = quoted(vault.arn.resource_name());
    let below = vault.min_retention_days.filter(|min| kept.is_some_and(|kept| kept < *min));
    let above = vault.max_retention_days.filter(|max| kept.is_none_or(|kept| kept > *max));
    let range = format!("{} to {}", vault.min_retention_days.unwrap_or(1), days(vault.max_retention_days));
    if below.is_none() && above.is_none() {
        return Outcome::pass(subject, format!("copies are kept {}, and the vault {name} takes {range}", days(kept)));
    }
    let seen = format!("copies are to be kept {}, but the vault {name} takes {range}: every copy is refused", days(kept));
    let remedy = format!(
        "change the lifecycle of the copy action of rule {} in plan {} (or in the backup policy that made it) to {range}",
        quoted(&rule.name),
        quoted(&plan.name)
    );
    Outcome::fail(subject, seen, remedy)
}
