//! Only the accounts and services that must may use a key that protects backups.

use crate::arn::{AccountId, Arn};
use crate::compliance::outsiders::{LetIn, accounts_named, outsiders};
use crate::compliance::probe::{Caller, Says};
use crate::compliance::say::{listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, probe};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::KeyManager;
use crate::policy::{Context, Document, Policies};
use serde_json::Value;
use std::collections::BTreeSet;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-041",
        name: "key-not-shared-too-widely",
        title: "Only the accounts and services that must may use a key that protects backups",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["kms:GetKeyPolicy", "organizations:DescribeOrganization", "organizations:ListAccounts"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html",
            "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html",
        ],
        page: include_str!("key-not-shared-too-widely.md"),
    },
    judge: Judge::Account(judge),
};

/// What a stranger could read with, hand the key on by, or take it from AWS Backup by.
const ACTIONS: &[&str] = &["kms:Decrypt", "kms:ReEncryptFrom", "kms:GenerateDataKey", "kms:CreateGrant", "kms:RevokeGrant"];
/// By itself, or through a service.
const THROUGH: &[Option<&str>] = &[None, Some("ec2"), Some("rds"), Some("fsx"), Some("backup")];
const DIRECTLY: &[Option<&str>] = &[None];

/// Whether a policy names a condition key that tells the way, wherever it is. To one that does not, all ways are the same.
fn asks_for_the_way(document: &Value) -> bool {
    let text = document.to_string().to_ascii_lowercase();
    ["viaservice", "grantisforawsresource"].iter().any(|key| text.contains(key))
}

/// What others of the organization need not do by themselves, and whether for a service where it is a grant.
const INSIDE: &[(&str, bool)] = &[
    ("kms:Decrypt", false),
    ("kms:ReEncryptFrom", false),
    ("kms:GenerateDataKey", false),
    ("kms:CreateGrant", false),
    ("kms:CreateGrant", true),
    ("kms:RevokeGrant", false),
];
/// What an account that copies with the key need not do: hand it on to others than services.
const GRANTS: &[(&str, bool)] = &[("kms:CreateGrant", false)];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.keys(|subject, arn, inventory| {
        if inventory.key.known().is_some_and(|key| key.manager == Some(KeyManager::Aws)) {
            return Outcome::not_applicable(subject, "AWS manages the key, and its policy with it");
        }
        let Some(policy) = inventory.policy.known() else { return Outcome::unseen(subject, "the policy of the key", &inventory.policy) };
        if inventory.key.known().is_none() {
            return Outcome::unseen(subject, "who manages the key", &inventory.key);
        }
        let stranger = Caller::stranger(view, arn.partition());
        // A policy that names the service-linked role in every account and no organization lets in that of strangers, whose calls they choose.
        let linked = format!("arn:{}:iam::{}:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup", arn.partition(), stranger.account);
        let strangers = [Caller { arn: linked, ..Caller::stranger(view, arn.partition()) }, stranger];
        let region = arn.region().map(|region| region.as_str().to_owned()).unwrap_or_default();
        let policies = Policies { identity: vec![probe::everything()], resource: Some(Document::read(&policy.document)), ..Policies::default() };
        let owner = arn.account().unwrap_or_else(|| subject.account_id.clone());
        let outsiders = outsiders(view, &policy.document, arn.partition());
        let mut named = LetIn::default();
        let mut open = BTreeSet::new();
        let (mut may, mut named_may) = (BTreeSet::new(), BTreeSet::new());
        let ways = if asks_for_the_way(&policy.document) { THROUGH } else { DIRECTLY };
        for (action, through) in ACTIONS.iter().flat_map(|action| ways.iter().map(move |through| (*action, *through))) {
            let ask = |caller: &Caller<'_>| {
                caller.may(action, (arn.as_str(), owner.as_str()), context(caller, action, through, &region), &policies)
            };
            for stranger in &strangers {
                match ask(stranger) {
                    Says::Yes => drop(may.insert(action)),
                    Says::Depends(on) => open.extend(on),
                    Says::No => {}
                }
            }
            if named.ask(&outsiders, ask) {
                named_may.insert(action);
            }
        }
        let (may, named_may) = (may.into_iter().collect::<Vec<_>>(), named_may.into_iter().collect::<Vec<_>>());
        if !may.is_empty() {
            let seen = format!("an account outside of the organization may do {} with the key", listed(&may));
            let remedy = format!(
                "in account {owner} put `aws:PrincipalOrgID` or `kms:CallerAccount` as a condition on the statement of the key {} that names `*`, by `kms:PutKeyPolicy`",
                quoted(arn.as_str())
            );
            return Outcome::fail(subject, seen, remedy).from([arn.as_str()]);
        }
        if !named_may.is_empty() {
            let seen = format!("{} may do {} with the key", named.who(), listed(&named_may));
            let remedy = format!(
                "in account {owner} take {} out of the statements of the key {} that allow something, by `kms:PutKeyPolicy`",
                listed(&named.named.iter().collect::<Vec<_>>()),
                quoted(arn.as_str())
            );
            return Outcome::fail(subject, seen, remedy).from([arn.as_str()]);
        }
        let inside = inside(view, arn, &owner, &policy.document);
        if let Err((who, may)) = &inside {
            let seen = format!("{who} may do {} with the key", listed(may));
            let remedy = format!(
                "in account {owner} tie what the policy of the key {} allows to {who} to the service-linked role of AWS Backup (`aws:PrincipalArn`), or to \
                 services (`kms:ViaService`, and `kms:GrantIsForAWSResource` for grants), by `kms:PutKeyPolicy`",
                quoted(arn.as_str())
            );
            return Outcome::fail(subject, seen, remedy).from([arn.as_str()]);
        }
        if !open.is_empty() {
            let open = open.into_iter().collect::<Vec<_>>();
            return Outcome::unknown(subject, format!("whether strangers may use the key depends on {}", listed(&open)), Vec::new());
        }
        if let Some(unknown) = named.unknown(view, subject.clone(), "those that the policy names may use the key") {
            return unknown;
        }
        match inside.unwrap_or_default().as_slice() {
            [] => Outcome::pass(subject, "no account outside of the organization may use it, and none inside that need not"),
            on => Outcome::unknown(subject, format!("whether others of the organization may use the key depends on {}", listed(on)), Vec::new()),
        }
    })
}

