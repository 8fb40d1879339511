//! What can be seen in a policy document at a glance: which statements speak to a principal about an action.
//!
//! Observations for a sentence, not an evaluation: whether AWS would allow a call is decided by [`crate::policy`]. What cannot be read is left out
//! and said so by [`Statements::unreadable`].

use serde_json::{Map, Value};

use crate::policy::wildcard_matches;

/// The statements of a document.
pub(super) struct Statements<'a> {
    all: Vec<Statement<'a>>,
    /// Some part of the document could not be read: no conclusion from silence.
    pub(super) unreadable: bool,
}

/// One statement.
pub(super) struct Statement<'a> {
    object: &'a Map<String, Value>,
    /// Whether it allows; else it denies.
    pub(super) allows: bool,
}

impl<'a> Statements<'a> {
    pub(super) fn read(document: &'a Value) -> Self {
        let list = match document.get("Statement") {
            Some(Value::Array(list)) => list.iter().collect(),
            Some(one @ Value::Object(_)) => vec![one],
            _ => return Self { all: Vec::new(), unreadable: true },
        };
        let total = list.len();
        let all = list.into_iter().filter_map(Statement::read).collect::<Vec<_>>();
        Self { unreadable: all.len() < total, all }
    }

    pub(super) fn allows(&self) -> impl Iterator<Item = &Statement<'a>> {
        self.all.iter().filter(|statement| statement.allows)
    }

    pub(super) fn denies(&self) -> impl Iterator<Item = &Statement<'a>> {
        self.all.iter().filter(|statement| !statement.allows)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Statement<'a>> {
        self.all.iter()
    }
}

impl<'a> Statement<'a> {
    fn read(value: &'a Value) -> Option<Self> {
        let object = value.as_object()?;
        let allows = match object.get("Effect").and_then(Value::as_str)? {
            "Allow" => true,
            "Deny" => false,
            _ => return None,
        };
        Some(Self { object, allows })
    }

    /// The name of the statement. Untrusted text.
    pub(super) fn sid(&self) -> Option<&'a str> {
        self.object.get("Sid").and_then(Value::as_str).filter(|sid| !sid.is_empty())
    }

    /// Whether it speaks of an action.
    pub(super) fn covers(&self, action: &str) -> bool {
        let names = |value: &Value| {
            strings(value).iter().any(|pattern| wildcard_matches(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase()))
        };
        match (self.object.get("Action"), self.object.get("NotAction")) {
            (Some(actions), _) => names(actions),
            (None, Some(others)) => !names(others),
            (None, None) => false,
        }
    }

    /// Whether it speaks to one of the principals, everybody included.
    pub(super) fn speaks_to(&self, principals: &[String]) -> bool {
        let named = |value: &Value| match value {
            Value::String(text) => text == "*",
            Value::Object(kinds) => kinds
                .get("AWS")
                .map(strings)
                .unwrap_or_default()
                .iter()
                .any(|name| *name == "*" || principals.iter().any(|principal| principal == name)),
            _ => false,
        };
        match (self.object.get("Principal"), self.object.get("NotPrincipal")) {
            (Some(principal), _) => named(principal),
            (None, Some(others)) => !named(others),
            (None, None) => false,
        }
    }

    /// The AWS principals it names.
    pub(super) fn names(&self) -> Vec<&'a str> {
        self.object.get("Principal").and_then(|principal| principal.get("AWS")).map(strings).unwrap_or_default()
    }

    /// The conditions, as (operator in lower case without set prefix and `IfExists`, key in lower case, values).
    pub(super) fn conditions(&self) -> Vec<(String, String, Vec<&'a str>)> {
        let Some(block) = self.object.get("Condition").and_then(Value::as_object) else { return Vec::new() };
        let mut conditions = Vec::new();
        for (operator, keys) in block {
            let operator = operator.to_ascii_lowercase();
            let operator = operator.rsplit(':').next().unwrap_or_default();
            let operator = operator.strip_suffix("ifexists").unwrap_or(operator).to_owned();
            for (key, values) in keys.as_object().into_iter().flatten() {
                conditions.push((operator.clone(), key.to_ascii_lowercase(), strings(values)));
            }
        }
        conditions
    }
}

/// One string or a list of them; other values are left out.
pub(super) fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Whether a condition operator on strings holds for a value; `None` for operators that do not compare strings.
pub(super) fn holds(operator: &str, values: &[&str], actual: &str) -> Option<bool> {
    let same = |value: &&str| value.eq_ignore_ascii_case(actual);
    let like = |value: &&str| wildcard_matches(&value.to_ascii_lowercase(), &actual.to_ascii_lowercase());
    match operator {
        "stringequals" => Some(values.contains(&actual)),
        "stringequalsignorecase" => Some(values.iter().any(same)),
        "stringlike" | "arnlike" | "arnequals" => Some(values.iter().any(like)),
        "stringnotequals" => Some(!values.contains(&actual)),
        "stringnotequalsignorecase" => Some(!values.iter().any(same)),
        "stringnotlike" | "arnnotlike" | "arnnotequals" => Some(!values.iter().any(like)),
        _ => None,
    }
}
