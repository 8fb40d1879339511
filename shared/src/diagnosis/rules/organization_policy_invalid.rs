//! The backup policies of the organization, merged, are no valid plan for an account: AWS Backup makes none of them there.

use crate::diagnosis::{Answer, Cause, Certainty, Finding, Grade, Meta, Rule, Severity, facts, notice, steps};
use crate::event::{JobState, NoticeKind};
use crate::evidence::Evidence;

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-043",
        name: "organization-policy-invalid",
        title: "The effective backup policy of the organization is not valid",
        causes: &[Cause::OrganizationPolicyInvalid],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["organizations:DescribeOrganization"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/manage-cross-account.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_backup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/logging-using-cloudtrail.html",
        ],
        page: include_str!("organization-policy-invalid.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    let notice = match notice::of(evidence, &[NoticeKind::OrganizationPolicyInvalid], &JobState::NotStarted, "the service event of AWS Backup") {
        Ok(notice) => notice,
        Err(answer) => return answer,
    };
    let account = &evidence.job.account;
    let act_in = facts::in_management(evidence, None);
    let management = facts::management_words(evidence, &act_in);
    let validation = [("policy-type", "BACKUP_POLICY"), ("account-id", account.as_str())];
    let options = [("policy-type", "BACKUP_POLICY"), ("target-id", account.as_str())];
    let next_steps = [
        Some(steps::look(
            format!("In {management}, read what is wrong with the effective backup policy of account {account}, and which policies it comes from."),
            Some(steps::command("aws organizations list-effective-policy-validation-errors", &validation)),
        )),
        Some(steps::look(
            format!("Read the effective backup policy of account {account} as a whole."),
            Some(steps::command("aws organizations describe-effective-policy", &options)),
        )),
        notice::read_record(evidence, notice),
        Some(steps::judge(
            "Mend the policies that it is merged of: a rule needs schedule and vault, a selection needs tags or resources and a role, and a plan \
             needs Regions, rules and selections.",
        )),
        Some(notice::ends_by_hand()),
    ];
    let of = if notice.selections.is_empty() { String::new() } else { format!(" with {}", notice::selections(notice)) };
    Answer::Explains(Box::new(Finding {
        cause: Cause::OrganizationPolicyInvalid,
        // AWS Backup itself found the policy invalid: nothing else can have caused it.
        certainty: Certainty::Proven,
        severity: None,
        object: notice::object(evidence, notice),
        denied: None,
        summary: format!(
            "The effective backup policy of account {account} is not valid in {}, so AWS Backup makes no plan of it: {}{of} backs nothing up. It is \
             changed in {management}.{}",
            evidence.job.region,
            notice::plan(evidence, notice),
            notice::said(evidence),
        ),
        act_in,
        next_steps: next_steps.into_iter().flatten().collect(),
        used: notice::used(notice, "cloudtrail"),
    }))
}
