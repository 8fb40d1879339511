//! The inventory of the organization, and the policies that bound its accounts: read once, not once per account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use compact_str::CompactString;
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{Bound, Fact, Gap, Member, Members, NamedPolicy, Organization, OrganizationInventory, PolicyLevels};
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
    scps: Fact<Vec<Attached>>,
    rcps: Fact<Vec<Attached>>,
}

/// A policy and what it is attached to, in order: what allows everything is attached to every account.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Attached {
    policy: NamedPolicy,
    targets: Vec<CompactString>,
}

impl Bounds {
    /// The policies of one kind that bound an account, by the units from the root to it.
    pub fn of(&self, organization: &OrganizationInventory, account: &AccountId, kind: Bound) -> Fact<PolicyLevels> {
        let policies = match kind {
            Bound::Scp => &self.scps,
            Bound::Rcp => &self.rcps,
        };
        match policies {
            Fact::Known { value: policies, source, at } => {
                // The path of an account that is not listed is not known, and so is what bounds it.
                let Some(path) = organization.member(account).and_then(|member| member.path.as_deref()) else { return Fact::NotAsked };
                let targets = path.split('/').filter(|unit| is_unit(unit)).chain([account.as_str()]);
                let levels = if policies.is_empty() { Vec::new() } else { targets.map(|target| attached_to(policies, target)).collect() };
                Fact::Known { value: PolicyLevels { account_id: account.clone(), levels }, source: source.clone(), at: *at }
            }
            Fact::Gap(gap) => Fact::Gap(gap.clone()),
            Fact::NotAsked => Fact::NotAsked,
        }
    }
}

/// The root, or an organizational unit.
fn is_unit(part: &str) -> bool {
    part.starts_with("r-") || part.starts_with("ou-")
}

/// What is attached to an account, a unit or the root.
fn attached_to(policies: &[Attached], target: &str) -> Vec<NamedPolicy> {
    let attached = policies.iter().filter(|one| one.targets.binary_search_by(|other| other.as_str().cmp(target)).is_ok());
    attached.map(|one| one.policy.clone()).collect()
}

impl<A: Answers> Readers<A> {
    /// The organization as far as it can be read. `region`: where AWS Backup is asked for its settings.
    pub async fn organization_inventory(&self, region: &Region, at: Timestamp) -> OrganizationInventory {
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
        let Some(owner) = self.answers().organization_account() else { return inventory };
        (inventory.organization, inventory.feature_set) = self.described(&owner).await;
        inventory.global_settings = self.global_settings(&inventory.organization, region).await;
        let list = |operation, request| organizations(&owner, operation, request);
        let accounts = list("ListAccounts", json!({}));
        let mut paths = BTreeSet::new();
        let members = self.each(&accounts, |page| items(page, "Accounts").map(|one| member(one, &mut paths)).collect()).await;
        let mut members: Fact<Vec<Member>> = fact(members, &accounts.action());
        if let (Fact::Known { value: members, .. }, Some(organization)) = (&mut members, inventory.organization.known()) {
            self.find_paths(&owner, &organization.id, members).await;
        }
        inventory.members = members.map_known(Members::from);
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
        inventory
    }

    /// What bounds the accounts of the organization.
    pub async fn organization_bounds(&self, inventory: &OrganizationInventory) -> Bounds {
        let Some(owner) = self.answers().organization_account() else { return Bounds::default() };
        let (scps, rcps) = tokio::join!(
            self.policies_by_target(&owner, "SERVICE_CONTROL_POLICY", &inventory.policy_types),
            self.policies_by_target(&owner, "RESOURCE_CONTROL_POLICY", &inventory.policy_types),
        );
        Bounds { scps, rcps }
    }

    async fn described(&self, owner: &AccountId) -> (Fact<Organization>, Fact<String>) {
        let question = organizations(owner, "DescribeOrganization", json!({}));
        let described = self.ask(&question, |answer| Some((organization(answer)?, text(answer.get("Organization")?, "FeatureSet")?))).await;
        (described.clone().map_known(|(organization, _)| organization), described.map_known(|(_, features)| features))
    }

