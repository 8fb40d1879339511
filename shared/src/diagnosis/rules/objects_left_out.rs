//! A job of S3 or EKS went on without a part of its objects; it may end as completed.

use crate::diagnosis::{Answer, Cause, Certainty, Finding, Grade, Meta, Rule, Severity, engine, facts, notice, steps, told};
use crate::event::{JobState, JobType, NoticeKind};
use crate::evidence::Evidence;

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-045",
        name: "objects-left-out",
        title: "A job left objects out",
        causes: &[Cause::ObjectsLeftOut],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:DescribeBackupJob", "backup:DescribeRestoreJob"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-notifications.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/s3-backups.html",
        ],
        page: include_str!("objects-left-out.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    let kinds = [NoticeKind::ObjectsFailed, NoticeKind::ObjectsSkipped];
    let notice = match notice::of(evidence, &kinds, &JobState::ObjectsLeftOut, "the notification of the vault") {
        Ok(notice) => notice,
        Err(answer) => return answer,
    };
    let job = &evidence.job;
    let described = evidence.description.known().and_then(|job| job.resource_arn.as_ref());
    let (verb, severity) = match (notice.kind, job.job_type) {
        // Kinds of objects that AWS leaves out by design.
        (NoticeKind::ObjectsSkipped, _) => ("skipped", Severity::Low),
        (_, JobType::Restore) => ("could not restore", Severity::Medium),
        _ => ("could not back up", Severity::High),
    };
    let mut act_in = facts::in_source(evidence);
    act_in.resource_arn = described.map(|arn| arn.as_str().to_owned());
    let where_to_look = if evidence.resource_type() == Some("EKS") {
        "The message of AWS says which objects of the cluster: look at what its access entries let the job role do, at the volumes and snapshots \
         behind the objects, and whether a restore can make objects of that kind."
    } else {
        "The message of AWS, or the report of the job in the bucket or log that it names, says which objects: look at their key, their access \
         control and their size, and at what the job role may do."
    };
    let next_steps = engine::describe_job(evidence).into_iter().chain([steps::judge(where_to_look), notice::ends_by_hand()]);
    Answer::Explains(Box::new(Finding {
        cause: Cause::ObjectsLeftOut,
        // AWS states what happened, and not why.
        certainty: Certainty::Supported,
        severity: Some(severity),
        act_in,
        object: notice::object(evidence, notice),
        denied: None,
        summary: format!("AWS Backup {verb} some objects in {}; the job may end as completed all the same.{}", told::job(evidence), notice::said(evidence)),
        next_steps: next_steps.collect(),
        used: notice::used(notice, "vault notification"),
    }))
}
