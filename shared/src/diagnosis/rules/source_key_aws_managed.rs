//! The source is encrypted under an AWS managed key, which can never be shared.

use crate::diagnosis::facts::{self, Voice};
use crate::diagnosis::matching::{Actor, Target, ties};
use crate::diagnosis::{Answer, Cause, Certainty, Finding, Grade, Meta, Rule, Severity, Step, steps};
use crate::event::JobType;
use crate::evidence::Evidence;
use crate::incident::Object;

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-004",
        name: "source-key-aws-managed",
        title: "The source is under an AWS managed key and cannot leave the account",
        causes: &[CAUSE],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:DescribeRecoveryPoint", "kms:DescribeKey"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
            "https://repost.aws/knowledge-center/backup-cross-account-copy-error",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/logicallyairgappedvault.html",
        ],
        page: include_str!("source-key-aws-managed.md"),
    },
    judge,
};

const CAUSE: Cause = Cause::SourceKeyAwsManaged;

fn judge(evidence: &Evidence) -> Answer {
    let ruled_out = |why: &str| Answer::RuledOut { why: why.to_owned() };
    let voice = facts::voice(evidence, &[CAUSE]);
    let managed = facts::aws_managed(&evidence.source_key, evidence.source_key_arn());
    if managed == Some(false) {
        return ruled_out("the key is managed by the customer");
    }
    let copy = evidence.job.job_type == JobType::Copy;
    // A role of the other account that is refused at a key of AWS can never be let in.
    let refused = ties(evidence).iter().any(|tied| tied.actor == Actor::Receiver && tied.target == Target::SourceKey);
    if copy && evidence.crosses_accounts() == Some(false) && !voice.agrees() {
        return ruled_out("the copy stays in its account");
    }
    if evidence.fully_managed() == Some(true) && !voice.agrees() && !refused {
        return ruled_out("of a fully managed type a copy under an AWS managed key may leave the account");
    }
    let can_never_work =
        copy && managed == Some(true) && evidence.crosses_accounts() == Some(true) && evidence.fully_managed() == Some(false);
    match (can_never_work, voice) {
        // It suffices alone, unless AWS itself says that something else was the matter.
        (true, _) if facts::voice(evidence, facts::ABOUT_KEYS) == Voice::Against => explains(evidence, Certainty::Suspected),
        (true, _) => explains(evidence, Certainty::Proven),
        (false, _) if managed == Some(true) && refused => explains(evidence, Certainty::Supported),
        (false, Voice::First | Voice::Among) if managed == Some(true) => explains(evidence, Certainty::Supported),
        (false, Voice::First | Voice::Among) => explains(evidence, Certainty::Suspected),
        (false, Voice::Against) => ruled_out("the message decides for another cause"),
        (false, Voice::Silent | Voice::Others) if !copy => ruled_out("not a copy"),
        (false, Voice::Silent | Voice::Others) => {
            Answer::CannotTell { needs: vec!["backup:DescribeRecoveryPoint".to_owned(), "kms:DescribeKey".to_owned()] }
        }
    }
}

fn explains(evidence: &Evidence, certainty: Certainty) -> Answer {
    let account = &evidence.job.account;
    // The key cannot be changed: the resource under it must be.
    let resource = evidence.job.resource_arn.as_ref().or_else(|| evidence.recovery_point.known()?.resource_arn.as_ref());
    let mut act_in = facts::in_source(evidence);
    act_in.resource_arn = resource.map(|arn| arn.as_str().to_owned());
    let key = evidence.source_key_arn().map_or_else(|| "an AWS managed key".to_owned(), |key| format!("the AWS managed key {key}"));
    let named = resource.map_or_else(|| "The resource".to_owned(), |arn| format!("The resource {arn}"));
    Answer::Explains(Box::new(Finding {
        cause: CAUSE,
        certainty,
        severity: None,
        act_in,
        // Only what was read names an incident; the event is no more than a message.
        object: match evidence.recovery_point.known().and_then(|point| point.resource_arn.as_ref()) {
            Some(arn) => Object::Known { arn: arn.as_str().to_owned(), account_id: account.clone() },
            None => facts::provisional_object(evidence),
        },
        denied: None,
        summary: format!(
            "{named} of account {account} is encrypted under {key}, whose policy nobody can change, so its backups can never be copied to another account."
        ),
        next_steps: next_steps(evidence),
        used: [facts::used(&evidence.recovery_point), facts::used(&evidence.source_key), facts::used(&evidence.description)]
            .into_iter()
            .flatten()
            .collect(),
    }))
}

fn next_steps(evidence: &Evidence) -> Vec<Step> {
    let account = &evidence.job.account;
    let mut list = Vec::new();
    list.extend(evidence.source_key_arn().map(steps::describe_key));
    list.push(steps::judge(format!(
        "In account {account}, encrypt the resource again under a customer managed key: copy its snapshot under the new key, restore from that copy, replace the resource. No change of a policy can help."
    )));
    list.push(steps::judge(format!(
        "Until then, try to copy the recovery point inside account {account} into a vault with a customer managed key, and that copy to the destination; people report that this works for some types."
    )));
    list
}
