//! Does a selection select a resource, and why?
//!
//! AWS' words: <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupSelection.html> and
//! <https://docs.aws.amazon.com/aws-backup/latest/devguide/assigning-resources-json.html>. Resources are alternatives, tags of `ListOfTags` are
//! alternatives, `Conditions` must all hold, `NotResources` wins, and a selection of nothing selects everything. How `Resources` and `ListOfTags` of
//! one selection combine, AWS' pages tell in two ways (either suffices; types first, then tags): the answer is certain only where both agree.
//!
//! Which types are switched on for a Region is another question ([`opt_in`](super::opt_in)); how a resource was named is part of its answer.

use std::collections::BTreeMap;
use std::fmt;

use crate::arn::Arn;
use crate::evidence::{Selection, TagOperator, TagTest};
use crate::policy::{Tokens, wildcard_matches};

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
    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.min(other)
    }

    /// Either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.max(other)
    }

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Perhaps => Self::Perhaps,
            Self::Yes => Self::No,
        }
    }

    pub(super) fn of(truth: bool) -> Self {
        if truth { Self::Yes } else { Self::No }
    }
}

/// How far a selection names the resource itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// Not at all: tags select it, or everything is selected.
    Not,
    /// Only its service, as in `arn:aws:ec2:*`.
    ByService,
    /// A wildcard stands where its type would.
    Unclear,
    /// Its type, or the resource itself.
    ByType,
}

