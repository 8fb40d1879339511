//! One action that must be allowed, with everything that decides it: a requirement of a copy, or a case that somebody asked about.

use super::NoPatch;
use crate::copy::{Actor, Object, Requirement, Route, RoutePolicies};
use crate::policy::{Answer, Context, Decision, Document, Layer, NotAPrincipal, Outcome, Policies, Principal, Request, evaluate};

/// What kind of policy guards the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// A key policy: without a statement of it nobody is allowed, not in its own account either.
    Key,
    /// A vault access policy.
    Vault,
    /// A role's trust policy.
    Trust,
    /// Another resource policy.
    Other,
}

impl Guard {
    /// The guard of what an action is done to.
    pub(super) fn of(action: &str, resource: &str) -> Self {
        match action.split(':').next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "kms" => Self::Key,
            "backup" => Self::Vault,
            "sts" if resource.contains(":role/") => Self::Trust,
            _ => Self::Other,
        }
    }

    /// Whether identity policies alone are not enough in the object's own account.
    fn must_admit(self) -> bool {
        matches!(self, Self::Key | Self::Trust)
    }
}

/// One action that must be allowed.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) principal: Principal,
    /// The caller as a `Principal` element names it.
    pub(super) named: String,
    pub(super) action: String,
    pub(super) resource: String,
    /// The object as an identity statement names it.
    pub(super) pattern: String,
    /// The account that owns the object.
    pub(super) owner: String,
    pub(super) guard: Guard,
    pub(super) contexts: Vec<Context>,
    /// Conditions that hold for the call and keep a statement narrow: operator, key, value.
    pub(super) scope: Vec<(&'static str, String, serde_json::Value)>,
    /// The caller's own policies are AWS' affair.
    pub(super) fixed_identity: bool,
    pub(super) policies: Policies,
}

/// Which layers must be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lacks {
    pub(super) resource: bool,
    pub(super) identity: bool,
}

/// A document that takes the place of the object's policy, or is added to those of the caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) target: &'a Target,
    pub(super) document: &'a Document,
}

/// Whose policy changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// That of the object with this ARN.
    Object(String),
    /// Those of this caller.
    Caller(String),
}

impl Call {
    pub(super) fn of(route: &Route, requirement: &Requirement, policies: &RoutePolicies) -> Result<Self, NotAPrincipal> {
        let granting = requirement.action == "kms:CreateGrant";
        let mark = || ("Bool", "kms:GrantIsForAWSResource".to_owned(), serde_json::Value::from("true"));
        Ok(Self {
            principal: Principal::parse(&requirement.principal)?,
            named: requirement.principal.clone(),
            action: requirement.action.to_owned(),
            resource: requirement.resource.as_str().to_owned(),
            pattern: match requirement.object {
                Object::RecoveryPoint => recovery_points(route, requirement),
                Object::SourceKey | Object::DestinationKey | Object::DestinationVault => requirement.resource.as_str().to_owned(),
            },
            owner: requirement.resource_account.as_str().to_owned(),
            guard: Guard::of(requirement.action, requirement.resource.as_str()),
            contexts: requirement.contexts.clone(),
            scope: granting.then(mark).into_iter().collect(),
            fixed_identity: requirement.actor == Actor::Copier,
            policies: policies.of(requirement),
        })
    }

