//! What the policies say to the calls of a copy, and how that stands to a finding.
//!
//! A refused call in CloudTrail and an evaluation that refuses the same call are two witnesses: together they prove a cause. If the evaluation
//! allows what was refused, one of them misses something, and the verdict says so instead of choosing.

use serde::{Deserialize, Serialize};

use super::matching::{Actor, Tie, Tied, ties};
use super::{Cause, Certainty, Denied, Finding, facts};
use crate::arn::Arn;
use crate::copy::{Judged, Object, Route, RoutePolicies, SeenCall, SeenPolicies, judge_all, requirements_seen};
use crate::event::{JobType, NoticeKind};
use crate::evidence::{Effect, Evidence, Fact, PolicyType};
use crate::policy::Decision;

/// What the evaluation of the policies says to the refused call, or to the call that the finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluation {
    /// How it stands to the finding.
    pub stand: Stand,
    /// The call and what decided it, in one sentence. May quote untrusted text.
    pub text: String,
}

/// How an evaluation stands to a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stand {
    /// It refuses the same call.
    Agrees,
    /// It depends on something that was not seen or that AWS leaves open.
    Open,
    /// It allows the call, and the policy was changed after the failure: it may be mended.
    Mended,
    /// It allows the call that was refused, or refuses it in another way.
    Contradicts,
}

/// The requirements of a copy, judged by the policies that were seen.
#[derive(Clone, Debug)]
pub struct Assessment {
    route: Route,
    policies: RoutePolicies,
    calls: Vec<SeenCall>,
    judged: Vec<Judged>,
}

impl Assessment {
    /// Judges the route of a copy; `None` where the evidence does not show a whole route, or the key is one of AWS, whose policy nobody can
    /// change.
    pub fn of(evidence: &Evidence) -> Option<Self> {
        if evidence.job.job_type != JobType::Copy || facts::aws_managed(&evidence.source_key, evidence.source_key_arn()) == Some(true) {
            return None;
        }
        let route = Route::of(evidence)?;
        let policies = seen(evidence, &route);
        let calls = refused_calls(evidence);
        let judged = judge_all(requirements_seen(&route, &calls), &policies).ok()?;
        Some(Self { route, policies, calls, judged })
    }

    /// The route.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// The policies that were seen.
    pub fn policies(&self) -> &RoutePolicies {
        &self.policies
    }

    /// The calls that this job was refused for certain. Whether a copy needs them, the documents may leave open; AWS made them.
    pub fn calls(&self) -> &[SeenCall] {
        &self.calls
    }

    /// Every requirement with what the policies say to it.
    pub fn judged(&self) -> &[Judged] {
        &self.judged
    }

    /// What of the copy has this ARN.
    pub fn object(&self, arn: &str) -> Option<Object> {
        self.judged.iter().find(|judged| judged.requirement.resource.as_str() == arn).map(|judged| judged.requirement.object)
    }

    /// The requirement that a refused call is about.
    fn refused(&self, denied: &Denied) -> Option<&Judged> {
        let resource = denied.resource.as_deref();
        let mut same = self.judged.iter().filter(|judged| {
            let need = &judged.requirement;
            need.action.eq_ignore_ascii_case(&denied.action)
                && need.principal == denied.principal
                && resource.is_none_or(|resource| need.resource.as_str() == resource)
        });
        // AWS may make the same call in several ways, and only one of them be refused.
        same.clone().find(|judged| judged.refused).or_else(|| same.next())
    }

    /// A requirement on an object that the policies refuse.
    fn denied_on(&self, arn: &str) -> Option<&Judged> {
        let on_object = self.judged.iter().filter(|judged| judged.requirement.resource.as_str() == arn);
        on_object.filter(|judged| judged.refused).min_by_key(|judged| judged.decision)
    }
}

