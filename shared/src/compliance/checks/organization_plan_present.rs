//! The plans of the organization's backup policy have become plans of the account.

use crate::compliance::say::{count, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::copy::not_yet_plans;
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-012",
        name: "organization-plan-present",
        title: "The plans of the organization's backup policy have become plans of the account",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["organizations:DescribeEffectivePolicy", "backup:ListBackupPlans", "backup:GetBackupPlan"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_backup.html",
            "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_backup_syntax.html",
        ],
        page: include_str!("organization-plan-present.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let Some(wanted) = view.account.wanted_plans.known() else {
        return vec![Outcome::unseen(view.place().here(), "the effective backup policy", &view.account.wanted_plans)];
    };
    if wanted.is_empty() {
        return vec![Outcome::not_applicable(view.place().here(), "no backup policy is in force")];
    }
    view.in_regions(|place, region| {
        let Some(name) = place.region else { return Vec::new() };
        let here = wanted.iter().filter(|plan| plan.regions.iter().any(|wanted| wanted == name.as_str())).cloned().collect::<Vec<_>>();
        if here.is_empty() {
            return vec![Outcome::not_applicable(place.here(), "no backup policy is in force for this Region")];
        }
        let Some(plans) = region.plans.known() else { return vec![Outcome::unseen(place.here(), "the plans", &region.plans)] };
        let read = plans.iter().filter_map(|plan| Some((plan.plan.known()?.clone(), Vec::new()))).collect::<Vec<_>>();
        let mut missing = not_yet_plans(place.account, name, &here, &read).into_iter().map(|one| one.plan).collect::<Vec<_>>();
        // A plan without copies is not among those: it is known by its name, which AWS Backup keeps.
        missing.extend(here.iter().filter(|plan| plan.rules.iter().all(|rule| rule.destinations.is_empty())).filter_map(|plan| {
            let made = read.iter().any(|(made, _)| made.id.starts_with("orgs/") && made.name == plan.name);
            (!made).then(|| plan.name.clone())
        }));
        missing.sort();
        missing.dedup();
        if missing.is_empty() {
            return vec![Outcome::pass(place.here(), format!("every plan of the policy is there: {}", count(here.len(), "plan")))];
        }
        let unread = plans.iter().filter(|plan| plan.plan.known().is_none()).collect::<Vec<_>>();
        if !unread.is_empty() {
            let gaps = unread.iter().filter_map(|plan| plan.plan.gap().cloned()).collect();
            return vec![Outcome::unknown(place.here(), format!("not seen: whether {} became a plan", listed(&missing)), gaps)];
        }
        let seen = format!("no plan of the account makes what the backup policy wants of {}", listed(&missing));
        let remedy = format!(
            "{}: look for the reason in {}; most often the policy is not valid there or trusted access is off",
            place.words(),
            quoted(&format!(
                "aws cloudtrail lookup-events --region {name} --lookup-attributes AttributeKey=EventName,AttributeValue=InvalidOrganizationBackupPlan"
            ))
        );
        vec![Outcome::fail(place.here(), seen, remedy)]
    })
}
