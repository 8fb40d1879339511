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

/// A grant by itself: it allows iff grantee, operation and constraint fit and nothing denies, whatever else is there and wherever the key is.
#[test]
fn a_grant_allows_by_itself_and_only_what_it_says() {
    use serde_json::json;
    let role = "arn:aws:iam::111122223333:role/BackupCopy";
    let (mut cases, mut allowed) = (0, 0);
    for grantee in [true, false] {
        for listed in [true, false] {
            for (constraint, met) in [
                (json!({}), true),
                (json!({"EncryptionContextSubset": {"AWS:EBS:ID": "vol-1"}}), true),
                (json!({"EncryptionContextSubset": {"aws:ebs:id": "VOL-1"}}), false),
                (json!({"EncryptionContextSubset": {"aws:ebs:id": "vol-1", "other": "x"}}), false),
                (json!({"EncryptionContextEquals": {"aws:ebs:id": "vol-1"}}), true),
                (json!({"EncryptionContextEquals": {"aws:ebs:id": "vol-1", "other": "x"}}), false),
                (json!({"EncryptionContextEquals": {}}), false),
            ] {
                for denied in [None, Some("resource_policy"), Some("identity_policies"), Some("scps"), Some("rcps")] {
                    for identity in [true, false] {
                        for owner in ["111122223333", "222233334444"] {
                            for operation in ["Decrypt", "DescribeKey"] {
                                let allow =
                                    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}});
                                let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*"});
                                let deny = json!({"Version": "2012-10-17", "Statement": [deny, allow["Statement"]]});
                                // Nobody is named: only the grant can allow.
                                let mut case = json!({
                                    "id": "grant",
                                    "request": {
                                        "principal": role,
                                        "action": format!("kms:{operation}"),
                                        "resource": format!("arn:aws:kms:us-east-1:{owner}:key/k"),
                                        "resource_account": owner,
                                        "context": {"aws:PrincipalArn": role, "kms:EncryptionContext:aws:ebs:id": "vol-1"},
                                    },
                                    "identity_policies": if identity { vec![allow] } else { Vec::new() },
                                    "resource_policy": {"Version": "2012-10-17", "Statement": []},
                                    "grants": [{
                                        "GrantId": "g",
                                        "KeyId": "k",
                                        "GranteePrincipal": if grantee { role.to_owned() } else { format!("{role}Other") },
                                        "Operations": [if listed { operation } else { "Encrypt" }],
                                        "Constraints": constraint,
                                    }],
                                });
                                match denied {
                                    Some("resource_policy") => case["resource_policy"] = deny,
                                    Some("identity_policies") => case["identity_policies"] = json!([deny]),
                                    Some(levels) => case[levels] = json!([[deny]]),
                                    None => {}
                                }
                                // DescribeKey has no encryption context and does not look at the constraint.
                                let fits = grantee && listed && (met || operation == "DescribeKey");
                                let expected = match (denied, fits) {
                                    (Some(_), _) => "ExplicitlyDenied",
                                    (None, true) => "Allowed",
                                    (None, false) => "ImplicitlyDenied",
                                };
                                let answer = Reply::to(1, &case.to_string()).answer.unwrap();
                                assert_eq!(answer.decision.as_str(), expected, "{case}");
                                cases += 1;
                                allowed += usize::from(expected == "Allowed");
                            }
                        }
                    }
                }
            }
        }
    }
    assert_eq!((cases, allowed), (1120, 40));
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
        for (name, depth) in
            [("identity_policies", 1), ("scps", 2), ("rcps", 2), ("resource_policy", 0), ("permission_boundary", 0), ("session_policy", 0)]
        {
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
        fn order_and_duplicates_of_documents_never_change_a_decision(case in any_case(), turn in 0..4_usize) {
            let before = decide(&case);
            let mut changed = case.clone();
            let levels = ["/scps", "/rcps"].into_iter().flat_map(|name| {
                let count = case.pointer(name).and_then(Value::as_array).map_or(0, Vec::len);
                (0..count).map(move |index| format!("{name}/{index}"))
            });
            for list in levels.chain(["/identity_policies".to_owned()]) {
                let Some(documents) = changed.pointer_mut(&list).and_then(Value::as_array_mut).filter(|list| !list.is_empty()) else {
                    continue;
                };
                let length = documents.len();
                documents.rotate_left(turn % length);
                documents.push(documents[0].clone());
            }
            prop_assert_eq!(decide(&changed), before);
        }

        #[test]
        fn removing_an_allow_never_allows(case in any_case(), which in any::<prop::sample::Index>(), statement in any::<prop::sample::Index>()) {
            let before = decide(&case);
            let all = documents(&case);
            prop_assume!(!all.is_empty());
            let mut fewer = case.clone();
            let document: &String = which.get(&all);
            let list = statements(&mut fewer, document);
            let allows = (0..list.len()).filter(|index| list[*index]["Effect"] == "Allow").collect::<Vec<_>>();
            prop_assume!(!allows.is_empty());
            list.remove(*statement.get(&allows));
            let after = decide(&fewer);
            prop_assert!(before == Decision::Allowed || after != Decision::Allowed, "{before:?} became {after:?}");
        }

        #[test]
        fn a_broken_deny_is_never_silence(case in any_case(), which in any::<prop::sample::Index>(), part in 0..9_usize) {
            let all = documents(&case);
            prop_assume!(!all.is_empty());
            let action = case["request"]["action"].clone();
            let mut deny = json!({"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"});
            match part {
                0 => deny["Condition"] = json!({"StringAlmost": {"aws:PrincipalOrgID": "x"}}),
                1 => deny["Resource"] = json!(7),
                2 => deny["Action"] = json!({"not": "a list"}),
                3 => deny["Effect"] = json!("deny"),
                4 => deny["Conditions"] = json!({}),
                5 => deny = json!("Deny"),
                6 => deny["Principal"] = json!({"Everybody": "*"}),
                _ => {}
            }
            let mut broken = case.clone();
            let document: &String = which.get(&all);
            statements(&mut broken, document).push(deny);
            match part {
                7 => broken.pointer_mut(document).unwrap()["Version"] = json!("2012-10-18"),
                8 => *broken.pointer_mut(document).unwrap() = json!("the text of a document"),
                _ => {}
            }
            // Only the resource policy has principals to break.
            prop_assume!(part != 6 || document == "/resource_policy");
            let (before, answer) = (decide(&case), Case::parse(&broken.to_string()).unwrap().evaluate());
            prop_assert!(!answer.problems.is_empty(), "what cannot be read is not reported");
            let after = answer.decision;
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
