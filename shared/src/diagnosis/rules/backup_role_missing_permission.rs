//! The job role can be assumed but may not do something that the job needs.

use crate::diagnosis::facts::{self, Voice};
use crate::diagnosis::matching::{Actor, Tie, Tied, ties};
use crate::diagnosis::vault_policy::{self, Sight};
use crate::diagnosis::{Answer, Cause, Certainty, Denied, Finding, Grade, Meta, Rule, Severity, Side, Step, steps};
use crate::event::JobType;
use crate::evidence::{Evidence, PolicyType};

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-011",
        name: "backup-role-missing-permission",
        title: "The job role lacks a permission",
        causes: &[CAUSE],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[
            "cloudtrail:LookupEvents",
        ],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/security-iam-awsmanpol.html",
        ],
        page: include_str!("backup-role-missing-permission.md"),
    },
    judge,
};

const CAUSE: Cause = Cause::BackupRoleMissingPermission;

fn judge(evidence: &Evidence) -> Answer {
    let voice = facts::voice(evidence, &[CAUSE]);
    let found = ties(evidence);
    let denial = found.iter().find_map(|tied| Some((tied, tied.certainty(voice.agrees())?)).filter(|(tied, _)| speaks_for_this(evidence, tied)));
    if let Some((tied, certainty)) = denial {
        return Answer::Explains(Box::new(finding(evidence, Some(tied), certainty)));
    }
    let refused_elsewhere = found.iter().any(|tied| tied.tie == Tie::Exact && tied.is_authorization());
    match voice {
        Voice::First | Voice::Among if refused_elsewhere => Answer::RuledOut { why: "the refused call is explained by another policy".to_owned() },
        Voice::First | Voice::Among => Answer::Explains(Box::new(finding(evidence, None, Certainty::Suspected))),
        Voice::Against => Answer::RuledOut { why: "the message decides for another cause".to_owned() },
        Voice::Silent | Voice::Others => Answer::CannotTell { needs: vec!["cloudtrail:LookupEvents".to_owned()] },
    }
}

/// The job role was refused something of a service, and no Deny, key, vault policy or passed role is behind it.
fn speaks_for_this(evidence: &Evidence, tied: &Tied<'_>) -> bool {
    let action = tied.action().to_ascii_lowercase();
    let identity = tied.denial.policy_type == Some(PolicyType::IdentityBasedPolicy);
    // Where the vault admits the account, the role's own side must be what is missing.
    let admitted = vault_policy::look(evidence) == Some(Sight::Admits) && tied.denial.policy_type.is_none();
    // EC2 encodes why an instance may not start; mostly it is a role that may not be passed on.
    let encoded_start = action == "ec2:runinstances" && !identity;
    let others = tied.is_kms()
        || encoded_start
        || matches!(action.as_str(), "iam:passrole" | "sts:assumerole")
        || action == "backup:copyintobackupvault" && !identity && !admitted;
    let by_role = identity || tied.denial.policy_type.is_none();
    tied.actor == Actor::JobRole && tied.is_authorization() && by_role && !tied.is_explicit() && !others
}

fn finding(evidence: &Evidence, tied: Option<&Tied<'_>>, certainty: Certainty) -> Finding {
    let role = tied.and_then(|tied| tied.denial.issuer_arn.as_ref()).or(evidence.role_arn());
    let mut act_in = facts::in_source(evidence);
    act_in.region = None;
    act_in.side = Side::Source;
    act_in.resource_arn = role.map(|arn| arn.as_str().to_owned());
    let what = match tied {
        Some(tied) => {
            let denied = Denied::of(tied.denial);
            let on = denied.resource.map(|resource| format!(" on {resource}")).unwrap_or_default();
            format!("was refused {}{on}", denied.action)
        }
        None => "lacks a permission of the resource's service; no refused call was found yet that names it".to_owned(),
    };
    let name = facts::role_name(evidence);
    // The role comes from the trail or from the description of the job; an event alone names nothing.
    let read = tied.and_then(|tied| tied.denial.issuer_arn.as_ref()).or_else(|| evidence.description.known()?.role_arn.as_ref());
    Finding {
        cause: CAUSE,
        certainty,
        severity: None,
        act_in,
        object: match (read, certainty) {
            (Some(arn), Certainty::Supported) => facts::known_object(evidence, arn),
            (_, _) => facts::provisional_object(evidence),
        },
        denied: tied.map(|tied| Denied::of(tied.denial)),
        summary: match tied {
            Some(_) => format!("{} {what}.", facts::capital(&name)),
            None => format!("By its message, {name} {what}."),
        },
        next_steps: next_steps(evidence, tied, role.and_then(|arn| arn.role_name())),
        used: tied.map(|tied| format!("cloudtrail:{}", tied.denial.event_id)).into_iter().collect(),
    }
}

fn next_steps(evidence: &Evidence, tied: Option<&Tied<'_>>, role: Option<&str>) -> Vec<Step> {
    let mut list = tied.and_then(|tied| steps::decode(tied.denial)).into_iter().collect::<Vec<_>>();
    let account = &evidence.job.account;
    if let Some(role) = role {
        list.push(steps::look(
            format!("In account {account}, list the policies of the role."),
            Some(steps::command("aws iam list-attached-role-policies", &[("role-name", role)])),
        ));
        if tied.is_none() {
            list.push(steps::look_up_denials(evidence, account.as_str(), &format!("AWSBackup-{role}")));
        }
    }
    let policy = managed_policy(evidence);
    let action = tied.map(|tied| Denied::of(tied.denial).action);
    list.push(steps::change(
        match action {
            Some(action) => format!("Allow {action} to the role, best by the managed policy {policy}. Missing actions show one at a time."),
            None => format!("Attach the managed policy {policy} to the role, or allow the missing action. Missing actions show one at a time."),
        },
        None,
    ));
    list
}

/// The policy of AWS for this kind of job (<https://docs.aws.amazon.com/aws-backup/latest/devguide/security-iam-awsmanpol.html>).
fn managed_policy(evidence: &Evidence) -> &'static str {
    let s3 = evidence.resource_type().is_some_and(|kind| kind.eq_ignore_ascii_case("s3"));
    match (evidence.job.job_type, s3) {
        (JobType::Restore, true) => "AWSBackupServiceRolePolicyForS3Restore",
        (JobType::Restore, false) => "AWSBackupServiceRolePolicyForRestores",
        (JobType::Backup | JobType::Copy | JobType::Scan, true) => "AWSBackupServiceRolePolicyForS3Backup",
        (JobType::Backup | JobType::Copy | JobType::Scan, false) => "AWSBackupServiceRolePolicyForBackup",
    }
}
