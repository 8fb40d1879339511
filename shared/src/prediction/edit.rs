//! A change that somebody thinks of, made to kept objects: what would it do?

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Held, ObjectId, Objects};
use crate::arn::{AccountId, Arn};
use crate::evidence::{Fact, NamedPolicy, PolicyLevels, VaultPolicy};
use crate::policy::Grant;

/// A change of one object. What is absent stays as it is; what is `null` is taken away.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// Name of the change, for the answer.
    pub id: String,
    /// ARN of a key, vault, role, managed policy or policy of the organization; or the id of an account.
    pub object: String,
    /// Its policy: of a key, a vault, a managed policy or a policy of the organization.
    #[serde(default, deserialize_with = "present")]
    pub policy: Option<Option<Value>>,
    /// State of a key, such as `Disabled`.
    #[serde(default)]
    pub state: Option<String>,
    /// All grants of a key.
    #[serde(default)]
    pub grants: Option<Vec<Grant>>,
    /// Policies of a role, by name.
    #[serde(default)]
    pub policies: BTreeMap<String, Option<Value>>,
    /// Permissions boundary of a role.
    #[serde(default, deserialize_with = "present")]
    pub boundary: Option<Option<Value>>,
    /// Trust policy of a role.
    #[serde(default)]
    pub trust: Option<Value>,
    /// An SCP that is attached to an account.
    #[serde(default)]
    pub scp: Option<Value>,
    /// An RCP that is attached to an account.
    #[serde(default)]
    pub rcp: Option<Value>,
}

/// `null` is something else than nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Value>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// No copy depends on the object, as far as was seen.
    #[error("`{0}` decides no copy that was found: check its ARN, and that its account and Region are among those that were read")]
    Unknown(String),
    /// What is to be changed was not seen.
    #[error("{what} of `{object}` was not seen, so a change of it cannot be judged")]
    Unseen {
        /// What.
        what: &'static str,
        /// Of which object.
        object: String,
    },
    /// Nothing that such an object has.
    #[error("`{0}` names nothing to change that such an object has")]
    Nothing(String),
    /// Something that such an object does not have, beside what it has.
    #[error("`{object}` has no {what}, so the change cannot be judged")]
    Foreign {
        /// What.
        what: &'static str,
        /// Of which object.
        object: String,
    },
    /// A policy that is not there cannot be taken away.
    #[error("`{object}` has no policy `{name}` that could be taken away; it has {has_list}", has_list = list(.has))]
    NoSuchPolicy {
        /// The name.
        name: String,
        /// Of which object.
        object: String,
        /// What it has.
        has: Vec<String>,
    },
    /// A state that no key has.
    #[error("no key is ever `{0}`: the states are {states}", states = KEY_STATES.join(", "))]
    State(String),
}

/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html>
const KEY_STATES: [&str; 8] =
    ["Creating", "Enabled", "Disabled", "PendingDeletion", "PendingImport", "PendingReplicaDeletion", "Unavailable", "Updating"];

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ") }
}

impl Edit {
    /// Whoever asks before a change must not be reassured by an answer to another question: what the object does not have is an error.
    fn fits(&self, held: &Held) -> Result<(), EditError> {
        let members = [
            ("`policy`", self.policy.is_some(), matches!(held, Held::Key { .. } | Held::Vault { .. })),
            ("`state`", self.state.is_some(), matches!(held, Held::Key { .. })),
            ("`grants`", self.grants.is_some(), matches!(held, Held::Key { .. })),
            ("`policies`", !self.policies.is_empty(), matches!(held, Held::Role { .. })),
            ("`boundary`", self.boundary.is_some(), matches!(held, Held::Role { .. })),
            ("`trust`", self.trust.is_some(), matches!(held, Held::Role { .. })),
            ("`scp`", self.scp.is_some(), matches!(held, Held::Account { .. })),
            ("`rcp`", self.rcp.is_some(), matches!(held, Held::Account { .. })),
        ];
        if !members.iter().any(|(_, named, has)| *named && *has) {
            return Err(EditError::Nothing(self.object.clone()));
        }
        match members.iter().find(|(_, named, has)| *named && !*has) {
            Some((what, ..)) => Err(EditError::Foreign { what, object: self.object.clone() }),
            None => Ok(()),
        }
    }
}

