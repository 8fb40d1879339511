//! Copies that the organization wants and no plan makes yet.

use std::collections::BTreeSet;

use super::{NotYetKnown, WhyNotKnown};
use crate::arn::{AccountId, Arn, Region, backup_vault};
use crate::evidence::{BackupPlan, Selection, WantedPlan};

/// The copies that the organization's backup policy wants and no plan of the account makes. A policy that AWS Backup has taken up is in the account as
/// plans, whose ids start with `orgs/`; those are among `plans` like any other.
pub fn not_yet_plans(
    account: &AccountId,
    region: &Region,
    wanted: &[WantedPlan],
    plans: &[(BackupPlan, Vec<Selection>)],
) -> Vec<NotYetKnown> {
    let mut made = BTreeSet::new();
    for (plan, _) in plans.iter().filter(|(plan, _)| plan.id.starts_with("orgs/")) {
        for rule in &plan.rules {
            made.extend(
                rule.copy_actions.iter().map(|action| (plan.vault(&rule.target_vault), Some(action.destination_vault_arn.clone()))),
            );
        }
    }
    let here = |text: &str| text.replace("$account", account.as_str()).replace("$region", region.as_str());
    let mut missing = Vec::new();
    for plan in wanted.iter().filter(|plan| plan.regions.iter().any(|name| name == region.as_str())) {
        for rule in &plan.rules {
            let source = backup_vault(account, region, &here(&rule.target_vault));
            for destination in &rule.destinations {
                let destination = Arn::parse(&here(destination)).ok();
                if made.contains(&(source.clone(), destination.clone())) {
                    continue;
                }
                if let (Some(source_vault_arn), Some(destination_vault_arn)) = (source.clone(), destination) {
                    missing.push(NotYetKnown {
                        why: WhyNotKnown::NotAPlanYet,
                        account_id: account.clone(),
                        region: region.clone(),
                        plan: plan.name.clone(),
                        source_vault_arn,
                        destination_vault_arn,
                    });
                }
            }
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{CopyAction, Lifecycle, PlanRule, RuleTimes, WantedRule};

    const CENTRAL: &str = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central";

    fn account() -> AccountId {
        AccountId::parse("111111111111").unwrap()
    }

    fn region(name: &str) -> Region {
        Region::parse(name).unwrap()
    }

    fn wanted(destinations: &[&str]) -> WantedPlan {
        let destinations = destinations.iter().map(|arn| (*arn).to_owned()).collect();
        WantedPlan {
            name: "Daily".to_owned(),
            regions: vec!["eu-central-1".to_owned()],
            rules: vec![WantedRule { target_vault: "local".to_owned(), destinations }],
            content: serde_json::Value::Null,
        }
    }

    fn plan(id: &str) -> (BackupPlan, Vec<Selection>) {
        let action = CopyAction {
            destination_vault_arn: Arn::parse(CENTRAL).unwrap(),
            delete_after_days: None,
            move_to_cold_storage_after_days: None,
        };
        let rule = PlanRule {
            name: "n".to_owned(),
            target_vault: "local".to_owned(),
            copy_actions: vec![action],
            times: RuleTimes::default(),
            lifecycle: Lifecycle::default(),
        };
        let plan = BackupPlan {
            account_id: account(),
            region: region("eu-central-1"),
            id: id.to_owned(),
            name: "n".to_owned(),
            created_at: None,
            rules: vec![rule],
        };
        (plan, Vec::new())
    }

    fn missing(wanted: &[WantedPlan], plans: &[(BackupPlan, Vec<Selection>)]) -> Vec<String> {
        let found = not_yet_plans(&account(), &region("eu-central-1"), wanted, plans);
        found.iter().map(|unknown| format!("{} -> {}", unknown.source_vault_arn, unknown.destination_vault_arn)).collect()
    }

    #[test]
    fn a_policy_that_no_plan_carries_out_yet_is_told_with_its_vaults() {
        let local = "arn:aws:backup:eu-central-1:111111111111:backup-vault:local";
        assert_eq!(missing(&[wanted(&[CENTRAL])], &[]), [format!("{local} -> {CENTRAL}")]);
        // A plan of the account itself is not the organization's.
        assert_eq!(missing(&[wanted(&[CENTRAL])], &[plan("1")]).len(), 1);
        assert_eq!(missing(&[wanted(&[CENTRAL])], &[plan("orgs/1")]), Vec::<String>::new());
        let second = "arn:aws:backup:$region:$account:backup-vault:second";
        assert_eq!(
            missing(&[wanted(&[CENTRAL, second])], &[plan("orgs/1")]),
            [format!("{local} -> arn:aws:backup:eu-central-1:111111111111:backup-vault:second")]
        );
    }

    #[test]
    fn other_regions_and_plans_without_copies_want_nothing_here() {
        let elsewhere = WantedPlan { regions: vec!["eu-west-1".to_owned()], ..wanted(&[CENTRAL]) };
        assert_eq!(missing(&[elsewhere, wanted(&[])], &[]), Vec::<String>::new());
    }
}
