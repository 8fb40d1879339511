//! Statements, built as JSON values: as few as possible, as narrow as the calls allow.
//!
//! INVARIANT: no statement names everybody without the organization, none has a wildcard in its actions, and none an action that no call needs.

use serde_json::{Map, Value, json};

use super::call::{Call, Guard};
use crate::arn::Arn;

/// Whom a statement of a resource policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The callers. AWS accepts such a policy only where they exist.
    Callers,
    /// Their accounts, held to the callers by a condition, which need not exist.
    Accounts,
    /// Their accounts as such: for a vault, where the policies of the roles decide further.
    WholeAccounts,
    /// Everybody of an organization, held to roles of the callers' names by a condition.
    Organization(String),
    /// Everybody of an organization as such: for a vault.
    WholeOrganization(String),
}

/// Names of statements, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Copies,
    Case,
}

impl Purpose {
    fn sid(self, call: &Call, form: Option<&Form>) -> &'static str {
        match (self, form, call.guard) {
            (Self::Case, ..) => "AllowWhatWasDenied",
            (Self::Copies, None, _) => "AllowBackupCopies",
            (Self::Copies, Some(_), Guard::Key) if call.scope.is_empty() => "AllowUseForBackupCopies",
            (Self::Copies, Some(_), Guard::Key) => "AllowGrantsForBackupCopies",
            (Self::Copies, Some(Form::WholeOrganization(_)), _) => "AllowCopiesFromOrganization",
            (Self::Copies, Some(_), _) => "AllowCopiesFromSourceAccount",
        }
    }
}

/// Things that belong together because they have the same second part.
fn merged<A: Clone + PartialEq, B: PartialEq>(pairs: Vec<(A, B)>) -> Vec<(Vec<A>, B)> {
    let mut groups: Vec<(Vec<A>, B)> = Vec::new();
    for (item, of) in pairs {
        match groups.iter_mut().find(|(_, known)| *known == of) {
            Some((items, _)) if items.contains(&item) => {}
            Some((items, _)) => items.push(item),
            None => groups.push((vec![item], of)),
        }
    }
    groups
}

/// Calls by their first part, each with all its actions; then those with the same actions together.
fn by_actions<'a, A: Clone + PartialEq>(calls: &[&'a Call], part: impl Fn(&'a Call) -> A) -> Vec<(Vec<A>, Vec<&'a str>)> {
    let pairs = calls.iter().map(|call| (call.action.as_str(), part(call))).collect();
    merged(merged(pairs).into_iter().map(|(actions, part)| (part, actions)).collect())
}

fn by_scope<'a>(calls: &[&'a Call]) -> Vec<Vec<&'a Call>> {
    let mut groups: Vec<Vec<&Call>> = Vec::new();
    for call in calls {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| first.scope == call.scope)) {
            Some(group) => group.push(call),
            None => groups.push(vec![call]),
        }
    }
    groups
}

/// Statements of a resource policy that admit the calls. All of them are to the same object.
pub(super) fn of_resource(calls: &[&Call], form: &Form, purpose: Purpose, stored: &Value) -> Vec<Value> {
    let mut statements = Vec::new();
    for group in by_scope(calls) {
        let Some(first) = group.first() else { continue };
        for (callers, actions) in by_actions(&group, |call| call.named.clone()) {
            let mut statement = Map::new();
            statement.insert("Sid".to_owned(), unused_sid(stored, &statements, purpose.sid(first, Some(form))).into());
            statement.insert("Effect".to_owned(), "Allow".into());
            let mut conditions = conditions(first);
            statement.insert("Principal".to_owned(), principal(form, &callers, &mut conditions));
            statement.insert("Action".to_owned(), json!(actions));
            match first.guard {
                Guard::Key | Guard::Vault => {
                    statement.insert("Resource".to_owned(), "*".into());
                }
                Guard::Trust => {}
                Guard::Other => {
                    statement.insert("Resource".to_owned(), literal(&first.resource).into());
                }
            }
            finish(&mut statements, statement, conditions);
        }
    }
    statements
}

/// Statements of a policy of the caller that allow the calls. All of them are by the same caller.
pub(super) fn of_identity(calls: &[&Call], purpose: Purpose) -> Vec<Value> {
    let mut statements = Vec::new();
    for group in by_scope(calls) {
        let Some(first) = group.first() else { continue };
        for (resources, actions) in by_actions(&group, |call| call.pattern.clone()) {
            let mut statement = Map::new();
            statement.insert("Sid".to_owned(), unused_sid(&Value::Null, &statements, purpose.sid(first, None)).into());
            statement.insert("Effect".to_owned(), "Allow".into());
            statement.insert("Action".to_owned(), json!(actions));
            statement.insert("Resource".to_owned(), one_or_many(resources));
            finish(&mut statements, statement, conditions(first));
        }
    }
    statements
}

