//! What of an inventory could not be read.

use super::NotEvaluated;
use crate::evidence::{AccountInventory, Fact, Gap, GapReason, OrganizationInventory, RegionInventory};

/// The gaps that are found on a walk, sorted, each once.
#[derive(Debug, Default)]
struct Gaps(Vec<Gap>);

impl Gaps {
    fn see<T>(&mut self, fact: &Fact<T>) {
        self.0.extend(fact.gap().cloned());
    }

    /// Of a role, or of a topic and its key, that it does not exist is knowledge.
    fn see_role<T>(&mut self, fact: &Fact<T>) {
        self.0.extend(fact.gap().filter(|gap| gap.reason != GapReason::NotFound).cloned());
    }

    fn told(mut self) -> Vec<Gap> {
        self.0.sort();
        self.0.dedup();
        self.0
    }
}

/// What of the organization could not be read.
pub(super) fn of_organization(organization: &OrganizationInventory) -> Vec<Gap> {
    let mut gaps = Gaps::default();
    // That there is no organization is knowledge.
    gaps.see_role(&organization.organization);
    gaps.see(&organization.feature_set);
    gaps.see(&organization.members);
    gaps.see(&organization.trusted_services);
    gaps.see(&organization.delegated_administrators);
    gaps.see(&organization.policy_types);
    gaps.see(&organization.global_settings);
    organization.opt_in.values().for_each(|settings| gaps.see(settings));
    gaps.see(&organization.alarm_path);
    gaps.0.extend(organization.alarm_path.known().and_then(|path| path.looked.gap()).cloned());
    gaps.told()
}

/// What of an account could not be read: of the account itself, then by Region.
pub(super) fn of_account(account: &AccountInventory) -> Vec<NotEvaluated> {
    let mut gaps = Gaps::default();
    gaps.see(&account.wanted_plans);
    gaps.see(&account.scps);
    gaps.see(&account.rcps);
    gaps.see_role(&account.service_linked_role);
    account.roles.values().chain(account.carriers.values()).chain(account.exempt.values()).for_each(|role| gaps.see_role(role));
    gaps.see(&account.trusts);
    let of = |region, gaps: Vec<Gap>| NotEvaluated { account_id: account.account_id.clone(), region, gaps };
    let mut parts = vec![of(None, gaps.told())];
    parts.extend(account.regions.iter().map(|(region, inventory)| of(Some(region.clone()), of_region(inventory))));
    parts.retain(|part| !part.gaps.is_empty());
    parts
}

fn of_region(region: &RegionInventory) -> Vec<Gap> {
    let mut gaps = Gaps::default();
    gaps.see(&region.enabled);
    // Nothing else is asked where the Region is switched off; what a half-finished reading left there is no gap.
    if region.enabled.known() == Some(&false) {
        return gaps.told();
    }
    gaps.see(&region.settings);
    gaps.see(&region.ebs);
    gaps.see(&region.vaults);
    for vault in region.vaults.known().into_iter().flatten() {
        gaps.see(&vault.policy);
        gaps.see(&vault.notifications);
        gaps.see(&vault.points);
    }
    gaps.see(&region.plans);
    for plan in region.plans.known().into_iter().flatten() {
        gaps.see(&plan.plan);
        gaps.see(&plan.selections);
        plan.selections.known().into_iter().flatten().for_each(|selection| gaps.see(selection));
    }
    gaps.see(&region.resources);
    for key in region.keys.values() {
        gaps.see(&key.key);
        gaps.see(&key.policy);
        gaps.see(&key.rotation);
        gaps.see(&key.aliases);
    }
    for topic in region.topics.values() {
        gaps.see_role(&topic.settings);
        gaps.see_role(&topic.key);
        gaps.see(&topic.key_policy);
    }
    gaps.see(&region.trails);
    for trail in region.trails.known().into_iter().flatten() {
        gaps.see(&trail.logging);
        gaps.see(&trail.management_events);
    }
    gaps.see(&region.restore_testing);
    gaps.see(&region.allowed_images);
    gaps.see(&region.backup_messages);
    gaps.see(&region.copy_messages);
    gaps.told()
}

/// Whether something of an account could not be read that may be there another time.
pub fn worth_another_look(account: &AccountInventory) -> bool {
    of_account(account).iter().flat_map(|part| &part.gaps).any(|gap| gap.reason.may_pass())
}

/// Why nothing of an account could be read: the role of the reader could not be assumed, whatever the reason.
pub(super) fn unreadable(account: &AccountInventory) -> Option<Vec<Gap>> {
    let mut gaps = of_account(account).into_iter().flat_map(|part| part.gaps).collect::<Vec<_>>();
    gaps.retain(|gap| gap.action == "sts:AssumeRole" && gap.account_id == account.account_id);
    gaps.sort();
    gaps.dedup();
    (!gaps.is_empty()).then_some(gaps)
}
