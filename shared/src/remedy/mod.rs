//! The smallest change that makes a route work, and the proof that it does.
//!
//! A patch is a list of statements to add to one resource policy. It is shown only with its [`Proof`]: every requirement of the route on that
//! object is allowed after and at least one was denied before; dropping any statement, action or principal breaks it again; and on a grid of
//! other principals, actions and contexts nothing becomes allowed that was not.

mod proof;

use serde_json::{Value, json};

use crate::arn::{AccountId, Arn};
use crate::copy::{Judged, Object, Route, RoutePolicies, judge};
use crate::policy::{Decision, Document, Layer, NotAPrincipal, Outcome};
pub use proof::Proof;

/// A change of one resource policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// What is changed.
    pub object: Object,
    /// Its ARN.
    pub target_arn: Arn,
    /// The account that must do it.
    pub account_id: AccountId,
    /// The statements to add.
    pub statements: Vec<Value>,
    /// The whole document with them.
    pub document: Value,
    /// The proof.
    pub proof: Proof,
}

/// Why there is no patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPatch {
    /// Everything is allowed already.
    NothingDenied,
    /// It depends on what was not seen: the names of the open points.
    Uncertain(Vec<String>),
    /// A statement denies: it must be narrowed by a person. Layer, document and statement (from 1), Sid.
    ExplicitDeny {
        /// The layer of the statement.
        layer: Layer,
        /// Which document of the layer, from 1.
        document: usize,
        /// Which statement, from 1.
        statement: usize,
        /// Its Sid. Untrusted text.
        sid: Option<String>,
    },
    /// The resource policy is not what is missing: `identity policies`, `SCP level 1 of 2`, …
    Elsewhere(Vec<String>),
    /// The object's policy was not seen or cannot be read.
    PolicyUnseen,
    /// The statements did not do what they must: a defect of the guardian, or a policy it does not understand. Nothing is shown.
    NotProven(Proof),
    /// The service-linked role or the job role has no readable ARN.
    NotAPrincipal(NotAPrincipal),
}

/// The smallest patch of the policy of one object of a route. `current` is its stored document; `None`: it has none.
pub fn patch(route: &Route, policies: &RoutePolicies, object: Object, current: Option<&Value>) -> Result<Patch, NoPatch> {
    let judged = judge(route, policies).map_err(NoPatch::NotAPrincipal)?;
    let on_object = judged.iter().filter(|judged| judged.requirement.object == object).collect::<Vec<_>>();
    let denied = on_object.iter().copied().filter(|judged| judged.decision != Decision::Allowed).collect::<Vec<_>>();
    let Some(first) = denied.first() else { return Err(NoPatch::NothingDenied) };
    if let Some(explicit) = denied.iter().find_map(|judged| explicit_deny(judged)) {
        return Err(explicit);
    }
    let open = denied.iter().filter(|judged| judged.decision == Decision::Uncertain).flat_map(|judged| &judged.answer.depends_on);
    let mut open = open.cloned().collect::<Vec<_>>();
    open.sort();
    open.dedup();
    if denied.iter().any(|judged| judged.decision == Decision::Uncertain) {
        return Err(NoPatch::Uncertain(open));
    }
    let elsewhere = denied
        .iter()
        .flat_map(|judged| &judged.answer.missing)
        .filter(|missing| *missing != "resource policy")
        .cloned()
        .collect::<Vec<_>>();
    if !elsewhere.is_empty() {
        return Err(NoPatch::Elsewhere(elsewhere));
    }
    let stored = match current {
        Some(document) if Document::read(document).problems.is_empty() => document.clone(),
        Some(_) => return Err(NoPatch::PolicyUnseen),
        None => json!({"Version": "2012-10-17", "Statement": []}),
    };
    let actions = denied.iter().map(|judged| judged.requirement.action).collect::<Vec<_>>();
    let statements = statements(route, object, &first.requirement.principal, &actions, &stored);
    let document = with(&stored, &statements);
    let proof = proof::prove(route, policies, object, &stored, &statements).map_err(NoPatch::NotAPrincipal)?;
    if !proof.holds() {
        return Err(NoPatch::NotProven(proof));
    }
    Ok(Patch {
        object,
        target_arn: first.requirement.resource.clone(),
        account_id: first.requirement.resource_account.clone(),
        statements,
        document,
        proof,
    })
}

fn explicit_deny(judged: &Judged) -> Option<NoPatch> {
    if judged.decision != Decision::ExplicitlyDenied {
        return None;
    }
    let reason = judged.answer.reasons.iter().find(|reason| reason.denies && reason.outcome == Outcome::Matched)?;
    Some(NoPatch::ExplicitDeny {
        layer: reason.layer,
        document: reason.document + 1,
        statement: reason.statement + 1,
        sid: reason.sid.clone(),
    })
}

/// The statements that admit exactly the denied actions.
fn statements(route: &Route, object: Object, principal: &str, actions: &[&str], stored: &Value) -> Vec<Value> {
    match object {
        Object::SourceKey | Object::DestinationKey => {
            let (grants, uses) = actions.iter().partition::<Vec<&str>, _>(|action| **action == "kms:CreateGrant");
            let mut statements = Vec::new();
            if !uses.is_empty() {
                statements.push(json!({
                    "Sid": unused_sid(stored, "AllowUseForBackupCopies"),
                    "Effect": "Allow",
                    "Principal": {"AWS": principal},
                    "Action": uses,
                    "Resource": "*",
                }));
            }
            if !grants.is_empty() {
                statements.push(json!({
                    "Sid": unused_sid(stored, "AllowGrantsForBackupCopies"),
                    "Effect": "Allow",
                    "Principal": {"AWS": principal},
                    "Action": grants,
                    "Resource": "*",
                    "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
                }));
            }
            statements
        }
        Object::RecoveryPoint | Object::DestinationVault => vec![json!({
            "Sid": unused_sid(stored, "AllowCopiesFromSourceAccount"),
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:{}:iam::{}:root", route.partition(), route.source_account)},
            "Action": actions,
            "Resource": "*",
        })],
    }
}

/// A Sid that the document does not use yet: Sids must be unique in it.
fn unused_sid(stored: &Value, wanted: &str) -> String {
    let used = |sid: &str| sids(stored).any(|existing| existing == sid);
    let mut sid = wanted.to_owned();
    let mut number = 2;
    while used(&sid) {
        sid = format!("{wanted}{number}");
        number += 1;
    }
    sid
}

fn sids(document: &Value) -> impl Iterator<Item = &str> {
    let statement = document.get("Statement");
    let one = statement.filter(|statement| statement.is_object());
    statement.and_then(Value::as_array).into_iter().flatten().chain(one).filter_map(|statement| statement.get("Sid")?.as_str())
}

/// A document with more statements.
fn with(document: &Value, statements: &[Value]) -> Value {
    let mut patched = document.clone();
    if let Some(object) = patched.as_object_mut() {
        let list = match object.remove("Statement") {
            Some(Value::Array(list)) => list,
            Some(single @ Value::Object(_)) => vec![single],
            _ => Vec::new(),
        };
        object.insert("Statement".to_owned(), Value::Array(list.into_iter().chain(statements.iter().cloned()).collect()));
    }
    patched
}
