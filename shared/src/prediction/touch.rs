//! What a write may touch: decided from its name and its objects alone, before anything is asked.
//!
//! Where a record names a role without its path, or a policy by its id, that is enough: everything is kept under a [`Place`] that such a name
//! leads to. What a write says of the new state is not believed; it only says where to look.

use serde_json::Value;

use super::ObjectId;
use crate::arn::{AccountId, Arn};

/// Where something is kept that can be written to. A text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(String);

impl Place {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of_role(account: &AccountId, name: &str) -> Self {
        Self(format!("role/{account}/{name}"))
    }

    /// The place of a policy that is an object of its own. Names of managed policies are those of one account, ids of the organization's are told alone.
    pub fn of_policy(arn: &Arn) -> Self {
        match arn.service() {
            "organizations" => Self::of_organization_policy(arn.resource_name()),
            _ => Self(format!("policy/{arn}")),
        }
    }

    fn of_organization_policy(id: &str) -> Self {
        Self(format!("policy/{id}"))
    }
}

impl ObjectId {
    /// Where it is kept.
    pub fn place(&self) -> Place {
        match self {
            Self::Role(arn) => match (arn.account(), arn.role_name()) {
                // No two roles of an account have the same name, whatever their paths are.
                (Some(account), Some(name)) => Place::of_role(&account, name),
                _ => Place(arn.as_str().to_owned()),
            },
            other => Place(other.name()),
        }
    }
}

/// What a write may touch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touch {
    /// What is kept at a place: an object, or a policy that objects are made of.
    Place(Place),
    /// The policies that bound accounts below a root or an organizational unit: which accounts those are, the organization tells.
    Bounds,
}

/// Calls on keys that give and take nothing. Grants do: those that services make and give back all day with every copy do not come this far, because
/// the rules let only calls of people through.
const ROUTINE: &[&str] = &["CreateAlias", "UpdateAlias", "DeleteAlias", "TagResource", "UntagResource"];

/// What a write may touch that decides copies, each once; empty: nothing.
pub fn touched(account: &AccountId, service: &str, event_name: &str, objects: &[Arn], request: &Value) -> Vec<Touch> {
    let text = |name: &str| request.get(name).and_then(Value::as_str).filter(|text| text.len() <= 2048);
    let place = |object: ObjectId| Touch::Place(object.place());
    let mut touched = match service {
        "kms" if ROUTINE.contains(&event_name) => Vec::new(),
        "kms" | "backup" if event_name != "UpdateGlobalSettings" => objects.iter().filter_map(ObjectId::of_arn).map(place).collect(),
        "backup" => vec![place(ObjectId::Organization)],
        "iam" => {
            let role = text("roleName").map(|name| Touch::Place(Place::of_role(account, name)));
            // Attached to a role, it is the role that changes; by itself, every role that has it.
            let policy = text("policyArn").filter(|_| role.is_none()).and_then(|arn| Arn::parse(arn).ok());
            role.into_iter().chain(policy.map(|arn| Touch::Place(Place::of_policy(&arn)))).collect()
        }
        "organizations" => of_organization(event_name, &text),
        _ => Vec::new(),
    };
    touched.sort();
    touched.dedup();
    touched
}

fn of_organization<'a>(event_name: &str, text: &impl Fn(&str) -> Option<&'a str>) -> Vec<Touch> {
    let account = |name: &str| {
        let account = text(name).and_then(|id| AccountId::parse(id).ok())?;
        Some(Touch::Place(ObjectId::Account(account).place()))
    };
    match event_name {
        "UpdatePolicy" | "DeletePolicy" => text("policyId").map(|id| Touch::Place(Place::of_organization_policy(id))).into_iter().collect(),
        "AttachPolicy" | "DetachPolicy" => vec![account("targetId").unwrap_or(Touch::Bounds)],
        "MoveAccount" => account("accountId").into_iter().collect(),
        "EnablePolicyType" | "DisablePolicyType" => vec![Touch::Bounds],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(service: &str, event_name: &str, objects: &[&str], request: Value) -> Vec<String> {
        let account = AccountId::parse("111111111111").unwrap();
        let objects = objects.iter().map(|arn| Arn::parse(arn).unwrap()).collect::<Vec<_>>();
        let touched = touched(&account, service, event_name, &objects, &request);
        touched
            .into_iter()
            .map(|touch| match touch {
                Touch::Place(place) => place.as_str().to_owned(),
                Touch::Bounds => "bounds".to_owned(),
            })
            .collect()
    }

    #[test]
    fn a_write_leads_to_where_its_object_is_kept() {
        const KEY: &str = "arn:aws:kms:eu-central-1:111111111111:key/1";
        const VAULT: &str = "arn:aws:backup:eu-central-1:111111111111:backup-vault:local";
        const POLICY: &str = "arn:aws:iam::111111111111:policy/team/job";
        for (service, name, objects, request, expected) in [
            ("kms", "PutKeyPolicy", vec![KEY], json!({}), vec![KEY]),
            ("kms", "CreateGrant", vec![KEY], json!({}), vec![KEY]),
            ("kms", "RetireGrant", vec![KEY], json!({}), vec![KEY]),
            ("kms", "CreateAlias", vec![KEY], json!({}), vec![]),
            ("kms", "PutKeyPolicy", vec!["arn:aws:kms:eu-central-1:111111111111:alias/a"], json!({}), vec![]),
            ("backup", "PutBackupVaultAccessPolicy", vec![VAULT], json!({}), vec![VAULT]),
            ("backup", "UpdateGlobalSettings", vec![], json!({}), vec!["organization"]),
            ("backup", "UpdateBackupPlan", vec!["arn:aws:backup:eu-central-1:111111111111:backup-plan:1"], json!({}), vec![]),
            ("iam", "PutRolePolicy", vec![], json!({"roleName": "backup"}), vec!["role/111111111111/backup"]),
            ("iam", "DetachRolePolicy", vec![], json!({"roleName": "backup", "policyArn": POLICY}), vec!["role/111111111111/backup"]),
            ("iam", "CreatePolicyVersion", vec![], json!({"policyArn": POLICY}), vec!["policy/arn:aws:iam::111111111111:policy/team/job"]),
            ("iam", "PutUserPolicy", vec![], json!({"userName": "kim"}), vec![]),
            ("organizations", "UpdatePolicy", vec![], json!({"policyId": "p-1"}), vec!["policy/p-1"]),
            ("organizations", "AttachPolicy", vec![], json!({"policyId": "p-1", "targetId": "111111111111"}), vec!["bounds/111111111111"]),
            ("organizations", "DetachPolicy", vec![], json!({"policyId": "p-1", "targetId": "ou-1"}), vec!["bounds"]),
            ("organizations", "MoveAccount", vec![], json!({"accountId": "111111111111"}), vec!["bounds/111111111111"]),
            ("ec2", "DisableEbsEncryptionByDefault", vec![], json!({}), vec![]),
        ] {
            assert_eq!(places(service, name, &objects, request), expected, "{name}");
        }
    }

    #[test]
    fn the_path_of_a_role_makes_it_no_other() {
        let role = |arn: &str| ObjectId::Role(Arn::parse(arn).unwrap()).place();
        assert_eq!(role("arn:aws:iam::111111111111:role/service-role/backup"), role("arn:aws:iam::111111111111:role/backup"));
        let policy = Arn::parse("arn:aws:organizations::444444444444:policy/o-1/service_control_policy/p-1").unwrap();
        assert_eq!(Place::of_policy(&policy), Place::of_organization_policy("p-1"));
    }
}
