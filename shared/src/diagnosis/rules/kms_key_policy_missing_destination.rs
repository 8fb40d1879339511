//! The receiving account may not use the customer managed key that protects the recovery point.

use crate::arn::Arn;
use crate::diagnosis::facts::{self, Voice};
use crate::diagnosis::key_policy::{self, Sight};
use crate::diagnosis::matching::{Actor, Target, Tie, Tied, ties};
use crate::diagnosis::{Answer, Cause, Certainty, Denied, Finding, Grade, Meta, Rule, Severity, Step, steps};
use crate::event::JobType;
use crate::evidence::{Change, DenialKind, Effect, Evidence, PolicyType};

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-001",
        name: "kms-key-policy-missing-destination",
        title: "The destination account may not use the key of the source recovery point",
        causes: &[CAUSE],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:DescribeCopyJob", "backup:DescribeRecoveryPoint", "kms:DescribeKey", "kms:GetKeyPolicy", "cloudtrail:LookupEvents"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html",
            "https://docs.aws.amazon.com/ebs/latest/userguide/share-kms-key.html",
        ],
        page: include_str!("kms-key-policy-missing-destination.md"),
    },
    judge,
};

const CAUSE: Cause = Cause::KmsKeyPolicyMissingDestination;

fn judge(evidence: &Evidence) -> Answer {
    let ruled_out = |why: &str| Answer::RuledOut { why: why.to_owned() };
    if evidence.job.job_type != JobType::Copy {
        return ruled_out("not a copy");
    }
    if evidence.crosses_accounts() == Some(false) {
        return ruled_out("the copy stays in its account");
    }
    let aws_managed = facts::aws_managed(&evidence.source_key, evidence.source_key_arn()) == Some(true);
    if aws_managed {
        return ruled_out("the key is managed by AWS: its policy cannot be changed");
    }
    if evidence.source_key.known().is_some_and(|key| facts::unusable(key).is_some()) {
        return ruled_out("the state of the key alone stops the copy");
    }
    let sight = key_policy::look(evidence);
    if matches!(sight, Some(Sight::Denies(_))) {
        return ruled_out("the key policy holds a Deny for the destination account");
    }
    let voice = facts::voice(evidence, &[CAUSE]);
    let found = ties(evidence);
    let denial = found.iter().find_map(|tied| Some((tied, tied.certainty(voice.agrees())?)).filter(|(tied, _)| speaks_for_this(tied)));
    match denial {
        Some((tied, certainty)) => Answer::Explains(Box::new(finding(evidence, Some(tied), sight, certainty))),
        None if voice.agrees() => Answer::Explains(Box::new(finding(evidence, None, sight, Certainty::Suspected))),
        None if voice == Voice::Against => ruled_out("the message decides for another cause"),
        None => Answer::CannotTell {
            needs: vec!["kms:DescribeKey".to_owned(), "kms:GetKeyPolicy".to_owned(), "cloudtrail:LookupEvents".to_owned()],
        },
    }
}

/// A refusal of the receiving account's role at the source key, decided by the key policy or by nothing that the record names.
fn speaks_for_this(tied: &Tied<'_>) -> bool {
    let key_may_be_meant = match tied.target {
        Target::SourceKey | Target::Uncertain => tied.is_kms() || tied.denial.kind == DenialKind::KeyNotAccessible,
        Target::Unnamed => tied.is_kms() || tied.denial.kind == DenialKind::KeyNotAccessible,
        Target::Source => tied.denial.kind == DenialKind::KeyNotAccessible,
        Target::DestinationKey | Target::DestinationVault => false,
    };
    let by_key_policy = matches!(tied.denial.policy_type, None | Some(PolicyType::ResourceBasedPolicy | PolicyType::IdentityBasedPolicy));
    let refused = matches!(tied.denial.kind, DenialKind::AccessDenied | DenialKind::KeyNotAccessible | DenialKind::GrantLost);
    tied.actor == Actor::Receiver && key_may_be_meant && by_key_policy && refused && tied.denial.effect != Some(Effect::ExplicitDeny)
}