fn finish(statements: &mut Vec<Value>, mut statement: Map<String, Value>, conditions: Map<String, Value>) {
    if !conditions.is_empty() {
        statement.insert("Condition".to_owned(), Value::Object(conditions));
    }
    statements.push(Value::Object(statement));
}

fn conditions(call: &Call) -> Map<String, Value> {
    let mut conditions = Map::new();
    for (operator, key, value) in &call.scope {
        add_condition(&mut conditions, operator, key, value.clone());
    }
    conditions
}

fn add_condition(conditions: &mut Map<String, Value>, operator: &str, key: &str, value: Value) {
    let keys = conditions.entry(operator.to_owned()).or_insert_with(|| Value::Object(Map::new()));
    if let Some(keys) = keys.as_object_mut() {
        keys.insert(key.to_owned(), value);
    }
}

fn principal(form: &Form, callers: &[String], conditions: &mut Map<String, Value>) -> Value {
    let mut accounts = callers.iter().filter_map(|caller| root(caller)).collect::<Vec<_>>();
    accounts.dedup();
    match form {
        Form::Callers => {
            let kind = if callers.iter().all(|caller| caller.starts_with("arn:")) { "AWS" } else { "Service" };
            json!({kind: one_or_many(callers.to_vec())})
        }
        Form::WholeAccounts => json!({"AWS": one_or_many(accounts)}),
        Form::Accounts => {
            add_condition(conditions, "ArnLike", "aws:PrincipalArn", one_or_many(callers.to_vec()));
            json!({"AWS": one_or_many(accounts)})
        }
        Form::Organization(id) => {
            let mut patterns = callers.iter().map(|caller| in_any_account(caller)).collect::<Vec<_>>();
            patterns.dedup();
            add_condition(conditions, "StringEquals", "aws:PrincipalOrgID", id.as_str().into());
            add_condition(conditions, "ArnLike", "aws:PrincipalArn", one_or_many(patterns));
            json!({"AWS": "*"})
        }
        Form::WholeOrganization(id) => {
            add_condition(conditions, "StringEquals", "aws:PrincipalOrgID", id.as_str().into());
            json!({"AWS": "*"})
        }
    }
}

/// The account of a caller, as a `Principal` element names it.
pub(super) fn root(caller: &str) -> Option<String> {
    let arn = Arn::parse(caller).ok()?;
    Some(format!("arn:{}:iam::{}:root", arn.partition(), arn.account()?))
}

/// The same role in whatever account.
pub(super) fn in_any_account(caller: &str) -> String {
    match Arn::parse(caller) {
        Ok(arn) => format!("arn:{}:{}::*:{}", arn.partition(), arn.service(), arn.resource()),
        Err(_) => caller.to_owned(),
    }
}

fn one_or_many(mut items: Vec<String>) -> Value {
    if items.len() == 1 { items.remove(0).into() } else { json!(items) }
}

/// A resource as a pattern that means just it: `*`, `?` and `$` are written as the variables that stand for them.
pub(super) fn literal(resource: &str) -> String {
    if resource == "*" {
        return resource.to_owned();
    }
    let mut pattern = String::with_capacity(resource.len());
    for c in resource.chars() {
        match c {
            '*' | '?' | '$' => {
                pattern.push_str("${");
                pattern.push(c);
                pattern.push('}');
            }
            _ => pattern.push(c),
        }
    }
    pattern
}

/// A Sid that neither the document nor the other new statements use: Sids must be unique.
fn unused_sid(stored: &Value, new: &[Value], wanted: &str) -> String {
    let used = |sid: &str| statements(stored).into_iter().chain(new).any(|known| known.get("Sid").and_then(Value::as_str) == Some(sid));
    let mut sid = wanted.to_owned();
    let mut number = 2;
    while used(&sid) {
        sid = format!("{wanted}{number}");
        number += 1;
    }
    sid
}

/// The statements of a document as stored.
pub(super) fn statements(document: &Value) -> Vec<&Value> {
    match document.get("Statement") {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    }
}

/// A document with more statements.
pub(super) fn with(document: &Value, more: &[Value]) -> Value {
    let mut patched = document.clone();
    if let Some(object) = patched.as_object_mut() {
        let list = match object.remove("Statement") {
            Some(Value::Array(list)) => list,
            Some(single @ Value::Object(_)) => vec![single],
            _ => Vec::new(),
        };
        object.insert("Statement".to_owned(), Value::Array(list.into_iter().chain(more.iter().cloned()).collect()));
    }
    patched
}

/// A document without statements.
pub(super) fn empty() -> Value {
    json!({"Version": "2012-10-17", "Statement": []})
}
