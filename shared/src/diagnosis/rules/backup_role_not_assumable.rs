//! The role is missing, does not trust AWS Backup, or is not known everywhere yet.

use crate::diagnosis::facts::{self, Voice};
use crate::diagnosis::matching::{SERVICE_LINKED_ROLE, window};
use crate::diagnosis::{Answer, Cause, Certainty, Denied, Finding, Grade, Meta, Rule, Severity, Step, steps};
use crate::evidence::{Denial, DenialKind, Evidence};

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-012",
        name: "backup-role-not-assumable",
        title: "AWS Backup cannot assume the role",
        causes: &[CAUSE],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[
            "cloudtrail:LookupEvents",
            "iam:GetRole",
        ],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/using-service-linked-roles.html",
        ],
        page: include_str!("backup-role-not-assumable.md"),
    },
    judge,
};

const CAUSE: Cause = Cause::BackupRoleNotAssumable;

fn judge(evidence: &Evidence) -> Answer {
    let voice = facts::voice(evidence, &[CAUSE]);
    let denial = refused_assume(evidence);
    match (denial, voice) {
        (Some(denial), _) => explains(evidence, Some(denial), Certainty::Supported),
        (None, Voice::First | Voice::Among) => explains(evidence, None, Certainty::Suspected),
        (None, Voice::Against) => Answer::RuledOut { why: "the message decides for another cause".to_owned() },
        (None, _) if evidence.denials.iter().any(|denial| acted(evidence, denial)) => {
            Answer::RuledOut { why: "the role made calls during the job, so it was assumed".to_owned() }
        }
        (None, Voice::Silent | Voice::Others) => {
            Answer::CannotTell { needs: vec!["iam:GetRole".to_owned(), "cloudtrail:LookupEvents".to_owned()] }
        }
    }
}

/// AWS Backup was refused the role of the job. The service calls by itself, so the record has no session of a role: role and window tie it.
fn refused_assume(evidence: &Evidence) -> Option<&Denial> {
    let (from, until) = window(evidence);
    let role = evidence.role_arn()?;
    evidence
        .denials
        .iter()
        .filter(|denial| denial.event_source == "sts.amazonaws.com" && denial.event_name.starts_with("AssumeRole"))
        .filter(|denial| matches!(denial.kind, DenialKind::AccessDenied | DenialKind::Other | DenialKind::NotFound))
        .filter(|denial| denial.event_time >= from && denial.event_time <= until && denial.resource.as_ref() == Some(role))
        .min()
}

/// A call under the role of the job, refused or not, shows that the role was assumed.
fn acted(evidence: &Evidence, denial: &Denial) -> bool {
    let (from, until) = window(evidence);
    let inside = denial.event_time >= from && denial.event_time <= until;
    inside && denial.issuer_arn.is_some() && denial.issuer_arn.as_ref() == evidence.role_arn()
}

fn explains(evidence: &Evidence, denial: Option<&Denial>, certainty: Certainty) -> Answer {
    let mut act_in = facts::in_source(evidence);
    act_in.region = None;
    act_in.resource_arn = evidence.role_arn().map(|arn| arn.as_str().to_owned());
    let linked = evidence.role_arn().and_then(|arn| arn.role_name()) == Some(SERVICE_LINKED_ROLE);
    Answer::Explains(Box::new(Finding {
        cause: CAUSE,
        certainty,
        severity: None,
        act_in,
        object: match (denial.and_then(|denial| denial.resource.as_ref()), evidence.role_arn()) {
            (Some(role), _) => facts::known_object(evidence, role),
            (None, _) => facts::provisional_object(evidence),
        },
        denied: denial.map(Denied::of),
        summary: format!(
            "AWS Backup cannot assume {}: the role does not exist, does not trust backup.amazonaws.com, or is too new.",
            facts::role_name(evidence)
        ),
        next_steps: next_steps(evidence, linked),
        used: denial.map(|denial| format!("cloudtrail:{}", denial.event_id)).into_iter().collect(),
    }))
}

fn next_steps(evidence: &Evidence, linked: bool) -> Vec<Step> {
    let account = &evidence.job.account;
    let mut list = Vec::new();
    if let Some(name) = evidence.role_arn().and_then(|arn| arn.role_name()) {
        list.push(steps::look(
            format!("In account {account}, see whether the role exists, with the same path, and whom it trusts."),
            Some(steps::command("aws iam get-role", &[("role-name", name)])),
        ));
    }
    if linked {
        list.push(steps::change(
            "Create the service-linked role.",
            Some("aws iam create-service-linked-role --aws-service-name backup.amazonaws.com".to_owned()),
        ));
    } else {
        list.push(steps::change(
            format!("Create the role in account {account}, or let its trust policy allow sts:AssumeRole to the service backup.amazonaws.com; in an organization backup policy the path belongs to the name."),
            None,
        ));
    }
    list.push(steps::change("If the role is new, start the job once more: IAM needs a while to know it everywhere.", None));
    list
}
