//! The policy engine on documented cases, and the properties every evaluation keeps.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;

use guardian_core::policy::case::Reply;

const CASES: &str = include_str!("../../tests/facts/iam-cases.jsonl");
const MORE_CASES: &str = include_str!("../../tests/facts/policy-cases.jsonl");

/// Every line of the file that is not answered as it says.
fn wrong(cases: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for line in cases.lines() {
        let case = serde_json::from_str::<serde_json::Value>(line).unwrap();
        let expected = match case["expect"].as_str().unwrap() {
            "Error" => "Uncertain",
            other => other,
        };
        match Reply::to(1, line).answer {
            Ok(answer) if answer.decision.as_str() == expected => {}
            answer => wrong.push(format!("{} ({}): expected {expected}, found {answer:?}", case["id"], case["note"])),
        }
    }
    wrong
}

#[test]
fn every_documented_case_is_decided_as_documented_and_the_open_ones_are_uncertain() {
    assert_eq!(CASES.lines().count(), 93);
    assert_eq!(wrong(CASES), Vec::<String>::new());
}

#[test]
fn every_sentence_of_the_semantics_has_its_cases() {
    let (mut ids, mut sources) = (BTreeSet::new(), BTreeSet::new());
    for line in MORE_CASES.lines() {
        let case = serde_json::from_str::<serde_json::Value>(line).unwrap();
        assert!(ids.insert(case["id"].as_str().unwrap().to_owned()), "{} is there twice", case["id"]);
        assert!(case["source"].as_str().unwrap().starts_with("https://docs.aws.amazon.com/"), "{} names no source", case["id"]);
        sources.insert(case["source"].as_str().unwrap().to_owned());
    }
    assert!(ids.len() >= 300 && sources.len() >= 20, "{} cases from {} pages", ids.len(), sources.len());
    assert_eq!(wrong(MORE_CASES), Vec::<String>::new());
}

/// Changes of a case that must not change, or may only loosen, its answer.
mod properties {
    use guardian_core::policy::Decision;
    use guardian_core::policy::case::Case;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{CASES, MORE_CASES};

    fn decide(case: &Value) -> Decision {
        Case::parse(&case.to_string()).unwrap().evaluate().decision
    }

    /// Every document of a case, by JSON pointer.
    fn documents(case: &Value) -> Vec<String> {
        let mut found = Vec::new();
        for (name, depth) in [("identity_policies", 1), ("scps", 2), ("rcps", 2), ("resource_policy", 0), ("permission_boundary", 0)] {
            let mut level = vec![format!("/{name}")];
            for _ in 0..depth {
                level = level
                    .iter()
                    .flat_map(|pointer| {
                        let length = case.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
                        (0..length).map(move |index| format!("{pointer}/{index}"))
                    })
                    .collect();
            }
            found.extend(level.into_iter().filter(|pointer| case.pointer(pointer).is_some_and(Value::is_object)));
        }
        found
    }

