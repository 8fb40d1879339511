//! The key is disabled, pending deletion, deleted, or without material.

use crate::arn::Arn;
use crate::diagnosis::facts::{self, Voice};
use crate::diagnosis::matching::{Target, Tie, Tied, ties};
use crate::diagnosis::{Answer, Cause, Certainty, Denied, Finding, Grade, Meta, Rule, Severity, Step, steps};
use crate::evidence::{DenialKind, Evidence, Key};

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-003",
        name: "kms-key-unusable",
        title: "The key is disabled, pending deletion or gone",
        causes: &[CAUSE],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:DescribeRecoveryPoint", "backup:DescribeBackupVault", "kms:DescribeKey", "cloudtrail:LookupEvents"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html",
            "https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html",
        ],
        page: include_str!("kms-key-unusable.md"),
    },
    judge,
};

const CAUSE: Cause = Cause::KmsKeyUnusable;

fn judge(evidence: &Evidence) -> Answer {
    let voice = facts::voice(evidence, &[CAUSE]);
    let keys = [(&evidence.source_key, "protects the recovery point"), (&evidence.destination_key, "encrypts the destination vault")];
    let broken = keys.iter().find_map(|(fact, part)| {
        let key = fact.known()?;
        Some((key, facts::unusable(key)?, *part, facts::used(fact)))
    });
    let found = ties(evidence);
    let failed = found.iter().find(|tied| is_state_error(tied) && tied.certainty(voice.agrees()).is_some());
    if let Some((key, state, part, source)) = broken {
        // A state suffices alone, unless AWS itself says that something else was the matter.
        let other = facts::voice(evidence, facts::ABOUT_KEYS) == Voice::Against;
        let certainty = if other && !found.iter().any(Tied::is_kms) { Certainty::Suspected } else { Certainty::Proven };
        return Answer::Explains(Box::new(of_state(evidence, key, state, part, source, failed, certainty)));
    }
    if let Some((tied, certainty)) = failed.and_then(|tied| Some((tied, tied.certainty(voice.agrees())?))) {
        return Answer::Explains(Box::new(of_call(evidence, tied, certainty)));
    }
    let enabled = evidence.source_key.known().is_some_and(|key| key.state.as_deref() == Some("Enabled"));
    let destination_open = voice.agrees() && evidence.crosses_accounts() == Some(true) && evidence.destination_key.known().is_none();
    if enabled && !destination_open {
        return Answer::RuledOut { why: "the keys that were read are enabled".to_owned() };
    }
    match voice {
        Voice::First | Voice::Among => Answer::Explains(Box::new(of_text(evidence))),
        Voice::Against => Answer::RuledOut { why: "the message decides for another cause".to_owned() },
        Voice::Silent | Voice::Others => Answer::CannotTell { needs: vec!["kms:DescribeKey".to_owned()] },
    }
}

/// A call that failed for the state of a key, not for a policy.
fn is_state_error(tied: &Tied<'_>) -> bool {
    let of_state = matches!(tied.denial.kind, DenialKind::KeyDisabled | DenialKind::KeyInvalidState);
    let gone = tied.denial.kind == DenialKind::NotFound && tied.is_kms() && matches!(tied.target, Target::SourceKey | Target::DestinationKey);
    of_state || gone
}

fn of_state(
    evidence: &Evidence,
    key: &Key,
    state: &str,
    part: &str,
    source: Option<String>,
    failed: Option<&Tied<'_>>,
    certainty: Certainty,
) -> Finding {
    let deletion = key.deletion_at.map(|at| format!(" It will be deleted at {at}, and with it every recovery point under it.")).unwrap_or_default();
    let owner = key.arn.account().map(|id| format!(" of account {id}")).unwrap_or_default();
    let mut used = source.into_iter().collect::<Vec<_>>();
    used.extend(failed.map(|tied| format!("cloudtrail:{}", tied.denial.event_id)));
    Finding {
        cause: CAUSE,
        certainty,
        severity: None,
        act_in: facts::on_object(evidence, &key.arn),
        object: facts::known_object(evidence, &key.arn),
        denied: failed.map(|tied| Denied::of(tied.denial)),
        summary: format!("The key {}{owner}, which {part}, is {state}, so no job can use it.{deletion}", key.arn),
        next_steps: remedy(evidence, &key.arn, state),
        used,
    }
}

