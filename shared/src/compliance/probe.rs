//! Questions to the policy engine that checks ask: may an administrator of the account still do this, may a stranger get in?
//!
//! Whoever is asked about may do everything by his own policies: what is judged is the policy that stands in the way.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::AccountView;
use super::bound::Bound;
use super::exempt::{Way, exceptions};
use crate::arn::{AccountId, Arn, Region};
use crate::evidence::PolicyLevels;
use crate::policy::{Context, Decision, Document, Policies, Principal, Request, evaluate};

/// What the engine says of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// It is allowed.
    Yes,
    /// It is not.
    No,
    /// It depends on these. Untrusted text.
    Depends(Vec<String>),
}

/// A policy that allows everything: needed for nearly every question, so read once.
pub(super) fn everything() -> Document {
    static READ: LazyLock<Document> = LazyLock::new(|| {
        Document::read(&json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}))
    });
    READ.clone()
}

/// The policy that every key begins with: the account itself decides by the policies of IAM.
pub(super) fn home_key(partition: &str, account: &AccountId) -> Document {
    let root = format!("arn:{partition}:iam::{account}:root");
    Document::read(
        &json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"}]}),
    )
}

/// Every text in a document.
pub(super) fn strings<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
    match value {
        Value::String(text) => drop(found.insert(text)),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(members) => members.values().for_each(|member| strings(member, found)),
        _ => {}
    }
}

/// Somebody who asks.
pub(super) struct Caller<'a> {
    pub(super) account: &'a str,
    /// ARN of a role, or of the root of an account.
    pub(super) arn: String,
    pub(super) organization_id: Option<&'a str>,
    /// Paths of the organization that lead to the account; empty: not known.
    pub(super) path: Option<&'a str>,
}

impl<'a> Caller<'a> {
    /// A role of an account that may do everything there.
    pub(super) fn administrator(account: &'a AccountId, partition: &str) -> Self {
        Self {
            account: account.as_str(),
            arn: format!("arn:{partition}:iam::{account}:role/administrator"),
            organization_id: None,
            path: None,
        }
    }

    /// An administrator of an account outside of the organization.
    pub(super) fn stranger(view: &AccountView<'_>, partition: &str) -> Self {
        let known = |id: &AccountId| view.is_backup_account(id) || view.organization.member(id).is_some();
        let unknown = |account: &&str| AccountId::parse(account).is_ok_and(|id| !known(&id));
        let account = ["999999999999", "888888888888", "777777777777"].into_iter().find(unknown).unwrap_or("999999999999");
        Self {
            account,
            arn: format!("arn:{partition}:iam::{account}:role/administrator"),
            organization_id: Some("o-anotherone"),
            path: Some("o-anotherone/r-anot/"),
        }
    }

    /// An administrator of another account of the organization, where one is known.
    pub(super) fn member(view: &'a AccountView<'_>, partition: &str) -> Option<Self> {
        let members = view.organization.members.known()?;
        let member = members.iter().find(|member| !view.is_backup_account(&member.account_id))?;
        let caller = Self::administrator(&member.account_id, partition);
        Some(Self { organization_id: view.organization_id(), path: member.path.as_deref(), ..caller })
    }

    /// What is known of the context of its calls.
    pub(super) fn context(&self, region: Option<&str>) -> Context {
        let mut context = Context::open();
        context.set("aws:PrincipalArn", self.arn.as_str());
        context.set("aws:PrincipalAccount", self.account);
        context.set("kms:CallerAccount", self.account);
        let kind = match self.arn.splitn(6, ':').nth(5) {
            Some("root") => "Account",
            Some(resource) if resource.starts_with("user/") => "User",
            _ => "AssumedRole",
        };
        context.set("aws:PrincipalType", kind);
        context.set("aws:PrincipalIsAWSService", "false");
        context.set("aws:SecureTransport", "true");
        if let Some(id) = self.organization_id {
            context.set("aws:PrincipalOrgID", id);
        }
        if let Some(path) = self.path {
            context.set_many("aws:PrincipalOrgPaths", vec![path.to_owned()]);
        }
        if let Some(region) = region {
            context.set("aws:RequestedRegion", region);
        }
        for key in ["aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID", "aws:SourceOrgPaths", "aws:PrincipalServiceName"] {
            context.set_absent(key);
        }
        context
    }

