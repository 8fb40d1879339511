//! The policy of a vault that keeps copies admits the organization and nobody else.

use crate::arn::AccountId;
use crate::compliance::outsiders::{LetIn, outsiders};
use crate::compliance::probe::{Caller, Says};
use crate::compliance::say::{listed, quoted};
use crate::compliance::walk::air_gapped;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, Subject, probe};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::Vault;
use crate::policy::{Document, Policies};
use serde_json::Value;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-021",
        name: "vault-policy-admits-only-organization",
        title: "The policy of a vault that keeps copies admits the organization and nobody else",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:GetBackupVaultAccessPolicy", "organizations:DescribeOrganization", "organizations:ListAccounts"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html",
        ],
        page: include_str!("vault-policy-admits-only-organization.md"),
    },
    judge: Judge::Account(judge),
};

const ACTION: &str = "backup:CopyIntoBackupVault";

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    if !view.keeps_copies() {
        // Copies that come back let in who brings them. What strangers put there would be restored by mistake.
        return view.used_vaults(|subject, _, _, vault| match vault.policy.known() {
            None => Outcome::unseen(subject, "the policy of the vault", &vault.policy),
            Some(policy) => of_source(view, subject, &vault.vault, policy.document.as_ref()),
        });
    }
    view.in_backup_account(|| {
        view.used_vaults(|subject, _, _, vault| {
            if !view.destinations.contains_key(&vault.vault.arn) && !air_gapped(&vault.vault) {
                return Outcome::not_applicable(subject, "no plan copies into it");
            }
            match vault.policy.known() {
                None => Outcome::unseen(subject, "the policy of the vault", &vault.policy),
                Some(policy) => of(view, subject, &vault.vault, policy.document.as_ref()),
            }
        })
    })
}

fn of_source(view: &AccountView<'_>, subject: Subject, vault: &Vault, document: Option<&Value>) -> Outcome {
    let keeper = view.scope.backup_accounts.first().map_or("BACKUP_ACCOUNT", AccountId::as_str);
    let principal = format!("arn:{}:iam::{keeper}:root", vault.arn.partition());
    let statement = format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"{ACTION}","Resource":"*"}}"#);
    outside(view, subject.clone(), vault, document, &statement)
        .unwrap_or_else(|| Outcome::pass(subject, "no account outside of the organization may copy into it"))
}

fn policies(document: Option<&Value>) -> Policies {
    Policies { identity: vec![probe::everything()], resource: document.map(Document::read), ..Policies::default() }
}

/// The remedy: this statement is enough.
fn only(view: &AccountView<'_>, vault: &Vault, statement: &str) -> String {
    format!(
        "in account {} give the vault {} a policy whose only Allow is {}",
        view.account.account_id,
        quoted(vault.arn.resource_name()),
        quoted(statement)
    )
}

/// What is said of those who are not of the organization: strangers, and whoever the policy names; `None`: they may not copy into the vault.
fn outside(view: &AccountView<'_>, subject: Subject, vault: &Vault, document: Option<&Value>, statement: &str) -> Option<Outcome> {
    let (owner, arn) = (view.account.account_id.as_str(), vault.arn.as_str());
    let policies = policies(document);
    let may = |caller: &Caller<'_>| caller.may(ACTION, (arn, owner), caller.context(None), &policies);
    let said = may(&Caller::stranger(view, vault.arn.partition()));
    let mut named = LetIn::default();
    let outsiders = document.map(|document| outsiders(view, document, vault.arn.partition())).unwrap_or_default();
    let who = match &said {
        Says::Yes => "accounts outside of the organization".to_owned(),
        _ if named.ask(&outsiders, may) => named.who(),
        Says::Depends(on) => {
            let seen = format!("whether accounts outside of the organization may copy into it depends on {}", listed(on));
            return Some(Outcome::unknown(subject, seen, Vec::new()));
        }
        Says::No => return named.unknown(view, subject, "those that its policy names may copy into it"),
    };
    Some(Outcome::fail(subject, format!("{who} may copy into the vault"), only(view, vault, statement)).from([arn]))
}

fn of(view: &AccountView<'_>, subject: Subject, vault: &Vault, document: Option<&Value>) -> Outcome {
    let owner = view.account.account_id.as_str();
    let arn = vault.arn.as_str();
    let policies = policies(document);
    let may = |caller: &Caller<'_>| caller.may(ACTION, (arn, owner), caller.context(None), &policies);
    let Some(organization) = view.organization_id() else {
        return Outcome::unseen(subject, "the organization", &view.organization.organization);
    };
    let statement = format!(
        r#"{{"Effect":"Allow","Principal":"*","Action":"{ACTION}","Resource":"*","Condition":{{"StringEquals":{{"aws:PrincipalOrgID":"{organization}"}}}}}}"#
    );
    if let Some(outcome) = outside(view, subject.clone(), vault, document, &statement) {
        return outcome;
    }
    let remedy = only(view, vault, &statement);
    let Some(members) = view.organization.members.known() else {
        return Outcome::unseen(subject, "the accounts of the organization", &view.organization.members);
    };
    let (mut admitted, mut asked, mut open) = (0_usize, 0_usize, Vec::new());
    for member in members.iter().filter(|member| member.account_id.as_str() != owner && member.status.as_deref() == Some("ACTIVE")) {
        asked = asked.saturating_add(1);
        let caller = Caller {
            organization_id: Some(organization),
            path: member.path.as_deref(),
            ..Caller::administrator(&member.account_id, vault.arn.partition())
        };
        match may(&caller) {
            Says::Yes => admitted = admitted.saturating_add(1),
            Says::Depends(on) => open.extend(on),
            Says::No => {}
        }
    }
    open.sort();
    open.dedup();
    match (admitted, open.as_slice()) {
        (0, []) => Outcome::fail(subject, "no account of the organization may copy into the vault", remedy).from([arn]),
        (0, on) => Outcome::unknown(
            subject,
            format!("whether accounts of the organization may copy into it depends on {}", listed(on)),
            Vec::new(),
        ),
        (admitted, _) => {
            Outcome::pass(subject, format!("{admitted} of {asked} other accounts of the organization may copy into it, and nobody else"))
        }
    }
}
