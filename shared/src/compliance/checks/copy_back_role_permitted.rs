//! A role of the backup account may carry copies back.

use std::collections::{BTreeMap, BTreeSet};

use crate::arn::Arn;
use crate::compliance::way_out::Step;
use crate::compliance::say::{count, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, holders, probe, way_out, ways};
use crate::copy::{Actor, Family, Requirement, Route, RoutePolicies, VaultKind, judge_all, requirements};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Gap, Role};
use crate::policy::{Decision, Document};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-082",
        name: "copy-back-role-permitted",
        title: "A role of the backup account may carry copies back",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &[
            "iam:ListRoles",
            "iam:GetRole",
            "iam:ListAttachedRolePolicies",
            "iam:ListRolePolicies",
            "organizations:ListPoliciesForTarget",
            "backup:GetBackupVaultAccessPolicy",
        ],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForBackup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
        ],
        page: include_str!("copy-back-role-permitted.md"),
    },
    judge: Judge::Account(judge),
};

/// Vaults that a role names and that are tried as the place where copies come home to.
const MOST_VAULTS: usize = 10;

/// What takes copies out of their vault.
const STEPS: &[Step] = &[
    Step { action: "backup:StartCopyJob", by_role: false, so: "nobody can copy back what is in it" },
    Step { action: "backup:CopyFromBackupVault", by_role: true, so: "every copy back out of it fails" },
];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_backup_account(|| {
        let mut outcomes = way_out::closed(view, STEPS);
        outcomes.push(of(view));
        outcomes
    })
}

fn of(view: &AccountView<'_>) -> Outcome {
    let subject = view.place().here();
    let account = &view.account.account_id;
    if view.account.trusts.known().is_none() {
        return Outcome::unseen(subject, "which roles AWS Backup may assume", &view.account.trusts);
    }
    let Some(management) = view.is_management_account() else {
        return Outcome::unseen(subject, "which account is the management account", &view.organization.organization);
    };
    let levels = match view.account.scps.known() {
        _ if management => Vec::new(),
        Some(levels) => holders::documents(levels),
        None => return Outcome::unseen(subject, "the service control policies", &view.account.scps),
    };
    let (routes, kinds_open) = routes(view);
    let mut refusals = BTreeMap::new();
    let mut may = Vec::new();
    let mut unseen = Vec::new();
    let mut open = BTreeSet::new();
    let (carriers, missing) = holders::carriers(view);
    for (arn, gap) in missing {
        unseen.extend(gap.cloned());
        open.insert(quoted(arn.as_str()));
    }
    for (role, certain) in carriers {
        match refused(role, &routes, &levels) {
            Refused { hard, soft } if hard.is_empty() && soft.is_empty() && certain => may.push(role.arn.resource_name().to_owned()),
            Refused { hard, .. } if hard.is_empty() => drop(open.insert(quoted(role.arn.as_str()))),
            Refused { hard, .. } => {
                if !certain {
                    open.insert(quoted(role.arn.as_str()));
                }
                refusals.insert(role.arn.clone(), hard);
            }
        }
    }
    let attach = format!("arn:{}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup", partition(view));
    if !may.is_empty() {
        may.sort_unstable();
        if let Some(gaps) = kinds_open {
            return Outcome::unknown(subject, format!("not seen: all types of copies that {} would carry back", listed(&may)), gaps);
        }
        return Outcome::pass(subject, format!("AWS Backup can carry copies back as {}", listed(&may))).from(may);
    }
    if !open.is_empty() {
        let roles = open.into_iter().collect::<Vec<_>>().join(", ");
        return Outcome::unknown(subject, format!("not seen: whether {roles} may carry copies back"), unseen);
    }
    // The one that lacks least is the one to mend.
    let Some((role, lacks)) = refusals.iter().min_by_key(|(arn, lacks)| (lacks.len(), *arn)) else {
        let remedy = format!(
            "in account {account} make a role that `backup.amazonaws.com` may assume, attach {} to it, and copy back with it; \
             `deploy/backup-account.yaml` makes one",
            quoted(&attach)
        );
        return Outcome::fail(
            subject,
            format!("AWS Backup may assume no role of account {account}, so nothing can carry copies back"),
            remedy,
        );
    };
    let lacks = lacks.iter().copied().collect::<Vec<_>>();
    let name = quoted(role.role_name().unwrap_or_default());
    let which = match refusals.len() {
        1 => format!("the only role of account {account} that AWS Backup may assume"),
        more => format!("of {} of account {account} that AWS Backup may assume the one that lacks least", count(more, "role")),
    };
    let seen = format!("no copy can be carried back: {name}, {which}, may not do {}", listed(&lacks));
    let remedy = format!(
        "in account {account} attach {} to the role {name}, or allow {} in a policy of its own; where the role has that, look at its boundary \
         and at the service control policies",
        quoted(&attach),
        listed(&lacks)
    );
    Outcome::fail(subject, seen, remedy).from(refusals.keys().map(Arn::as_str))
}

fn partition<'a>(view: &AccountView<'a>) -> &'a str {
    view.account.regions.keys().next().map_or("aws", |region| region.partition())
}

