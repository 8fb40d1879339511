//! Selections as AWS documents them, and what must hold of every selection.

use std::collections::{BTreeMap, BTreeSet};

use guardian_core::arn::Arn;
use guardian_core::coverage::{Chosen, Matcher, Named, ResourceType, Selected, opted_in, selects};
use guardian_core::evidence::{RegionSettings, Selection, TagOperator, TagTest};
use proptest::prelude::*;
use serde_json::Value;

const CASES: &str = include_str!("../../../tests/facts/selections.jsonl");

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn tests(value: &Value, operator: TagOperator) -> Vec<TagTest> {
    let test = |one: &Value| TagTest {
        operator,
        key: one["ConditionKey"].as_str().unwrap().to_owned(),
        value: one["ConditionValue"].as_str().unwrap().to_owned(),
    };
    value.as_array().into_iter().flatten().map(test).collect()
}

/// A selection as the API has it.
fn selection(from: &Value) -> Selection {
    let conditions = &from["Conditions"];
    Selection {
        name: "s".to_owned(),
        role_arn: Arn::parse("arn:aws:iam::111111111111:role/r").unwrap(),
        resources: texts(&from["Resources"]),
        not_resources: texts(&from["NotResources"]),
        tags: tests(&from["ListOfTags"], TagOperator::Equals),
        conditions: [
            tests(&conditions["StringEquals"], TagOperator::Equals),
            tests(&conditions["StringNotEquals"], TagOperator::NotEquals),
            tests(&conditions["StringLike"], TagOperator::Like),
            tests(&conditions["StringNotLike"], TagOperator::NotLike),
        ]
        .concat(),
        created_at: None,
    }
}

/// What a case says, and why.
fn answer(case: &Value) -> (&'static str, String) {
    let selection = selection(&case["selection"]);
    let resource = Arn::parse(case["resource"].as_str().unwrap()).unwrap();
    let tags = serde_json::from_value::<Option<BTreeMap<String, String>>>(case["tags"].clone()).unwrap();
    let settings = serde_json::from_value::<Option<BTreeMap<String, bool>>>(case["opt_in"].clone()).unwrap();
    let settings = settings.map(|opted_in| RegionSettings { opted_in, ..RegionSettings::default() });
    let matcher = Matcher::new(&selection);
    let weighed = matcher.weigh(&resource, tags.as_ref());
    let chosen = Chosen { weighed, opted_in: opted_in(ResourceType::of(&resource), weighed.named, settings.as_ref()) };
    let word = match chosen.selected() {
        Selected::Yes => "yes",
        Selected::Perhaps => "perhaps",
        Selected::No => "no",
    };
    (word, chosen.because())
}