/// The objects that a change turns into others, as they are after it.
pub fn apply(edit: &Edit, objects: &Objects) -> Result<Objects, EditError> {
    let arn = Arn::parse(&edit.object).ok();
    let id = arn.as_ref().and_then(ObjectId::of_arn).or_else(|| AccountId::parse(&edit.object).ok().map(ObjectId::Account));
    let Some(id) = id else {
        let arn = arn.ok_or_else(|| EditError::Unknown(edit.object.clone()))?;
        return everywhere(edit, &arn, objects);
    };
    let mut held = objects.get(&id).cloned().ok_or_else(|| EditError::Unknown(edit.object.clone()))?;
    edit.fits(&held)?;
    match &mut held {
        Held::Key { key, policy, grants } => {
            if let Some(document) = &edit.policy {
                let document = document.as_ref().ok_or_else(|| EditError::Nothing(edit.object.clone()))?;
                seen(policy, "the policy", edit)?.document = document.clone();
            }
            if let Some(state) = &edit.state {
                if !KEY_STATES.contains(&state.as_str()) {
                    return Err(EditError::State(state.clone()));
                }
                seen(key, "the state", edit)?.state = Some(state.clone());
            }
            if let Some(all) = &edit.grants {
                seen(grants, "the list of grants", edit)?.grants = all.clone();
            }
        }
        Held::Vault { policy, .. } => {
            let seen: &mut VaultPolicy = seen(policy, "the policy", edit)?;
            seen.document = edit.policy.clone().flatten();
        }
        Held::Role { role } => {
            let role = seen(role, "the role", edit)?;
            for (name, document) in &edit.policies {
                let before = role.policies.len();
                role.policies.retain(|policy| policy.name != *name);
                if document.is_none() && role.policies.len() == before {
                    let has = role.policies.iter().map(|policy| policy.name.clone()).collect();
                    return Err(EditError::NoSuchPolicy { name: name.clone(), object: edit.object.clone(), has });
                }
                role.policies.extend(document.iter().map(|document| named(name, document)));
            }
            role.policies.sort_by(|a, b| a.name.cmp(&b.name));
            if let Some(boundary) = &edit.boundary {
                role.boundary = boundary.as_ref().map(|document| named("boundary", document));
            }
            role.trust = edit.trust.clone().or_else(|| role.trust.take());
        }
        Held::Account { scps, rcps } => {
            for (bounds, more, what) in [(scps, &edit.scp, "the list of SCPs"), (rcps, &edit.rcp, "the list of RCPs")] {
                let Some(document) = more else { continue };
                let bounds: &mut PolicyLevels = seen(bounds, what, edit)?;
                // The last level is that of the account itself: what an allow of it does not name is not allowed, so it stands beside the others.
                match bounds.levels.last_mut() {
                    Some(level) => level.push(named(&edit.id, document)),
                    None => bounds.levels.push(vec![named(&edit.id, document)]),
                }
            }
        }
        Held::Organization { .. } => {}
    }
    Ok(Objects::from([(id, held)]))
}

/// A policy that is an object of its own, wherever it is attached.
fn everywhere(edit: &Edit, arn: &Arn, objects: &Objects) -> Result<Objects, EditError> {
    let document = edit.policy.as_ref().ok_or_else(|| EditError::Nothing(edit.object.clone()))?;
    let others = edit.state.is_some() || edit.grants.is_some() || edit.trust.is_some() || edit.boundary.is_some();
    if others || !edit.policies.is_empty() || edit.scp.is_some() || edit.rcp.is_some() {
        return Err(EditError::Foreign { what: "member but `policy`", object: edit.object.clone() });
    }
    let mut changed = Objects::new();
    for (id, held) in objects.iter().filter(|(_, held)| held.policies().contains(arn)) {
        let mut held = held.clone();
        let turn = |policies: &mut Vec<NamedPolicy>| {
            policies.retain(|policy| document.is_some() || policy.arn.as_ref() != Some(arn));
            for policy in policies.iter_mut().filter(|policy| policy.arn.as_ref() == Some(arn)) {
                policy.document = document.clone().unwrap_or_default();
            }
        };
        match &mut held {
            Held::Role { role: Fact::Known { value, .. } } => {
                turn(&mut value.policies);
                let mut boundary = value.boundary.take().into_iter().collect();
                turn(&mut boundary);
                value.boundary = boundary.pop();
            }
            Held::Account { scps, rcps } => {
                for bounds in [scps, rcps] {
                    if let Fact::Known { value, .. } = bounds {
                        value.levels.iter_mut().for_each(turn);
                    }
                }
            }
            _ => {}
        }
        changed.insert(id.clone(), held);
    }
    if changed.is_empty() { Err(EditError::Unknown(edit.object.clone())) } else { Ok(changed) }
}

fn named(name: &str, document: &Value) -> NamedPolicy {
    NamedPolicy { name: name.to_owned(), arn: None, document: document.clone() }
}

fn seen<'a, T>(fact: &'a mut Fact<T>, what: &'static str, edit: &Edit) -> Result<&'a mut T, EditError> {
    match fact {
        Fact::Known { value, .. } => Ok(value),
        Fact::Gap(_) | Fact::NotAsked => Err(EditError::Unseen { what, object: edit.object.clone() }),
    }
}
