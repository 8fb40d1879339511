//! Patches for authorization cases, one JSON object per line: `guardian policy patch`.
//!
//! The smallest statement in the layer that lacks it: the resource policy, a policy of the caller, or both across accounts. Where something else
//! blocks (an explicit deny, the organization, a boundary) the answer names it.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::call::{Call, Change, Guard, Target};
use super::draft::Draft;
use super::grid::Grid;
use super::proof::{Proof, prove};
use super::statement::{Form, Purpose, literal};
use super::{NoPatch, stored};
use crate::arn::linked_service;
use crate::policy::case::{Case, Unreadable};

/// The answer to one line. As JSON `{id, patch, proof}`, `{id, reason, instead?}` where no patch can work, or `{id?, line, error}` where the line
/// holds no case.
#[derive(Clone, Debug, PartialEq)]
pub struct PatchReply {
    /// Which line, from 1.
    pub line: usize,
    /// The id of the case as it was given. Untrusted.
    pub id: Option<Value>,
    /// The answer.
    pub answer: Result<Result<CasePatch, NoPatch>, Unreadable>,
}

/// What must change so that a request is allowed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CasePatch {
    /// The change; across accounts perhaps a second one in `also`.
    pub patch: CaseChange,
    /// The proof of both.
    pub proof: Proof,
}

/// A change of one policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CaseChange {
    /// `resource` or `identity`.
    pub layer: &'static str,
    /// ARN of the object or of the caller.
    pub target_arn: String,
    /// The account that must do it.
    pub account_id: String,
    /// The call that does it, where there is one for policies of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'static str>,
    /// The statements to add.
    pub statements: Vec<Value>,
    /// The resource policy with them; for the caller a policy of its own.
    pub document: Value,
    /// What must change besides: the first alone does not help.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<CaseChange>,
}

impl PatchReply {
    /// Answers a line. A principal of a kind that is not modelled makes a case all the same, but none that can be patched.
    pub fn to(line: usize, text: &str) -> Self {
        let (answer, mut raw) = match Case::parse(text) {
            // What was read as a case is JSON.
            Ok(case) => {
                let raw = serde_json::from_str::<Value>(text).unwrap_or_default();
                (Ok(patch(&case, &raw)), raw)
            }
            Err(unreadable) => {
                let raw = serde_json::from_str::<Value>(text).unwrap_or_default();
                let answer = match unreadable {
                    Unreadable::Principal(problem) => Ok(Err(NoPatch::NotAPrincipal(problem))),
                    unreadable => Err(unreadable),
                };
                (answer, raw)
            }
        };
        Self { line, id: raw.get_mut("id").map(Value::take), answer }
    }
}

impl Serialize for PatchReply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reply = serializer.serialize_map(None)?;
        match &self.answer {
            Ok(answer) => {
                reply.serialize_entry("id", &self.id)?;
                match answer {
                    Ok(found) => {
                        reply.serialize_entry("patch", &found.patch)?;
                        reply.serialize_entry("proof", &found.proof)?;
                    }
                    Err(no_patch) => {
                        reply.serialize_entry("reason", &no_patch.reason())?;
                        if let Some(instead) = no_patch.instead() {
                            reply.serialize_entry("instead", &instead)?;
                        }
                    }
                }
            }
            Err(unreadable) => {
                if let Some(id) = &self.id {
                    reply.serialize_entry("id", id)?;
                }
                reply.serialize_entry("line", &self.line)?;
                reply.serialize_entry("error", &unreadable.to_string())?;
            }
        }
        reply.end()
    }
}

fn patch(case: &Case, raw: &Value) -> Result<CasePatch, NoPatch> {
    let call = call(case, raw);
    let lacks = call.lacks(&call.answers(&[]))?;
    let resource_policy = raw.get("resource_policy").filter(|policy| !policy.is_null());
    let calls = [call];
    let [call] = &calls;
    let mut drafts = Vec::new();
    if lacks.resource {
        let stored = stored(resource_policy)?;
        drafts.extend(Draft::for_object(&calls, vec![0], &stored, Form::Callers, Purpose::Case));
    }
    if lacks.identity {
        drafts.extend(Draft::for_caller(&calls, vec![0], Purpose::Case));
    }
    let organization = raw.pointer("/request/context").and_then(|context| value(context, "aws:PrincipalOrgID"));
    let grid = Grid::around(&[call], organization);
    let mut proof = Proof { allowed_after: true, denied_before: true, minimal: true, grants_nothing_else: true };
    for (number, draft) in drafts.iter().enumerate() {
        let others = drafts.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, other)| other.change());
        let one = prove(&calls, &others.collect::<Vec<Change<'_>>>(), draft, &grid);
        proof.allowed_after &= one.allowed_after;
        proof.denied_before &= one.denied_before;
        proof.minimal &= one.minimal;
        proof.grants_nothing_else &= one.grants_nothing_else;
    }
    if !proof.holds() {
        return Err(NoPatch::NotProven(proof));
    }
    let mut changes = drafts.into_iter().map(|draft| changed(draft, call));
    let Some(mut patch) = changes.next() else { return Err(NoPatch::NothingDenied) };
    patch.also = changes.collect();
    Ok(CasePatch { patch, proof })
}

