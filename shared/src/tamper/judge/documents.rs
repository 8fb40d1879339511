//! What a policy document lost: statement by statement, where the same may be said in other words.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::policy::wildcard_matches;

/// One permission of a document: who may, or must not, do what under which condition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// An account as its id, an ARN, a service, or `*`.
    pub(super) principal: String,
    /// An action or a pattern of actions, in lower case.
    pub(super) action: String,
    /// The conditions as text, empty where there are none.
    pub(super) condition: String,
    resource: String,
}

/// The permissions of a document with this effect. What has no list of actions (`NotAction`, `NotPrincipal`) is one permission of its own text.
pub(super) fn parts(document: &Value, effect: &str) -> BTreeSet<Part> {
    let mut found = BTreeSet::new();
    for statement in each(document.get("Statement")) {
        if !statement.get("Effect").and_then(Value::as_str).is_some_and(|told| told.eq_ignore_ascii_case(effect)) {
            continue;
        }
        let condition = statement.get("Condition").filter(|value| !is_empty(value)).map(sorted).unwrap_or_default();
        let principals = match (statement.get("Principal"), statement.get("NotPrincipal")) {
            (Some(principal), _) => principals(principal),
            (None, Some(other)) => vec![format!("everybody but {}", sorted(other))],
            // An identity policy, or a policy of the organization.
            (None, None) => vec!["*".to_owned()],
        };
        let actions = match (statement.get("Action"), statement.get("NotAction")) {
            (Some(actions), _) => texts(actions).into_iter().map(|action| action.to_lowercase()).collect(),
            (None, Some(other)) => vec![format!("everything but {}", sorted(other))],
            (None, None) => Vec::new(),
        };
        let resources = statement.get("Resource").map(texts).unwrap_or_else(|| vec!["*".to_owned()]);
        for principal in &principals {
            for action in &actions {
                found.extend(resources.iter().map(|resource| Part {
                    principal: principal.clone(),
                    action: action.clone(),
                    condition: condition.clone(),
                    resource: resource.clone(),
                }));
            }
        }
    }
    found
}

/// What is in `before` and in no words of `after`.
pub(super) fn lost(before: &BTreeSet<Part>, after: &BTreeSet<Part>) -> Vec<Part> {
    let covers = |wide: &Part, part: &Part| {
        (wide.principal == part.principal || wide.principal == "*")
            && (wide.condition == part.condition || wide.condition.is_empty())
            && wildcard_matches(&wide.action, &part.action)
            && wildcard_matches(&wide.resource, &part.resource)
    };
    before.iter().filter(|part| !after.iter().any(|wide| covers(wide, part))).cloned().collect()
}

impl Part {
    /// Whether it is about one of these actions.
    pub(super) fn is_about(&self, actions: &[&str]) -> bool {
        actions.iter().any(|action| {
            let action = action.to_lowercase();
            wildcard_matches(&self.action, &action) || wildcard_matches(&action, &self.action)
        })
    }

    /// The account that it lets in as a whole or by a principal of it.
    pub(super) fn account(&self) -> Option<&str> {
        let id = self.principal.split(':').nth(4).unwrap_or(&self.principal);
        (id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())).then_some(id)
    }

    pub(super) fn text(&self) -> String {
        let condition = if self.condition.is_empty() { String::new() } else { format!(" if {}", self.condition) };
        format!("{} for {}{condition}", self.action, self.principal)
    }
}

/// The permissions as a text, at most this many.
pub(super) fn list(parts: &[Part], most: usize) -> String {
    let more = parts.len().saturating_sub(most);
    let mut text = parts.iter().take(most).map(Part::text).collect::<Vec<_>>().join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

fn each(value: Option<&Value>) -> Vec<&Value> {
    match value {
        Some(Value::Array(list)) => list.iter().collect(),
        Some(one @ Value::Object(_)) => vec![one],
        _ => Vec::new(),
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// `arn:aws:iam::1:root` and `1` are the same.
fn principals(value: &Value) -> Vec<String> {
    let one = |text: String| match text.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(3)) {
        Some(account) if text.ends_with(":root") => account.to_owned(),
        _ => text,
    };
    match value {
        Value::Object(kinds) => kinds.values().flat_map(texts).map(one).collect(),
        value => texts(value).into_iter().map(one).collect(),
    }
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// The same text for the same JSON, whatever the order of its members and of the texts in its lists.
pub(super) fn sorted(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut members = map.iter().map(|(name, value)| format!("{name}: {}", sorted(value))).collect::<Vec<_>>();
            members.sort();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(list) => {
            let mut items = list.iter().map(sorted).collect::<Vec<_>>();
            items.sort();
            if let [one] = items.as_slice() { one.clone() } else { format!("[{}]", items.join(", ")) }
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