fn finding(evidence: &Evidence, tied: Option<&Tied<'_>>, sight: Option<Sight>, certainty: Certainty) -> Finding {
    let key = evidence.source_key_arn().filter(|arn| arn.is_kms_key()).cloned().or_else(|| evidence.source_key.known().map(|key| key.arn.clone()));
    let revoked = revoked_grant(evidence, sight.as_ref());
    let mut used = [
        facts::used(&evidence.description),
        facts::used(&evidence.recovery_point),
        facts::used(&evidence.source_key),
        facts::used(&evidence.source_key_policy),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>();
    used.extend(tied.map(|tied| format!("cloudtrail:{}", tied.denial.event_id)));
    used.extend(revoked.map(|change| format!("cloudtrail:{}", change.event_id)));
    Finding {
        cause: CAUSE,
        certainty,
        severity: None,
        act_in: key.as_ref().map_or_else(|| facts::in_source(evidence), |key| facts::on_object(evidence, key)),
        object: key.as_ref().map_or_else(|| facts::provisional_object(evidence), |key| facts::known_object(evidence, key)),
        denied: tied.map(|tied| Denied::of(tied.denial)),
        summary: summary(evidence, key.as_ref(), tied, sight.as_ref(), revoked),
        next_steps: next_steps(evidence, key.as_ref(), tied, sight.as_ref(), revoked),
        used,
    }
}

/// The grant that was taken back before the job failed, where no statement of the policy could have carried the copy instead.
fn revoked_grant<'a>(evidence: &'a Evidence, sight: Option<&Sight>) -> Option<&'a Change> {
    if matches!(sight, Some(Sight::ViaService(_) | Sight::DeletedPrincipal(_) | Sight::Complete)) {
        return None;
    }
    let narrows = |change: &Change| matches!(change.action.as_str(), "kms:PutKeyPolicy" | "kms:RevokeGrant" | "kms:RetireGrant");
    facts::last_change(evidence, evidence.source_key_arn()?, narrows).filter(|change| change.action != "kms:PutKeyPolicy")
}

fn summary(evidence: &Evidence, key: Option<&Arn>, tied: Option<&Tied<'_>>, sight: Option<&Sight>, revoked: Option<&Change>) -> String {
    let owner = facts::key_owner(evidence);
    let destination = evidence.destination_account().map_or_else(|| "the destination account".to_owned(), |id| format!("account {id}"));
    let known = key.map_or_else(|| "the key of the source recovery point".to_owned(), |key| format!("the key {key}"));
    let refused = match tied {
        Some(tied) if tied.is_kms() && tied.denial.resource.is_none() && tied.tie != Tie::Exact => {
            format!("was refused {} on a key that the record does not name, probably {known} of account {owner}", tied.action())
        }
        Some(tied) if tied.is_kms() => format!("was refused {} on {known} of account {owner}", tied.action()),
        Some(tied) => format!("could not use {known} of account {owner} ({} failed)", tied.action()),
        None => format!("is probably not allowed to use {known} of account {owner}"),
    };
    let why = match (revoked, sight) {
        (Some(change), _) => format!("the grant it used was taken back by {} at {} ({})", change.actor, change.at, change.action),
        (None, Some(Sight::ViaService(services))) => {
            format!("the key policy admits it only through {} (kms:ViaService), but the copy comes through {}", services.join(", "), via(evidence))
        }
        (None, Some(Sight::DeletedPrincipal(ids))) => {
            format!("the key policy names {}, the unique id of a deleted role, which admits nobody any more", ids.join(", "))
        }
        (None, Some(Sight::NoStatement)) => "the key policy has no statement for that account".to_owned(),
        (None, Some(Sight::NoGrant)) => "the key policy lets it use the key but has no statement that allows kms:CreateGrant".to_owned(),
        (None, Some(Sight::NoUse)) => "the key policy has no complete statement for use of the key (kms:DescribeKey, kms:ReEncrypt*, kms:GenerateDataKey*, kms:Decrypt)".to_owned(),
        (None, Some(Sight::Complete)) => "the key policy, as it is now, looks complete at a glance: a condition, or a policy that was mended since, may be the reason".to_owned(),
        (None, Some(Sight::Denies(_) | Sight::Unreadable) | None) => match tied.map(Tied::action) {
            Some("kms:CreateGrant") => "the key policy seems to lack the statement for grants".to_owned(),
            Some(_) | None => "the key policy must allow it; it could not be read in full".to_owned(),
        },
    };
    let weak = match tied {
        Some(tied) if tied.tie != Tie::Exact => " It may belong to another copy of the same minute.",
        Some(_) | None => "",
    };
    format!("AWSServiceRoleForBackup of {destination} {refused}: {why}.{weak}")
}

