//! What must hold for any input. The fuzz targets call these, and `make test` replays the kept corpus through them.
//!
//! Each takes raw bytes and panics where its promise is broken; nothing else calls them.

#![expect(clippy::panic, reason = "a broken promise must stop the fuzzer")]

use serde_json::{Value, json};

use crate::arn::{AccountId, Arn};
use crate::event::{self, Parsed};
use crate::policy::case::{Case, Reply};
use crate::policy::{Decision, wildcard_matches};

/// A policy case of any shape is read or refused, and a Deny of everything for everybody beats whatever else it says.
pub fn policy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(case) = Case::parse(text) else { return };
    let first = case.evaluate();
    if first != case.evaluate() {
        panic!("the same case had two answers");
    }
    if serde_json::to_string(&Reply::to(1, text)).is_err() {
        panic!("an answer cannot be printed");
    }
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return };
    // On both sides: the trust policy takes no part in passing a role, and a service has no identity policies.
    let deny = json!({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]});
    if let Some(object) = value.as_object_mut() {
        object.insert("identity_policies".to_owned(), json!([deny]));
        object.insert("resource_policy".to_owned(), deny);
    }
    let passed_by_service = case.request.action.eq_ignore_ascii_case("iam:PassRole") && case.request.principal.is_service();
    if passed_by_service {
        return;
    }
    match Case::parse(&value.to_string()) {
        Ok(denied) if denied.evaluate().decision != Decision::ExplicitlyDenied => panic!("a Deny of everything was not the answer"),
        Ok(_) | Err(_) => {}
    }
}

/// Statements of every document of a case, in place.
fn each_statement_list(case: &mut Value, change: &mut dyn FnMut(&mut Vec<Value>)) {
    match case {
        Value::Array(items) => items.iter_mut().for_each(|item| each_statement_list(item, change)),
        Value::Object(object) => match object.get_mut("Statement") {
            Some(Value::Array(statements)) => change(statements),
            _ => object.values_mut().for_each(|value| each_statement_list(value, change)),
        },
        _ => {}
    }
}

/// Whatever the documents say: order and repetition of statements decide nothing, a Deny allows nothing, without Allows there is no new
/// permission, what is no longer known only makes the answer less certain, and the answer can be printed and read.
pub fn policy_eval(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let reply = Reply::to(1, text);
    let Ok(printed) = serde_json::to_string(&reply) else { panic!("an answer cannot be printed") };
    let Ok(printed) = serde_json::from_str::<Value>(&printed) else { panic!("an answer is not JSON: {printed}") };
    if printed.get("decision").is_some() == printed.get("error").is_some() {
        panic!("neither an answer nor an error, or both");
    }
    let (Ok(answer), Ok(case)) = (reply.answer, serde_json::from_str::<Value>(text)) else { return };
    let before = answer.decision;
    if before == Decision::Uncertain && answer.depends_on.is_empty() {
        panic!("uncertain, and nothing it depends on");
    }
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut case = case.clone();
        change(&mut case);
        Reply::to(1, &case.to_string()).answer.map(|answer| answer.decision)
    };

    let again = changed(&|case| {
        each_statement_list(case, &mut |statements| {
            statements.extend(statements.clone());
            statements.reverse();
        });
    });
    if again != Ok(before) {
        panic!("order or repetition of statements made {before:?} {again:?}");
    }
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"});
    let denied = changed(&|case| each_statement_list(case, &mut |statements| statements.push(deny.clone())));
    if denied == Ok(Decision::Allowed) && before != Decision::Allowed {
        panic!("a Deny made {before:?} Allowed");
    }
    let silenced = changed(&|case| {
        each_statement_list(case, &mut |statements| {
            statements.retain(|statement| statement.get("Effect").and_then(Value::as_str) != Some("Allow"));
        });
    });
    if silenced == Ok(Decision::Allowed) && before != Decision::Allowed {
        panic!("without its Allows {before:?} became Allowed");
    }
    let keys = case.pointer("/request/context").and_then(Value::as_object).map(|context| context.keys().cloned().collect::<Vec<_>>());
    for key in keys.unwrap_or_default().into_iter().take(4) {
        let forgotten = changed(&|case| {
            let mut unknown = case.get("unknown_context").and_then(Value::as_array).cloned().unwrap_or_default();
            unknown.push(Value::String(key.clone()));
            if let Some(case) = case.as_object_mut() {
                case.insert("unknown_context".to_owned(), Value::Array(unknown));
            }
        });
        if forgotten != Ok(before) && forgotten != Ok(Decision::Uncertain) {
            panic!("forgetting `{key}` made {before:?} {forgotten:?}");
        }
    }
}

