//! Authorization cases: every denied one gets a patch that an evaluation confirms, or a reason that names what blocks.

use std::collections::BTreeMap;

use guardian_core::policy::Decision;
use guardian_core::policy::case::Case;
use guardian_core::remedy::PatchReply;
use serde_json::{Value, json};

const HAND_MADE: &str = include_str!("../../../tests/facts/iam-cases.jsonl");
const MORE: &str = include_str!("../../../tests/facts/policy-cases.jsonl");

fn cases(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The answer to a case as it is printed.
fn answer(case: &Value) -> Value {
    serde_json::to_value(PatchReply::to(1, &case.to_string())).unwrap()
}

fn decision(case: &Value) -> Decision {
    Case::parse(&case.to_string()).unwrap().evaluate().decision
}

/// The case with the changes of an answer made.
fn patched(case: &Value, patch: &Value) -> Value {
    let mut case = case.clone();
    let also = patch["also"].as_array().cloned().unwrap_or_default();
    for change in also.iter().chain([patch]) {
        match change["layer"].as_str().unwrap() {
            "resource" => case["resource_policy"] = change["document"].clone(),
            "identity" => match case["identity_policies"].as_array_mut() {
                Some(policies) => policies.push(change["document"].clone()),
                None => case["identity_policies"] = json!([change["document"]]),
            },
            other => panic!("{other}"),
        }
    }
    case
}

#[test]
fn a_denied_case_is_patched_or_says_why_not() {
    let mut counted = BTreeMap::new();
    for case in [cases(HAND_MADE), cases(MORE)].concat() {
        let id = case["id"].as_str().unwrap();
        let answer = answer(&case);
        assert_eq!(answer["id"], id);
        let parsed = Case::parse(&case.to_string());
        let before = parsed.as_ref().map_or(Decision::Uncertain, |case| case.evaluate().decision);
        let kind = match (before, answer.get("patch")) {
            (Decision::Allowed, None) => {
                assert_eq!(answer["reason"], "everything is allowed already", "{id}");
                "allowed"
            }
            (Decision::ExplicitlyDenied, None) => {
                let reason = answer["reason"].as_str().unwrap();
                assert!(reason.contains("denies") && reason.contains('#'), "{id}: {reason}");
                assert!(answer["instead"].is_string(), "{id}");
                "explicitly denied"
            }
            (Decision::ImplicitlyDenied, Some(patch)) => {
                assert_eq!(decision(&patched(&case, patch)), Decision::Allowed, "{id}: {patch}");
                assert!(answer["proof"].as_object().unwrap().values().all(|shown| shown == true), "{id}: {answer}");
                let everybody = patch.to_string().contains(r#""AWS":"*""#) && !case.to_string().contains(r#""AWS":"*""#);
                assert!(!everybody, "{id}: {patch}");
                for change in patch["also"].as_array().cloned().unwrap_or_default().iter().chain([patch]) {
                    for statement in change["statements"].as_array().unwrap() {
                        assert_eq!(statement["Action"], json!([case["request"]["action"]]), "{id}");
                    }
                }
                "patched"
            }
            (Decision::ImplicitlyDenied, None) => {
                let reason = answer["reason"].as_str().unwrap();
                let named =
                    ["SCP level", "permissions boundary", "session policy", "within the account", "AWS managed key", "cannot be read"];
                assert!(named.iter().any(|layer| reason.contains(layer)), "{id}: {reason}");
                "blocked"
            }
            (Decision::Uncertain, None) => {
                assert!(answer["reason"].is_string(), "{id}");
                "uncertain"
            }
            (before, patch) => panic!("{id}: {before:?} {patch:?}"),
        };
        *counted.entry(kind).or_insert(0) += 1;
    }
    for kind in ["allowed", "explicitly denied", "patched", "blocked", "uncertain"] {
        assert!(counted.get(kind).is_some_and(|count| *count >= 5), "too few to mean something: {counted:?}");
    }
}

/// The layer, or layers, that the answer changes.
fn layers(answer: &Value) -> Vec<&str> {
    let also = answer["patch"]["also"].as_array().into_iter().flatten();
    [&answer["patch"]].into_iter().chain(also).filter_map(|change| change["layer"].as_str()).collect()
}

#[test]
fn the_layer_that_lacks_it_is_changed_and_no_other() {
    let all = cases(HAND_MADE);
    let table = [
        ("xa-key-policy-only", &["identity"][..]),
        ("xa-identity-only", &["resource"]),
        ("sa-no-root-delegation", &["resource"]),
        ("sa-root-delegation-no-identity", &["identity"]),
        ("via-service-wrong-region", &["resource"]),
        ("vault-no-access-policy", &["resource"]),
        ("passrole-service-wrong", &["identity"]),
        ("xa-schedule-deletion", &[]),
        ("scp-missing-at-ou", &[]),
        ("pb-implicit-xa", &[]),
    ];
    for (id, expected) in table {
        let case = all.iter().find(|case| case["id"] == id).unwrap();
        let answer = answer(case);
        assert_eq!(layers(&answer), expected, "{id}: {answer}");
    }
    // Both sides lack it across accounts: one patch of two changes, either useless alone.
    let mut both = all.iter().find(|case| case["id"] == "xa-identity-only").unwrap().clone();
    both["identity_policies"] = json!([]);
    let answer = answer(&both);
    assert_eq!(layers(&answer), ["resource", "identity"]);
    assert_eq!(decision(&patched(&both, &answer["patch"])), Decision::Allowed);
    for change in [&answer["patch"], &answer["patch"]["also"][0]] {
        let mut alone = change.clone();
        alone.as_object_mut().unwrap().remove("also");
        assert_eq!(decision(&patched(&both, &alone)), Decision::ImplicitlyDenied);
    }
}

#[test]
fn statements_are_held_to_what_the_request_says_of_itself() {
    let all = cases(HAND_MADE);
    let of = |id: &str| {
        let case = all.iter().find(|case| case["id"] == id).unwrap();
        answer(case)["patch"]["statements"][0].clone()
    };
    assert_eq!(of("via-service-wrong-region")["Condition"]["StringEquals"]["kms:ViaService"], "backup.eu-west-1.amazonaws.com");
    assert!(of("passrole-service-wrong")["Condition"]["StringEquals"]["iam:PassedToService"].is_string());
    let service = of("source-account-service-mismatch");
    assert_eq!(service["Principal"], json!({"Service": "backup.amazonaws.com"}));
    assert!(service["Condition"]["StringEquals"]["aws:SourceAccount"].is_string());
}

#[test]
fn a_line_that_is_no_case_is_answered_with_an_error() {
    for (line, error) in [
        ("{", json!({"line": 7, "error": "the line is not a JSON object: EOF while parsing an object at line 1 column 1"})),
        (r#"{"id": "a"}"#, json!({"id": "a", "line": 7, "error": "`request` is missing or not an object"})),
    ] {
        assert_eq!(serde_json::to_value(PatchReply::to(7, line)).unwrap(), error);
    }
    // A principal of a kind that is not modelled is a case all the same.
    let federated =
        json!({"id": "f", "request": {"principal": "cognito", "action": "kms:Decrypt", "resource": "*", "resource_account": "1"}});
    assert_eq!(answer(&federated)["reason"], "`cognito` is no principal that can be judged");
}
