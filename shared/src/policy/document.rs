//! A policy document, read leniently: what cannot be read is kept as a problem, so that a broken Deny is never taken for silence.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::condition::Condition;
use super::tri::Tri;
use super::wildcard::matches_action;

/// A policy document. A copy is cheap: a check asks with the same document many times, and each question takes one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    pub(crate) statements: Arc<[Statement]>,
    /// Whether `${…}` is a variable: version 2012-10-17 only.
    pub(crate) variables: bool,
    /// The document itself could not be read: it may hold any statement.
    pub(crate) unreadable: bool,
    /// The version is none that exists: what `${…}` means is not known, nor whether AWS would keep such a document.
    version_unreadable: bool,
    /// What could not be read, in words.
    pub problems: Vec<String>,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Allow,
    Deny,
    /// `Effect` is missing or neither: it may be either.
    Unreadable,
}

/// One statement. A part that could not be read is `Unreadable` and may match.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) sid: Option<String>,
    pub(crate) verb: Verb,
    pub(crate) principal: Part<Principals>,
    pub(crate) action: Part<Vec<String>>,
    pub(crate) resource: Part<Vec<String>>,
    pub(crate) conditions: Vec<Condition>,
    /// Names of the elements that could not be read. Where there are any, the statement may match and may not.
    pub(crate) unreadable: Vec<String>,
}

/// An element and its `Not` form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part<T> {
    Absent,
    Is(T),
    Not(T),
    Unreadable,
}

/// The values of a `Principal` element.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Principals {
    /// `"*"` or `{"AWS": "*"}`: everybody.
    pub(crate) everybody: bool,
    pub(crate) aws: Vec<String>,
    pub(crate) service: Vec<String>,
}

impl Document {
    /// Reads a document from JSON. Never fails: see [`Document::problems`].
    pub fn read(value: &Value) -> Self {
        let Value::Object(object) = value else {
            return Self { unreadable: true, problems: vec!["the document is not a JSON object".to_owned()], ..Self::default() };
        };
        let mut document = Self::default();
        match object.get("Version").map(|version| version.as_str()) {
            Some(Some("2012-10-17")) => document.variables = true,
            // 2008-10-17 is also what a document without a version means.
            None | Some(Some("2008-10-17")) => {}
            Some(_) => {
                document.version_unreadable = true;
                document.problems.push("`Version` is neither 2012-10-17 nor 2008-10-17".to_owned());
            }
        }
        match object.get("Statement") {
            Some(Value::Array(statements)) => {
                document.statements =
                    statements.iter().enumerate().map(|(index, statement)| document.statement(index, statement)).collect();
            }
            Some(statement @ Value::Object(_)) => document.statements = Arc::new([document.statement(0, statement)]),
            _ => {
                document.unreadable = true;
                document.problems.push("`Statement` is missing or no list of statements".to_owned());
            }
        }
        document
    }

    /// Reads a document from its JSON text.
    pub fn read_text(text: &str) -> Self {
        match serde_json::from_str(text) {
            Ok(value) => Self::read(&value),
            Err(error) => Self { unreadable: true, problems: vec![format!("the document is not JSON: {error}")], ..Self::default() },
        }
    }

    /// Tells of an action whether this document may allow it where `before` did not: by a statement that is new, or by a Deny that is gone.
    ///
    /// No is certain, for a statement that does not match the action says nothing. It spares those who try many callers and contexts to try them.
    pub(crate) fn opens<'a>(&'a self, before: &'a Self) -> impl Fn(&str) -> bool + 'a {
        let differ = |flags: fn(&Self) -> (bool, bool, bool)| flags(self) != flags(before);
        let otherwise = differ(|document| (document.variables, document.unreadable, document.version_unreadable));
        let new = self.statements.iter().filter(|one| one.verb != Verb::Deny && !before.statements.contains(one));
        let gone = before.statements.iter().filter(|one| one.verb != Verb::Allow && !self.statements.contains(one));
        let opening = new.chain(gone).collect::<Vec<_>>();
        move |action| otherwise || opening.iter().any(|one| one.is_about(action) != Tri::No)
    }

    fn statement(&mut self, index: usize, value: &Value) -> Statement {
        let mut faults = Faults::default();
        let mut statement = Statement::read(value, &mut faults);
        if self.version_unreadable {
            faults.elements.push("unreadable Version".to_owned());
        }
        statement.unreadable = faults.elements;
        self.problems.extend(faults.problems.into_iter().map(|problem| format!("statement {}: {problem}", index + 1)));
        statement
    }
}

/// What is wrong with a statement.
#[derive(Default)]
struct Faults {
    /// The elements, for the reasons.
    elements: Vec<String>,
    /// In words.
    problems: Vec<String>,
}

impl Faults {
    fn add(&mut self, element: &str, problem: String) {
        self.elements.push(format!("unreadable {element}"));
        self.problems.push(problem);
    }
}

