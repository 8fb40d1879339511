//! What a policy document lost: statement by statement, where the same may be said in other words.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Scene;
use crate::arn::AccountId;
use crate::policy::wildcard_matches;

/// How the text of a `NotPrincipal` begins.
const EVERYBODY_BUT: &str = "everybody but ";
/// Operators that are met only where the key is there and has one of the values.
const HOLDING: [&str; 10] = [
    "stringequals",
    "stringequalsignorecase",
    "stringlike",
    "foranyvalue:stringequals",
    "foranyvalue:stringequalsignorecase",
    "foranyvalue:stringlike",
    "arnequals",
    "arnlike",
    "foranyvalue:arnequals",
    "foranyvalue:arnlike",
];

/// One permission of a document: who may, or must not, do what under which condition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// An account as its id, an ARN, a service, or `*`.
    pub(super) principal: String,
    /// An action or a pattern of actions, in lower case.
    pub(super) action: String,
    /// The conditions as JSON, empty where there are none.
    pub(super) condition: String,
    resource: String,
    /// What of the action it is not about, in lower case: a `NotAction`.
    but: Vec<String>,
}

/// The permissions of a document with this effect. What says whom or what it is not about (`NotPrincipal`, `NotResource`) is a text of its own.
pub(super) fn parts(document: &Value, effect: &str) -> BTreeSet<Part> {
    let mut found = BTreeSet::new();
    for statement in each(document.get("Statement")) {
        if !statement.get("Effect").and_then(Value::as_str).is_some_and(|told| told.eq_ignore_ascii_case(effect)) {
            continue;
        }
        let condition = statement.get("Condition").filter(|value| !is_empty(value)).map(sorted).unwrap_or_default();
        let principals = match (statement.get("Principal"), statement.get("NotPrincipal")) {
            (Some(principal), _) => principals(principal),
            (None, Some(other)) => vec![format!("{EVERYBODY_BUT}{}", sorted(other))],
            // An identity policy, or a policy of the organization.
            (None, None) => vec!["*".to_owned()],
        };
        let lower = |actions: &Value| texts(actions).into_iter().map(|action| action.to_lowercase()).collect::<Vec<_>>();
        let (actions, but) = match (statement.get("Action"), statement.get("NotAction")) {
            (Some(actions), _) => (lower(actions), Vec::new()),
            (None, Some(other)) => (vec!["*".to_owned()], lower(other)),
            (None, None) => (Vec::new(), Vec::new()),
        };
        let resources = match (statement.get("Resource"), statement.get("NotResource")) {
            (Some(resources), _) => texts(resources),
            (None, Some(other)) => vec![format!("everything but {}", sorted(other))],
            (None, None) => vec!["*".to_owned()],
        };
        for principal in &principals {
            for action in &actions {
                found.extend(resources.iter().map(|resource| Part {
                    principal: principal.clone(),
                    action: action.clone(),
                    condition: condition.clone(),
                    resource: resource.clone(),
                    but: but.clone(),
                }));
            }
        }
    }
    found
}

/// What is in `before` and in no words of `after`.
pub(super) fn lost(before: &BTreeSet<Part>, after: &BTreeSet<Part>) -> Vec<Part> {
    let is_lost = |part: &Part| !after.iter().any(|wide| wide.covers(part));
    let mut found = Vec::new();
    for part in before.iter().filter(|part| is_lost(part)) {
        // Where the same is said with more exceptions, these alone are lost.
        let exceptions = after.iter().filter(|wide| !wide.but.is_empty() && Part { but: Vec::new(), ..(*wide).clone() }.covers(part));
        match exceptions.map(|wide| &wide.but).min_by_key(|but| but.len()) {
            Some(but) => {
                let excepted = but.iter().filter(|action| may_meet(action, &part.action) && !part.excepts(action));
                let but = |action: &str| part.but.iter().filter(|but| may_meet(but, action)).cloned().collect();
                found.extend(excepted.map(|action| Part { action: action.clone(), but: but(action), ..part.clone() }).filter(is_lost));
            }
            None => found.push(part.clone()),
        }
    }
    found
}

impl Part {
    /// Whether whatever the other is about is in this one, too.
    fn covers(&self, part: &Self) -> bool {
        (self.principal == part.principal || self.principal == "*")
            && (self.condition == part.condition || self.condition.is_empty())
            && wildcard_matches(&self.resource, &part.resource)
            && wildcard_matches(&self.action, &part.action)
            && self.but.iter().all(|action| part.excepts(action) || !may_meet(action, &part.action))
    }

    /// Whether it says of itself that it is not about this action or pattern.
    fn excepts(&self, action: &str) -> bool {
        self.but.iter().any(|but| wildcard_matches(but, action))
    }

    /// Whether it is about one of these actions.
    pub(super) fn is_about(&self, actions: &[&str]) -> bool {
        actions.iter().any(|action| {
            let action = action.to_lowercase();
            (wildcard_matches(&self.action, &action) || wildcard_matches(&action, &self.action)) && !self.excepts(&action)
        })
    }

