//! What must hold for any input. The fuzz targets call these, and `make test` replays the kept corpus through them.
//!
//! Each takes raw bytes and panics where its promise is broken; nothing else calls them.

#![expect(clippy::panic, reason = "a broken promise must stop the fuzzer")]

use serde_json::{Value, json};

use crate::arn::Arn;
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
    let deny = json!({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]});
    if let Some(object) = value.as_object_mut() {
        object.insert("resource_policy".to_owned(), deny);
    }
    match Case::parse(&value.to_string()) {
        Ok(denied) if denied.evaluate().decision != Decision::ExplicitlyDenied => panic!("a Deny of everything was not the answer"),
        Ok(_) | Err(_) => {}
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
