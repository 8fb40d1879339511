//! A continuous backup stopped: from then on nobody can go back to a moment, and no job failed.

use crate::diagnosis::{Answer, Cause, Certainty, Finding, Grade, Meta, Rule, Severity, facts, notice, steps};
use crate::event::{JobState, NoticeKind};
use crate::evidence::Evidence;

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-044",
        name: "continuous-backup-interrupted",
        title: "A continuous backup was interrupted",
        causes: &[Cause::ContinuousBackupInterrupted],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-notifications.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/point-in-time-recovery.html",
        ],
        page: include_str!("continuous-backup-interrupted.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    let kinds = [NoticeKind::ContinuousBackupInterrupted];
    let notice = match notice::of(evidence, &kinds, &JobState::Interrupted, "the notification of the vault") {
        Ok(notice) => notice,
        Err(answer) => return answer,
    };
    let (account, region) = (&evidence.job.account, &evidence.job.region);
    let resource = evidence.job.resource_arn.as_ref();
    let of = resource.map_or_else(|| "a resource that AWS names only in its message".to_owned(), |arn| format!("`{arn}`"));
    let list = |arn: &crate::arn::Arn| {
        let options = [("resource-arn", arn.as_str()), ("region", region.as_str())];
        let command = steps::command("aws backup list-recovery-points-by-resource", &options);
        steps::look(format!("In account {account}, see up to when the continuous recovery point of the resource reaches."), Some(command))
    };
    let next_steps = resource.map(list).into_iter().chain([
        steps::judge(
            "Look at what AWS Backup needs for a continuous backup: the versioning and the EventBridge notifications of the bucket, automated \
             backups of the database, and the permissions of the job role.",
        ),
        steps::change("After that run the plan, or start a backup: it begins a new continuous recovery point.", None),
        notice::ends_by_hand(),
    ]);
    Answer::Explains(Box::new(Finding {
        cause: Cause::ContinuousBackupInterrupted,
        // AWS states what happened, and not why.
        certainty: Certainty::Supported,
        severity: None,
        act_in: facts::in_source(evidence),
        object: notice::object(evidence, notice),
        denied: None,
        summary: format!(
            "The continuous backup of {of} in account {account}, {region}, was interrupted: it can be restored to no moment after that, and no \
             job will fail for it.{}",
            notice::said(evidence),
        ),
        next_steps: next_steps.collect(),
        used: notice::used(notice, "vault notification"),
    }))
}