/// The service through which the copy uses the key.
fn via(evidence: &Evidence) -> &'static str {
    match evidence.resource_type().unwrap_or_default().to_ascii_lowercase().as_str() {
        "ebs" | "ec2" => "EC2",
        "fsx" => "FSx",
        "rds" | "aurora" | "neptune" | "documentdb" => "RDS",
        _ => "the service of the resource",
    }
}

fn next_steps(evidence: &Evidence, key: Option<&Arn>, tied: Option<&Tied<'_>>, sight: Option<&Sight>, revoked: Option<&Change>) -> Vec<Step> {
    let mut list = Vec::new();
    let role = facts::receiver_role(evidence).unwrap_or_else(|| "the AWSServiceRoleForBackup of the destination account".to_owned());
    match key {
        Some(key) => {
            list.push(steps::read_key_policy(key));
            if revoked.is_some() || matches!(sight, Some(Sight::Complete)) {
                list.push(steps::list_grants(key, &role));
            }
        }
        None => list.push(steps::look(
            "Find the key: DescribeRecoveryPoint of the source recovery point names it (for fully managed types it is the key of the source vault).",
            None,
        )),
    }
    list.push(steps::change(remedy(&role, sight, revoked), None));
    if tied.is_none() {
        list.extend(evidence.destination_account().map(|id| steps::look_up_denials(evidence, id.as_str(), "AWSBackup-AWSServiceRoleForBackup")));
    }
    list.extend(steps::copy_again(evidence));
    list
}

/// The statement to add, in words.
fn remedy(role: &str, sight: Option<&Sight>, revoked: Option<&Change>) -> String {
    let usage = "kms:DescribeKey, kms:Encrypt, kms:Decrypt, kms:ReEncrypt* and kms:GenerateDataKey*";
    let grants = "kms:CreateGrant, kms:ListGrants and kms:RevokeGrant with the condition Bool kms:GrantIsForAWSResource = true";
    match (revoked, sight) {
        (Some(_), _) => format!("Ask why the grant was revoked. Then create it again or, better, let the key policy carry the copy: allow {role} {usage}, and in a second statement {grants}."),
        (None, Some(Sight::NoGrant)) => format!("Add a statement to the key policy that allows {role} {grants}."),
        (None, Some(Sight::NoUse)) => format!("Add a statement to the key policy that allows {role} {usage}."),
        (None, Some(Sight::ViaService(services))) => format!(
            "Change kms:ViaService in the statements for {role}: it names {}, but EBS and EC2 come through ec2.*.amazonaws.com, databases through rds.*.amazonaws.com, file systems of FSx through fsx.*.amazonaws.com.",
            services.join(", ")
        ),
        (None, Some(Sight::DeletedPrincipal(ids))) => format!(
            "Replace {} in the key policy by {role}: allow it {usage}, and in a second statement {grants}.",
            ids.join(", ")
        ),
        (None, Some(Sight::NoStatement | Sight::Complete | Sight::Denies(_) | Sight::Unreadable) | None) => {
            format!("See that the key policy allows {role} {usage}, and in a second statement {grants}.")
        }
    }
}
