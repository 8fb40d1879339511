//! The proof of a patch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::with;
use crate::copy::{Object, Requirement, Route, RoutePolicies, judge, requirements};
use crate::policy::{Context, Decision, Document, NotAPrincipal, Policies, Principal, Request, evaluate};

/// What was shown of a patch by evaluating the documents again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Every requirement of the route on the object is allowed with the patch, in every context of the copy.
    pub allowed_after: bool,
    /// At least one was denied without it.
    pub denied_before: bool,
    /// Without any one of its statements or actions something is denied again.
    pub minimal: bool,
    /// No other principal, action or context of the probe grid became allowed.
    pub grants_nothing_else: bool,
}

impl Proof {
    /// Whether all of it was shown.
    pub fn holds(&self) -> bool {
        self.allowed_after && self.denied_before && self.minimal && self.grants_nothing_else
    }
}

pub(super) fn prove(
    route: &Route,
    policies: &RoutePolicies,
    object: Object,
    stored: &Value,
    statements: &[Value],
) -> Result<Proof, NotAPrincipal> {
    let all_allowed = |document: &Value| -> Result<bool, NotAPrincipal> {
        let changed = replaced(policies, object, document);
        Ok(judge(route, &changed)?
            .iter()
            .filter(|judged| judged.requirement.object == object)
            .all(|judged| judged.decision == Decision::Allowed))
    };
    let mut minimal = !statements.is_empty();
    for smaller in one_less(statements) {
        minimal &= !all_allowed(&with(stored, &smaller))?;
    }
    let patched = with(stored, statements);
    Ok(Proof {
        allowed_after: all_allowed(&patched)?,
        denied_before: !all_allowed(stored)?,
        minimal,
        grants_nothing_else: grants_nothing_else(route, object, stored, &patched)?,
    })
}

fn replaced(policies: &RoutePolicies, object: Object, document: &Value) -> RoutePolicies {
    let document = Document::read(document);
    let mut changed = policies.clone();
    match object {
        Object::SourceKey => changed.source_key = Some(document),
        Object::DestinationKey => changed.destination_key = Some(document),
        Object::RecoveryPoint => changed.source_vault = Some(Some(document)),
        Object::DestinationVault => changed.destination_vault = Some(Some(document)),
    }
    changed
}

/// Every list of statements that lacks one statement, or one action of one statement.
fn one_less(statements: &[Value]) -> Vec<Vec<Value>> {
    let mut smaller = Vec::new();
    for index in 0..statements.len() {
        let mut without = statements.to_vec();
        without.remove(index);
        smaller.push(without);
        let actions = statements.get(index).and_then(|statement| statement.get("Action")).and_then(Value::as_array).cloned();
        for action in actions.filter(|actions| actions.len() > 1).unwrap_or_default() {
            let mut without = statements.to_vec();
            if let Some(list) = without.get_mut(index).and_then(|statement| statement.get_mut("Action")).and_then(Value::as_array_mut) {
                list.retain(|listed| *listed != action);
            }
            smaller.push(without);
        }
    }
    smaller
}

/// Actions that nobody should get by a patch for copies.
const PROBES: &[&str] = &[
    "backup:CopyFromBackupVault",
    "backup:CopyIntoBackupVault",
    "backup:DeleteBackupVault",
    "backup:DeleteRecoveryPoint",
    "backup:PutBackupVaultAccessPolicy",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:GetKeyPolicy",
    "kms:ListGrants",
    "kms:PutKeyPolicy",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
];

/// Looks at the object's policy alone, with callers whose own policies allow everything: whatever the patch opens, they get.
fn grants_nothing_else(route: &Route, object: Object, stored: &Value, patched: &Value) -> Result<bool, NotAPrincipal> {
    let needs = requirements(route).into_iter().filter(|need| need.object == object).collect::<Vec<_>>();
    let Some(need) = needs.first() else { return Ok(true) };
    let (before, after) = (Document::read(stored), Document::read(patched));
    for principal in probe_principals(route) {
        for action in PROBES {
            for context in probe_contexts(&principal, need) {
                if intended(&needs, route, object, &principal, action, &context) {
                    continue;
                }
                let allowed = |document: &Document| -> Result<bool, NotAPrincipal> {
                    let request = Request {
                        principal: Principal::parse(&principal)?,
                        action: (*action).to_owned(),
                        resource: need.resource.as_str().to_owned(),
                        resource_account: need.resource_account.as_str().to_owned(),
                        context: context.clone(),
                    };
                    let everything = serde_json::json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
                    let policies =
                        Policies { identity: vec![Document::read(&everything)], resource: Some(document.clone()), ..Policies::default() };
                    Ok(evaluate(&request, &policies).decision == Decision::Allowed)
                };
                if allowed(&after)? && !allowed(&before)? {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

fn probe_principals(route: &Route) -> Vec<String> {
    let partition = route.partition();
    let mut principals = vec![route.copier(), route.job_role_arn.as_str().to_owned()];
    for account in [route.source_account.as_str(), route.destination_account.as_str(), "999999999999"] {
        principals.push(format!("arn:{partition}:iam::{account}:role/Administrator"));
        principals.push(format!("arn:{partition}:iam::{account}:role/aws-service-role/ec2.amazonaws.com/AWSServiceRoleForEC2"));
    }
    principals.sort();
    principals.dedup();
    principals
}

/// With and without the mark of a grant for an AWS resource.
fn probe_contexts(principal: &str, need: &Requirement) -> Vec<Context> {
    [Some("true"), Some("false"), None]
        .into_iter()
        .map(|mark| {
            let mut context = Context::default();
            context.set("aws:PrincipalArn", principal);
            context.set("aws:ResourceAccount", need.resource_account.as_str());
            if let Some(mark) = mark {
                context.set("kms:GrantIsForAWSResource", mark);
            }
            context
        })
        .collect()
}

/// Whether the patch is meant to open this: the needed actions to the needed principal, grants only for AWS resources. A vault is opened to
/// the source account, whose own policies decide further.
fn intended(needs: &[Requirement], route: &Route, object: Object, principal: &str, action: &str, context: &Context) -> bool {
    let needed = needs.iter().any(|need| need.action == action);
    match object {
        Object::SourceKey | Object::DestinationKey => {
            let grants = action != "kms:CreateGrant" || context.is("kms:GrantIsForAWSResource", "true");
            needed && principal == route.copier() && grants
        }
        Object::RecoveryPoint | Object::DestinationVault => {
            needed && Principal::parse(principal).is_ok_and(|principal| principal.account() == route.source_account.as_str())
        }
    }
}
