//! Does a route have what its copies need?

use std::sync::LazyLock;

use super::requirement::{Actor, Object, Requirement, requirements};
use super::{BACKUP_SERVICE_LINKED_ROLE, Route};
use crate::policy::{Answer, Decision, Document, Grant, Policies, Request, evaluate};
use crate::policy::{NotAPrincipal, Principal};

/// What somebody may do with keys whose own policies are assumed.
static ASSUMED: LazyLock<Document> =
    LazyLock::new(|| Document::read(&serde_json::json!({"Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]})));
/// What the service-linked role may do: a sweep asks by the ten thousand.
static COPIER: LazyLock<Document> = LazyLock::new(|| Document::read(&BACKUP_SERVICE_LINKED_ROLE.document()));

/// Every policy that can decide a copy on a route. `None`: it was not seen, which makes answers uncertain and never wrong.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoutePolicies {
    /// Identity policies of the job role.
    pub job_role: Option<Vec<Document>>,
    /// Its permissions boundary; the inner `None`: it has none.
    pub job_role_boundary: Option<Option<Document>>,
    /// SCP levels of the source account, organization root first; an empty list: the account is in no organization, or it is the management
    /// account.
    pub source_scps: Option<Vec<Vec<Document>>>,
    /// Access policy of the source vault; the inner `None`: it has none.
    pub source_vault: Option<Option<Document>>,
    /// Access policy of the destination vault; the inner `None`: it has none.
    pub destination_vault: Option<Option<Document>>,
    /// Policy of the key that protects the recovery point.
    pub source_key: Option<Document>,
    /// Grants on that key.
    pub source_key_grants: Option<Vec<Grant>>,
    /// Policy of the destination vault's key.
    pub destination_key: Option<Document>,
    /// Grants on that key.
    pub destination_key_grants: Option<Vec<Grant>>,
    /// RCP levels of the account that owns the source key, organization root first; an empty list: the account is in no organization, or it is the
    /// management account. They reach the job role on keys, never the service-linked role.
    pub source_key_rcps: Option<Vec<Vec<Document>>>,
    /// Likewise of the account that owns the destination key.
    pub destination_key_rcps: Option<Vec<Vec<Document>>>,
}

/// A requirement and what the policies say to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The requirement.
    pub requirement: Requirement,
    /// Allowed only if it is allowed in every context; denied if it is denied in every one; else uncertain.
    pub decision: Decision,
    /// Refused in every context. It may be so where the decision is uncertain: what was not seen can change why, but not that.
    pub refused: bool,
    /// The answer for the context that decided.
    pub answer: Answer,
}

/// Judges every requirement of a route.
pub fn judge(route: &Route, policies: &RoutePolicies) -> Result<Vec<Judged>, NotAPrincipal> {
    judge_all(requirements(route), policies)
}

/// Judges requirements, be they of a route or of a restore.
pub fn judge_all(requirements: Vec<Requirement>, policies: &RoutePolicies) -> Result<Vec<Judged>, NotAPrincipal> {
    requirements.into_iter().map(|requirement| judge_one(requirement, policies)).collect()
}

fn judge_one(requirement: Requirement, policies: &RoutePolicies) -> Result<Judged, NotAPrincipal> {
    let set = policies.of(&requirement);
    let principal = Principal::parse(&requirement.principal)?;
    let answers = requirement.contexts.iter().map(|context| {
        let request = Request {
            principal: principal.clone(),
            action: requirement.action.to_owned(),
            resource: requirement.resource.as_str().to_owned(),
            resource_account: requirement.resource_account.as_str().to_owned(),
            context: context.clone(),
        };
        evaluate(&request, &set)
    });
    let answers = answers.collect::<Vec<_>>();
    let refused = answers.iter().all(|answer| match answer.decision {
        Decision::ImplicitlyDenied | Decision::ExplicitlyDenied => true,
        Decision::Uncertain => !answer.refused_by.is_empty(),
        Decision::Allowed => false,
    });
    let mut answers = answers.into_iter();
    let Some(first) = answers.next() else { return Err(NotAPrincipal(requirement.principal.clone())) };
    let allowed = |answer: &Answer| answer.decision == Decision::Allowed;
    let (decision, answer) = answers.fold((first.decision, first), |(decision, worst), next| {
        let together = match (decision, next.decision) {
            (a, b) if a == b => a,
            (Decision::ImplicitlyDenied | Decision::ExplicitlyDenied, Decision::ImplicitlyDenied | Decision::ExplicitlyDenied) => {
                Decision::ExplicitlyDenied
            }
            _ => Decision::Uncertain,
        };
        (together, if allowed(&worst) { next } else { worst })
    });
    Ok(Judged { requirement, decision, refused, answer })
}

impl RoutePolicies {
    /// The policies that decide one requirement.
    pub(crate) fn of(&self, requirement: &Requirement) -> Policies {
        let unseen = || Document::read_text("");
        let assumed = || vec![ASSUMED.clone()];
        let unseen_levels = || vec![vec![unseen()]];
        let (resource, grants, rcps) = match requirement.object {
            Object::SourceKey => (Some(self.source_key.clone().unwrap_or_else(unseen)), &self.source_key_grants, &self.source_key_rcps),
            Object::DestinationKey => {
                (Some(self.destination_key.clone().unwrap_or_else(unseen)), &self.destination_key_grants, &self.destination_key_rcps)
            }
            // The policy of a vault decides calls of AWS Backup, not those of the service that stores the snapshot.
            Object::RecoveryPoint if !requirement.action.starts_with("backup:") => (None, &None, &None),
            // RCPs do not reach AWS Backup.
            Object::RecoveryPoint => (self.source_vault.clone().unwrap_or_else(|| Some(unseen())), &None, &None),
            Object::DestinationVault => (self.destination_vault.clone().unwrap_or_else(|| Some(unseen())), &None, &None),
        };
        let key = requirement.object.is_key();
        let mut set = Policies {
            resource,
            grants: grants.clone().unwrap_or_default(),
            grants_incomplete: key && grants.is_none(),
            ..Policies::default()
        };
        match requirement.actor {
            Actor::JobRole => {
                set.identity = match &self.job_role {
                    _ if requirement.own_policies_assumed => assumed(),
                    Some(policies) => policies.clone(),
                    None => vec![unseen()],
                };
                set.boundary = self.job_role_boundary.clone().unwrap_or_else(|| Some(unseen()));
                set.scps = self.source_scps.clone().unwrap_or_else(unseen_levels);
                set.rcps = if key { rcps.clone().unwrap_or_else(unseen_levels) } else { Vec::new() };
            }
            Actor::Copier if requirement.own_policies_assumed => set.identity = assumed(),
            Actor::Copier => set.identity = vec![COPIER.clone()],
        }
        set
    }
}
