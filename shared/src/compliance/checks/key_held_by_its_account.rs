//! The account of a key can administer it and use it.

use serde_json::Value;
use std::collections::BTreeSet;

use crate::arn::{AccountId, Arn};
use crate::compliance::probe::{Caller, Says};
use crate::compliance::say::{listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, Subject, probe};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Fact, Key, KeyManager, KeyPolicy};
use crate::policy::{Document, Policies};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-075",
        name: "key-held-by-its-account",
        title: "The account of a key can administer it and use it",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["kms:GetKeyPolicy", "kms:DescribeKey"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html",
            "https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html",
        ],
        page: include_str!("key-held-by-its-account.md"),
    },
    judge: Judge::Account(judge),
};

/// Any of these is a use of the key: by the caller, or by the service that it hands the key on to.
const USES: &[&str] = &["kms:Decrypt", "kms:CreateGrant"];
/// By itself, or through a service.
const THROUGH: &[Option<&str>] = &[None, Some("ec2"), Some("rds"), Some("fsx"), Some("backup")];
/// Callers that are tried besides an administrator.
const MOST_CALLERS: usize = 20;

/// What a key is for: backups, or what is announced of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Backups,
    Topic,
}

impl For {
    /// What to do until the key can be changed again.
    fn meanwhile(self) -> &'static str {
        match self {
            Self::Backups => "encrypt new backups and volumes under another key",
            Self::Topic => "put the topic under another key",
        }
    }
}

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let mut outcomes = view.keys(|subject, arn, inventory| of(view, subject, arn, (&inventory.key, &inventory.policy), For::Backups));
    outcomes.extend(view.keys_of_topics().into_iter().map(|(place, arn, topic)| {
        let key = (&topic.key, &topic.key_policy);
        of(view, place.of(&arn), &arn, key, For::Topic)
    }));
    outcomes
}

fn of(view: &AccountView<'_>, subject: Subject, arn: &Arn, (key, policy): (&Fact<Key>, &Fact<KeyPolicy>), used: For) -> Outcome {
    if key.known().is_some_and(|key| key.manager == Some(KeyManager::Aws)) {
        return Outcome::not_applicable(subject, "AWS manages the key, and its policy with it");
    }
    let refused = [policy.gap(), key.gap()].into_iter().flatten().find(|gap| gap.lacks_resource_policy());
    if let Some(gap) = refused {
        return lets_nobody_in(subject, &view.account.account_id, arn, &gap.action, used);
    }
    let Some(policy) = policy.known() else { return Outcome::unseen(subject, "the policy of the key", policy) };
    if key.known().is_none() {
        return Outcome::unseen(subject, "who manages the key", key);
    }
    // Only the key's own account can change its policy, so nobody else can help where it cannot.
    let owner = &view.account.account_id;
    let policies =
        Policies { identity: vec![probe::everything()], resource: Some(Document::read(&policy.document)), ..Policies::default() };
    let callers = std::iter::once(Caller::administrator(owner, arn.partition())).chain(named(view, arn, &policy.document));
    let mut administers = Says::No;
    // The key of a topic is used by whoever publishes, which is judged with the topic.
    let mut uses = if used == For::Topic { Says::Yes } else { Says::No };
    let mut administrator = String::new();
    for caller in callers {
        let caller = Caller { organization_id: view.organization_id(), ..caller };
        if administers != Says::Yes {
            let context = || with_service(&caller, arn, None);
            let says = caller.may("kms:PutKeyPolicy", (arn.as_str(), owner.as_str()), context(), &policies);
            if says == Says::Yes {
                administrator.clone_from(&caller.arn);
            }
            administers = better(administers, says);
        }
        for action in USES {
            for through in THROUGH {
                if uses == Says::Yes {
                    break;
                }
                let mut context = with_service(&caller, arn, *through);
                if *action == "kms:CreateGrant" {
                    context.set("kms:GrantIsForAWSResource", if through.is_some() { "true" } else { "false" });
                }
                uses = better(uses, caller.may(action, (arn.as_str(), owner.as_str()), context, &policies));
            }
        }
        if (&administers, &uses) == (&Says::Yes, &Says::Yes) {
            break;
        }
    }
    told(subject, owner, arn, (administers, uses), &administrator, used).from([arn.as_str()])
}

