//! The retention lies outside the range of the vault.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Certainty, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::{Evidence, Fact, Vault};
use crate::event::JobType;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-023",
        name: "vault-lock-retention",
        title: "The retention lies outside the range of the vault",
        causes: &[Cause::VaultLockRetention],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:DescribeBackupVault", "backup:DescribeCopyJob"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html"],
        page: include_str!("vault-lock-retention.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    if let Some(days) = evidence.description.known().and_then(|description| description.delete_after_days)
        && let Some(vault) = target(evidence).known()
        && (vault.min_retention_days.is_some() || vault.max_retention_days.is_some())
        && facts::voice(evidence, &[Cause::VaultLockRetention]) != facts::Voice::Against
    {
        let fits = vault.min_retention_days.is_none_or(|min| days >= min) && vault.max_retention_days.is_none_or(|max| days <= max);
        if fits && facts::voice(evidence, &[Cause::VaultLockRetention]).agrees() {
            // AWS refused the retention all the same: the lock or the plan may have been changed since.
            let told = Told { summary: format!("AWS refused the retention of {}, which fits as far as it was read now.{}", told::job(evidence), range(evidence)), ..tell(evidence) };
            return told::explains(evidence, Cause::VaultLockRetention, Certainty::Suspected, &["message"], told);
        }
        if fits {
            return Answer::RuledOut { why: "the retention is inside the range of the vault".to_owned() };
        }
        return told::explains(
            evidence,
            Cause::VaultLockRetention,
            Certainty::Proven,
            &["backup:DescribeBackupVault", "retention of the job"],
            tell(evidence),
        );
    }
    told::by_text(evidence, Cause::VaultLockRetention, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: None,
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("The retention that the plan gives {} lies outside the range of the vault.{}", told::job(evidence), range(evidence)),
        next_steps: vec![
            steps::change("Change the retention in the rule or copy action of the plan to a value inside the range of the vault.", None),
            steps::judge("A lock in compliance mode cannot be loosened by anyone once its grace time is over: do not plan for that."),
        ],
    }
}

/// The vault that was written to.
fn target(evidence: &Evidence) -> &Fact<Vault> {
    match evidence.job.job_type {
        JobType::Copy => &evidence.destination_vault,
        JobType::Backup | JobType::Restore | JobType::Scan => &evidence.vault,
    }
}

/// The range in words.
fn range(evidence: &Evidence) -> String {
    let days = |days: Option<i64>| days.map_or_else(|| "any".to_owned(), |days| days.to_string());
    match target(evidence).known() {
        Some(vault) if vault.min_retention_days.is_some() || vault.max_retention_days.is_some() => format!(
            " The vault `{}` takes {} to {} days.",
            vault.arn.resource_name(),
            days(vault.min_retention_days),
            days(vault.max_retention_days)
        ),
        _ => String::new(),
    }
}
