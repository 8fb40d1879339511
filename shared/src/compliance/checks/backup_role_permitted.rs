//! The roles of copy jobs may do what a copy asks of them.

use crate::compliance::say::{Place, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, Subject, holders, ways};
use crate::copy::{Actor, judge_all, requirements};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Fact, GapReason, RegionInventory, Role};
use crate::policy::{Decision, Document};
use std::collections::BTreeSet;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-046",
        name: "backup-role-permitted",
        title: "The roles of copy jobs may do what a copy asks of them",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "organizations:ListPoliciesForTarget"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceRolePolicyForBackup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
        ],
        page: include_str!("backup-role-permitted.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    ways::abroad(view, |place, region, pair| {
        let subject = Place { region: None, ..place }.of(&pair.job_role).part(pair.destination.as_str());
        let role = match view.account.roles.get(&pair.job_role) {
            None => return vec![Outcome::unknown(subject, "not seen: the role, which was not asked for", Vec::new())],
            Some(Fact::Known { value, .. }) => value,
            Some(Fact::Gap(gap)) if gap.reason == GapReason::NotFound => {
                return vec![Outcome::not_applicable(subject, "the role does not exist")];
            }
            Some(fact) => return vec![Outcome::unseen(subject, "the policies of the role", fact)],
        };
        vec![of(view, (region, pair), subject, role)]
    })
}

fn of(view: &AccountView<'_>, (region, pair): (&RegionInventory, &ways::Pair), subject: Subject, role: &Role) -> Outcome {
    let Some(management) = view.is_management_account() else {
        return Outcome::unseen(subject, "which account is the management account", &view.organization.organization);
    };
    let levels = match view.account.scps.known() {
        _ if management => Vec::new(),
        Some(levels) => holders::documents(levels),
        None => return Outcome::unseen(subject, "the service control policies", &view.account.scps),
    };
    let mut refused = BTreeSet::new();
    let mut open = BTreeSet::new();
    let mut needed = BTreeSet::new();
    for (kind, managed) in kinds(region, pair) {
        let Some(way) = ways::way(view, region, pair, (&kind, managed), None) else {
            return Outcome::unknown(subject, "not seen: the account of the vault", Vec::new());
        };
        let mut policies = way.policies;
        policies.job_role = Some(role.policies.iter().map(|policy| Document::read(&policy.document)).collect());
        policies.job_role_boundary = Some(role.boundary.as_ref().map(|boundary| Document::read(&boundary.document)));
        policies.source_scps = Some(levels.clone());
        // What vaults say is judged elsewhere: here everybody may write into them.
        policies.destination_vault = Some(Some(ways::open_vault()));
        let asked = requirements(&way.route).into_iter().filter(|need| need.actor == Actor::JobRole && !need.object.is_key()).collect();
        let Ok(judged) = judge_all(asked, &policies) else {
            return Outcome::unknown(subject, "not seen: a principal that can be judged", Vec::new());
        };
        for one in judged {
            needed.insert(one.requirement.action);
            if one.refused {
                refused.insert(one.requirement.action);
            } else if one.decision != Decision::Allowed {
                open.insert(one.requirement.action);
            }
        }
    }
    let list = |set: &BTreeSet<&'static str>| listed(&set.iter().copied().collect::<Vec<_>>());
    let evidence = role.policies.iter().map(|policy| policy.name.clone());
    let name = quoted(role.arn.role_name().unwrap_or_default());
    if !refused.is_empty() {
        let remedy = format!(
            "in account {} attach `arn:{}:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup` to the role {name}, or allow {} in a policy \
             of its own; where the role has that, look at its boundary and at the service control policies",
            view.account.account_id,
            role.arn.partition(),
            list(&refused)
        );
        return Outcome::fail(subject, format!("the role {name} may not do {}, so its copies fail", list(&refused)), remedy).from(evidence);
    }
    if !open.is_empty() {
        return Outcome::unknown(subject, format!("whether the role {name} may do {} depends on conditions", list(&open)), Vec::new())
            .from(evidence);
    }
    Outcome::pass(subject, format!("the role {name} may do {}", list(&needed))).from(evidence)
}

/// The types whose backups lie in the vault, and that of EBS.
fn kinds(region: &RegionInventory, pair: &ways::Pair) -> BTreeSet<(String, bool)> {
    let points = ways::source_vault(region, pair).and_then(|vault| vault.points.known());
    let seen = points
        .into_iter()
        .flatten()
        .filter_map(|points| Some((points.resource_type.clone(), points.newest.first()?.arn.service() == "backup")));
    seen.chain([("EBS".to_owned(), false)]).collect()
}
