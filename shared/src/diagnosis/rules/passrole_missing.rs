//! An instance comes back with its instance profile only if the restore role may pass that profile's role.

use crate::diagnosis::facts::{self, Voice};
use crate::diagnosis::matching::{Actor, Target, Tied, ties};
use crate::diagnosis::{Answer, Cause, Certainty, Denied, Finding, Grade, Meta, Rule, Severity, Step, steps};
use crate::event::JobType;
use crate::evidence::Evidence;

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-013",
        name: "passrole-missing",
        title: "The restore role may not pass the role of the instance",
        causes: &[CAUSE],
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &[
            "cloudtrail:LookupEvents",
        ],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-ec2.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html",
        ],
        page: include_str!("passrole-missing.md"),
    },
    judge,
};

const CAUSE: Cause = Cause::PassroleMissing;

fn judge(evidence: &Evidence) -> Answer {
    let voice = facts::voice(evidence, &[CAUSE]);
    if evidence.job.job_type != JobType::Restore && !voice.agrees() {
        return Answer::RuledOut { why: "only a restore passes a role on".to_owned() };
    }
    let found = ties(evidence);
    let named = found.iter().find(|tied| is_passrole(tied) && !tied.is_explicit() && tied.target != Target::Uncertain);
    match (named, voice) {
        (Some(tied), _) => explains(evidence, Some(tied), Certainty::Supported),
        (None, Voice::First | Voice::Among) => {
            // The start of the instance was refused and the reason is encoded: a hint, no proof.
            let start = found.iter().find(|tied| tied.actor == Actor::JobRole && tied.denial.event_name == "RunInstances" && !tied.is_explicit());
            explains(evidence, start, Certainty::Suspected)
        }
        (None, Voice::Against) => Answer::RuledOut { why: "the message decides for another cause".to_owned() },
        (None, Voice::Silent | Voice::Others) => Answer::CannotTell { needs: vec!["cloudtrail:LookupEvents".to_owned()] },
    }
}

fn is_passrole(tied: &Tied<'_>) -> bool {
    tied.actor == Actor::JobRole && tied.is_authorization() && tied.action().eq_ignore_ascii_case("iam:PassRole")
}

fn explains(evidence: &Evidence, tied: Option<&Tied<'_>>, certainty: Certainty) -> Answer {
    let mut act_in = facts::in_source(evidence);
    act_in.region = None;
    act_in.resource_arn = evidence.role_arn().map(|arn| arn.as_str().to_owned());
    let passed = tied.filter(|tied| is_passrole(tied)).and_then(|tied| tied.denial.resource.as_ref());
    let what = passed.map_or_else(|| "the role of the original instance profile".to_owned(), |role| format!("the role {role}"));
    let doubt = if certainty == Certainty::Suspected { "probably " } else { "" };
    let role = facts::role_name(evidence);
    Answer::Explains(Box::new(Finding {
        cause: CAUSE,
        certainty,
        severity: None,
        act_in,
        object: match tied.and_then(|tied| tied.denial.issuer_arn.as_ref()).filter(|_| certainty == Certainty::Supported) {
            Some(issuer) => facts::known_object(evidence, issuer),
            None => facts::provisional_object(evidence),
        },
        denied: tied.map(|tied| Denied::of(tied.denial)),
        summary: format!("The restore needs to give the instance {what}, and {role} {doubt}lacks iam:PassRole for it."),
        next_steps: next_steps(evidence, tied, &what),
        used: tied.map(|tied| format!("cloudtrail:{}", tied.denial.event_id)).into_iter().collect(),
    }))
}

fn next_steps(evidence: &Evidence, tied: Option<&Tied<'_>>, what: &str) -> Vec<Step> {
    let mut list = tied.and_then(|tied| steps::decode(tied.denial)).into_iter().collect::<Vec<_>>();
    let role = facts::role_name(evidence);
    list.push(steps::change(
        format!("Allow {role} iam:PassRole on {what}, with the condition StringEquals iam:PassedToService = ec2.amazonaws.com."),
        None,
    ));
    list.push(steps::judge("Or restore without the instance profile and attach it afterwards."));
    list
}
