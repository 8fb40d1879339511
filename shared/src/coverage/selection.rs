//! Does a selection select a resource?
//!
//! AWS' words: <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupSelection.html> and
//! <https://docs.aws.amazon.com/aws-backup/latest/devguide/assigning-resources-json.html>. Resources are alternatives, tags of `ListOfTags` are
//! alternatives, `Conditions` must all hold, `NotResources` wins, and a selection of nothing selects everything. How `Resources` and `ListOfTags` of
//! one selection combine, AWS' pages tell in two ways (either suffices; types first, then tags): the answer is certain only where both agree.
//!
//! Which types are switched on for a Region is another question.

use std::collections::BTreeMap;

use crate::arn::Arn;
use crate::evidence::{Selection, TagOperator, TagTest};
use crate::policy::wildcard_matches;

/// Whether it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selected {
    /// It does not.
    No,
    /// It depends on tags that were not seen, or on what AWS does not document.
    Perhaps,
    /// It does.
    Yes,
}

impl Selected {
    fn and(self, other: Self) -> Self {
        self.min(other)
    }

    fn or(self, other: Self) -> Self {
        self.max(other)
    }

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Perhaps => Self::Perhaps,
            Self::Yes => Self::No,
        }
    }

    fn of(truth: bool) -> Self {
        if truth { Self::Yes } else { Self::No }
    }
}

/// Whether a selection selects a resource; `tags` are those of the resource, `None` where they were not seen.
pub fn selects(selection: &Selection, resource: &Arn, tags: Option<&BTreeMap<String, String>>) -> Selected {
    let named = |patterns: &[String]| patterns.iter().any(|pattern| wildcard_matches(pattern, resource.as_str()));
    if named(&selection.not_resources) {
        return Selected::No;
    }
    let conditions = selection.conditions.iter().map(|test| holds(test, tags)).fold(Selected::Yes, Selected::and);
    let tagged = selection.tags.iter().map(|test| holds(test, tags)).fold(Selected::No, Selected::or);
    let resources = Selected::of(named(&selection.resources));
    match (selection.resources.is_empty(), selection.tags.is_empty()) {
        (true, true) => conditions,
        (false, true) => resources.and(conditions),
        (true, false) if selection.conditions.is_empty() => tagged,
        // Conditions beside `ListOfTags`: whether they bound what the tags select is not documented.
        (true, false) => agreed(&[tagged, tagged.and(conditions)]),
        (false, false) => {
            agreed(&[resources.and(conditions).or(tagged), resources.or(tagged).and(conditions), resources.and(tagged).and(conditions)])
        }
    }
}

/// What all readings of the documents say, if they say the same.
fn agreed(readings: &[Selected]) -> Selected {
    match readings {
        [first, others @ ..] if others.iter().all(|other| other == first) => *first,
        _ => Selected::Perhaps,
    }
}

