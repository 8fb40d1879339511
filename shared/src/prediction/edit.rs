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
    let touched = match &mut held {
        Held::Key { key, policy, grants } => {
            let mut touched = 0;
            if let Some(Some(document)) = &edit.policy {
                seen(policy, "the policy", edit)?.document = document.clone();
                touched += 1;
            }
            if let Some(state) = &edit.state {
                seen(key, "the state", edit)?.state = Some(state.clone());
                touched += 1;
            }
            if let Some(all) = &edit.grants {
                seen(grants, "the list of grants", edit)?.grants = all.clone();
                touched += 1;
            }
            touched
        }
        Held::Vault { policy, .. } => match &edit.policy {
            Some(document) => {
                let seen: &mut VaultPolicy = seen(policy, "the policy", edit)?;
                seen.document.clone_from(document);
                1
            }
            None => 0,
        },
        Held::Role { role } => {
            let role = seen(role, "the role", edit)?;
            for (name, document) in &edit.policies {
                role.policies.retain(|policy| policy.name != *name);
                role.policies.extend(document.iter().map(|document| named(name, document)));
            }
            role.policies.sort_by(|a, b| a.name.cmp(&b.name));
            if let Some(boundary) = &edit.boundary {
                role.boundary = boundary.as_ref().map(|document| named("boundary", document));
            }
            role.trust = edit.trust.clone().or_else(|| role.trust.take());
            edit.policies.len() + usize::from(edit.boundary.is_some()) + usize::from(edit.trust.is_some())
        }
        Held::Account { scps, rcps } => {
            let mut touched = 0;
            for (bounds, more, what) in [(scps, &edit.scp, "the list of SCPs"), (rcps, &edit.rcp, "the list of RCPs")] {
                let Some(document) = more else { continue };
                let bounds: &mut PolicyLevels = seen(bounds, what, edit)?;
                // The last level is that of the account itself: what an allow of it does not name is not allowed, so it stands beside the others.
                match bounds.levels.last_mut() {
                    Some(level) => level.push(named(&edit.id, document)),
                    None => bounds.levels.push(vec![named(&edit.id, document)]),
                }
                touched += 1;
            }
            touched
        }
        Held::Organization { .. } => 0,
    };
    if touched == 0 {
        return Err(EditError::Nothing(edit.object.clone()));
    }
    Ok(Objects::from([(id, held)]))
}

/// A policy that is an object of its own, wherever it is attached.
fn everywhere(edit: &Edit, arn: &Arn, objects: &Objects) -> Result<Objects, EditError> {
    let document = edit.policy.as_ref().ok_or_else(|| EditError::Nothing(edit.object.clone()))?;
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
