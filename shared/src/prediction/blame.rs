//! Which statement did it.

use serde_json::Value;

use super::{Held, KeptLeg, ObjectId, Objects};
use crate::copy::{Verdict, forecast};
use crate::evidence::{Fact, NamedPolicy};

/// What of a change makes a copy fail. May quote untrusted text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    /// Statements that deny, and were not there before.
    pub added: Vec<Value>,
    /// Statements that allowed, and are gone.
    pub gone: Vec<Value>,
}

impl Blame {
    /// Whether no statement is to blame: the state of the object changed, not a document.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.gone.is_empty()
    }
}

/// The statements of an object that are to blame for what a copy will fail for: those without whose change alone it would work. Where no single one
/// is, all that changed.
pub fn blame(leg: &KeptLeg, object: &ObjectId, before: &Objects, after: &Objects) -> Blame {
    let (Some(old), Some(new)) = (before.get(object), after.get(object)) else { return Blame::default() };
    let (old, new) = (statements(old), statements(new));
    let deny = |statement: &&Value| statement.get("Effect").and_then(Value::as_str) == Some("Deny");
    let added = new.iter().filter(|statement| !old.contains(statement)).filter(deny).cloned().collect::<Vec<_>>();
    let gone = old.iter().filter(|statement| !new.contains(statement)).filter(|one| !deny(one)).cloned().collect::<Vec<_>>();
    let works = |turn: &dyn Fn(&mut Vec<Value>)| {
        let mut turned = after.clone();
        if let Some(held) = turned.get_mut(object) {
            each_document(held, turn);
        }
        let told = forecast(&leg.leg, &leg.facts(&turned), None);
        matches!(told, Some(Ok(told)) if told.verdict == Verdict::Works)
    };
    let all = Blame { added, gone };
    let alone = Blame {
        added: all.added.iter().filter(|one| works(&|list| list.retain(|other| other != *one))).cloned().collect(),
        gone: all.gone.iter().filter(|one| works(&|list| list.push((*one).clone()))).cloned().collect(),
    };
    if alone.is_empty() { all } else { alone }
}

fn list(document: &Value) -> Vec<Value> {
    match document.get("Statement") {
        Some(Value::Array(list)) => list.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

/// Every statement of the documents of an object.
fn statements(held: &Held) -> Vec<Value> {
    let mut all = Vec::new();
    each_document(&mut held.clone(), &mut |list: &mut Vec<Value>| all.append(list));
    all
}

/// Goes over the statements of each document of an object.
fn each_document(held: &mut Held, mut turn: impl FnMut(&mut Vec<Value>)) {
    let mut document = |document: &mut Value| {
        let mut statements = list(document);
        turn(&mut statements);
        if let Some(members) = document.as_object_mut() {
            members.insert("Statement".to_owned(), Value::Array(statements));
        }
    };
    let mut named = |policies: &mut [NamedPolicy]| policies.iter_mut().for_each(|policy| document(&mut policy.document));
    match held {
        Held::Key { policy: Fact::Known { value, .. }, .. } => document(&mut value.document),
        Held::Vault { policy: Fact::Known { value, .. }, .. } => value.document.iter_mut().for_each(document),
        Held::Role { role: Fact::Known { value, .. } } => {
            named(&mut value.policies);
            value.boundary.iter_mut().for_each(|boundary| document(&mut boundary.document));
            value.trust.iter_mut().for_each(document);
        }
        Held::Account { scps, rcps } => {
            for bounds in [scps, rcps] {
                if let Fact::Known { value, .. } = bounds {
                    value.levels.iter_mut().for_each(|level| named(level));
                }
            }
        }
        Held::Key { .. } | Held::Vault { .. } | Held::Role { .. } | Held::Organization { .. } => {}
    }
}