/// Why a selection answers as it does. What it quotes is untrusted text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because<'a> {
    /// In: nothing is asked for.
    Everything,
    /// In: this pattern of `Resources` fits, and what else is asked for holds.
    Pattern(&'a str),
    /// In: this tag of `ListOfTags` fits, and what else is asked for holds.
    Tag(&'a TagTest),
    /// In: all conditions hold; this is one of them.
    Conditions(&'a TagTest),
    /// Out: this pattern of `NotResources` fits.
    Excluded(&'a str),
    /// Out: no pattern of `Resources` fits.
    NoPattern,
    /// Out: no tag of `ListOfTags` fits.
    NoTag,
    /// Out: neither a pattern nor a tag fits.
    NeitherPatternNorTag,
    /// Out: this condition does not hold.
    Condition(&'a TagTest),
    /// Open: its tags were not seen.
    TagsNotSeen,
    /// Open: of resources without the tag AWS says nothing.
    WithoutTag(&'a TagTest),
    /// Open: AWS' pages tell in two ways how patterns and tags of one selection combine.
    TwoReadings,
}

impl Because<'_> {
    /// What is open about it, without anything quoted.
    pub(super) fn open(&self) -> Option<&'static str> {
        Some(match self {
            Self::TagsNotSeen => "its tags decide whether a rule selects it, and they were not seen",
            Self::WithoutTag(_) => "a selection asks for another value of a tag that it lacks, and AWS does not say what follows",
            Self::TwoReadings => "patterns and tags of a selection say different things of it, and AWS tells in two ways how they combine",
            _ => return None,
        })
    }
}

/// The answer of a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weighed<'a> {
    /// In a word.
    pub selected: Selected,
    /// Why.
    pub because: Because<'a>,
    /// How far it names the resource itself.
    pub named: Named,
}

/// A selection, made ready to be asked about many resources. INVARIANT: everything is sorted, so that order and duplicates change no answer.
#[derive(Clone, Debug)]
pub struct Matcher<'a> {
    resources: Patterns<'a>,
    not_resources: Patterns<'a>,
    tags: Vec<&'a TagTest>,
    conditions: Vec<&'a TagTest>,
}

/// Patterns of ARNs: up to 500 of them name one resource each, up to 30 have wildcards.
#[derive(Clone, Debug)]
struct Patterns<'a> {
    exact: Vec<&'a str>,
    wild: Vec<(&'a str, Tokens)>,
}

impl<'a> Patterns<'a> {
    fn new(patterns: &'a [String]) -> Self {
        let (mut wild, mut exact): (Vec<_>, Vec<_>) = patterns.iter().map(String::as_str).partition(|pattern| pattern.contains(['*', '?']));
        exact.sort_unstable();
        exact.dedup();
        wild.sort_unstable();
        wild.dedup();
        Self { exact, wild: wild.into_iter().map(|pattern| (pattern, Tokens::of_wildcards(pattern))).collect() }
    }

    fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.wild.is_empty()
    }

    fn fitting(&self, resource: &'a str) -> impl Iterator<Item = &'a str> {
        let exact = self.exact.binary_search(&resource).ok().and_then(|at| self.exact.get(at).copied());
        exact.into_iter().chain(self.wild.iter().filter(move |(_, tokens)| tokens.matches(resource)).map(|(pattern, _)| *pattern))
    }
}

fn sorted(tests: &[TagTest]) -> Vec<&TagTest> {
    let mut sorted = tests.iter().collect::<Vec<_>>();
    sorted.sort_by(|a, b| (&a.key, &a.value, a.operator as u8).cmp(&(&b.key, &b.value, b.operator as u8)));
    sorted.dedup();
    sorted
}

/// Whether a selection selects a resource; `tags` are those of the resource, `None` where they were not seen.
pub fn selects(selection: &Selection, resource: &Arn, tags: Option<&BTreeMap<String, String>>) -> Selected {
    Matcher::new(selection).weigh(resource, tags).selected
}

impl<'a> Matcher<'a> {
    /// Makes a selection ready.
    pub fn new(selection: &'a Selection) -> Self {
        Self {
            resources: Patterns::new(&selection.resources),
            not_resources: Patterns::new(&selection.not_resources),
            tags: sorted(&selection.tags),
            conditions: sorted(&selection.conditions),
        }
    }

    /// The resources that it names one by one.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.resources.exact.iter().copied()
    }

    /// Whether it selects a resource, and why; `tags` are those of the resource, `None` where they were not seen.
    pub fn weigh<'b>(&'b self, resource: &'b Arn, tags: Option<&BTreeMap<String, String>>) -> Weighed<'b> {
        if let Some(pattern) = self.not_resources.fitting(resource.as_str()).next() {
            return Weighed { selected: Selected::No, because: Because::Excluded(pattern), named: Named::Not };
        }
        let (mut pattern, mut named) = (None, Named::Not);
        for fitting in self.resources.fitting(resource.as_str()) {
            let how = how_named(fitting, resource);
            // The pattern that names it best is the reason; of several the first.
            if pattern.is_none() || how > named {
                (pattern, named) = (Some(fitting), how);
            }
        }
        let part = Part {
            pattern,
            tag: best(&self.tags, tags, Selected::No, Selected::or),
            condition: best(&self.conditions, tags, Selected::Yes, Selected::and),
        };
        let selected = self.combine(&part);
        Weighed { selected, because: self.because(&part, selected, tags.is_some()), named }
    }

    fn combine(&self, part: &Part<'_>) -> Selected {
        let (resources, (tagged, _), (conditions, _)) = (Selected::of(part.pattern.is_some()), part.tag, part.condition);
        match (self.resources.is_empty(), self.tags.is_empty()) {
            (true, true) => conditions,
            (false, true) => resources.and(conditions),
            (true, false) if self.conditions.is_empty() => tagged,
            // Conditions beside `ListOfTags`: whether they bound what the tags select is not documented.
            (true, false) => agreed(&[tagged, tagged.and(conditions)]),
            (false, false) => {
                agreed(&[resources.and(conditions).or(tagged), resources.or(tagged).and(conditions), resources.and(tagged).and(conditions)])
            }
        }
    }

    /// The part that decided.
    fn because<'b>(&self, part: &Part<'b>, selected: Selected, tags_seen: bool) -> Because<'b> {
        let ((tagged, tag), (conditions, condition)) = (part.tag, part.condition);
        match selected {
            Selected::Yes => match (part.pattern, tag, condition) {
                (Some(pattern), _, _) => Because::Pattern(pattern),
                (None, Some(tag), _) => Because::Tag(tag),
                (None, None, Some(condition)) => Because::Conditions(condition),
                (None, None, None) => Because::Everything,
            },
            Selected::No => match condition.filter(|_| conditions == Selected::No) {
                _ if part.pattern.is_none() && !self.resources.is_empty() && self.tags.is_empty() => Because::NoPattern,
                _ if part.pattern.is_none() && !self.resources.is_empty() && tagged == Selected::No => Because::NeitherPatternNorTag,
                Some(condition) => Because::Condition(condition),
                None => Because::NoTag,
            },
            Selected::Perhaps if !tags_seen => Because::TagsNotSeen,
            Selected::Perhaps => match condition.filter(|_| conditions == Selected::Perhaps) {
                Some(condition) => Because::WithoutTag(condition),
                None => Because::TwoReadings,
            },
        }
    }
}

