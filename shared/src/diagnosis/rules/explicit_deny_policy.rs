//! A Deny wins over every Allow, and a policy above a role can keep it from what it is allowed.

use crate::arn::Arn;
use crate::diagnosis::facts::{self, Voice};
use crate::diagnosis::key_policy;
use crate::diagnosis::matching::{Actor, Target, Tie, Tied, ties};
use crate::diagnosis::vault_policy;
use crate::diagnosis::{ActIn, Answer, Cause, Certainty, Denied, Finding, Grade, Meta, Rule, Severity, Side, Step, steps};
use crate::event::JobType;
use crate::evidence::{DenialKind, Effect, Evidence, PolicyType};
use crate::incident::Object;

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-007",
        name: "explicit-deny-policy",
        title: "A Deny wins, or a policy above the role does not allow",
        causes: &[CAUSE],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[
            "cloudtrail:LookupEvents",
            "kms:GetKeyPolicy",
            "backup:GetBackupVaultAccessPolicy",
        ],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
        ],
        page: include_str!("explicit-deny-policy.md"),
    },
    judge,
};

const CAUSE: Cause = Cause::ExplicitDenyPolicy;

fn judge(evidence: &Evidence) -> Answer {
    let voice = facts::voice(evidence, &[CAUSE]);
    let found = ties(evidence);
    let denial = found.iter().find_map(|tied| Some((tied, tied.certainty(voice.agrees())?)).filter(|(tied, _)| says_so(tied)));
    if let Some((tied, certainty)) = denial {
        return Answer::Explains(Box::new(of_call(evidence, tied, certainty)));
    }
    if let Some(seen) = seen_in_policy(evidence, &found, voice) {
        return Answer::Explains(Box::new(seen));
    }
    let refused_otherwise = found.iter().any(|tied| tied.tie == Tie::Exact && tied.denial.effect == Some(Effect::ImplicitDeny));
    match voice {
        _ if refused_otherwise => Answer::RuledOut { why: "AWS says that no statement allowed the call, not that one denied it".to_owned() },
        Voice::First | Voice::Among => Answer::Explains(Box::new(of_text(evidence))),
        Voice::Against => Answer::RuledOut { why: "the message decides for another cause".to_owned() },
        Voice::Silent | Voice::Others => Answer::CannotTell { needs: vec!["cloudtrail:LookupEvents".to_owned()] },
    }
}

/// AWS names an explicit deny, or a kind of policy above the role that allows too little.
fn says_so(tied: &Tied<'_>) -> bool {
    let above = matches!(
        tied.denial.policy_type,
        Some(
            PolicyType::ServiceControlPolicy
                | PolicyType::ResourceControlPolicy
                | PolicyType::PermissionsBoundary
                | PolicyType::SessionPolicy
                | PolicyType::VpcEndpointPolicy
        )
    );
    tied.is_authorization() && (tied.is_explicit() || above)
}

/// A refused call supports what the policy shows if it names the object, or if the text at least fits.
fn supported(tied: Option<&Tied<'_>>, text: bool) -> bool {
    tied.and_then(|tied| tied.certainty(text)) == Some(Certainty::Supported)
}

