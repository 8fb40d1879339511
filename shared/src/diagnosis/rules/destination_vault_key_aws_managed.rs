//! The destination vault is under the default key of AWS Backup.

use crate::diagnosis::facts::{self, Voice};
use crate::diagnosis::{Answer, Cause, Certainty, Finding, Grade, Meta, Rule, Severity, steps};
use crate::event::JobType;
use crate::evidence::Evidence;

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-005",
        name: "destination-vault-key-aws-managed",
        title: "The destination vault is under the key aws/backup",
        causes: &[CAUSE],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[
            "backup:DescribeBackupVault",
            "kms:DescribeKey",
        ],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
            "https://repost.aws/knowledge-center/backup-cross-account-copy-error",
        ],
        page: include_str!("destination-vault-key-aws-managed.md"),
    },
    judge,
};

const CAUSE: Cause = Cause::DestinationVaultKeyAwsManaged;

fn judge(evidence: &Evidence) -> Answer {
    let ruled_out = |why: &str| Answer::RuledOut { why: why.to_owned() };
    let vault_key = evidence.destination_vault.known().and_then(|vault| vault.encryption_key_arn.as_ref());
    let managed = facts::aws_managed(&evidence.destination_key, vault_key);
    let voice = facts::voice(evidence, &[CAUSE]);
    if evidence.job.job_type != JobType::Copy && !voice.agrees() {
        return ruled_out("not a copy");
    }
    if managed == Some(false) {
        return ruled_out("the key of the destination vault is managed by the customer");
    }
    if evidence.crosses_accounts() == Some(false) {
        return ruled_out("the copy stays in its account");
    }
    let not_allowed = managed == Some(true) && evidence.fully_managed() == Some(false) && evidence.crosses_accounts() == Some(true);
    match (not_allowed, voice) {
        (true, Voice::First) => explains(evidence, Certainty::Proven),
        (true, Voice::Among) => explains(evidence, Certainty::Supported),
        (false, Voice::First | Voice::Among) => explains(evidence, Certainty::Suspected),
        (true, Voice::Silent | Voice::Others) => explains(evidence, Certainty::Suspected),
        (true, Voice::Against) if facts::voice(evidence, facts::ABOUT_KEYS) != Voice::Against => explains(evidence, Certainty::Suspected),
        (_, Voice::Against) => ruled_out("the message decides for another cause"),
        (false, Voice::Silent | Voice::Others) if evidence.fully_managed() == Some(true) && managed == Some(true) => {
            ruled_out("a fully managed type may be copied into a vault under aws/backup")
        }
        (false, Voice::Silent | Voice::Others) => {
            Answer::CannotTell { needs: vec!["backup:DescribeBackupVault".to_owned(), "kms:DescribeKey".to_owned()] }
        }
    }
}

fn explains(evidence: &Evidence, certainty: Certainty) -> Answer {
    let vault = evidence.destination_vault_arn();
    let named = vault.map_or_else(|| "The destination vault".to_owned(), |vault| format!("The destination vault {vault}"));
    let mut next_steps = Vec::new();
    next_steps.extend(vault.map(|vault| {
        let region = vault.region().map(|region| region.as_str().to_owned()).unwrap_or_default();
        steps::look(
            "Look at the key of the destination vault, in its account.",
            Some(steps::command("aws backup describe-backup-vault", &[("backup-vault-name", vault.resource_name()), ("region", &region)])),
        )
    }));
    next_steps.push(steps::judge(
        "Make another vault with a customer managed key in the destination account (the key of a vault cannot be changed), give it the same access policy, and name it in the copy action of the plan.",
    ));
    Answer::Explains(Box::new(Finding {
        cause: CAUSE,
        certainty,
        severity: None,
        act_in: vault.map_or_else(|| facts::in_source(evidence), |vault| facts::on_object(evidence, vault)),
        object: vault.map_or_else(|| facts::provisional_object(evidence), |vault| facts::known_object(evidence, vault)),
        denied: None,
        summary: format!("{named} is encrypted under the AWS managed key aws/backup; a copy of this type from another account needs a vault under a customer managed key."),
        next_steps,
        used: [facts::used(&evidence.destination_vault), facts::used(&evidence.destination_key)].into_iter().flatten().collect(),
    }))
}
