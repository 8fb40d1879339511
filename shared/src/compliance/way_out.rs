//! Whether anybody may begin what takes recovery points out of a vault again: what the policy of the vault and the service control policies say of it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::exempt::fitting;
use super::probe::{Caller, Says, any, anybody, everything};
use super::say::{Place, listed, quoted};
use super::{AccountView, Outcome, Subject, holders};
use crate::arn::Arn;
use crate::evidence::VaultInventory;
use crate::policy::{Document, Policies, left_alone};

/// One call on the way out.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) action: &'static str,
    /// Whether the role of the job makes it, and not who starts the job. What service control policies say of that role is judged with its own.
    pub(super) by_role: bool,
    /// What follows where nobody may.
    pub(super) so: &'static str,
}

/// Of each vault that is used the steps that nobody may take, or of which that is not known. Vaults out of which all is well are not told of.
pub(super) fn closed(view: &AccountView<'_>, steps: &[Step]) -> Vec<Outcome> {
    let Some(management) = view.is_management_account() else { return Vec::new() };
    let scps = match view.account.scps.known() {
        _ if management => Vec::new(),
        Some(levels) => holders::documents(levels),
        // Whoever asks this says himself that they were not seen.
        None => return Vec::new(),
    };
    let mut found = Vec::new();
    for (_, inventory) in view.used().things {
        let arn = &inventory.vault.arn;
        let region = arn.region().and_then(|region| view.account.regions.get_key_value(&region)).map(|(region, _)| region);
        let subject = Place { region, ..view.place() }.of(arn);
        let Some(policy) = inventory.policy.known() else {
            found.push(Outcome::unseen(subject, "the policy of the vault", &inventory.policy));
            continue;
        };
        let resource = policy.document.as_ref().map(Document::read);
        let policies = Policies { identity: vec![everything()], resource, ..Policies::default() };
        for step in steps {
            let subject = subject.clone().part(step.action);
            let bound = if step.by_role { Vec::new() } else { scps.clone() };
            let (callers, all) = if step.by_role { roles(view) } else { (starters(view, policy.document.as_ref()), true) };
            let ask = |policies: &Policies| said(view, &callers, step.action, inventory, policies);
            match ask(&Policies { scps: bound.clone(), ..policies.clone() }) {
                Says::Yes => {}
                Says::Depends(on) => {
                    let what = format!("whether anybody may do {} out of the vault depends on {}", quoted(step.action), listed(&on));
                    found.push(Outcome::unknown(subject, what, Vec::new()));
                }
                Says::No if !all => found.push(Outcome::unseen(subject, "all roles that AWS Backup may assume", &view.account.trusts)),
                Says::No if inventory.points.known().is_none() => {
                    found.push(Outcome::unseen(subject, "the recovery points of the vault", &inventory.points));
                }
                Says::No => {
                    let by_vault = bound.is_empty() || ask(&policies) == Says::No;
                    found.push(fail(view, subject, arn, *step, by_vault));
                }
            }
        }
    }
    found
}

fn fail(view: &AccountView<'_>, subject: Subject, vault: &Arn, step: Step, by_vault: bool) -> Outcome {
    let (account, action, name) = (&view.account.account_id, quoted(step.action), quoted(vault.resource_name()));
    let (who, remedy) = if by_vault {
        let remedy = format!(
            "in account {account} take {action} out of what the policy of the vault {name} denies (`backup:PutBackupVaultAccessPolicy`)"
        );
        ("the policy of the vault denies", remedy)
    } else {
        let remedy = format!("in the management account take {action} out of what the service control policies of account {account} deny");
        ("service control policies deny", remedy)
    };
    Outcome::fail(subject, format!("{who} {action} to everybody, so {}", step.so), remedy).from([vault.as_str()])
}

/// One recovery point of each type that is there, or one that is made up.
fn points(view: &AccountView<'_>, inventory: &VaultInventory) -> BTreeSet<String> {
    let arn = &inventory.vault.arn;
    let held = inventory.points.known().into_iter().flatten();
    let mut points = held.filter_map(|points| points.newest.first()).map(|point| point.arn.as_str().to_owned()).collect::<BTreeSet<_>>();
    if points.is_empty() {
        let region = arn.region().map(|region| region.as_str().to_owned()).unwrap_or_default();
        let account = &view.account.account_id;
        points.insert(format!("arn:{}:backup:{region}:{account}:recovery-point:00000000-0000-4000-8000-000000000000", arn.partition()));
    }
    points
}

/// Administrators by whatever name, and whoever the policies leave alone.
fn starters<'a>(view: &AccountView<'a>, document: Option<&Value>) -> Vec<Caller<'a>> {
    let account = &view.account.account_id;
    let partition = view.account.regions.keys().next().map_or("aws", |region| region.partition());
    let scps = view.account.scps.known().into_iter().flat_map(|levels| levels.levels.iter().flatten().map(|policy| &policy.document));
    let mut callers = anybody(account, partition, view.organization_id());
    let left = scps.chain(document).flat_map(left_alone).flat_map(|pattern| fitting(&pattern, account, partition));
    let organization_id = view.organization_id();
    callers.extend(left.map(|arn| Caller { arn, organization_id, ..Caller::administrator(account, partition) }));
    callers
}

/// The roles that AWS Backup may assume, or one that is made up, and whether those are all.
fn roles<'a>(view: &AccountView<'a>) -> (Vec<Caller<'a>>, bool) {
    let account = &view.account.account_id;
    let partition = view.account.regions.keys().next().map_or("aws", |region| region.partition());
    let administrator = || Caller { organization_id: view.organization_id(), ..Caller::administrator(account, partition) };
    let (carriers, missing) = holders::carriers(view);
    let mut callers =
        carriers.into_iter().map(|(role, _)| Caller { arn: role.arn.as_str().to_owned(), ..administrator() }).collect::<Vec<_>>();
    if callers.is_empty() {
        callers.push(administrator());
    }
    (callers, missing.is_empty() && view.account.trusts.known().is_some())
}

/// Whether one of the callers may, for every recovery point that is asked about.
fn said(view: &AccountView<'_>, callers: &[Caller<'_>], action: &str, inventory: &VaultInventory, policies: &Policies) -> Says {
    let region = inventory.vault.arn.region().map(|region| region.as_str().to_owned());
    let owner = view.account.account_id.as_str();
    let mut depends = None;
    for point in points(view, inventory) {
        let may = |caller: &Caller<'_>| caller.may(action, (&point, owner), caller.context(region.as_deref()), policies);
        match any(callers.iter().map(may)) {
            Says::No => return Says::No,
            Says::Depends(on) => drop(depends.get_or_insert(on)),
            Says::Yes => {}
        }
    }
    depends.map_or(Says::Yes, Says::Depends)
}
