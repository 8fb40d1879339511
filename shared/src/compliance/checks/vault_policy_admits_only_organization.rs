//! The policy of a vault that keeps copies admits the organization and nobody else.

use crate::arn::AccountId;
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
    let owner = view.account.account_id.as_str();
    let policies = Policies { identity: vec![probe::everything()], resource: document.map(Document::read), ..Policies::default() };
    let stranger = Caller::stranger(view, vault.arn.partition());
    match stranger.may(ACTION, (vault.arn.as_str(), owner), stranger.context(None), &policies) {
        Says::Yes => {
            let keeper = view.scope.backup_accounts.first().map_or("BACKUP_ACCOUNT", AccountId::as_str);
            let principal = format!("arn:{}:iam::{keeper}:root", vault.arn.partition());
            let statement = format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"{ACTION}","Resource":"*"}}"#);
            let remedy = format!(
                "in account {owner} give the vault {} a policy whose only Allow is {}",
                quoted(vault.arn.resource_name()),
                quoted(&statement)
            );
            Outcome::fail(subject, "accounts outside of the organization may copy into the vault", remedy).from([vault.arn.as_str()])
        }
        Says::Depends(on) => Outcome::unknown(
            subject,
            format!("whether accounts outside of the organization may copy into it depends on {}", listed(&on)),
            Vec::new(),
        ),
        Says::No => Outcome::pass(subject, "no account outside of the organization may copy into it"),
    }
}

fn of(view: &AccountView<'_>, subject: Subject, vault: &Vault, document: Option<&Value>) -> Outcome {
    let owner = view.account.account_id.as_str();
    let arn = vault.arn.as_str();
    let policies = Policies { identity: vec![probe::everything()], resource: document.map(Document::read), ..Policies::default() };
    let may = |caller: &Caller<'_>| caller.may(ACTION, (arn, owner), caller.context(None), &policies);
    let Some(organization) = view.organization_id() else {
        return Outcome::unseen(subject, "the organization", &view.organization.organization);
    };
    let statement = format!(
        r#"{{"Effect":"Allow","Principal":"*","Action":"{ACTION}","Resource":"*","Condition":{{"StringEquals":{{"aws:PrincipalOrgID":"{organization}"}}}}}}"#
    );
    let remedy = format!(
        "in account {owner} give the vault {} a policy whose only Allow is {}",
        quoted(vault.arn.resource_name()),
        quoted(&statement)
    );
    match may(&Caller::stranger(view, vault.arn.partition())) {
        Says::Yes => {
            return Outcome::fail(subject, "accounts outside of the organization may copy into the vault", remedy).from([arn]);
        }
        Says::Depends(on) => {
            return Outcome::unknown(
                subject,
                format!("whether accounts outside of the organization may copy into it depends on {}", listed(&on)),
                Vec::new(),
            );
        }
        Says::No => {}
    }
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