    /// The answer in each context, once the documents have taken their places.
    pub(super) fn answers(&self, changes: &[Change<'_>]) -> Vec<Answer> {
        let mut changed = None;
        for change in changes {
            match change.target {
                Target::Object(object) if *object == self.resource => {
                    changed.get_or_insert_with(|| self.policies.clone()).resource = Some(change.document.clone());
                }
                Target::Caller(caller) if *caller == self.named => {
                    changed.get_or_insert_with(|| self.policies.clone()).identity.push(change.document.clone());
                }
                Target::Object(_) | Target::Caller(_) => {}
            }
        }
        let policies = changed.as_ref().unwrap_or(&self.policies);
        let answers = self.contexts.iter().map(|context| {
            let request = Request {
                principal: self.principal.clone(),
                action: self.action.clone(),
                resource: self.resource.clone(),
                resource_account: self.owner.clone(),
                context: context.clone(),
            };
            evaluate(&request, policies)
        });
        answers.collect()
    }

    /// Whether it is allowed in every context.
    pub(super) fn allowed(&self, changes: &[Change<'_>]) -> bool {
        self.answers(changes).iter().all(|answer| answer.decision == Decision::Allowed)
    }

    pub(super) fn same_account(&self) -> bool {
        !self.principal.is_service() && self.principal.account() == self.owner
    }

    /// Which layers must be opened, or why that does not help.
    pub(super) fn lacks(&self, answers: &[Answer]) -> Result<Lacks, NoPatch> {
        if let Some(deny) = answers.iter().find_map(|answer| self.explicit_deny(answer)) {
            return Err(deny);
        }
        let open = answers.iter().filter(|answer| answer.decision == Decision::Uncertain);
        let mut open = open.flat_map(|answer| &answer.depends_on).cloned().collect::<Vec<_>>();
        if answers.iter().any(|answer| answer.decision == Decision::Uncertain) {
            open.sort();
            open.dedup();
            return Err(NoPatch::Uncertain(open));
        }
        let mut missing = answers.iter().flat_map(|answer| &answer.missing).map(String::as_str).collect::<Vec<_>>();
        missing.sort_unstable();
        missing.dedup();
        // A vault takes copies from other accounts and nothing else
        // (<https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html>).
        let vault = self.guard == Guard::Vault && !self.action.eq_ignore_ascii_case("backup:CopyIntoBackupVault");
        // What identities of IAM let be done to them is a matter of their own account.
        let identity = self.action.to_ascii_lowercase().starts_with("iam:");
        let only_at_home = !self.same_account() && (vault || identity);
        let denied = !missing.is_empty();
        if denied && (only_at_home || missing.contains(&"operation not available across accounts")) {
            return Err(NoPatch::NotAcrossAccounts(self.action.clone()));
        }
        if denied && self.policies.aws_managed_key {
            return Err(NoPatch::AwsManagedKey);
        }
        let has = |layer: &str| missing.contains(&layer);
        let (resource, identity) = (has("resource policy"), has("identity policies"));
        let beyond = missing.iter().any(|layer| !matches!(*layer, "resource policy" | "identity policies"));
        let elsewhere = || {
            let layers = missing.iter().filter(|layer| **layer != "resource policy");
            NoPatch::Elsewhere(layers.map(|layer| (*layer).to_owned()).collect())
        };
        if beyond {
            return Err(elsewhere());
        }
        let lacks = if self.principal.is_service() {
            Lacks { resource, identity: false }
        } else if self.same_account() && self.guard.must_admit() {
            // A statement that names the caller is enough on its own; one that trusts the account is not.
            Lacks { resource: resource || identity && self.fixed_identity, identity: identity && !resource && !self.fixed_identity }
        } else if self.same_account() {
            Lacks { resource: false, identity }
        } else {
            Lacks { resource, identity }
        };
        if lacks.identity && self.fixed_identity { Err(elsewhere()) } else { Ok(lacks) }
    }

    fn explicit_deny(&self, answer: &Answer) -> Option<NoPatch> {
        if answer.decision != Decision::ExplicitlyDenied {
            return None;
        }
        let reason = answer.reasons.iter().find(|reason| reason.denies && reason.outcome == Outcome::Matched)?;
        Some(NoPatch::ExplicitDeny {
            layer: reason.layer,
            document: reason.document + 1,
            statement: reason.statement + 1,
            sid: reason.sid.clone(),
            principal: self.named.clone(),
            actions: vec![self.action.clone()],
        })
    }
}

/// The recovery points that the job role must reach, tomorrow's too. A copy into another Region is made there, so the permission holds in both.
fn recovery_points(route: &Route, requirement: &Requirement) -> String {
    let points = route.recovery_points();
    let copies = requirement.action.split(':').nth(1).is_some_and(|operation| operation.starts_with("Copy"));
    if requirement.action.starts_with("backup:") || !copies || !route.crosses_regions() {
        return points;
    }
    points.replacen(&format!(":{}:", route.source_region), ":*:", 1)
}

/// The layer's documents, as people call them.
pub(super) fn layer_in_words(layer: Layer) -> &'static str {
    match layer {
        Layer::Scp => "service control policies",
        Layer::Rcp => "resource control policies",
        Layer::Identity => "policies of the role",
        Layer::Boundary => "permissions boundary",
        Layer::Session => "session policy",
        Layer::Resource => "policy of the key or vault",
    }
}