/// A Deny in the policy of the key or vault that was read, where the message or a refused call points there.
fn seen_in_policy(evidence: &Evidence, found: &[Tied<'_>], voice: Voice) -> Option<Finding> {
    if evidence.job.job_type != JobType::Copy || evidence.crosses_accounts() != Some(true) {
        return None;
    }
    let at_key = found.iter().find(|tied| {
        let refused = matches!(tied.denial.kind, DenialKind::AccessDenied | DenialKind::KeyNotAccessible);
        refused && tied.actor == Actor::Receiver && !matches!(tied.target, Target::DestinationKey | Target::DestinationVault)
    });
    let key_text = facts::voice(evidence, facts::ABOUT_KEYS).agrees();
    let about_keys = at_key.is_some() || key_text;
    if let (Some(key_policy::Sight::Denies(sid)), Some(key), true) = (key_policy::look(evidence), evidence.source_key_arn(), about_keys) {
        return Some(of_policy(evidence, key, sid.as_deref(), "key policy", at_key, supported(at_key, key_text)));
    }
    let at_vault = found.iter().find(|tied| {
        let into_vault = tied.target == Target::DestinationVault || tied.action().eq_ignore_ascii_case("backup:CopyIntoBackupVault");
        tied.is_authorization() && tied.actor == Actor::JobRole && into_vault
    });
    let vault_text = voice.agrees() || facts::voice(evidence, &[Cause::DestinationVaultPolicy]).agrees();
    let about_vault = at_vault.is_some() || vault_text;
    match (vault_policy::look(evidence), evidence.destination_vault_arn()) {
        (Some(vault_policy::Sight::Denies(sid)), Some(vault)) if about_vault => {
            Some(of_policy(evidence, vault, sid.as_deref(), "vault policy", at_vault, supported(at_vault, vault_text)))
        }
        _ => None,
    }
}

fn of_policy(evidence: &Evidence, object: &Arn, sid: Option<&str>, kind: &str, tied: Option<&Tied<'_>>, supported: bool) -> Finding {
    let statement = sid.map_or_else(|| "a Deny statement".to_owned(), |sid| format!("the Deny statement `{}`", facts::cut(sid, 64)));
    let read = if kind == "key policy" { steps::read_key_policy(object) } else { steps::read_vault_policy(object) };
    let mut next_steps = vec![read];
    next_steps.push(steps::judge(format!("Find out what {statement} is for, and except the roles of AWS Backup from it.")));
    next_steps.extend(steps::copy_again(evidence));
    let certainty = if supported { Certainty::Supported } else { Certainty::Suspected };
    let source = if kind == "key policy" { facts::used(&evidence.source_key_policy) } else { facts::used(&evidence.destination_vault_policy) };
    Finding {
        cause: CAUSE,
        certainty,
        severity: None,
        act_in: facts::on_object(evidence, object),
        object: facts::known_object(evidence, object),
        denied: tied.map(|tied| Denied::of(tied.denial)),
        summary: format!("{} in the {kind} of {object} stops the copy; a Deny wins over every Allow.", facts::capital(&statement)),
        next_steps,
        used: source.into_iter().chain(tied.map(|tied| format!("cloudtrail:{}", tied.denial.event_id))).collect(),
    }
}

fn of_call(evidence: &Evidence, tied: &Tied<'_>, certainty: Certainty) -> Finding {
    let denied = Denied::of(tied.denial);
    let policy = tied.denial.policy_type;
    let act_in = who(evidence, tied);
    let on = denied.resource.as_deref().map(|resource| format!(" on {resource}")).unwrap_or_default();
    let verb = if tied.is_explicit() { "an explicit deny in" } else { "no allow in" };
    let named = tied.denial.policy_arn.as_deref().map(|arn| format!(" ({arn})")).unwrap_or_default();
    let place = match act_in.side {
        Side::Management => format!(" It is changed in {}.", facts::management_words(evidence, &act_in)),
        Side::Source | Side::Destination => String::new(),
    };
    let object = match (&act_in.resource_arn, act_in.side) {
        (Some(arn), _) => Object::Known { arn: arn.clone(), account_id: act_in.account_id.clone() },
        (None, _) => facts::provisional_object(evidence),
    };
    Finding {
        cause: CAUSE,
        certainty,
        severity: None,
        object,
        summary: format!(
            "{} of account {} was refused {}{on}: {verb} {}{named}.{place}",
            denied.principal,
            tied.denial.recorded_in,
            denied.action,
            words(policy)
        ),
        next_steps: next_steps(evidence, tied, &act_in),
        act_in,
        denied: Some(denied),
        used: vec![format!("cloudtrail:{}", tied.denial.event_id)],
    }
}

/// The account that owns the kind of policy that decided.
fn who(evidence: &Evidence, tied: &Tied<'_>) -> ActIn {
    match tied.denial.policy_type {
        Some(PolicyType::ServiceControlPolicy | PolicyType::ResourceControlPolicy) => {
            facts::in_management(evidence, tied.denial.policy_arn.as_deref())
        }
        Some(PolicyType::ResourceBasedPolicy) => match tied.denial.resource.as_ref().filter(|arn| tied.tie == Tie::Exact && arn.account().is_some()) {
            Some(object) => facts::on_object(evidence, object),
            None if tied.is_kms() && tied.actor == Actor::Receiver => match evidence.source_key_arn() {
                Some(key) => facts::on_object(evidence, key),
                None => facts::in_source(evidence),
            },
            None => facts::in_source(evidence),
        },
        // Boundary, session, identity, endpoint and trust policies belong to the account of the role.
        Some(_) | None => {
            let role = tied.denial.issuer_arn.as_ref();
            let account_id = role.and_then(Arn::account).unwrap_or_else(|| tied.denial.recorded_in.clone());
            ActIn {
                side: facts::side_of(evidence, &account_id),
                account_id,
                region: None,
                resource_arn: role.map(|arn| arn.as_str().to_owned()),
            }
        }
    }
}

fn words(policy: Option<PolicyType>) -> &'static str {
    match policy {
        Some(PolicyType::ServiceControlPolicy) => "a service control policy",
        Some(PolicyType::ResourceControlPolicy) => "a resource control policy",
        Some(PolicyType::PermissionsBoundary) => "the permissions boundary of the role",
        Some(PolicyType::SessionPolicy) => "the session policy",
        Some(PolicyType::ResourceBasedPolicy) => "the policy of the resource",
        Some(PolicyType::IdentityBasedPolicy) => "a policy of the role",
        Some(PolicyType::VpcEndpointPolicy) => "a VPC endpoint policy",
        Some(PolicyType::RoleTrustPolicy) => "the trust policy of the role",
        None => "a policy that AWS does not name",
    }
}

