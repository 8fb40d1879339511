//! The retention of backups lies inside the range of their vault.

use crate::compliance::say::{days, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, Subject};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{BackupPlan, PlanRule, Vault};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-027",
        name: "vault-retention-range-fits-backups",
        title: "The retention of backups lies inside the range of their vault",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:GetBackupPlan", "backup:ListBackupVaults"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html"],
        page: include_str!("vault-retention-range-fits-backups.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.plans(|subject, _, region, _, plan| {
        let rules = plan.rules.iter().map(|rule| {
            let subject = subject.clone().part(rule.name.clone());
            let Some(vaults) = region.vaults.known() else { return Outcome::unseen(subject, "the vaults", &region.vaults) };
            let arn = plan.vault(&rule.target_vault);
            let Some(vault) = vaults.iter().find(|vault| Some(&vault.vault.arn) == arn.as_ref()) else {
                return Outcome::not_applicable(subject, "its vault does not exist");
            };
            of(subject, plan, rule, &vault.vault)
        });
        let mut outcomes = rules.collect::<Vec<_>>();
        if outcomes.is_empty() {
            outcomes.push(Outcome::not_applicable(subject, "it has no rule"));
        }
        outcomes
    })
}

fn of(subject: Subject, plan: &BackupPlan, rule: &PlanRule, vault: &Vault) -> Outcome {
    let name = quoted(vault.arn.resource_name());
    let (min, max) = (vault.min_retention_days, vault.max_retention_days);
    if min.is_none() && max.is_none() {
        return Outcome::not_applicable(subject, format!("the vault {name} takes any retention"));
    }
    let kept = rule.lifecycle.delete_after_days;
    let range = format!("{} to {}", min.unwrap_or(1), days(max));
    let fits = min.is_none_or(|min| kept.is_none_or(|kept| kept >= min)) && max.is_none_or(|max| kept.is_some_and(|kept| kept <= max));
    if fits {
        return Outcome::pass(subject, format!("backups are kept {}, and the vault {name} takes {range}", days(kept)));
    }
    let seen = format!("backups are to be kept {}, but the vault {name} takes {range}: every backup is refused", days(kept));
    let remedy = format!(
        "change the lifecycle of rule {} in plan {} (or in the backup policy that made it) to {range}",
        quoted(&rule.name),
        quoted(&plan.name)
    );
    Outcome::fail(subject, seen, remedy)
}