/// The elements of a statement; AWS refuses a document with any other.
const ELEMENTS: &[&str] = &["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

impl Statement {
    /// Whether its `Action` or `NotAction` means an action.
    pub(crate) fn is_about(&self, action: &str) -> Tri {
        let listed = |actions: &[String]| actions.iter().any(|pattern| matches_action(pattern, action));
        match &self.action {
            Part::Is(actions) => listed(actions).into(),
            Part::Not(actions) => (!listed(actions)).into(),
            Part::Absent | Part::Unreadable => Tri::Maybe,
        }
    }

    fn read(value: &Value, faults: &mut Faults) -> Self {
        let Some(object) = value.as_object() else {
            faults.add("statement", "not a JSON object".to_owned());
            return Self {
                sid: None,
                verb: Verb::Unreadable,
                principal: Part::Unreadable,
                action: Part::Unreadable,
                resource: Part::Unreadable,
                conditions: Vec::new(),
                unreadable: Vec::new(),
            };
        };
        let verb = match object.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Verb::Allow,
            Some("Deny") => Verb::Deny,
            _ => {
                faults.add("Effect", "`Effect` is neither Allow nor Deny".to_owned());
                Verb::Unreadable
            }
        };
        let mut action = pick(object, "Action", "NotAction", strings, faults);
        if action == Part::Absent {
            faults.add("Action", "`Action` is missing".to_owned());
            action = Part::Unreadable;
        }
        for name in object.keys().filter(|name| !ELEMENTS.contains(&name.as_str())) {
            faults.add(name, format!("`{name}` is no element of a statement"));
        }
        Self {
            sid: object.get("Sid").and_then(Value::as_str).map(str::to_owned),
            verb,
            principal: pick(object, "Principal", "NotPrincipal", principals, faults),
            action,
            resource: pick(object, "Resource", "NotResource", strings, faults),
            conditions: read_conditions(object, faults),
            unreadable: Vec::new(),
        }
    }
}

fn pick<T>(object: &Map<String, Value>, is: &str, not: &str, read: impl Fn(&Value) -> Option<T>, faults: &mut Faults) -> Part<T> {
    let (value, name, negated) = match (object.get(is), object.get(not)) {
        (None, None) => return Part::Absent,
        (Some(value), None) => (value, is, false),
        (None, Some(value)) => (value, not, true),
        (Some(_), Some(_)) => {
            faults.add(is, format!("`{is}` and `{not}` exclude each other"));
            return Part::Unreadable;
        }
    };
    match read(value) {
        Some(values) if negated => Part::Not(values),
        Some(values) => Part::Is(values),
        None => {
            faults.add(name, format!("`{name}` cannot be read"));
            Part::Unreadable
        }
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn principals(value: &Value) -> Option<Principals> {
    let mut principals = Principals::default();
    match value {
        Value::String(text) if text == "*" => principals.everybody = true,
        Value::Object(kinds) => {
            for (kind, value) in kinds {
                let values = strings(value)?;
                match kind.as_str() {
                    "AWS" => {
                        principals.everybody |= values.iter().any(|value| value == "*");
                        principals.aws.extend(values);
                    }
                    "Service" => principals.service.extend(values),
                    // Nobody we evaluate is one of these.
                    "Federated" | "CanonicalUser" => {}
                    _ => return None,
                }
            }
        }
        _ => return None,
    }
    Some(principals)
}

fn read_conditions(object: &Map<String, Value>, faults: &mut Faults) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let Some(block) = object.get("Condition") else { return conditions };
    let Value::Object(operators) = block else {
        faults.add("Condition", "`Condition` is not a JSON object".to_owned());
        return conditions;
    };
    for (operator, keys) in operators {
        let Value::Object(keys) = keys else {
            faults.add("Condition", format!("`Condition.{operator}` is not a JSON object"));
            continue;
        };
        for (key, values) in keys {
            match Condition::read(operator, key, values) {
                Ok(condition) => conditions.push(condition),
                Err(problem) => faults.add("Condition", problem),
            }
        }
    }
    conditions
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_new_statements_and_lost_denials_open_an_action() {
        let allow = json!({"Effect": "Allow", "Principal": "*", "Action": "kms:Re*", "Resource": "*"});
        let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"});
        let all_but = json!({"Effect": "Allow", "Principal": "*", "NotAction": "kms:Decrypt", "Resource": "*"});
        let unreadable = json!({"Effect": "Allow", "Principal": "*", "Action": 1, "Resource": "*"});
        let table = [
            (vec![&allow, &deny], vec![&deny, &allow], [false, false]),
            (vec![&deny], vec![&deny, &allow], [false, true]),
            (vec![&allow, &deny], vec![&allow], [true, false]),
            (vec![&allow], vec![&allow, &deny], [false, false]),
            (vec![&allow], vec![], [false, false]),
            (vec![], vec![&all_but], [false, true]),
            (vec![], vec![&unreadable], [true, true]),
        ];
        let read = |statements: &[&Value]| Document::read(&json!({"Version": "2012-10-17", "Statement": statements}));
        for (before, after, expected) in table {
            let (before, after) = (read(&before), read(&after));
            assert_eq!(["kms:Decrypt", "kms:ReEncryptFrom"].map(after.opens(&before)), expected, "{before:?} {after:?}");
        }
        // Where variables begin to be read, a statement that stayed means something else.
        let (text, variables) = (Document::read(&json!({"Statement": [allow]})), read(&[&allow]));
        assert!(variables.opens(&text)("kms:Decrypt"));
    }
}