/// Any bytes are read as something, twice as the same; a job has the identity of its envelope and survives storage, and a job event of a
/// known account is never nothing.
pub fn event(data: &[u8]) {
    let parsed = event::parse(data);
    if parsed != event::parse(data) {
        panic!("the same event was read twice and differently");
    }
    match &parsed {
        Parsed::Job(job) => {
            let _asked = (job.is_problem(), job.key());
            let stored = serde_json::to_value(job).and_then(serde_json::from_value::<event::Job>);
            if stored.ok().as_ref() != Some(&**job) {
                panic!("a job does not survive storage");
            }
        }
        Parsed::Degraded(degraded) => drop(degraded.as_job().key()),
        Parsed::Trail(record) => drop((record.denial(), record.change())),
        Parsed::Change(_) | Parsed::Other { .. } | Parsed::Quarantine(_) => {}
    }
    let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let account = text("account").and_then(|account| AccountId::parse(account).ok());
    if let Parsed::Job(job) = &parsed {
        if account.as_ref() != Some(&job.account) && text("account").is_some() {
            panic!("a job has another account than its envelope");
        }
        if Parsed::Job(job.clone()) != event::parse(value.to_string().as_bytes()) {
            panic!("white space changed a job");
        }
    }
    let job_event = text("source") == Some("aws.backup")
        && matches!(
            text("detail-type"),
            Some("Backup Job State Change" | "Copy Job State Change" | "Restore Job State Change" | "Scan Job State Change")
        );
    if job_event && account.is_some() && !matches!(parsed, Parsed::Job(_) | Parsed::Degraded(_)) {
        panic!("the event of a job was taken for something else");
    }
}

/// An ARN prints as it was read, and its parts come from it.
pub fn arn(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(arn) = Arn::parse(text) else { return };
    if Arn::parse(arn.as_str()).as_ref() != Ok(&arn) || !text.contains(arn.as_str()) {
        panic!("an ARN does not survive printing");
    }
    for part in [arn.partition(), arn.service(), arn.resource(), arn.resource_name(), arn.role_name().unwrap_or_default()] {
        if !arn.as_str().contains(part) {
            panic!("a part of an ARN is not in it");
        }
    }
    let _parts = (arn.account(), arn.region(), arn.is_kms_key());
}

/// Wildcard matching: every text matches itself escaped by nothing, `*`, and itself between stars. First line pattern, rest text.
pub fn wildcard(data: &[u8]) {
    let Ok(input) = std::str::from_utf8(data) else { return };
    let (pattern, text) = input.split_once('\n').unwrap_or((input, ""));
    let matched = wildcard_matches(pattern, text);
    if !wildcard_matches("*", text) || !wildcard_matches(text, text) && !text.contains(['*', '?']) {
        panic!("a text does not match itself");
    }
    if matched && !wildcard_matches(&format!("*{pattern}*"), text) {
        panic!("stars around a pattern took a match away");
    }
    if matched && !wildcard_matches(&format!("{pattern}*"), &format!("{text}tail")) {
        panic!("a star at the end did not take the tail");
    }
    if !pattern.contains(['*', '?']) && matched != (pattern == text) {
        panic!("a pattern without wildcards matched another text");
    }
}