    /// Whether it may.
    pub(super) fn may(&self, action: &str, (resource, owner): (&str, &str), context: Context, policies: &Policies) -> Says {
        let Ok(principal) = Principal::parse(&self.arn) else { return Says::Depends(vec!["the principal".to_owned()]) };
        let request =
            Request { principal, action: action.to_owned(), resource: resource.to_owned(), resource_account: owner.to_owned(), context };
        let answer = evaluate(&request, policies);
        match answer.decision {
            Decision::Allowed => Says::Yes,
            Decision::ImplicitlyDenied | Decision::ExplicitlyDenied => Says::No,
            Decision::Uncertain if !answer.refused_by.is_empty() => Says::No,
            Decision::Uncertain => Says::Depends(answer.depends_on),
        }
    }
}

/// What is said of an action, and whom the administrator makes himself to do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) says: Says,
    /// The exception that he fits himself into, and how. Untrusted text.
    pub(super) becoming: Option<(String, Way)>,
}

impl From<Says> for Said {
    fn from(says: Says) -> Self {
        Self { says, becoming: None }
    }
}

/// Actions that are left to somebody, and those of which it is not known, with what it depends on.
#[derive(Clone, Debug, Default)]
pub(super) struct Left<'l> {
    pub(super) left: Vec<&'l str>,
    /// Those that are left to whoever makes himself one of `becoming`.
    pub(super) indirectly: Vec<&'l str>,
    pub(super) becoming: BTreeSet<String>,
    /// The roles and users by which he does, where it is not by those themselves.
    pub(super) through: BTreeSet<String>,
    /// Roles whose trust policy lets him in as he is.
    pub(super) ajar: BTreeSet<String>,
    /// Roles that he hands to a function.
    pub(super) passed: BTreeSet<String>,
    /// Roles that he hands to a service.
    pub(super) served: BTreeSet<String>,
    pub(super) open: Vec<(&'l str, Vec<String>)>,
}

impl<'l> Left<'l> {
    /// What is said of one action more; that it is left, or open, is told once.
    pub(super) fn add(&mut self, action: &'l str, said: impl Into<Said>) {
        match said.into() {
            Said { says: Says::Yes, becoming: Some((exception, way)) } => {
                self.becoming.insert(exception);
                match way {
                    Way::Through(principal) => drop(self.through.insert(principal)),
                    Way::Ajar(role) => drop(self.ajar.insert(role)),
                    Way::Passed(role) => drop(self.passed.insert(role)),
                    Way::Served(role) => drop(self.served.insert(role)),
                    Way::None | Way::Itself | Way::Depends(_) => {}
                }
                if !self.indirectly.contains(&action) {
                    self.indirectly.push(action);
                }
            }
            Said { says: Says::Yes, .. } if !self.left.contains(&action) => self.left.push(action),
            Said { says: Says::Depends(on), .. } if self.open.iter().all(|(other, _)| *other != action) => self.open.push((action, on)),
            Said { .. } => {}
        }
    }
}

/// Whoever has taken an account over, by whatever name: a policy that binds only one of them binds nobody.
pub(super) fn anybody<'a>(account: &'a AccountId, partition: &str, organization_id: Option<&'a str>) -> Vec<Caller<'a>> {
    let names = [
        "role/administrator",
        "role/service-role/operations",
        "role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_AdministratorAccess_0123456789abcdef",
        "user/alice",
        "root",
    ];
    let arns = names.into_iter().map(|name| format!("arn:{partition}:iam::{account}:{name}"));
    arns.map(|arn| Caller { arn, organization_id, ..Caller::administrator(account, partition) }).collect()
}