    fn statements<'a>(case: &'a mut Value, document: &str) -> &'a mut Vec<Value> {
        let statement = &mut case.pointer_mut(document).unwrap()["Statement"];
        if !statement.is_array() {
            *statement = json!([statement.clone()]);
        }
        statement.as_array_mut().unwrap()
    }

    fn any_case() -> impl Strategy<Value = Value> {
        // A federated user is no caller the engine can read.
        let lines = CASES.lines().chain(MORE_CASES.lines()).filter(|line| Case::parse(line).is_ok()).collect::<Vec<_>>();
        (0..lines.len()).prop_map(move |index| serde_json::from_str(lines[index]).unwrap())
    }

    proptest! {
        #[test]
        fn order_and_duplicates_of_statements_never_change_a_decision(case in any_case(), seed in any::<u64>()) {
            let before = decide(&case);
            let mut changed = case.clone();
            for document in documents(&case) {
                let statements = statements(&mut changed, &document);
                if statements.is_empty() {
                    continue;
                }
                let turn = usize::try_from(seed % statements.len() as u64).unwrap();
                statements.rotate_left(turn);
                let again = statements[turn].clone();
                statements.push(again);
            }
            prop_assert_eq!(decide(&changed), before);
        }

        #[test]
        fn splitting_a_list_of_actions_or_resources_never_changes_a_decision(case in any_case()) {
            let before = decide(&case);
            let mut changed = case.clone();
            for document in documents(&case) {
                let statements = statements(&mut changed, &document);
                let split = statements
                    .iter()
                    .flat_map(|statement| {
                        let mut parts = vec![statement.clone()];
                        for name in ["Action", "Resource"] {
                            parts = parts
                                .into_iter()
                                .flat_map(|part| match part.get(name).and_then(Value::as_array).cloned() {
                                    Some(values) => values
                                        .into_iter()
                                        .map(|value| {
                                            let mut one = part.clone();
                                            one[name] = value;
                                            one
                                        })
                                        .collect::<Vec<_>>(),
                                    None => vec![part],
                                })
                                .collect();
                        }
                        parts
                    })
                    .collect();
                *statements = split;
            }
            prop_assert_eq!(decide(&changed), before);
        }

        #[test]
        fn an_unrelated_statement_changes_nothing_and_a_deny_never_allows(case in any_case(), which in any::<prop::sample::Index>()) {
            let before = decide(&case);
            let all = documents(&case);
            prop_assume!(!all.is_empty());
            let document = which.get(&all);
            let everybody = json!("*");
            let mut unrelated = case.clone();
            let statement = json!({"Effect": "Allow", "Principal": everybody, "Action": "ec2:RunInstances", "Resource": "*"});
            statements(&mut unrelated, document).push(statement);
            prop_assert_eq!(decide(&unrelated), before);

            let mut denied = case.clone();
            let action = case["request"]["action"].clone();
            statements(&mut denied, document).push(json!({"Effect": "Deny", "Principal": everybody, "Action": action, "Resource": "*"}));
            let after = decide(&denied);
            prop_assert!(after == before || after == Decision::ExplicitlyDenied, "{before:?} became {after:?}");
        }

        #[test]
        fn forgetting_a_context_key_only_moves_towards_uncertain(case in any_case(), which in any::<prop::sample::Index>()) {
            let before = decide(&case);
            let keys = case["request"]["context"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            prop_assume!(!keys.is_empty());
            let key = which.get(&keys);
            let mut forgotten = case.clone();
            forgotten["request"]["context"].as_object_mut().unwrap().remove(key);
            let mut unknown = forgotten["unknown_context"].as_array().cloned().unwrap_or_default();
            unknown.push(json!(key));
            forgotten["unknown_context"] = Value::Array(unknown);
            let after = decide(&forgotten);
            prop_assert!(after == before || after == Decision::Uncertain, "{key}: {before:?} became {after:?}");
        }

        #[test]
        fn a_broken_deny_is_never_silence(case in any_case(), which in any::<prop::sample::Index>(), part in 0..4_usize) {
            let all = documents(&case);
            prop_assume!(!all.is_empty());
            let action = case["request"]["action"].clone();
            let mut deny = json!({"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"});
            match part {
                0 => deny["Condition"] = json!({"StringAlmost": {"aws:PrincipalOrgID": "x"}}),
                1 => deny["Resource"] = json!(7),
                2 => deny["Action"] = json!({"not": "a list"}),
                _ => deny["Effect"] = json!("deny"),
            }
            let mut broken = case.clone();
            let document: &String = which.get(&all);
            statements(&mut broken, document).push(deny);
            let (before, after) = (decide(&case), decide(&broken));
            // Layers that do not reach every request.
            let service = case["request"]["principal"].as_str().unwrap().ends_with(".amazonaws.com");
            let passes_role = case["request"]["action"] == "iam:PassRole";
            let exempt = match document.split('/').nth(1).unwrap() {
                "scps" | "rcps" => true,
                "resource_policy" => passes_role,
                _ => service,
            };
            prop_assert!(after != Decision::Allowed || exempt, "{before:?} became {after:?}");
        }
    }
}
