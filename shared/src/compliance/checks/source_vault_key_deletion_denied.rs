//! Service control policies deny source accounts to make the keys of their vaults unusable.

use crate::arn::Arn;
use crate::compliance::guard::{self, Found, Words};
use crate::compliance::probe::Says;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Fact, KeyManager, Resource};
use crate::policy::Context;
use std::collections::BTreeMap;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-079",
        name: "source-vault-key-deletion-denied",
        title: "Service control policies deny source accounts to make the keys of their vaults unusable",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &[
            "organizations:ListPoliciesForTarget",
            "organizations:DescribePolicy",
            "backup:ListBackupVaults",
            "kms:DescribeKey",
            "tag:GetResources",
        ],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html",
            "https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html",
            "https://docs.aws.amazon.com/kms/latest/developerguide/tag-authorization.html",
        ],
        page: include_str!("source-vault-key-deletion-denied.md"),
    },
    judge: Judge::Account(judge),
};

/// What must be denied.
const ACTIONS: &[&str] =
    &["kms:ScheduleKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy", "kms:DeleteImportedKeyMaterial", "kms:RevokeGrant"];
/// Likewise where a policy tells the keys by their tags: whoever changes those takes a key out from under it.
const TAGS: &[&str] = &["kms:TagResource", "kms:UntagResource"];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let words = Words {
        so: "whoever takes it over makes its backups unreadable without deleting one",
        on: "",
        held: "service control policies deny an administrator of the account to delete, disable or lock up the keys of its vaults",
        elsewhere: "run no workloads in the management account",
    };
    let none = "no vault that is used is under a customer managed key of the account";
    guard::denied_in_source(view, keys(view), none, words, |bound, (key, tags), left| {
        let region = key.region().map(|region| region.as_str().to_owned());
        let may = |action: &str, by_tags: bool| {
            bound.may(action, key.as_str(), region.as_deref(), |context| {
                // Through a service somebody ends grants in passing, with the thing that they were for.
                context.set_absent("kms:ViaService");
                if by_tags {
                    tagged(context, tags.as_ref());
                }
            })
        };
        let mut by_tags = false;
        for action in ACTIONS {
            let says = may(action, true);
            by_tags |= says.says == Says::No && may(action, false).says != Says::No;
            left.add(action, says);
        }
        for action in TAGS.iter().filter(|_| by_tags) {
            left.add(action, may(action, true));
        }
    })
}

type Tags = Option<BTreeMap<String, String>>;

/// The customer managed keys of the account that its vaults are under, with their tags where those were read.
fn keys(view: &AccountView<'_>) -> Found<(Arn, Tags)> {
    let used = view.used();
    let mut found = Found { things: Vec::new(), open: used.open, gaps: used.gaps };
    let mut keys = BTreeMap::new();
    for (region, vault) in used.things {
        let Some(arn) = vault.vault.encryption_key_arn.as_ref().filter(|key| key.account().as_ref() == Some(&view.account.account_id))
        else {
            continue;
        };
        match region.keys.get(arn).map(|key| &key.key) {
            Some(Fact::Known { value, .. }) if value.manager == Some(KeyManager::Aws) => {}
            Some(Fact::Known { .. }) => drop(keys.insert(arn.clone(), tags(&region.resources, arn))),
            other => found.miss(other.and_then(Fact::gap)),
        }
    }
    found.things.extend(keys);
    found
}

fn tags(resources: &Fact<Vec<Resource>>, arn: &Arn) -> Tags {
    let of_key = resources.known()?.iter().find(|resource| resource.arn == *arn);
    Some(of_key.map(|resource| resource.tags.clone()).unwrap_or_default())
}

fn tagged(context: &mut Context, tags: Option<&BTreeMap<String, String>>) {
    const PREFIX: &str = "aws:ResourceTag/";
    let Some(tags) = tags else { return };
    context.set_whole(PREFIX);
    for (name, value) in tags {
        context.set(&format!("{PREFIX}{name}"), value.as_str());
    }
}
