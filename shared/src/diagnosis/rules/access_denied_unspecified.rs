//! A refusal without a name: not a cause but a request for CloudTrail.

use crate::arn::Arn;
use crate::diagnosis::facts::{self, Voice};
use crate::diagnosis::matching::{SERVICE_LINKED_ROLE, Target, Tied, ties};
use crate::diagnosis::{Answer, Cause, Certainty, Denied, Finding, Grade, Meta, Rule, Severity, steps};
use crate::evidence::Evidence;

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-008",
        name: "access-denied-unspecified",
        title: "Access was denied, and nothing says where",
        causes: &[CAUSE],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[
            "cloudtrail:LookupEvents",
        ],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html",
            "https://repost.aws/knowledge-center/backup-resolve-access-denied-error",
        ],
        page: include_str!("access-denied-unspecified.md"),
    },
    judge,
};

const CAUSE: Cause = Cause::AccessDeniedUnspecified;

fn judge(evidence: &Evidence) -> Answer {
    let found = ties(evidence);
    let denial = found.iter().find(|tied| tied.is_authorization() && tied.target != Target::Uncertain);
    match (facts::voice(evidence, &[CAUSE]), denial) {
        // Another rule knows what to make of a tied refusal; this one holds it where none does.
        (Voice::First | Voice::Among, tied) => explains(evidence, tied),
        (Voice::Silent | Voice::Others, Some(tied)) => explains(evidence, Some(tied)),
        (Voice::Against, _) => Answer::RuledOut { why: "the message decides for another cause".to_owned() },
        (Voice::Silent | Voice::Others, None) => Answer::CannotTell { needs: vec!["cloudtrail:LookupEvents".to_owned()] },
    }
}

fn explains(evidence: &Evidence, tied: Option<&Tied<'_>>) -> Answer {
    let job = &evidence.job;
    let mut next_steps = Vec::new();
    next_steps.extend(tied.and_then(|tied| steps::decode(tied.denial)));
    if let Some(destination) = evidence.destination_account().filter(|account| account != &job.account) {
        next_steps.push(steps::look_up_denials(evidence, destination.as_str(), &format!("AWSBackup-{SERVICE_LINKED_ROLE}")));
    }
    let role = evidence.role_arn().and_then(Arn::role_name).unwrap_or("AWSBackupDefaultServiceRole");
    next_steps.push(steps::look_up_denials(evidence, job.account.as_str(), &format!("AWSBackup-{role}")));
    next_steps.push(steps::judge("The record names the principal, the action and mostly the kind of policy that decided; give the statement that is missing, and no more."));
    let seen = match tied {
        Some(tied) => {
            let denied = Denied::of(tied.denial);
            format!("the only refused call that may belong to it is {} by {} in account {}", denied.action, denied.principal, denied.recorded_in)
        }
        None => "no refused call was found that belongs to it".to_owned(),
    };
    Answer::Explains(Box::new(Finding {
        cause: CAUSE,
        certainty: Certainty::Suspected,
        severity: None,
        act_in: facts::in_source(evidence),
        object: facts::provisional_object(evidence),
        denied: tied.map(|tied| Denied::of(tied.denial)),
        summary: format!("The {} job of account {} was denied access; AWS does not say where, and {seen}.", job.job_type.as_str(), job.account),
        next_steps,
        used: tied.map(|tied| format!("cloudtrail:{}", tied.denial.event_id)).into_iter().collect(),
    }))
}