/// Whether a resource passes a test of one of its tags.
fn holds(test: &TagTest, tags: Option<&BTreeMap<String, String>>) -> Selected {
    let Some(tags) = tags else { return Selected::Perhaps };
    let value = tags.get(test.key.strip_prefix("aws:ResourceTag/").unwrap_or(&test.key));
    let same = |value: &String| match test.operator {
        TagOperator::Equals | TagOperator::NotEquals => *value == test.value,
        TagOperator::Like | TagOperator::NotLike => wildcard_matches(&test.value, value),
    };
    match (test.operator, value) {
        (TagOperator::Equals | TagOperator::Like, value) => Selected::of(value.is_some_and(same)),
        (TagOperator::NotEquals | TagOperator::NotLike, Some(value)) => Selected::of(same(value)).not(),
        // AWS speaks of resources that are tagged and have another value; of those without the tag it says nothing.
        (TagOperator::NotEquals | TagOperator::NotLike, None) => Selected::Perhaps,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn test(value: &Value, operator: TagOperator) -> TagTest {
        TagTest { operator, key: value[0].as_str().unwrap().to_owned(), value: value[1].as_str().unwrap().to_owned() }
    }

    /// `{resources, not, tags: [[key, value]], equals, unequal, like, unlike}`, each a list.
    fn selection(from: &Value) -> Selection {
        let list = |name: &str| from[name].as_array().cloned().unwrap_or_default();
        let names = |name: &str| list(name).iter().map(|one| one.as_str().unwrap().to_owned()).collect();
        let tests = |name: &str, operator| list(name).iter().map(|one| test(one, operator)).collect::<Vec<_>>();
        Selection {
            name: "s".to_owned(),
            role_arn: Arn::parse("arn:aws:iam::111111111111:role/r").unwrap(),
            resources: names("resources"),
            not_resources: names("not"),
            tags: tests("tags", TagOperator::Equals),
            conditions: [
                tests("equals", TagOperator::Equals),
                tests("unequal", TagOperator::NotEquals),
                tests("like", TagOperator::Like),
                tests("unlike", TagOperator::NotLike),
            ]
            .concat(),
            created_at: None,
        }
    }

    const VOLUME: &str = "arn:aws:ec2:eu-central-1:111111111111:volume/vol-1";
    const DATABASE: &str = "arn:aws:rds:eu-central-1:111111111111:db:orders";

    fn check(from: &Value, resource: &str, tags: Option<&Value>) -> Selected {
        let tags = tags.map(|tags| {
            let pairs = tags.as_object().unwrap().iter();
            pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect::<BTreeMap<_, _>>()
        });
        selects(&selection(from), &Arn::parse(resource).unwrap(), tags.as_ref())
    }

    #[test]
    fn selections_select_as_aws_documents_it() {
        use Selected::{No, Perhaps, Yes};
        let volumes = json!(["arn:aws:ec2:*:*:volume/*"]);
        let (both, one, none) = (json!({"backup": "true", "stage": "prod"}), json!({"backup": "true"}), json!({}));
        let two = json!([["aws:ResourceTag/backup", "true"], ["aws:ResourceTag/stage", "prod"]]);
        let either = json!([["backup", "true"], ["stage", "prod"]]);
        for (from, resource, tags, expected) in [
            // Nothing specified selects everything, a star too.
            (json!({}), VOLUME, None, Yes),
            (json!({"resources": ["*"]}), DATABASE, None, Yes),
            // Resources are alternatives.
            (json!({"resources": [volumes[0], "arn:aws:rds:*:*:db:*"]}), DATABASE, None, Yes),
            (json!({"resources": volumes}), DATABASE, None, No),
            (json!({"resources": [VOLUME]}), VOLUME, None, Yes),
            // What is excluded is out, whatever else holds.
            (json!({"resources": ["*"], "not": volumes}), VOLUME, Some(&both), No),
            (json!({"resources": ["*"], "not": volumes}), DATABASE, None, Yes),
            (json!({"tags": either, "not": volumes}), VOLUME, Some(&both), No),
            // Conditions must all hold.
            (json!({"resources": ["*"], "equals": two}), VOLUME, Some(&both), Yes),
            (json!({"resources": ["*"], "equals": two}), VOLUME, Some(&one), No),
            (json!({"resources": volumes, "equals": two}), DATABASE, Some(&both), No),
            (json!({"resources": volumes, "equals": two}), DATABASE, None, No),
            (json!({"resources": volumes, "equals": two}), VOLUME, None, Perhaps),
            (json!({"resources": ["*"], "like": [["aws:ResourceTag/stage", "pr*"]]}), VOLUME, Some(&both), Yes),
            (json!({"resources": ["*"], "like": [["aws:ResourceTag/stage", "PR*"]]}), VOLUME, Some(&both), No),
            (json!({"resources": ["*"], "unequal": [["aws:ResourceTag/stage", "test"]]}), VOLUME, Some(&both), Yes),
            (json!({"resources": ["*"], "unlike": [["aws:ResourceTag/stage", "*rod"]]}), VOLUME, Some(&both), No),
            // Of resources without the tag AWS says nothing.
            (json!({"resources": ["*"], "unequal": [["aws:ResourceTag/stage", "test"]]}), VOLUME, Some(&none), Perhaps),
            // Tags of the list are alternatives.
            (json!({"tags": either}), VOLUME, Some(&one), Yes),
            (json!({"tags": either}), VOLUME, Some(&none), No),
            (json!({"tags": either}), VOLUME, None, Perhaps),
            // Resources and tags together: certain where both readings agree.
            (json!({"resources": volumes, "tags": either}), VOLUME, Some(&one), Yes),
            (json!({"resources": volumes, "tags": either}), DATABASE, Some(&none), No),
            (json!({"resources": volumes, "tags": either}), VOLUME, Some(&none), Perhaps),
            (json!({"resources": volumes, "tags": either}), DATABASE, Some(&one), Perhaps),
            (json!({"tags": either, "equals": two}), VOLUME, Some(&one), Perhaps),
            (json!({"tags": either, "equals": two}), VOLUME, Some(&both), Yes),
        ] {
            assert_eq!(check(&from, resource, tags), expected, "{from} {resource} {tags:?}");
        }
    }

    #[test]
    fn tags_that_were_not_seen_only_make_it_less_certain() {
        let tests = json!([["aws:ResourceTag/backup", "true"]]);
        for name in ["equals", "unequal", "like", "unlike", "tags"] {
            for resources in [json!([]), json!(["*"]), json!([VOLUME]), json!([DATABASE])] {
                let from = json!({"resources": resources, name: tests});
                let unseen = check(&from, VOLUME, None);
                for tags in [json!({}), json!({"backup": "true"}), json!({"backup": "false"})] {
                    let seen = check(&from, VOLUME, Some(&tags));
                    assert!(unseen == Selected::Perhaps || unseen == seen, "{from} {tags}: {seen:?}, and unseen {unseen:?}");
                }
            }
        }
    }
}