/// A reader of the same account whom IAM admits was refused, and AWS says that it is for want of a statement in the policy: so no permission in IAM
/// counts for the key. Whom the policy names besides cannot be seen.
fn lets_nobody_in(subject: Subject, owner: &AccountId, arn: &Arn, action: &str, used: For) -> Outcome {
    let key = quoted(arn.as_str());
    let seen = format!(
        "its policy does not let account {owner} decide by IAM: {} was refused there because no resource-based policy allows it, so no permission \
         in IAM counts for the key, neither to change it nor to use it",
        quoted(action)
    );
    let remedy = format!(
        "in account {owner} let a role that its policy still names add {} to the policy of the key {key} by `kms:PutKeyPolicy`; where none is \
         left, only AWS can: open a case with AWS Support as the root user, and {} until then",
        quoted(&root(owner, arn)),
        used.meanwhile()
    );
    Outcome::fail(subject, seen, remedy).from([arn.as_str()])
}

/// The statement with which every key begins.
fn root(owner: &AccountId, arn: &Arn) -> String {
    let root = format!("arn:{}:iam::{owner}:root", arn.partition());
    format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{root}"}},"Action":"kms:*","Resource":"*"}}"#)
}

fn told(subject: Subject, owner: &AccountId, arn: &Arn, says: (Says, Says), administrator: &str, used: For) -> Outcome {
    let key = quoted(arn.as_str());
    let root = root(owner, arn);
    match says {
        (Says::No, uses) => {
            let none = if uses == Says::No { ", and nobody there may use it" } else { "" };
            let seen = format!(
                "its policy lets nobody of account {owner}, not even an administrator with every permission, do `kms:PutKeyPolicy`, so nobody \
                 can ever change it{none}"
            );
            let remedy = format!(
                "only AWS can change this policy now: as the root user of account {owner} open a case with AWS Support and have {} added to the \
                 policy of the key {key}; until then {}",
                quoted(&root),
                used.meanwhile()
            );
            Outcome::fail(subject, seen, remedy)
        }
        (Says::Yes, Says::No) => {
            let seen = format!("its policy lets nobody of account {owner} use it, so nothing under it can be read or restored there");
            let remedy = format!(
                "in account {owner}, as {}, add to the policy of {key} by `kms:PutKeyPolicy`: {}",
                quoted(administrator),
                quoted(&root)
            );
            Outcome::fail(subject, seen, remedy)
        }
        (Says::Yes, Says::Yes) => {
            let both = if used == For::Topic { "" } else { " and use it" };
            Outcome::pass(subject, format!("principals of account {owner} can change its policy{both}"))
        }
        (Says::Depends(on), _) => {
            Outcome::unknown(subject, format!("whether anybody can change its policy depends on {}", listed(&on)), Vec::new())
        }
        (_, Says::Depends(on)) => {
            Outcome::unknown(subject, format!("whether its account can use it depends on {}", listed(&on)), Vec::new())
        }
    }
}

/// The better of two answers: one who may is enough.
fn better(one: Says, other: Says) -> Says {
    match (one, other) {
        (Says::Yes, _) | (_, Says::Yes) => Says::Yes,
        (Says::Depends(on), _) | (_, Says::Depends(on)) => Says::Depends(on),
        (Says::No, Says::No) => Says::No,
    }
}

fn with_service(caller: &Caller<'_>, arn: &Arn, through: Option<&str>) -> crate::policy::Context {
    let region = arn.region().map(|region| region.as_str().to_owned()).unwrap_or_default();
    let mut context = caller.context(Some(&region));
    match through {
        Some(service) => context.set("kms:ViaService", format!("{service}.{region}.amazonaws.com")),
        None => context.set_absent("kms:ViaService"),
    }
    context
}

/// The roles and users of its account that a policy names anywhere, be it as principals or in conditions, such as the only role that a Deny lets
/// out. A pattern stands for one of those that match it.
fn named<'a>(view: &'a AccountView<'_>, arn: &Arn, document: &Value) -> Vec<Caller<'a>> {
    let mut texts = BTreeSet::new();
    probe::strings(document, &mut texts);
    let owner = view.account.account_id.as_str();
    let ours = texts.into_iter().filter_map(|text| {
        let rest = text.strip_prefix(&format!("arn:{}:iam::", arn.partition()))?;
        let rest = rest.strip_prefix(&format!("{owner}:")).or_else(|| rest.strip_prefix("*:"))?;
        let is_caller = ["role/", "user/"].iter().any(|kind| rest.starts_with(kind));
        is_caller.then(|| format!("arn:{}:iam::{owner}:{}", arn.partition(), rest.replace(['*', '?'], "x")))
    });
    let ours = ours.take(MOST_CALLERS).map(|text| Caller { arn: text, ..Caller::administrator(&view.account.account_id, arn.partition()) });
    ours.collect()
}
