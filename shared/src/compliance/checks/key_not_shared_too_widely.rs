//! No account outside of the organization may use a key that protects backups.

use crate::compliance::outsiders::{LetIn, outsiders};
use crate::compliance::probe::{Caller, Says};
use crate::compliance::say::{listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, probe};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::KeyManager;
use crate::policy::{Context, Document, Policies};
use std::collections::BTreeSet;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-041",
        name: "key-not-shared-too-widely",
        title: "No account outside of the organization may use a key that protects backups",
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

/// What a stranger could read with, or hand the key on by.
const ACTIONS: &[&str] = &["kms:Decrypt", "kms:ReEncryptFrom", "kms:GenerateDataKey", "kms:CreateGrant"];
/// By itself, or through a service.
const THROUGH: &[Option<&str>] = &[None, Some("ec2"), Some("rds"), Some("fsx"), Some("backup")];

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
        for (action, through) in ACTIONS.iter().flat_map(|action| THROUGH.iter().map(move |through| (*action, *through))) {
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
        if !open.is_empty() {
            let open = open.into_iter().collect::<Vec<_>>();
            return Outcome::unknown(subject, format!("whether strangers may use the key depends on {}", listed(&open)), Vec::new());
        }
        if let Some(unknown) = named.unknown(view, subject.clone(), "those that the policy names may use the key") {
            return unknown;
        }
        Outcome::pass(subject, "no account outside of the organization may use it")
    })
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
