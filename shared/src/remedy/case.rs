//! Patches for authorization cases, one JSON object per line: `guardian policy patch`.
//!
//! The smallest statement in the layer that lacks it: the resource policy, a policy of the caller, or both across accounts. Where something else
//! blocks (an explicit deny, the organization, a boundary) the answer names it.

use serde_json::{Map, Value, json};

use super::call::{Call, Change, Guard, Target};
use super::draft::Draft;
use super::grid::Grid;
use super::proof::{Proof, prove};
use super::statement::{Form, Purpose, literal};
use super::{NoPatch, stored};
use crate::policy::case::{Case, Unreadable};

/// Answers one line: `Ok` with `{id, patch, proof}` or `{id, reason, instead?}`, or `Err` with `{id?, error}` where the line holds no case.
pub fn patch_line(line: &str) -> Result<Value, Value> {
    let id = || serde_json::from_str::<Value>(line).ok().and_then(|value| value.get("id").cloned()).filter(Value::is_string);
    let case = match Case::parse(line) {
        Ok(case) => case,
        Err(Unreadable::Principal(problem)) => return Ok(refusal(id(), &NoPatch::NotAPrincipal(problem))),
        Err(problem) => {
            let error = problem.to_string();
            return Err(id().map_or_else(|| json!({"error": error}), |id| json!({"id": id, "error": error})));
        }
    };
    // What was parsed as a case is JSON.
    let raw = serde_json::from_str::<Value>(line).unwrap_or_default();
    Ok(match patch(&case, &raw) {
        Ok((changes, proof)) => {
            let mut changes = changes.into_iter();
            let mut first = changes.next().unwrap_or_default();
            let also = changes.map(Value::Object).collect::<Vec<_>>();
            if !also.is_empty() {
                first.insert("also".to_owned(), also.into());
            }
            json!({"id": raw.get("id"), "patch": first, "proof": proof})
        }
        Err(no_patch) => refusal(raw.get("id").cloned(), &no_patch),
    })
}

fn refusal(id: Option<Value>, no_patch: &NoPatch) -> Value {
    let mut answer = Map::new();
    answer.insert("id".to_owned(), id.unwrap_or_else(|| "".into()));
    answer.insert("reason".to_owned(), no_patch.reason().into());
    if let Some(instead) = no_patch.instead() {
        answer.insert("instead".to_owned(), instead.into());
    }
    Value::Object(answer)
}

/// One change or two, the object's first, and the proof of them all.
type Patched = (Vec<Map<String, Value>>, Proof);

fn patch(case: &Case, raw: &Value) -> Result<Patched, NoPatch> {
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
    if drafts.is_empty() {
        return Err(NoPatch::NothingDenied);
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
    Ok((drafts.into_iter().map(|draft| printed(draft, call)).collect(), proof))
}

fn printed(draft: Draft, call: &Call) -> Map<String, Value> {
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
    let mut change = Map::new();
    change.insert("layer".to_owned(), layer.into());
    change.insert("target_arn".to_owned(), target.as_str().into());
    change.insert("account_id".to_owned(), account.into());
    if let Some(operation) = operation {
        change.insert("operation".to_owned(), operation.into());
    }
    change.insert("statements".to_owned(), draft.statements.into());
    change.insert("document".to_owned(), draft.document);
    change
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
        fixed_identity: named.contains(":role/aws-service-role/"),
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