/// Who of the organization may do with a key what he need not: an account that neither owns it nor copies with it, and whoever of the owner has no
/// permission of IAM. What services do for them, and what the service-linked role of AWS Backup does, is not asked. Otherwise what it depends on.
fn inside(view: &AccountView<'_>, key: &Arn, owner: &AccountId, document: &Value) -> Result<Vec<String>, (String, Vec<&'static str>)> {
    let partition = key.partition();
    let named = accounts_named(document);
    let another = |account: &AccountId| account != owner && !view.is_backup_account(account);
    let members = view.organization.members.known();
    let mut asked = Vec::new();
    // An account that no statement names stands for all of those. Where none is known one is made up.
    let stranger = AccountId::parse(Caller::stranger(view, partition).account).ok().filter(|_| members.is_none());
    let member = members.into_iter().flat_map(|members| members.iter()).map(|member| &member.account_id);
    let unnamed = member.chain(&stranger).find(|account| another(account) && !named.contains_key(*account)).cloned();
    asked.extend(unnamed.map(|account| ("every account of the organization".to_owned(), account, INSIDE)));
    for (account, shown) in &named {
        if another(account) && view.organization.member(account).is_some() {
            asked.push((quoted(shown), account.clone(), INSIDE));
        }
    }
    if !view.is_backup_account(owner) {
        asked.extend(view.scope.backup_accounts.iter().map(|account| (format!("account {account}"), account.clone(), GRANTS)));
    }
    let resource = Some(Document::read(document));
    let by_iam = Policies { identity: vec![probe::everything()], resource: resource.clone(), ..Policies::default() };
    let mut open = BTreeSet::new();
    let mut ask = |caller: &Caller<'_>, asked: &[(&'static str, bool)], policies: &Policies| {
        let mut may = BTreeSet::new();
        for (action, for_aws) in asked {
            let region = key.region().map(|region| region.as_str().to_owned()).unwrap_or_default();
            let mut context = context(caller, action, None, &region);
            context.set("kms:GrantIsForAWSResource", if *for_aws { "true" } else { "false" });
            match caller.may(action, (key.as_str(), owner.as_str()), context, policies) {
                Says::Yes => drop(may.insert(*action)),
                Says::Depends(on) => open.extend(on),
                Says::No => {}
            }
        }
        may.into_iter().collect::<Vec<_>>()
    };
    let caller = |account| Caller { organization_id: view.organization_id(), ..Caller::administrator(account, partition) };
    for (who, account, actions) in &asked {
        let path = view.organization.member(account).and_then(|member| member.path.as_deref());
        let may = ask(&Caller { path, ..caller(account) }, actions, &by_iam);
        if !may.is_empty() {
            return Err((who.clone(), may));
        }
    }
    // The policy of a key may let in people of its account to whom IAM allows nothing.
    let path = view.organization.member(owner).and_then(|member| member.path.as_deref());
    let may = ask(&Caller { path, ..caller(owner) }, INSIDE, &Policies { resource, ..Policies::default() });
    if !may.is_empty() {
        return Err((format!("everybody in account {owner}, whatever IAM allows to him,"), may));
    }
    Ok(open.into_iter().collect())
}

/// The context of a call, by itself or through a service.
fn context(caller: &Caller<'_>, action: &str, through: Option<&str>, region: &str) -> Context {
    let mut context = caller.context(Some(region));
    match through {
        Some(service) => context.set("kms:ViaService", format!("{service}.{region}.amazonaws.com")),
        None => context.set_absent("kms:ViaService"),
    }
    if action == "kms:CreateGrant" {
        context.set("kms:GrantIsForAWSResource", if through.is_some() { "true" } else { "false" });
    }
    context
}