fn changed(draft: Draft, call: &Call) -> CaseChange {
    let (layer, target, account) = match &draft.target {
        Target::Object(object) => ("resource", object, call.owner.as_str()),
        Target::Caller(caller) => ("identity", caller, call.principal.account()),
    };
    let operation = match (&draft.target, call.guard) {
        (Target::Object(_), Guard::Key) => Some("kms:PutKeyPolicy"),
        (Target::Object(_), Guard::Vault) => Some("backup:PutBackupVaultAccessPolicy"),
        (Target::Object(_), Guard::Trust) => Some("iam:UpdateAssumeRolePolicy"),
        (Target::Object(_), Guard::Other) => None,
        (Target::Caller(caller), _) if caller.contains(":user/") => Some("iam:PutUserPolicy"),
        (Target::Caller(_), _) => Some("iam:PutRolePolicy"),
    };
    CaseChange {
        layer,
        target_arn: target.clone(),
        account_id: account.to_owned(),
        operation,
        statements: draft.statements,
        document: draft.document,
        also: Vec::new(),
    }
}

fn call(case: &Case, raw: &Value) -> Call {
    let request = &case.request;
    let context = raw.pointer("/request/context").unwrap_or(&Value::Null);
    let principal = raw.pointer("/request/principal").and_then(Value::as_str).unwrap_or_default();
    // A session's ARN has no path: only its role's ARN can be named for good.
    let role = value(context, "aws:PrincipalArn").filter(|arn| request.principal.is_session() && arn.contains(":role/"));
    let named = role.unwrap_or(principal);
    let guard = Guard::of(&request.action, &request.resource);
    Call {
        principal: request.principal.clone(),
        named: named.to_owned(),
        action: request.action.clone(),
        resource: request.resource.clone(),
        pattern: literal(&request.resource),
        owner: request.resource_account.clone(),
        guard,
        contexts: vec![request.context.clone()],
        scope: scope(context, unknown(raw)),
        fixed_identity: linked_service(named).is_some(),
        policies: case.policies.clone(),
    }
}

fn unknown(raw: &Value) -> Vec<String> {
    let keys = raw.get("unknown_context").and_then(Value::as_array).into_iter().flatten();
    keys.filter_map(|key| Some(key.as_str()?.to_lowercase())).collect()
}

/// A single value of the context, whatever the case of the key.
fn value<'a>(context: &'a Value, key: &str) -> Option<&'a str> {
    context.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case(key))?.1.as_str()
}

/// Keys that say what a request is for: a statement for it is held to their values.
const SCOPE: &[(&str, &str)] = &[
    ("StringEquals", "aws:SourceAccount"),
    ("StringEquals", "aws:SourceArn"),
    ("StringEquals", "iam:PassedToService"),
    ("StringEquals", "kms:ViaService"),
    ("Bool", "kms:GrantIsForAWSResource"),
];

fn scope(context: &Value, unknown: Vec<String>) -> Vec<(&'static str, String, Value)> {
    let mut scope = Vec::new();
    for (name, held) in context.as_object().into_iter().flatten() {
        let lower = name.to_lowercase();
        if unknown.contains(&lower) {
            continue;
        }
        let operator = SCOPE.iter().find(|(_, key)| key.eq_ignore_ascii_case(name)).map(|(operator, _)| *operator);
        let operator = operator.or_else(|| lower.starts_with("kms:encryptioncontext:").then_some("StringEquals"));
        let truth = held.as_bool().map(|truth| Value::from(truth.to_string()));
        match truth.as_ref().unwrap_or(held) {
            // That a grant is for nobody's resource keeps nothing narrow.
            Value::String(text) if text == "false" => {}
            // No wildcards there, but variables.
            Value::String(text) => scope.extend(operator.map(|operator| (operator, name.clone(), text.replace("${", "${$}{").into()))),
            // A grant may pass on what it was asked for and no more.
            Value::Array(_) if lower == "kms:grantoperations" => {
                scope.push(("ForAllValues:StringEquals", name.clone(), held.clone()));
            }
            _ => {}
        }
    }
    scope.sort_by(|a, b| a.1.cmp(&b.1));
    scope
}
