//! A role was refused at a key without an account border being the reason.

use crate::arn::Arn;
use crate::diagnosis::facts::{self, Voice};
use crate::diagnosis::matching::{Actor, Target, Tied, ties};
use crate::diagnosis::{Answer, Cause, Certainty, Denied, Finding, Grade, Meta, Rule, Severity, Step, steps};
use crate::evidence::{DenialKind, Evidence, PolicyType};

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-002",
        name: "kms-role-permission-missing",
        title: "A role lacks rights on a key inside its own account or vault",
        causes: &[CAUSE],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[
            "backup:DescribeRecoveryPoint",
            "kms:DescribeKey",
            "kms:GetKeyPolicy",
            "cloudtrail:LookupEvents",
        ],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html",
        ],
        page: include_str!("kms-role-permission-missing.md"),
    },
    judge,
};

const CAUSE: Cause = Cause::KmsRolePermissionMissing;

fn judge(evidence: &Evidence) -> Answer {
    let ruled_out = |why: &str| Answer::RuledOut { why: why.to_owned() };
    let voice = facts::voice(evidence, &[CAUSE]);
    let found = ties(evidence);
    let denial = found.iter().find_map(|tied| Some((tied, tied.certainty(voice.agrees())?)).filter(|(tied, _)| speaks_for_this(evidence, tied)));
    if let Some((tied, certainty)) = denial {
        return Answer::Explains(Box::new(of_call(evidence, tied, certainty)));
    }
    if evidence.source_key.known().is_some_and(|key| facts::unusable(key).is_some()) {
        return ruled_out("the state of the key alone stops the job");
    }
    match voice {
        Voice::First | Voice::Among if evidence.crosses_accounts() == Some(true) && facts::voice(evidence, &[Cause::KmsKeyPolicyMissingDestination]).agrees() => {
            ruled_out("across accounts the same text speaks of the destination's service-linked role")
        }
        Voice::First | Voice::Among => Answer::Explains(Box::new(of_text(evidence))),
        Voice::Against => ruled_out("the message decides for another cause"),
        Voice::Silent | Voice::Others if evidence.crosses_accounts() == Some(true) => ruled_out("no role of its own account was refused at a key"),
        Voice::Silent | Voice::Others => Answer::CannotTell { needs: vec!["cloudtrail:LookupEvents".to_owned(), "kms:GetKeyPolicy".to_owned()] },
    }
}

/// The job role at any key, or the receiving account's role at a key of its own account.
fn speaks_for_this(evidence: &Evidence, tied: &Tied<'_>) -> bool {
    let own = match tied.actor {
        Actor::JobRole => true,
        Actor::Receiver => tied.target == Target::DestinationKey || evidence.crosses_accounts() == Some(false),
        Actor::Unnamed => false,
    };
    let by_key_or_role = matches!(
        tied.denial.policy_type,
        None | Some(PolicyType::ResourceBasedPolicy | PolicyType::IdentityBasedPolicy)
    );
    let refused = tied.is_kms() && matches!(tied.denial.kind, DenialKind::AccessDenied | DenialKind::GrantLost);
    let by_service = tied.denial.kind == DenialKind::KeyNotAccessible;
    own && by_key_or_role && (refused || by_service) && !tied.is_explicit()
}

fn of_call(evidence: &Evidence, tied: &Tied<'_>, certainty: Certainty) -> Finding {
    let key = match tied.target {
        Target::SourceKey | Target::DestinationKey => tied.denial.resource.as_ref(),
        Target::DestinationVault | Target::Source | Target::Unnamed | Target::Uncertain => None,
    };
    let denied = Denied::of(tied.denial);
    // An identity policy is mended where the role is, a key policy where the key is.
    let identity = tied.denial.policy_type == Some(PolicyType::IdentityBasedPolicy) && tied.actor == Actor::JobRole;
    let role = evidence.role_arn().filter(|_| identity);
    let act_on = role.or(key);
    let named = key.map_or_else(|| "a key that the record does not name".to_owned(), |key| format!("the key {key}"));
    let by = match tied.denial.policy_type {
        Some(PolicyType::IdentityBasedPolicy) => "its own policies do not allow it",
        Some(_) => "the key policy does not allow it",
        None => "the record does not say which policy is missing",
    };
    Finding {
        cause: CAUSE,
        certainty,
        severity: None,
        act_in: act_on.map_or_else(|| facts::in_source(evidence), |arn| facts::on_object(evidence, arn)),
        object: act_on.map_or_else(|| facts::provisional_object(evidence), |arn| facts::known_object(evidence, arn)),
        summary: format!("{} of account {} was refused {} on {named}: {by}.", denied.principal, tied.denial.recorded_in, denied.action),
        next_steps: remedy(evidence, key, &denied.principal, &denied.action, identity),
        denied: Some(denied),
        used: vec![format!("cloudtrail:{}", tied.denial.event_id)],
    }
}

fn of_text(evidence: &Evidence) -> Finding {
    let key = evidence.source_key_arn().filter(|arn| arn.is_kms_key());
    let named = key.map_or_else(|| "the key of the resource or vault".to_owned(), |key| format!("the key {key}"));
    let role = evidence.role_arn().map_or_else(|| "the job role".to_owned(), |arn| arn.as_str().to_owned());
    Finding {
        cause: CAUSE,
        certainty: Certainty::Suspected,
        severity: None,
        act_in: key.map_or_else(|| facts::in_source(evidence), |key| facts::on_object(evidence, key)),
        object: key.map_or_else(|| facts::provisional_object(evidence), |key| facts::known_object(evidence, key)),
        denied: None,
        summary: format!("By its message, {} may not use {named}; no refused call was found yet.", facts::role_name(evidence)),
        next_steps: remedy(evidence, key, &role, "the kms actions of the job", false),
        used: facts::used(&evidence.source_key).into_iter().collect(),
    }
}

fn remedy(evidence: &Evidence, key: Option<&Arn>, principal: &str, action: &str, identity: bool) -> Vec<Step> {
    let mut list = key.map(steps::read_key_policy).into_iter().collect::<Vec<_>>();
    if identity {
        list.push(steps::change(format!("Add {action} on the key to the policies of {principal}, or attach the managed policy of AWS Backup for the resource type."), None));
    } else {
        list.push(steps::change(
            format!(
                "See that the key policy allows {principal} {action}, by name or through the root of its account together with a policy of the role; for grants with the condition Bool kms:GrantIsForAWSResource = true."
            ),
            None,
        ));
    }
    list.extend(steps::copy_again(evidence));
    list
}