/// Weighs a finding by the evaluation: two witnesses prove it, a contradiction lowers it.
pub(super) fn weigh(evidence: &Evidence, assessment: &Assessment, finding: &mut Finding) -> Option<Evaluation> {
    let (judged, exact) = match &finding.denied {
        Some(denied) => {
            let found = ties(evidence);
            let mut tied = found.iter().filter(|tied| tied.denial.event_id == denied.event_id && tied.action() == denied.action);
            // A disabled key fails calls that every policy allows: only a refusal is a matter of policies.
            let tied = tied.find(|tied| tied.is_authorization())?;
            (assessment.refused(denied), tied.tie == Tie::Exact)
        }
        None => (finding.act_in.resource_arn.as_deref().and_then(|arn| assessment.denied_on(arn)), false),
    };
    let judged = judged?;
    let stand = match judged.decision {
        decision if is_denied(decision) && !same_way(finding, decision) => Stand::Contradicts,
        // What was not seen could change why, but not that.
        _ if judged.refused => Stand::Agrees,
        Decision::ImplicitlyDenied | Decision::ExplicitlyDenied | Decision::Uncertain => Stand::Open,
        Decision::Allowed if changed_since(evidence, judged.requirement.resource.as_str()) => Stand::Mended,
        Decision::Allowed => Stand::Contradicts,
    };
    finding.certainty = match (stand, finding.certainty) {
        // Refused both times, though not in the same way: no second witness, and no reason to doubt the first.
        (Stand::Contradicts, certainty) if is_denied(judged.decision) => certainty,
        // One refused call of this very job and the evaluation: nothing is left open. A call that may be another job's stays a hint.
        (Stand::Agrees, Certainty::Supported) if exact => Certainty::Proven,
        // No failed call of this job was found yet: the evaluation is one witness. A call that failed for another reason speaks louder.
        (Stand::Agrees, Certainty::Suspected) if finding.denied.is_none() && !ties(evidence).iter().any(speaks_louder) => {
            Certainty::Supported
        }
        (Stand::Contradicts, Certainty::Supported) => Certainty::Suspected,
        (_, certainty) => certainty,
    };
    Some(Evaluation { stand, text: sentence(judged, stand, finding.denied.is_some()) })
}

/// Whether a failed call is this job's for certain, or failed for another reason than a policy.
fn speaks_louder(tied: &Tied<'_>) -> bool {
    tied.tie == Tie::Exact || !tied.is_authorization()
}

/// The calls of this very job that a policy refused.
fn refused_calls(evidence: &Evidence) -> Vec<SeenCall> {
    let refused = ties(evidence).into_iter().filter(|tied| tied.tie == Tie::Exact && tied.is_authorization());
    let calls = refused.map(|tied| Denied::of(tied.denial));
    calls.map(|denied| SeenCall { principal: denied.principal, action: denied.action }).collect()
}

/// Whether the policies refuse a call in the way that AWS recorded and that the cause is about: by a Deny, or for want of an Allow.
///
/// A policy may have been changed between the two, and a Deny may be where nobody looked. An added Allow mends nothing against a Deny.
fn same_way(finding: &Finding, decision: Decision) -> bool {
    let by_deny = decision == Decision::ExplicitlyDenied;
    let recorded = finding.denied.as_ref().and_then(|denied| denied.effect).map(|effect| effect == Effect::ExplicitDeny);
    let about = match finding.cause {
        // SCPs, RCPs and boundaries are of this cause also where they only do not allow.
        Cause::ExplicitDenyPolicy if recorded != Some(false) => Some(true),
        Cause::ExplicitDenyPolicy => finding.denied.as_ref().and_then(|denied| denied.policy_type).is_none_or(is_of_object).then_some(true),
        Cause::KmsKeyPolicyMissingDestination => Some(false),
        _ => None,
    };
    [recorded, about].into_iter().flatten().all(|expected| expected == by_deny)
}

/// Whether a policy is that of the key, the vault or the role, and not one above them.
fn is_of_object(policy: PolicyType) -> bool {
    matches!(policy, PolicyType::ResourceBasedPolicy | PolicyType::IdentityBasedPolicy)
}

fn is_denied(decision: Decision) -> bool {
    matches!(decision, Decision::ImplicitlyDenied | Decision::ExplicitlyDenied)
}

/// Whether a write on the object came after the failure.
fn changed_since(evidence: &Evidence, arn: &str) -> bool {
    let failed_at = evidence.job.completed_at.or(evidence.job.event_time).unwrap_or(evidence.now);
    let changes = evidence.changes.known().into_iter().flatten();
    changes.into_iter().any(|change| change.at > failed_at && change.resource_arn.as_ref().is_some_and(|object| object.as_str() == arn))
}

