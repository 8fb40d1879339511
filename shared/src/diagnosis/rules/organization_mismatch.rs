//! AWS Backup copies across accounts of one organization only.

use crate::diagnosis::facts::{self, Voice};
use crate::diagnosis::{Answer, Cause, Certainty, Finding, Grade, Meta, Rule, Severity, steps};
use crate::evidence::Evidence;

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-009",
        name: "organization-mismatch",
        title: "The two accounts are not in one organization",
        causes: &[CAUSE],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[
            "backup:DescribeCopyJob",
        ],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/manage-cross-account.html",
        ],
        page: include_str!("organization-mismatch.md"),
    },
    judge,
};

const CAUSE: Cause = Cause::OrganizationMismatch;

fn judge(evidence: &Evidence) -> Answer {
    let ruled_out = |why: &str| Answer::RuledOut { why: why.to_owned() };
    if evidence.crosses_accounts() == Some(false) {
        return ruled_out("the copy stays in its account");
    }
    match facts::voice(evidence, &[CAUSE]) {
        Voice::First | Voice::Among => {}
        Voice::Against | Voice::Others => return ruled_out("the message is of something else"),
        Voice::Silent => return Answer::CannotTell { needs: vec!["backup:DescribeCopyJob".to_owned()] },
    }
    let source = &evidence.job.account;
    let act_in = facts::in_management(evidence, None);
    let destination = evidence.destination_account().map_or_else(|| "the destination account".to_owned(), |id| format!("account {id}"));
    let whose = facts::management_words(evidence, &act_in);
    Answer::Explains(Box::new(Finding {
        cause: CAUSE,
        certainty: Certainty::Suspected,
        severity: None,
        object: facts::provisional_object(evidence),
        denied: None,
        summary: format!("Account {source} and {destination} are not members of one organization, so AWS Backup refuses the copy. It is changed in {whose}."),
        next_steps: vec![
            steps::look(
                format!("In account {source} and in {destination}, look which organization the account belongs to."),
                Some("aws organizations describe-organization --query Organization.Id --output text".to_owned()),
            ),
            steps::judge("Move the account into the organization, or name a vault of the right organization in the copy action of the plan."),
        ],
        act_in,
        used: facts::used(&evidence.description).into_iter().collect(),
    }))
}
