//! The resource already has a continuous recovery point.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Grade, Meta, Rule, Severity, Step, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-024",
        name: "continuous-backup-conflict",
        title: "The resource already has a continuous recovery point",
        causes: &[Cause::ContinuousBackupConflict],
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:ListRecoveryPointsByResource"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/point-in-time-recovery.html", "https://docs.aws.amazon.com/aws-backup/latest/devguide/s3-backups.html"],
        page: include_str!("continuous-backup-conflict.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    told::by_text(evidence, Cause::ContinuousBackupConflict, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: None,
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("The resource of {} already has a continuous recovery point in another vault, and it can have one only.", told::job(evidence)),
        next_steps: continuous_points(evidence).into_iter().chain([steps::change(
            "Take continuous backup out of all rules but one, or disassociate the old recovery point so that it ends.",
            None,
        )]).collect(),
    }
}

fn continuous_points(evidence: &Evidence) -> Option<Step> {
    let arn = evidence.job.resource_arn.as_ref()?;
    Some(steps::look(
        format!("In account {}, list the recovery points of the resource and find the continuous one.", evidence.job.account),
        Some(steps::command(
            "aws backup list-recovery-points-by-resource",
            &[("resource-arn", arn.as_str()), ("region", evidence.job.region.as_str())],
        )),
    ))
}