#[test]
fn selections_and_settings_back_up_what_aws_documents_and_say_why() {
    let mut ids = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in CASES.lines() {
        let case = serde_json::from_str::<Value>(line).unwrap();
        assert!(ids.insert(case["id"].as_str().unwrap().to_owned()), "{} is there twice", case["id"]);
        let source = case["source"].as_str().unwrap();
        assert!(source.starts_with("https://docs.aws.amazon.com/") || source.starts_with("https://repost.aws/"), "{source}");
        let (word, why) = answer(&case);
        if word != case["expect"] || !why.contains(case["why"].as_str().unwrap()) {
            wrong.push(format!("{}: expected {} ({}), found {word} ({why})", case["id"], case["expect"], case["why"]));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(ids.len() >= 60, "{} cases", ids.len());
    let readme = include_str!("../../../tests/facts/README.md");
    assert!(readme.contains(&format!("| {} selections", ids.len())), "the README counts them");
}

const RESOURCES: [&str; 5] = [
    "arn:aws:ec2:eu-central-1:111111111111:volume/vol-1",
    "arn:aws:ec2:eu-central-1:111111111111:volume/vol-2",
    "arn:aws:rds:eu-central-1:111111111111:cluster:orders",
    "arn:aws:elasticfilesystem:eu-central-1:111111111111:file-system/fs-1",
    "arn:aws:s3:::orders",
];
const PATTERNS: [&str; 9] = [
    "*",
    "arn:aws:ec2:*",
    "arn:aws:ec2:*:*:volume/*",
    "arn:aws:ec2:*:*:volume/vol-?",
    "arn:aws:rds:*:*:cluster:*",
    "arn:aws:s3:::*",
    RESOURCES[0],
    RESOURCES[3],
    "arn:aws:*:*:*:volume/*",
];

fn pattern() -> impl Strategy<Value = String> {
    prop::sample::select(&PATTERNS[..]).prop_map(str::to_owned)
}

fn operator() -> impl Strategy<Value = TagOperator> {
    prop::sample::select(vec![TagOperator::Equals, TagOperator::NotEquals, TagOperator::Like, TagOperator::NotLike])
}

fn test_of(operator: impl Strategy<Value = TagOperator>) -> impl Strategy<Value = TagTest> {
    (operator, prop::sample::select(vec!["a", "b", "aws:ResourceTag/a"]), prop::sample::select(vec!["1", "2", "*", "1*"]))
        .prop_map(|(operator, key, value)| TagTest { operator, key: key.to_owned(), value: value.to_owned() })
}

fn any_selection() -> impl Strategy<Value = Selection> {
    let patterns = || prop::collection::vec(pattern(), 0..4);
    let tags = prop::collection::vec(test_of(Just(TagOperator::Equals)), 0..3);
    (patterns(), prop::collection::vec(pattern(), 0..2), tags, prop::collection::vec(test_of(operator()), 0..3)).prop_map(
        |(resources, not_resources, tags, conditions)| Selection { resources, not_resources, tags, conditions, ..selection(&Value::Null) },
    )
}

fn any_tags() -> impl Strategy<Value = BTreeMap<String, String>> {
    let word = |words: &'static [&'static str]| prop::sample::select(words).prop_map(str::to_owned);
    prop::collection::btree_map(word(&["a", "b", "c"]), word(&["1", "2", "12"]), 0..3)
}

/// What a selection says of every resource.
fn all(selection: &Selection, tags: Option<&BTreeMap<String, String>>) -> Vec<Selected> {
    RESOURCES.iter().map(|resource| selects(selection, &Arn::parse(resource).unwrap(), tags)).collect()
}

/// No resource is selected more by the first than by the second.
fn no_more(fewer: &Selection, more: &Selection, tags: &BTreeMap<String, String>) {
    for (one, other) in all(fewer, Some(tags)).into_iter().zip(all(more, Some(tags))) {
        assert!(one <= other, "{one:?} and {other:?}:\n{fewer:?}\n{more:?}\n{tags:?}");
    }
}

proptest! {
    #[test]
    fn order_and_duplicates_change_neither_the_verdict_nor_the_reason(one in any_selection(), tags in any_tags()) {
        let mut other = one.clone();
        for patterns in [&mut other.resources, &mut other.not_resources] {
            *patterns = patterns.iter().rev().chain(patterns.iter()).cloned().collect();
        }
        for tests in [&mut other.tags, &mut other.conditions] {
            *tests = tests.iter().rev().chain(tests.iter()).cloned().collect();
        }
        let (one, other) = (Matcher::new(&one), Matcher::new(&other));
        for resource in RESOURCES {
            let resource = Arn::parse(resource).unwrap();
            prop_assert_eq!(one.weigh(&resource, Some(&tags)), other.weigh(&resource, Some(&tags)));
        }
    }

    #[test]
    fn another_exclusion_or_condition_never_selects_more(
        one in any_selection(), excluded in pattern(), condition in test_of(operator()), tags in any_tags(),
    ) {
        let mut narrower = one.clone();
        narrower.not_resources.push(excluded);
        no_more(&narrower, &one, &tags);
        let mut narrower = one.clone();
        narrower.conditions.push(condition);
        no_more(&narrower, &one, &tags);
    }

    #[test]
    fn another_alternative_never_selects_less(one in any_selection(), wider in pattern(), tag in test_of(Just(TagOperator::Equals)), tags in any_tags()) {
        // The first alternative of a kind is none: a selection without any asks for nothing there.
        if !one.resources.is_empty() {
            let mut more = one.clone();
            more.resources.push(wider);
            no_more(&one, &more, &tags);
        }
        if !one.tags.is_empty() {
            let mut more = one.clone();
            more.tags.push(tag);
            no_more(&one, &more, &tags);
        }
    }

    #[test]
    fn tags_that_were_not_seen_only_make_it_less_certain(one in any_selection(), tags in any_tags()) {
        for (unseen, seen) in all(&one, None).into_iter().zip(all(&one, Some(&tags))) {
            prop_assert!(unseen == Selected::Perhaps || unseen == seen, "{:?}: {:?} without the tags {:?}, else {:?}", one, unseen, tags, seen);
        }
    }

    #[test]
    fn what_is_named_and_settings_that_were_not_seen_only_make_it_less_certain(on in any::<bool>(), named in 0..4_usize) {
        let named = [Named::Not, Named::ByService, Named::Unclear, Named::ByType][named];
        for resource in RESOURCES {
            let resource = Arn::parse(resource).unwrap();
            let names = ResourceType::of(&resource).map(|found| (found.name.to_owned(), on)).collect();
            let told = |settings: Option<&RegionSettings>| opted_in(ResourceType::of(&resource), named, settings);
            let (unseen, seen) = (told(None), told(Some(&RegionSettings { opted_in: names, ..RegionSettings::default() })));
            prop_assert!(unseen == Selected::Perhaps || unseen == seen, "{resource}: {unseen:?}, {seen:?}");
            prop_assert!(!on || seen == Selected::Yes, "{resource} is switched on");
        }
    }
}