    /// The units above those accounts of which the list did not tell them. Where one of them cannot be had, the path stays unknown.
    async fn find_paths(&self, owner: &AccountId, organization: &str, members: &mut [Member]) {
        let mut above = BTreeMap::<String, String>::new();
        for member in members.iter_mut().filter(|member| member.path.is_none()) {
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
                units.push(organization.to_owned());
                units.reverse();
                member.path = Some(format!("{}/", units.join("/")).into());
            }
        }
    }

    /// The policies of a kind by what they are attached to: one list, and for each policy its text and its targets. None bounds anybody where the kind
    /// is not switched on.
    async fn policies_by_target(&self, owner: &AccountId, kind: &str, switched_on: &Fact<Vec<String>>) -> Fact<Vec<Attached>> {
        let at = match switched_on {
            Fact::Known { value, source, at } if !value.iter().any(|on| on == kind) => {
                return Fact::Known { value: Vec::new(), source: source.clone(), at: *at };
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

    async fn attached(&self, owner: &AccountId, kind: &str) -> Result<Vec<Attached>, Gap> {
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
            let target = |one: &Value| one.get("TargetId").and_then(Value::as_str).map(CompactString::from);
            let (mut targets, _) = self.each(&targets, |page| items(page, "Targets").map(target).collect()).await?;
            targets.sort();
            targets.shrink_to_fit();
            policies.push(Attached { policy, targets });
        }
        let name = |attached: &Attached| (attached.policy.name.clone(), attached.policy.arn.clone());
        policies.sort_by_cached_key(name);
        Ok(policies)
    }

    /// A fact from an answer.
    pub(super) async fn ask<T>(&self, question: &Question, read: impl FnOnce(&Value) -> Option<T>) -> Fact<T> {
        fact(self.read(question, read).await, &question.action())
    }
}

fn organizations(owner: &AccountId, operation: &'static str, request: Value) -> Question {
    Question { account: owner.clone(), region: None, service: "organizations", operation, request }
}

fn member(account: &Value, paths: &mut BTreeSet<Arc<str>>) -> Option<Member> {
    let account_id = AccountId::parse(&text(account, "Id")?).ok()?;
    // As `aws:PrincipalOrgPaths` has it: to the unit of the account, without the account.
    let path = account.pointer("/Paths/0").and_then(Value::as_str).map(|path| {
        let units = path.trim_end_matches('/');
        format!("{}/", units.strip_suffix(account_id.as_str()).map_or(units, |units| units.trim_end_matches('/')))
    });
    let path = path.map(|path| match paths.get(path.as_str()) {
        Some(shared) => Arc::clone(shared),
        None => {
            let new = Arc::<str>::from(path);
            paths.insert(Arc::clone(&new));
            new
        }
    });
    let short = |name| account.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(CompactString::from);
    Some(Member { name: short("Name"), status: short("State").or_else(|| short("Status")), path, account_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_told_by_name_of_everything_that_it_is_attached_to() {
        let attached = |name: &str, targets: &[&str]| Attached {
            policy: NamedPolicy { name: name.to_owned(), arn: None, document: json!({}) },
            targets: targets.iter().map(|target| CompactString::from(*target)).collect(),
        };
        let policies =
            [attached("everything", &["000000000041", "000000000042", "r-1"]), attached("keep", &["r-1"]), attached("unused", &[])];
        let names = |target: &str| attached_to(&policies, target).into_iter().map(|policy| policy.name).collect::<Vec<_>>();
        assert_eq!(names("r-1"), ["everything", "keep"]);
        assert_eq!(names("000000000042"), ["everything"]);
        assert!(names("ou-1").is_empty());
    }

    #[test]
    fn a_path_ends_with_the_unit_of_the_account() {
        for (given, path) in [("o-1/r-1/ou-1/111111111111/", "o-1/r-1/ou-1/"), ("o-1/r-1/ou-1/", "o-1/r-1/ou-1/"), ("o-1/r-1", "o-1/r-1/")]
        {
            assert_eq!(member(&json!({"Id": "111111111111", "Paths": [given]}), &mut BTreeSet::new()).unwrap().path.as_deref(), Some(path));
        }
    }
}
