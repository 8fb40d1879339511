//! Reads answers field by field, so that everything that is wrong with them is told at once, each by the name of its field.

use std::cell::RefCell;
use std::fmt;

use serde_json::{Map, Value};

/// What is wrong with one field. Prints the field, what it is, and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `backup.lock.mode`, `policies[0].daily.schedule`, …
    pub field: String,
    /// What is wrong. May quote what was given.
    pub wrong: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}: {}", self.field, self.wrong, self.remedy)
    }
}

/// Everything that is wrong.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn add(&self, field: impl Into<String>, wrong: impl Into<String>, remedy: impl Into<String>) {
        self.0.borrow_mut().push(Problem { field: field.into(), wrong: wrong.into(), remedy: remedy.into() });
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// An object of the answers, with the way to it.
pub(super) struct Form<'a> {
    path: String,
    members: Option<&'a Map<String, Value>>,
    problems: &'a Problems,
}

/// What was given, as far as one line shows it.
fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let cut = text.chars().take(64).collect::<String>();
    let more = if cut.len() < text.len() { "…" } else { "" };
    // What looks like ASCII and is not would read like what is expected.
    let escaped = cut.chars().map(|c| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() }).collect::<String>();
    let also = if escaped == cut { "" } else { ", with letters that are not ASCII" };
    format!("is `{escaped}{more}`{also}")
}

/// What is expected of a text: what has its letters, and is none in JSON, would otherwise be refused with the words that it is.
fn in_quotes(given: &Value, expected: &str) -> String {
    if given.is_string() { expected.to_owned() } else { format!("{expected}, a text in quotation marks") }
}

impl<'a> Form<'a> {
    /// The whole document.
    pub(super) fn root(value: &'a Value, problems: &'a Problems) -> Self {
        if !value.is_object() {
            problems.add("answers", "are no object", "`guardian topology plan --example` prints some");
        }
        Self { path: String::new(), members: value.as_object(), problems }
    }

    /// The way to a member.
    pub(super) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn given(&self, name: &str) -> Option<&'a Value> {
        self.members?.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// A list that is there and has nothing in it.
    pub(super) fn has_empty_list(&self, name: &str) -> bool {
        self.given(name).and_then(Value::as_array).is_some_and(Vec::is_empty)
    }

    fn wrong(&self, name: &str, value: &Value, expected: &str) {
        self.problems.add(self.at(name), shown(value), format!("expected is {expected}"));
    }

    /// Nothing but these members. To be said first: what is misspelt is missing, too.
    pub(super) fn only(&self, known: &[&str]) {
        for name in self.members.into_iter().flat_map(Map::keys).filter(|name| !known.contains(&name.as_str())) {
            let name = name.chars().take(64).collect::<String>();
            self.problems.add(self.at(&name), "is not known", format!("known there are `{}`", known.join("`, `")));
        }
    }

    /// An object in this one; one that is missing has no members.
    pub(super) fn object(&self, name: &str) -> Form<'a> {
        let given = self.given(name);
        if let Some(other) = given.filter(|value| !value.is_object()) {
            self.wrong(name, other, "an object");
        }
        Form { path: self.at(name), members: given.and_then(Value::as_object), problems: self.problems }
    }

    /// The objects of a list.
    pub(super) fn objects(&self, name: &str) -> Vec<Form<'a>> {
        let Some(given) = self.given(name) else { return Vec::new() };
        let Some(list) = given.as_array() else {
            self.wrong(name, given, "a list of objects");
            return Vec::new();
        };
        let forms = list.iter().enumerate().map(|(at, one)| {
            let path = format!("{}[{at}]", self.at(name));
            if !one.is_object() {
                self.problems.add(path.clone(), shown(one), "expected is an object");
            }
            Form { path, members: one.as_object(), problems: self.problems }
        });
        forms.collect()
    }

    /// A text that may be missing.
    pub(super) fn maybe<T>(&self, name: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let given = self.given(name)?;
        let parsed = given.as_str().and_then(parse);
        if parsed.is_none() {
            self.wrong(name, given, &in_quotes(given, expected));
        }
        parsed
    }

    /// A text that must be there.
    pub(super) fn text<T>(&self, name: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        if !self.has(name) {
            self.problems.add(self.at(name), "is missing", format!("expected is {expected}"));
        }
        self.maybe(name, expected, parse)
    }

    /// A text with a default.
    pub(super) fn text_or(&self, name: &str, expected: &str, default: &str, parse: impl Fn(&str) -> Option<String>) -> String {
        self.maybe(name, expected, parse).unwrap_or_else(|| default.to_owned())
    }

    /// Texts; a list that must be there must not be empty.
    pub(super) fn texts<T: PartialEq>(&self, name: &str, expected: &str, needed: bool, parse: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let Some(given) = self.given(name) else {
            if needed {
                self.problems.add(self.at(name), "is missing", format!("expected is a list, each {expected}"));
            }
            return Vec::new();
        };
        if self.has_empty_list(name) {
            self.problems.add(self.at(name), "is empty", format!("expected is a list, each {expected}"));
        }
        let Some(list) = given.as_array() else {
            self.wrong(name, given, &format!("a list, each {expected}"));
            return Vec::new();
        };
        let mut all = Vec::new();
        for (at, one) in list.iter().enumerate() {
            match one.as_str().and_then(&parse) {
                Some(parsed) if all.contains(&parsed) => {
                    self.problems.add(format!("{}[{at}]", self.at(name)), shown(one), "it is in the list twice; name it once");
                }
                Some(parsed) => all.push(parsed),
                None => {
                    self.problems.add(format!("{}[{at}]", self.at(name)), shown(one), format!("expected is {}", in_quotes(one, expected)));
                }
            }
        }
        all
    }

    /// A number in a range.
    pub(super) fn number(&self, name: &str, what: &str, from: u32, to: u32) -> Option<u32> {
        let given = self.given(name)?;
        let number = given.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| (from..=to).contains(number));
        if number.is_none() {
            let bare = if given.is_string() { ", without quotation marks" } else { "" };
            self.wrong(name, given, &format!("a number of {what} from {from} to {to}{bare}"));
        }
        number
    }

    /// A yes or no.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        let Some(given) = self.given(name) else { return default };
        given.as_bool().unwrap_or_else(|| {
            let bare = if given.is_string() { ", without quotation marks" } else { "" };
            self.wrong(name, given, &format!("true or false{bare}"));
            default
        })
    }
}