/// What all of several say: one who may is enough.
pub(super) fn any(all: impl IntoIterator<Item = Says>) -> Says {
    let mut open: Option<Vec<String>> = None;
    for says in all {
        match says {
            Says::Yes => return Says::Yes,
            Says::Depends(on) => drop(open.get_or_insert(on)),
            Says::No => {}
        }
    }
    open.map_or(Says::No, Says::Depends)
}

/// The Regions in which the account has vaults that are used, and, where that was not seen, those in which it may have some. A policy may bind it in
/// one and not in another.
fn asked_in<'a>(view: &AccountView<'a>) -> Vec<(Option<&'a Region>, bool)> {
    let used = view.used();
    let vaults = used.things.iter().map(|(_, inventory)| &inventory.vault.arn).chain(view.destinations.keys());
    let own =
        vaults.filter(|vault| vault.account().as_ref() == Some(&view.account.account_id)).filter_map(Arn::region).collect::<BTreeSet<_>>();
    let all = view.account.regions.keys().map(|region| (Some(region), own.contains(region)));
    let asked = all.filter(|(_, certain)| *certain || used.open).collect::<Vec<_>>();
    if asked.is_empty() { vec![(view.account.regions.keys().next(), true)] } else { asked }
}

/// The actions of a list that service control policies leave to an administrator of the account, and those of which it is not known.
pub(super) fn left_by_scps<'l>(view: &AccountView<'_>, levels: &PolicyLevels, list: &[(&'l str, &str)]) -> Left<'l> {
    let bound = Bound::new(view, levels);
    let mut left = Left::default();
    for (region, certain) in asked_in(view) {
        let region = region.map(Region::as_str);
        for (action, form) in list {
            let resource = form.replace("PARTITION", bound.partition).replace("REGION", region.unwrap_or_default());
            let resource = resource.replace("ACCOUNT", bound.account.as_str());
            // He calls himself, not through a service.
            match bound.may(action, &resource, region, |context| context.set_absent("kms:ViaService")) {
                Said { says: Says::Yes, .. } if !certain => {
                    left.add(action, Says::Depends(vec![format!("whether there are vaults in {}", region.unwrap_or_default())]));
                }
                said => left.add(action, said),
            }
        }
    }
    left
}

/// The actions of a list that the policy of an object leaves to an administrator of its own account, by whatever name.
///
/// Likewise those that it leaves to every role of some beginning, unless service control policies deny to make one. That nobody gets into a role of
/// one name is not the work of such a policy.
pub(super) fn left_by_policy<'l>(view: &AccountView<'_>, partition: &str, document: Option<&Value>, list: &[(&'l str, &str)]) -> Left<'l> {
    let account = &view.account.account_id;
    let callers = anybody(account, partition, view.organization_id());
    let bound = view.account.scps.known().map(|levels| Bound::new(view, levels));
    let wild = document.map(|document| exceptions(document, account, partition)).unwrap_or_default().into_iter().filter(|one| one.wild);
    // Each with what it depends on whether he makes himself that one.
    let mut callers = callers.into_iter().map(|caller| (caller, Says::Yes)).collect::<Vec<_>>();
    callers.extend(wild.map(|one| {
        let becomes = bound.as_ref().map_or(Says::Yes, |bound| bound.becomes(&one));
        let caller = Caller { arn: one.arn, organization_id: view.organization_id(), ..Caller::administrator(account, partition) };
        (caller, becomes)
    }));
    callers.retain(|(_, becomes)| *becomes != Says::No);
    let policies = Policies { identity: vec![everything()], resource: document.map(Document::read), ..Policies::default() };
    let mut left = Left::default();
    for (action, resource) in list {
        left.add(
            action,
            any(callers.iter().map(|(caller, becomes)| {
                let says = caller.may(action, (resource, account.as_str()), caller.context(None), &policies);
                if says == Says::Yes { becomes.clone() } else { says }
            })),
        );
    }
    left
}