    /// Whether it is about everybody, perhaps with exceptions.
    pub(super) fn is_about_everybody(&self) -> bool {
        self.principal == "*" || self.principal.starts_with(EVERYBODY_BUT)
    }

    /// Whether it lets somebody in of whom nothing says that they belong to this account, to those of the copies or to the organization.
    pub(super) fn is_outside(&self, owner: &AccountId, scene: &Scene<'_>) -> bool {
        self.is_beyond(&|account| is_inside(account, owner, scene), scene)
    }

    /// Whether it lets somebody use what belongs to the organization as a whole. A member account may use it, as whoever joins the copies does, but
    /// with what ruins it a member is as bad as anybody: backups are kept apart because a member may be in the hands of others.
    pub(super) fn lets_in(&self, ruins: &[&str], owner: &AccountId, scene: &Scene<'_>) -> bool {
        let is_member = |account: &str| scene.members.iter().any(|known| known.as_str() == account);
        self.is_beyond(&|account| is_inside(account, owner, scene) || (!self.is_about(ruins) && is_member(account)), scene)
    }

    fn is_beyond(&self, known: &dyn Fn(&str) -> bool, scene: &Scene<'_>) -> bool {
        let stranger = self.account().map_or_else(|| self.is_about_everybody(), |account| !known(account));
        stranger && !self.is_held_inside(known, scene.organization_id)
    }

    /// Whether a condition holds it to accounts that are known or to the organization. All conditions must be met, so one is enough; one that is
    /// met where the key is absent, or by everybody but these, holds nobody.
    fn is_held_inside(&self, known: &dyn Fn(&str) -> bool, organization_id: Option<&str>) -> bool {
        let conditions = serde_json::from_str::<Value>(&self.condition).unwrap_or_default();
        let members = |value: &Value| {
            value.as_object().into_iter().flatten().map(|(name, value)| (name.to_lowercase(), value.clone())).collect::<Vec<_>>()
        };
        let ours = |id: &str| organization_id == Some(id);
        members(&conditions).iter().filter(|(operator, _)| HOLDING.contains(&operator.as_str())).any(|(operator, keys)| {
            members(keys).into_iter().any(|(key, values)| {
                let values = texts(&values);
                let holds = |value: &String| match key.as_str() {
                    "aws:principalorgid" | "aws:sourceorgid" => ours(value) || value.eq_ignore_ascii_case("${aws:ResourceOrgID}"),
                    // A caller has several paths: AWS asks for an operator of sets.
                    "aws:principalorgpaths" | "aws:sourceorgpaths" => {
                        operator.starts_with("foranyvalue:") && value.split_once('/').is_some_and(|(id, _)| ours(id))
                    }
                    // Whoever is of the organization of the object.
                    "aws:resourceorgid" => value.eq_ignore_ascii_case("${aws:PrincipalOrgID}"),
                    "aws:principalaccount" | "aws:sourceaccount" | "kms:calleraccount" => {
                        known(value) || value.eq_ignore_ascii_case("${aws:ResourceAccount}")
                    }
                    "aws:principalarn" | "aws:sourcearn" => value.split(':').nth(4).is_some_and(known),
                    _ => false,
                };
                !values.is_empty() && values.iter().all(holds)
            })
        })
    }