/// `same`: the call is the refused one, which the alert names already.
fn sentence(judged: &Judged, stand: Stand, same: bool) -> String {
    let need = &judged.requirement;
    let call = if same { "the same call".to_owned() } else { format!("{} by {} on {}", need.action, need.principal, need.resource) };
    match stand {
        Stand::Agrees => format!("The policies, evaluated, refuse {call}: {}.", judged.reason()),
        Stand::Open => format!("Whether the policies allow {call} depends on {}.", judged.open_points()),
        Stand::Mended => format!("The policies as they are now allow {call}, and were changed after the failure."),
        Stand::Contradicts if is_denied(judged.decision) => {
            let otherwise = if same { "AWS recorded or this cause supposes" } else { "this cause supposes" };
            format!("The policies as they were read refuse {call} too, but in another way than {otherwise}: {}.", judged.reason())
        }
        Stand::Contradicts => {
            format!(
                "The policies as they were read allow {call}, although AWS refused it: something that was not seen decided, or a policy was mended since."
            )
        }
    }
}

/// The policies of the evidence. Of the destination's account no RCPs are read: the job role is all that they would reach.
fn seen(evidence: &Evidence, route: &Route) -> RoutePolicies {
    let destination_rcps = Fact::NotAsked;
    let seen = SeenPolicies {
        organization: &evidence.organization,
        job_role: &evidence.role,
        source_scps: &evidence.scps,
        source_rcps: &evidence.rcps,
        destination_rcps: if route.crosses_accounts() { &destination_rcps } else { &evidence.rcps },
        source_vault: &evidence.vault_policy,
        destination_vault: &evidence.destination_vault_policy,
        source_key: &evidence.source_key_policy,
        source_key_grants: &evidence.source_key_grants,
        destination_key: &evidence.destination_key_policy,
        destination_key_grants: &evidence.destination_key_grants,
    };
    seen.of(route)
}

/// Whether the job role may be what AWS refused, so that its policies and those of the organization are worth reading.
pub fn suspects_job_role(evidence: &Evidence) -> bool {
    // The role of a selection is all that AWS needs to process it.
    if evidence.job.notice.as_ref().is_some_and(|notice| notice.kind == NoticeKind::SelectionNotProcessed) {
        return true;
    }
    if evidence.job.job_type != JobType::Copy {
        return false;
    }
    let found = ties(evidence);
    if !found.is_empty() {
        return found.iter().any(|tied| tied.actor == Actor::JobRole && tied.is_authorization());
    }
    let about_roles = [
        Cause::AccessDeniedUnspecified,
        Cause::BackupRoleMissingPermission,
        Cause::BackupRoleNotAssumable,
        Cause::DestinationVaultPolicy,
        Cause::ExplicitDenyPolicy,
        Cause::KmsRolePermissionMissing,
    ];
    let reading = facts::reading(evidence);
    about_roles.into_iter().any(|cause| reading.likelihood(cause) > 0.0)
}

/// The role whose policies may be the reason. Of a selection whose role only a session names, the role of that name: AWS reads roles by name,
/// and the path is in no session.
pub fn role_to_read(evidence: &Evidence) -> Option<Arn> {
    evidence.role_arn().cloned().or_else(|| {
        let denial = evidence.job.notice.as_ref()?.denial.as_ref()?;
        let session = Arn::parse(denial.principal.as_deref()?).ok()?;
        let account = session.account().filter(|account| account == &evidence.job.account)?;
        Arn::parse(&format!("arn:{}:iam::{account}:role/{}", session.partition(), session.role_name()?)).ok()
    })
}

/// Whether the organization itself may be the reason, so that it is worth knowing who owns it.
pub fn concerns_organization(evidence: &Evidence) -> bool {
    let reading = facts::reading(evidence);
    let causes = [Cause::OrganizationMismatch, Cause::CrossAccountFeatureDisabled];
    let policy = evidence.job.notice.as_ref().is_some_and(|notice| notice.kind == NoticeKind::OrganizationPolicyInvalid);
    policy || suspects_job_role(evidence) || causes.into_iter().any(|cause| reading.likelihood(cause) > 0.0)
}