/// What the parts of a selection say of a resource: a pattern that fits; tags and conditions, each with the test that decides.
struct Part<'a> {
    pattern: Option<&'a str>,
    tag: (Selected, Option<&'a TagTest>),
    condition: (Selected, Option<&'a TagTest>),
}

/// All tests together, and the first one that says the same.
fn best<'a>(
    tests: &[&'a TagTest],
    tags: Option<&BTreeMap<String, String>>,
    none: Selected,
    join: fn(Selected, Selected) -> Selected,
) -> (Selected, Option<&'a TagTest>) {
    let all = tests.iter().map(|test| holds(test, tags)).fold(none, join);
    (all, tests.iter().copied().find(|test| holds(test, tags) == all))
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
    let value = tags.get(tag_key(test));
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

fn tag_key(test: &TagTest) -> &str {
    test.key.strip_prefix("aws:ResourceTag/").unwrap_or(&test.key)
}

/// How far a pattern that fits a resource names it. In a pattern of fewer than six fields a wildcard runs over colons.
fn how_named(pattern: &str, resource: &Arn) -> Named {
    let kind = resource.resource().split_once(['/', ':']).map(|(kind, _)| kind);
    let fields = pattern.splitn(6, ':').collect::<Vec<_>>();
    let [_, _, service, _, _, rest] = fields.as_slice() else {
        return if kind.is_some_and(|kind| pattern.contains(kind)) { Named::Unclear } else { Named::ByService };
    };
    // Buckets are of a service with one type only.
    let by_type = kind.is_none_or(|kind| rest.strip_prefix(kind).is_some_and(|id| id.starts_with(['/', ':'])));
    match (by_type, *service == resource.service()) {
        (true, true) => Named::ByType,
        (true, false) => Named::Unclear,
        (false, _) if rest.starts_with('*') && !kind.is_some_and(|kind| rest.contains(kind)) => Named::ByService,
        (false, _) => Named::Unclear,
    }
}

/// A test as a person reads it.
struct Read<'a>(&'a TagTest);

impl fmt::Display for Read<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.0.operator {
            TagOperator::Equals => "is",
            TagOperator::NotEquals => "is not",
            TagOperator::Like => "is like",
            TagOperator::NotLike => "is not like",
        };
        write!(f, "tag `{}` {how} `{}`", tag_key(self.0), self.0.value)
    }
}

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => write!(f, "the selection asks for nothing, which selects everything"),
            Self::Pattern(pattern) => write!(f, "`{pattern}` names it"),
            Self::Tag(test) => write!(f, "its {}", Read(test)),
            Self::Conditions(test) => write!(f, "all conditions hold, such as: its {}", Read(test)),
            Self::Excluded(pattern) => write!(f, "`{pattern}` of NotResources excludes it"),
            Self::NoPattern => write!(f, "no pattern of Resources names it"),
            Self::NoTag => write!(f, "it has none of the tags"),
            Self::NeitherPatternNorTag => write!(f, "no pattern of Resources names it, and it has none of the tags"),
            Self::Condition(test) => write!(f, "a condition does not hold: {}", Read(test)),
            Self::TagsNotSeen => write!(f, "its tags decide, and they were not seen"),
            Self::WithoutTag(test) => {
                write!(f, "it lacks the tag of a condition that is the opposite of a match ({}): AWS does not say what follows", Read(test))
            }
            Self::TwoReadings => {
                write!(f, "patterns and tags of the selection say different things, and AWS tells in two ways how they combine")
            }
        }
    }
}