/// One way back for every type of copy that the vaults hold; of EBS, where they hold none yet. Where copies come home to is made up: what the vaults
/// there say is judged with their accounts.
fn routes(view: &AccountView<'_>) -> (Vec<Route>, Option<Vec<Gap>>) {
    let members = view.organization.members.known();
    let home = members.and_then(|members| members.iter().map(|member| &member.account_id).find(|id| !view.is_backup_account(id)));
    let Some(home) = home.or_else(|| view.organization.organization.known().map(|organization| &organization.management_account)) else {
        return (Vec::new(), None);
    };
    let mut found = BTreeMap::new();
    let mut used = view.used();
    for (_, inventory) in std::mem::take(&mut used.things) {
        if inventory.points.known().is_none() {
            used.miss(inventory.points.gap());
        }
        let vault = &inventory.vault;
        let points = inventory.points.known().into_iter().flatten().filter(|points| points.copied_from.is_some());
        let mut kinds = points.map(|points| points.resource_type.as_str()).collect::<BTreeSet<_>>();
        kinds.extend(inventory.copies.resource_types.iter().map(String::as_str));
        if kinds.is_empty() {
            kinds.insert("EBS");
        }
        for kind in kinds {
            if let Some(route) = route(view, vault.arn.clone(), home, kind) {
                found.entry(kind.to_owned()).or_insert(route);
            }
        }
    }
    (found.into_values().collect(), used.open.then_some(used.gaps))
}

fn route(view: &AccountView<'_>, vault: Arn, home: &crate::arn::AccountId, kind: &str) -> Option<Route> {
    let region = vault.region()?;
    let fully_managed = !Family::stores(kind);
    let mut route = Route {
        source_account: view.account.account_id.clone(),
        source_region: region.clone(),
        source_vault_arn: vault.clone(),
        destination_vault_arn: crate::arn::backup_vault(home, &region, "vault")?,
        destination_account: home.clone(),
        destination_region: region,
        resource_type: kind.to_owned(),
        fully_managed,
        recovery_point_arn: vault,
        source_key_arn: None,
        source_key_aws_managed: false,
        source_vault_kind: VaultKind::Standard,
        source_vault_key_arn: None,
        destination_key_arn: None,
        destination_key_aws_managed: false,
        destination_vault_kind: VaultKind::Standard,
        job_role_arn: Arn::parse(&format!("arn:{}:iam::{}:role/any", partition(view), view.account.account_id)).ok()?,
        organization_id: view.organization_id().map(str::to_owned),
    };
    if let Ok(points) = Arn::parse(&route.recovery_points()) {
        route.recovery_point_arn = points;
    }
    Some(route)
}

/// What a role may not do on the ways back, and what it depends on.
#[derive(Debug, Default)]
struct Refused {
    hard: BTreeSet<&'static str>,
    soft: BTreeSet<&'static str>,
}

fn refused(role: &Role, routes: &[Route], levels: &[Vec<Document>]) -> Refused {
    let policies = RoutePolicies {
        job_role: Some(role.policies.iter().map(|policy| Document::read(&policy.document)).collect()),
        job_role_boundary: Some(role.boundary.as_ref().map(|boundary| Document::read(&boundary.document))),
        source_scps: Some(levels.to_vec()),
        source_vault: Some(None),
        // What the vaults of the copies say is asked apart, and what those say that copies come home to is judged with their accounts.
        destination_vault: Some(Some(ways::open_vault())),
        ..RoutePolicies::default()
    };
    let named = vaults_named(role);
    let mut refused = Refused::default();
    for route in routes {
        let route = Route { job_role_arn: role.arn.clone(), ..route.clone() };
        let asked = |route: &Route| -> Vec<Requirement> {
            requirements(route).into_iter().filter(|need| need.actor == Actor::JobRole && !need.object.is_key()).collect()
        };
        for need in asked(&route) {
            let mut places = vec![need.clone()];
            if need.action == "backup:CopyIntoBackupVault" {
                places.extend(named.iter().map(|vault| Requirement { resource: vault.clone(), ..need.clone() }));
            }
            // It is enough that it may copy into some vault.
            let best = judge_all(places, &policies).into_iter().flatten().map(|one| match (one.decision, one.refused) {
                (Decision::Allowed, _) => 0,
                (_, false) => 1,
                (_, true) => 2,
            });
            match best.min() {
                Some(0) => {}
                Some(1) | None => drop(refused.soft.insert(need.action)),
                Some(_) => drop(refused.hard.insert(need.action)),
            }
        }
    }
    if routes.is_empty() {
        refused.soft.insert("backup:CopyFromBackupVault");
    }
    refused
}

/// The vaults that its policies name, where a pattern stands for one of those that match it.
fn vaults_named(role: &Role) -> BTreeSet<Arn> {
    let mut texts = BTreeSet::new();
    role.policies.iter().for_each(|policy| probe::strings(&policy.document, &mut texts));
    let vaults = texts.into_iter().filter(|text| text.contains(":backup-vault:"));
    vaults.filter_map(|text| Arn::parse(&text.replace(['*', '?'], "x")).ok()).take(MOST_VAULTS).collect()
}
