//! The inventory of the organization, and the policies that bound its accounts: read once, not once per account.

use std::collections::{BTreeMap, BTreeSet};

use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{Bound, Fact, Gap, Member, NamedPolicy, Organization, OrganizationInventory, PolicyLevels};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::organization;
use super::read::{document, text};
use super::{Readers, fact, items};
use crate::answers::{Answers, Question};

/// Service principal of AWS Backup.
const BACKUP: &str = "backup.amazonaws.com";

/// The SCPs and RCPs of an organization, by what they are attached to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Bounds {
    scps: Fact<Attached>,
    rcps: Fact<Attached>,
    /// The units from the root to each account.
    paths: BTreeMap<AccountId, Vec<String>>,
}

/// The policies of a kind, each once: what allows everything is attached to every account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Attached {
    /// By name.
    policies: Vec<NamedPolicy>,
    /// Their places in that list, by what they are attached to.
    by_target: BTreeMap<String, Vec<usize>>,
}

impl Attached {
    fn of(mut policies: Vec<(NamedPolicy, Vec<String>)>) -> Self {
        policies.sort_by(|(a, _), (b, _)| (&a.name, &a.arn).cmp(&(&b.name, &b.arn)));
        let mut attached = Self::default();
        for (policy, targets) in policies {
            for target in targets {
                attached.by_target.entry(target).or_default().push(attached.policies.len());
            }
            attached.policies.push(policy);
        }
        attached
    }

    /// What is attached to an account, a unit or the root.
    fn to(&self, target: &str) -> Vec<NamedPolicy> {
        let places = self.by_target.get(target).into_iter().flatten();
        places.filter_map(|place| self.policies.get(*place)).cloned().collect()
    }
}

impl Bounds {
    /// The policies of one kind that bound an account.
    pub fn of(&self, account: &AccountId, kind: Bound) -> Fact<PolicyLevels> {
        let policies = match kind {
            Bound::Scp => &self.scps,
            Bound::Rcp => &self.rcps,
        };
        match policies {
            Fact::Known { value, source, at } => {
                // The path of an account that is not listed is not known, and so is what bounds it.
                let Some(path) = self.paths.get(account) else { return Fact::NotAsked };
                let targets = path.iter().map(String::as_str).chain([account.as_str()]);
                let levels = if value.by_target.is_empty() { Vec::new() } else { targets.map(|target| value.to(target)).collect() };
                Fact::Known { value: PolicyLevels { account_id: account.clone(), levels }, source: source.clone(), at: *at }
            }
            Fact::Gap(gap) => Fact::Gap(gap.clone()),
            Fact::NotAsked => Fact::NotAsked,
        }
    }
}

impl<A: Answers> Readers<A> {
    /// The organization as far as it can be read, and what bounds its accounts. `region`: where AWS Backup is asked for its settings.
    pub async fn organization_inventory(&self, region: &Region, at: Timestamp) -> (OrganizationInventory, Bounds) {
        let mut inventory = OrganizationInventory {
            at,
            organization: Fact::NotAsked,
            feature_set: Fact::NotAsked,
            members: Fact::NotAsked,
            trusted_services: Fact::NotAsked,
            delegated_administrators: Fact::NotAsked,
            policy_types: Fact::NotAsked,
            global_settings: Fact::NotAsked,
            opt_in: BTreeMap::new(),
            // Whoever runs where the guardian is deployed puts it in.
            alarm_path: Fact::NotAsked,
        };
        let mut bounds = Bounds::default();
        let Some(owner) = self.answers().organization_account() else { return (inventory, bounds) };
        (inventory.organization, inventory.feature_set) = self.described(&owner).await;
        inventory.global_settings = self.global_settings(&inventory.organization, region).await;
        let list = |operation, request| organizations(&owner, operation, request);
        let members = self.ask(&list("ListAccounts", json!({})), |response| items(response, "Accounts").map(member).collect()).await;
        inventory.members = members.map_known(|mut members: Vec<Member>| {
            members.sort_by(|a, b| a.account_id.cmp(&b.account_id));
            members
        });
        let services = list("ListAWSServiceAccessForOrganization", json!({}));
        inventory.trusted_services = self
            .ask(&services, |answer| items(answer, "EnabledServicePrincipals").map(|one| text(one, "ServicePrincipal")).collect())
            .await;
        let administrators = list("ListDelegatedAdministrators", json!({"ServicePrincipal": BACKUP}));
        let id = |one: &Value| AccountId::parse(&text(one, "Id")?).ok();
        inventory.delegated_administrators =
            self.ask(&administrators, |answer| items(answer, "DelegatedAdministrators").map(id).collect()).await;
        let enabled = |kind: &&Value| text(kind, "Status").as_deref() == Some("ENABLED");
        inventory.policy_types = self
            .ask(&list("ListRoots", json!({})), |answer| {
                items(answer, "Roots").flat_map(|root| items(root, "PolicyTypes")).filter(enabled).map(|kind| text(kind, "Type")).collect()
            })
            .await;
        bounds.paths = self.paths(&owner, &inventory.members).await;
        bounds.scps = self.policies_by_target(&owner, "SERVICE_CONTROL_POLICY", &inventory.policy_types).await;
        bounds.rcps = self.policies_by_target(&owner, "RESOURCE_CONTROL_POLICY", &inventory.policy_types).await;
        (inventory, bounds)
    }

