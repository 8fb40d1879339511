//! The policy engine on documented cases, and the properties every evaluation keeps.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use guardian_core::policy::Decision;
use guardian_core::policy::case::Case;

const CASES: &str = include_str!("../../tests/facts/iam-cases.jsonl");

fn decide(line: &str) -> Decision {
    Case::parse(line).unwrap_or_else(|error| panic!("{error}: {line}")).evaluate().decision
}

#[test]
fn every_documented_case_is_decided_as_documented_and_the_open_ones_are_uncertain() {
    let mut wrong = Vec::new();
    for line in CASES.lines() {
        let case = serde_json::from_str::<serde_json::Value>(line).unwrap();
        let expected = match case["expect"].as_str().unwrap() {
            "Error" => "Uncertain",
            other => other,
        };
        let found = decide(line);
        if found.as_str() != expected {
            wrong.push(format!("{}: expected {expected}, found {}", case["id"], found.as_str()));
        }
    }
    assert_eq!(CASES.lines().count(), 93);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Changes of a case that must not change, or may only loosen, its answer.
mod properties {
    use guardian_core::policy::Decision;
    use guardian_core::policy::case::Case;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::CASES;

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
        (0..CASES.lines().count()).prop_map(|index| serde_json::from_str(CASES.lines().nth(index).unwrap()).unwrap())
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
            forgotten["unknown_context"] = json!([key]);
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
            let exempt = ["scp", "rcp"].iter().any(|layer| document.starts_with(&format!("/{layer}")));
            prop_assert!(after != Decision::Allowed || exempt, "{before:?} became {after:?}");
        }
    }
}
