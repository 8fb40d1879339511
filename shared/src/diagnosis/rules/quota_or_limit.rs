//! A quota or limit was reached.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-028",
        name: "quota-or-limit",
        title: "A quota or limit was reached",
        causes: &[Cause::QuotaOrLimit],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/aws-backup-limits.html"],
        page: include_str!("quota-or-limit.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    told::by_text(evidence, Cause::QuotaOrLimit, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: None,
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("A quota or limit was reached by {}.", told::job(evidence)),
        next_steps: vec![
            steps::look(
                format!("In account {}, read the quotas of AWS Backup; the service of the resource has its own.", evidence.job.account),
                Some(steps::command(
                    "aws service-quotas list-service-quotas --service-code backup",
                    &[("region", evidence.job.region.as_str())],
                )),
            ),
            steps::change("Spread the jobs over time, shorten the retention or ask for a higher quota.", None),
        ],
    }
}