    async fn described(&self, owner: &AccountId) -> (Fact<Organization>, Fact<String>) {
        let question = organizations(owner, "DescribeOrganization", json!({}));
        let described = self.ask(&question, |answer| Some((organization(answer)?, text(answer.get("Organization")?, "FeatureSet")?))).await;
        (described.clone().map_known(|(organization, _)| organization), described.map_known(|(_, features)| features))
    }

    /// The units above each account: from the list of accounts where it tells them, else asked for.
    async fn paths(&self, owner: &AccountId, members: &Fact<Vec<Member>>) -> BTreeMap<AccountId, Vec<String>> {
        let mut paths = BTreeMap::new();
        let mut above = BTreeMap::<String, String>::new();
        for member in members.known().into_iter().flatten() {
            if let Some(path) = &member.path {
                let units = path.split('/').filter(|unit| unit.starts_with("r-") || unit.starts_with("ou-"));
                paths.insert(member.account_id.clone(), units.map(str::to_owned).collect());
                continue;
            }
            let mut units = Vec::new();
            let mut child = member.account_id.as_str().to_owned();
            let mut seen = BTreeSet::new();
            while !child.starts_with("r-") && seen.insert(child.clone()) {
                if !above.contains_key(&child) {
                    let parents = organizations(owner, "ListParents", json!({"ChildId": child}));
                    let read = |answer: &Value| answer.pointer("/Parents/0/Id").and_then(Value::as_str).map(str::to_owned);
                    let Ok((parent, _)) = self.read(&parents, read).await else { break };
                    above.insert(child.clone(), parent);
                }
                let Some(parent) = above.get(&child).cloned() else { break };
                units.push(parent.clone());
                child = parent;
            }
            if child.starts_with("r-") {
                units.reverse();
                paths.insert(member.account_id.clone(), units);
            }
        }
        paths
    }

    /// The policies of a kind by what they are attached to: one list, and for each policy its text and its targets. None bounds anybody where the kind
    /// is not switched on.
    async fn policies_by_target(&self, owner: &AccountId, kind: &str, switched_on: &Fact<Vec<String>>) -> Fact<Attached> {
        let at = match switched_on {
            Fact::Known { value, source, at } if !value.iter().any(|on| on == kind) => {
                return Fact::Known { value: Attached::default(), source: source.clone(), at: *at };
            }
            Fact::Known { at, .. } => *at,
            Fact::Gap(gap) => return Fact::Gap(gap.clone()),
            Fact::NotAsked => return Fact::NotAsked,
        };
        match self.attached(owner, kind).await {
            Ok(value) => Fact::Known { value, source: "organizations:ListPolicies".to_owned(), at },
            Err(gap) => Fact::Gap(gap),
        }
    }

    async fn attached(&self, owner: &AccountId, kind: &str) -> Result<Attached, Gap> {
        let list = organizations(owner, "ListPolicies", json!({"Filter": kind}));
        let (ids, _) = self.read(&list, |answer| items(answer, "Policies").map(|one| text(one, "Id")).collect::<Option<Vec<_>>>()).await?;
        let mut policies = Vec::new();
        for id in ids {
            let describe = organizations(owner, "DescribePolicy", json!({"PolicyId": id}));
            let (policy, _) = self
                .read(&describe, |answer| {
                    let summary = answer.pointer("/Policy/PolicySummary")?;
                    Some(NamedPolicy {
                        name: text(summary, "Name").unwrap_or_else(|| id.clone()),
                        arn: text(summary, "Arn").and_then(|arn| Arn::parse(&arn).ok()),
                        document: answer.pointer("/Policy/Content").and_then(document)?,
                    })
                })
                .await?;
            let targets = organizations(owner, "ListTargetsForPolicy", json!({"PolicyId": id}));
            let read = |answer: &Value| items(answer, "Targets").map(|one| text(one, "TargetId")).collect::<Option<Vec<_>>>();
            let (targets, _) = self.read(&targets, read).await?;
            policies.push((policy, targets));
        }
        Ok(Attached::of(policies))
    }

    /// A fact from an answer.
    pub(super) async fn ask<T>(&self, question: &Question, read: impl FnOnce(&Value) -> Option<T>) -> Fact<T> {
        fact(self.read(question, read).await, &question.action())
    }
}

fn organizations(owner: &AccountId, operation: &'static str, request: Value) -> Question {
    Question { account: owner.clone(), region: None, service: "organizations", operation, request }
}

fn member(account: &Value) -> Option<Member> {
    Some(Member {
        account_id: AccountId::parse(&text(account, "Id")?).ok()?,
        name: text(account, "Name"),
        status: text(account, "State").or_else(|| text(account, "Status")),
        path: account.pointer("/Paths/0").and_then(Value::as_str).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_kept_once_and_told_by_name_of_everything_that_it_is_attached_to() {
        let policy = |name: &str| NamedPolicy { name: name.to_owned(), arn: None, document: json!({}) };
        let names = |attached: &Attached, target: &str| attached.to(target).into_iter().map(|policy| policy.name).collect::<Vec<_>>();
        let all = (0..100).map(|account| format!("{account:012}")).chain(["r-1".to_owned()]).collect::<Vec<_>>();
        let attached =
            Attached::of(vec![(policy("keep"), vec!["r-1".to_owned()]), (policy("everything"), all), (policy("unused"), vec![])]);
        assert_eq!(names(&attached, "r-1"), ["everything", "keep"]);
        assert_eq!(names(&attached, "000000000042"), ["everything"]);
        assert!(names(&attached, "ou-1").is_empty());
        assert_eq!(attached.policies.len(), 3);
    }
}