fn next_steps(evidence: &Evidence, tied: &Tied<'_>, act_in: &ActIn) -> Vec<Step> {
    let mut list = steps::decode(tied.denial).into_iter().collect::<Vec<_>>();
    let role = tied.denial.issuer_arn.as_ref().and_then(Arn::role_name).unwrap_or("the role");
    match tied.denial.policy_type {
        Some(PolicyType::ServiceControlPolicy | PolicyType::ResourceControlPolicy) => {
            let command = match tied.denial.policy_arn.as_deref().and_then(|arn| arn.rsplit('/').next()) {
                Some(id) => steps::command("aws organizations describe-policy", &[("policy-id", id)]),
                None => {
                    let kind = if tied.denial.policy_type == Some(PolicyType::ResourceControlPolicy) { "RESOURCE_CONTROL_POLICY" } else { "SERVICE_CONTROL_POLICY" };
                    steps::command("aws organizations list-policies-for-target", &[("target-id", tied.denial.recorded_in.as_str()), ("filter", kind)])
                }
            };
            list.push(steps::look(format!("In {}, read the policies of account {} and of every unit above it.", facts::management_words(evidence, act_in), tied.denial.recorded_in), Some(command)));
            list.push(steps::judge(format!("Except {role} from the statement (condition aws:PrincipalArn), or allow {} there. SCPs and RCPs never bind service-linked roles, nor the management account.", tied.action())));
        }
        Some(PolicyType::ResourceBasedPolicy) => {
            if let Some(object) = tied.denial.resource.as_ref() {
                if object.is_kms_key() {
                    list.push(steps::read_key_policy(object));
                } else if tied.target == Target::DestinationVault {
                    list.push(steps::read_vault_policy(object));
                }
            }
            list.push(steps::judge(format!("Find the Deny statement for {} and except {role} from it.", tied.action())));
        }
        Some(_) | None => {
            list.push(steps::look(
                format!("In account {}, read the policies and the boundary of {role}.", act_in.account_id),
                Some(steps::command("aws iam get-role", &[("role-name", role)])),
            ));
            list.push(steps::judge(format!("Take {} out of the Deny, or allow it in the boundary.", tied.action())));
        }
    }
    list.extend(steps::copy_again(evidence));
    list
}

fn of_text(evidence: &Evidence) -> Finding {
    let message = evidence.status_message().unwrap_or_default().to_lowercase();
    let organization = message.contains("service control policy") || message.contains("resource control policy");
    let act_in = if organization { facts::in_management(evidence, None) } else { facts::in_source(evidence) };
    let place = if organization { format!(" It is changed in {}.", facts::management_words(evidence, &act_in)) } else { String::new() };
    Finding {
        cause: CAUSE,
        certainty: Certainty::Suspected,
        severity: None,
        act_in,
        object: facts::provisional_object(evidence),
        denied: None,
        summary: format!("By its message, {} may be stopped by a policy that denies; no refused call was found that names it.{place}", facts::role_name(evidence)),
        next_steps: vec![
            steps::look_up_denials(evidence, evidence.job.account.as_str(), &session(evidence)),
            steps::judge("Read the policies named by the message; the words after `because` or `with an explicit deny in` say which kind decided."),
        ],
        used: Vec::new(),
    }
}

fn session(evidence: &Evidence) -> String {
    format!("AWSBackup-{}", evidence.role_arn().and_then(Arn::role_name).unwrap_or("AWSBackupDefaultServiceRole"))
}
