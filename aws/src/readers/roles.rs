//! The roles of an account that are looked at in a sweep: those that plans name, and in an account that keeps copies those that AWS Backup may assume and
//! those that policies leave alone.

use std::collections::BTreeSet;

use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::copy::backup_may_assume;
use guardian_core::evidence::{AccountInventory, Fact, RoleTrust};
use guardian_core::policy::{Decision, roles_left_alone};
use serde_json::{Value, json};

use super::read::{self, arn, text};
use super::{Readers, in_place, items};
use crate::answers::{Answers, Question};

impl<A: Answers> Readers<A> {
    /// The roles besides those that are read already that the policies of the vaults and keys leave alone by name; with the aliases of such keys, by
    /// which the roles may know them.
    pub(super) async fn exempt(&self, account: &AccountId, inventory: &mut AccountInventory) -> BTreeSet<Arn> {
        let mut roles = BTreeSet::new();
        for (region, read) in &mut inventory.regions {
            let policies = read.vaults.known().into_iter().flatten().filter_map(|vault| vault.policy.known()?.document.as_ref());
            roles.extend(policies.flat_map(|document| roles_left_alone(document, account, region.partition())));
            for (arn, key) in &mut read.keys {
                let named = key.policy.known().map(|policy| roles_left_alone(&policy.document, account, region.partition()));
                let named = named.unwrap_or_default();
                if !named.is_empty() {
                    let question = in_place(account, region, "ListAliases", json!({"KeyId": arn.as_str()}));
                    let question = Question { service: "kms", ..question };
                    let names = |answer: &Value| items(answer, "Aliases").map(|alias| text(alias, "AliasName")).collect::<Option<Vec<_>>>();
                    key.aliases = self.ask(&question, names).await;
                    roles.extend(named);
                }
            }
        }
        roles.retain(|role| !inventory.roles.contains_key(role) && !inventory.carriers.contains_key(role));
        roles
    }

    pub(super) async fn trusts(&self, account: &AccountId) -> Fact<Vec<RoleTrust>> {
        let question = Question { account: account.clone(), region: None, service: "iam", operation: "ListRoles", request: json!({}) };
        let trust = |role: &Value| {
            Some(RoleTrust { role_arn: arn(role, "Arn")?, document: role.get("AssumeRolePolicyDocument").and_then(read::document)? })
        };
        let trusts = self.ask(&question, |answer| items(answer, "Roles").map(trust).collect::<Option<Vec<_>>>()).await;
        trusts.map_known(|mut trusts| {
            trusts.sort_by(|a, b| a.role_arn.cmp(&b.role_arn));
            trusts
        })
    }
}

/// The roles of the account that its plans, and the plans that the organization wants, act with.
pub(super) fn roles(inventory: &AccountInventory, region: &Region) -> BTreeSet<Arn> {
    let regions = inventory.regions.values();
    let plans = regions.filter_map(|region| region.plans.known()).flatten();
    let selections = plans.filter_map(|plan| plan.selections.known()).flatten().filter_map(Fact::known);
    let mut roles = selections.map(|selection| selection.role_arn.clone()).collect::<BTreeSet<_>>();
    for plan in inventory.wanted_plans.known().into_iter().flatten() {
        let selections = plan.content.pointer("/selections").and_then(Value::as_object);
        let named = selections.into_iter().flat_map(|kinds| kinds.values()).filter_map(Value::as_object).flat_map(|named| named.values());
        for role in named.filter_map(|selection| text(selection, "iam_role_arn")) {
            let role = role.replace("$account", inventory.account_id.as_str()).replace("arn:aws:", &format!("arn:{}:", region.partition()));
            roles.extend(Arn::parse(&role).ok());
        }
    }
    roles.retain(|role| role.account().as_ref() == Some(&inventory.account_id));
    roles
}

/// The roles besides those that AWS Backup may assume, or perhaps may: one of them carries copies back. Its service-linked role carries none.
pub(super) fn carriers(inventory: &AccountInventory) -> BTreeSet<Arn> {
    let trusts =
        inventory.trusts.known().into_iter().flatten().filter(|trust| !trust.role_arn.resource().starts_with("role/aws-service-role/"));
    let let_in = trusts.filter(|trust| {
        let answer = backup_may_assume(&inventory.account_id, &trust.role_arn, &trust.document);
        answer.is_ok_and(|answer| matches!(answer.decision, Decision::Allowed | Decision::Uncertain))
    });
    let_in.map(|trust| trust.role_arn.clone()).filter(|role| !inventory.roles.contains_key(role)).collect()
}
