//! A parameter of the request is wrong.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Grade, Meta, Rule, Severity, Step, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-035",
        name: "invalid-parameter",
        title: "A parameter of the request is wrong",
        causes: &[Cause::InvalidParameter],
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &[],
        remedy: Grade::HumanOnly,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-a-backup.html"],
        page: include_str!("invalid-parameter.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    told::by_text(evidence, Cause::InvalidParameter, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: None,
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("A parameter or restore metadata of {} is missing, wrong or taken.", told::job(evidence)),
        next_steps: metadata(evidence).into_iter().chain([steps::judge("Correct the parameter that the message names and start the job again.")]).collect(),
    }
}

fn metadata(evidence: &Evidence) -> Option<Step> {
    let (vault, point) = (evidence.job.vault_arn.as_ref()?, evidence.recovery_point_arn()?);
    Some(steps::look(
        "Read the restore metadata that the recovery point offers.",
        Some(steps::command(
            "aws backup get-recovery-point-restore-metadata",
            &[
                ("backup-vault-name", vault.resource_name()),
                ("recovery-point-arn", point.as_str()),
                ("region", evidence.job.region.as_str()),
            ],
        )),
    ))
}