    /// The account that it lets in as a whole or by a principal of it.
    pub(super) fn account(&self) -> Option<&str> {
        let id = self.principal.split(':').nth(4).unwrap_or(&self.principal);
        (id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())).then_some(id)
    }

    pub(super) fn text(&self) -> String {
        let condition = if self.condition.is_empty() { String::new() } else { format!(" if {}", self.condition) };
        let action = match (self.action.as_str(), self.but.is_empty()) {
            (action, true) => action.to_owned(),
            ("*", false) => format!("everything but {}", self.but.join(", ")),
            (action, false) => format!("{action} but {}", self.but.join(", ")),
        };
        format!("{action} for {}{condition}", self.principal)
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

/// Whether an account is the owner itself or one of those that keep the copies.
fn is_inside(account: &str, owner: &AccountId, scene: &Scene<'_>) -> bool {
    account == owner.as_str() || scene.backup_accounts.iter().any(|known| known.as_str() == account)
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

/// Whether an action may be meant by both patterns. Of two patterns only the beginnings are compared, so this may be said too often.
fn may_meet(a: &str, b: &str) -> bool {
    const WILDCARDS: [char; 2] = ['*', '?'];
    match (a.contains(WILDCARDS), b.contains(WILDCARDS)) {
        (_, false) => wildcard_matches(a, b),
        (false, true) => wildcard_matches(b, a),
        (true, true) => {
            let beginning = |pattern: &str| pattern.split(WILDCARDS).next().unwrap_or_default().to_owned();
            let (a, b) = (beginning(a), beginning(b));
            a.starts_with(&b) || b.starts_with(&a)
        }
    }
}

/// The same JSON for the same JSON, whatever the order of its members and of its lists; a list of one is its element, as in policies. Texts stay
/// quoted: what is compared by this was written by others, who could write one text so that it reads like two.
pub(super) fn sorted(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut members =
                map.iter().map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), sorted(value))).collect::<Vec<_>>();
            members.sort();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(list) => {
            let mut items = list.iter().map(sorted).collect::<Vec<_>>();
            items.sort();
            if let [one] = items.as_slice() { one.clone() } else { format!("[{}]", items.join(", ")) }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The same policy text: whatever the order of lists, and a list of one is its element.
    fn is_same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Array(one), other) | (other, Value::Array(one)) if one.len() == 1 => is_same(&one[0], other),
            (Value::Array(a), Value::Array(b)) => {
                let mut left = b.iter().collect::<Vec<_>>();
                a.len() == b.len()
                    && a.iter()
                        .all(|item| left.iter().position(|other| is_same(item, other)).map(|found| left.swap_remove(found)).is_some())
            }
            (Value::Object(a), Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| is_same(value, other)))
            }
            (a, b) => a == b,
        }
    }

    fn json_of_few_words() -> impl Strategy<Value = Value> {
        let words = prop::sample::select(vec!["a", "b", "[a, b]", "\"a\"", "a, b", "{a: b}", "a\", \"b", "true", "1", ""]);
        let leaf = prop_oneof![words.clone().prop_map(Value::from), Just(json!(true)), Just(json!(1)), Just(Value::Null)];
        leaf.prop_recursive(3, 12, 3, move |inner| {
            let members = prop::collection::btree_map(words.clone().prop_map(str::to_owned), inner.clone(), 0..3);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Value::Array),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The same in another order, each text in a list of its own.
    fn otherwise(value: &Value) -> Value {
        match value {
            Value::Array(list) => list.iter().rev().map(otherwise).collect(),
            Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), otherwise(value))).collect(),
            leaf => json!([leaf]),
        }
    }

    /// Like it, but all texts are bare: what two JSONs may have in common without being the same.
    fn bare(value: &Value) -> Value {
        match value {
            Value::Array(list) => {
                format!("[{}]", list.iter().map(|item| bare(item).as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>().join(", "))
                    .into()
            }
            Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), bare(value))).collect(),
            Value::String(text) => text.as_str().into(),
            other => other.to_string().into(),
        }
    }

    proptest! {
        #[test]
        fn two_documents_have_the_same_text_where_they_are_the_same_and_nowhere_else(a in json_of_few_words(), b in json_of_few_words()) {
            for b in [&b, &otherwise(&a), &bare(&a)] {
                prop_assert_eq!(sorted(&a) == sorted(b), is_same(&a, b), "{} and {}", a, b);
            }
            prop_assert!(is_same(&a, &otherwise(&a)));
        }

        #[test]
        fn patterns_that_mean_one_action_both_may_meet(a in "[ab*?]{1,5}", b in "[ab*?]{1,5}", action in "[ab]{0,6}") {
            if wildcard_matches(&a, &action) && wildcard_matches(&b, &action) {
                prop_assert!(may_meet(&a, &b) && may_meet(&b, &a));
            }
        }
    }

    fn denies(statements: &Value) -> BTreeSet<Part> {
        parts(&json!({ "Statement": statements }), "Deny")
    }

    #[test]
    fn a_statement_with_exceptions_is_about_everything_else() {
        let deny = |member: &str, actions: Value| json!({"Effect": "Deny", "Principal": "*", member: actions, "Resource": "*"});
        let lost = |before: Value, after: Value| {
            let lost = lost(&denies(&before), &denies(&after));
            lost.iter().map(Part::text).collect::<Vec<_>>()
        };
        assert_eq!(lost(deny("Action", json!("kms:Disable*")), deny("NotAction", json!(["kms:Put*"]))), [""; 0]);
        assert_eq!(lost(deny("Action", json!("kms:*")), deny("NotAction", json!("kms:Put*"))), ["kms:put* for *"]);
        assert_eq!(lost(deny("NotAction", json!("kms:Put*")), deny("Action", json!("kms:*"))), ["everything but kms:put* for *"]);
        assert_eq!(lost(deny("NotAction", json!(["kms:Get*"])), deny("NotAction", json!(["kms:GetKey"]))), [""; 0]);
        assert_eq!(lost(deny("NotAction", json!(["kms:A"])), deny("NotAction", json!(["kms:A", "kms:B"]))), ["kms:b for *"]);
        assert_eq!(
            lost(deny("Action", json!("*")), json!([deny("NotAction", json!("kms:B")), deny("Action", json!("kms:B"))])),
            [""; 0],
            "two statements say what one said"
        );
        let but_one = json!({"Effect": "Deny", "Principal": "*", "Action": "*", "NotResource": "x"});
        assert_eq!(lost(deny("Action", json!("*")), but_one), ["* for *"]);
    }
}