fn of_call(evidence: &Evidence, tied: &Tied<'_>, certainty: Certainty) -> Finding {
    let what = match tied.denial.kind {
        DenialKind::KeyDisabled => "disabled",
        DenialKind::NotFound => "gone, or never existed in that Region",
        _ => "in a state in which it cannot be used",
    };
    let key = tied.denial.resource.as_ref().filter(|arn| arn.is_kms_key() && tied.tie == Tie::Exact);
    let named = tied.denial.resource.as_ref().map_or_else(|| "the key".to_owned(), |arn| format!("the key {arn}"));
    Finding {
        cause: CAUSE,
        certainty,
        severity: None,
        act_in: key.map_or_else(|| facts::in_source(evidence), |key| facts::on_object(evidence, key)),
        object: key.map_or_else(|| facts::provisional_object(evidence), |key| facts::known_object(evidence, key)),
        denied: Some(Denied::of(tied.denial)),
        summary: format!("KMS answered {} to {}: {named} is {what}.", tied.denial.error_code, tied.action()),
        next_steps: key.map_or_else(|| find_key(evidence), |key| remedy(evidence, key, what)),
        used: vec![format!("cloudtrail:{}", tied.denial.event_id)],
    }
}

fn of_text(evidence: &Evidence) -> Finding {
    let key = evidence.source_key_arn().filter(|arn| arn.is_kms_key());
    Finding {
        cause: CAUSE,
        certainty: Certainty::Suspected,
        severity: None,
        act_in: key.map_or_else(|| facts::in_source(evidence), |key| facts::on_object(evidence, key)),
        object: key.map_or_else(|| facts::provisional_object(evidence), |key| facts::known_object(evidence, key)),
        denied: None,
        summary: match key {
            Some(key) => format!("By its message the job met a key that is disabled, pending deletion or gone, probably {key}; its state could not be read."),
            None => format!(
                "By its message the job of account {} met a key that is disabled, pending deletion or gone; which one could not be read.",
                evidence.job.account
            ),
        },
        next_steps: key.map_or_else(|| find_key(evidence), |key| vec![steps::describe_key(key)]),
        used: Vec::new(),
    }
}

fn find_key(evidence: &Evidence) -> Vec<Step> {
    vec![steps::look(
        format!(
            "In account {}, find the key of the resource or vault and look at its state with kms:DescribeKey; it also answers for disabled keys.",
            evidence.job.account
        ),
        None,
    )]
}

fn remedy(evidence: &Evidence, key: &Arn, state: &str) -> Vec<Step> {
    let region = key.region().map(|region| region.as_str().to_owned()).unwrap_or_default();
    let options: &[(&str, &str)] = &[("key-id", key.as_str()), ("region", &region)];
    let mut list = vec![steps::describe_key(key)];
    if state.starts_with("pending deletion") {
        list.push(steps::change("Cancel the deletion at once if recovery points depend on the key.", Some(steps::command("aws kms cancel-key-deletion", options))));
        list.push(steps::change("The key is disabled after that: enable it.", Some(steps::command("aws kms enable-key", options))));
    } else if state == "disabled" {
        list.push(steps::judge("Ask who disabled the key and why, before it is enabled again."));
        list.push(steps::change("Enable the key.", Some(steps::command("aws kms enable-key", options))));
    } else {
        list.push(steps::judge(
            "Bring the key back into state Enabled: import its material, or mend its key store. A deleted key cannot be brought back: use a new key and make new backups.",
        ));
    }
    list.extend(steps::copy_again(evidence));
    list
}
