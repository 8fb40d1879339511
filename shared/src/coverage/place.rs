//! One Region of an account, made ready so that each of its resources can be judged by itself: what was read is looked at once, not once per resource.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::holdings::Own;
use super::opt_in::{Chosen, opted_in};
use super::promise::Promise;
use super::resource_type::ResourceType;
use super::selection::{Matcher, Selected};
use crate::arn::{AccountId, Arn, Region};
use crate::evidence::{
    AccountInventory, Fact, Gap, OrganizationInventory, PlanInventory, RegionInventory, RegionSettings, Resource, Selection,
};

/// Plans that a backup policy of the organization makes (<https://docs.aws.amazon.com/aws-backup/latest/devguide/manage-cross-account.html>).
const OF_ORGANIZATION: &str = "orgs/";

/// A selection of a plan.
#[derive(Debug)]
pub(super) struct Chooser<'a> {
    pub(super) selection: &'a Selection,
    matcher: Matcher<'a>,
    /// For each rule of the plan, when the first backup must be there.
    pub(super) first_due: Vec<Option<Timestamp>>,
}

/// A plan.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    /// Its rules; `None` where they were not read.
    pub(super) promises: Option<Vec<Promise<'a>>>,
    pub(super) choosers: Vec<Chooser<'a>>,
    /// The settings that count for it.
    settings: Option<&'a RegionSettings>,
    settings_gap: Option<&'a Gap>,
    pub(super) gaps: Vec<&'a Gap>,
}

/// A Region.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) account_id: &'a AccountId,
    pub(super) region: &'a Region,
    pub(super) plans: Vec<Plan<'a>>,
    /// Whether every plan and every selection was read: what is selected is known.
    pub(super) plans_complete: bool,
    pub(super) plan_gaps: Vec<&'a Gap>,
    pub(super) own: Own<'a>,
    listed: BTreeMap<&'a Arn, &'a Resource>,
    pub(super) list_gap: Option<&'a Gap>,
    /// Whether a cluster of databases is there: some of the instances may be its parts.
    pub(super) clusters: bool,
}

impl<'a> Chooser<'a> {
    /// What the selection and the settings that count for its plan say of a resource.
    pub(super) fn choose<'b>(
        &'b self,
        plan: &Plan<'_>,
        resource: &'b Arn,
        types: &[&ResourceType],
        tags: Option<&BTreeMap<String, String>>,
    ) -> Chosen<'b> {
        let weighed = self.matcher.weigh(resource, tags);
        if weighed.selected == Selected::No {
            // Nobody asks for the setting of what is not selected.
            return Chosen { weighed, opted_in: Selected::Perhaps };
        }
        Chosen { weighed, opted_in: opted_in(types.iter().copied(), weighed.named, plan.settings) }
    }
}

impl<'a> Plan<'a> {
    fn of(
        account: &'a AccountInventory,
        region: (&Region, &'a RegionInventory),
        inventory: &'a PlanInventory,
        organization: &'a OrganizationInventory,
        now: Timestamp,
    ) -> Self {
        let plan = inventory.plan.known();
        let promises = plan.map(|plan| plan.rules.iter().map(|rule| Promise::new(plan, rule, now)).collect::<Vec<_>>());
        let selections = inventory.selections.known().into_iter().flatten().filter_map(Fact::known);
        let chooser = |selection: &'a Selection| {
            // What is younger of the two: before, nothing was selected.
            let since = selection.created_at.max(plan.and_then(|plan| plan.created_at));
            Chooser {
                selection,
                matcher: Matcher::new(selection),
                first_due: promises.iter().flatten().map(|promise| promise.first_due(since)).collect(),
            }
        };
        let choosers = selections.map(chooser).collect();
        let gaps = inventory.plan.gap().into_iter().chain(inventory.selections.gap());
        let gaps = gaps.chain(inventory.selections.known().into_iter().flatten().filter_map(Fact::gap)).collect();
        let settings = settings_for(account, region, &inventory.id, organization);
        Self {
            id: &inventory.id,
            name: plan.map_or("", |plan| &plan.name),
            promises,
            choosers,
            settings: settings.and_then(Fact::known),
            settings_gap: settings.map_or(organization.organization.gap(), Fact::gap),
            gaps,
        }
    }

    /// Whether the settings that count for it were seen.
    pub(super) fn settings_seen(&self) -> bool {
        self.settings.is_some()
    }

    /// Why the settings that count for it are not known, where that can be told.
    pub(super) fn settings_gap(&self) -> Option<&'a Gap> {
        self.settings_gap.filter(|_| self.settings.is_none())
    }
}

/// The settings that count for a plan: those of the account, but those of the management account for a plan of the organization
/// (<https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_backup_syntax.html>).
fn settings_for<'a>(
    account: &'a AccountInventory,
    (region, inventory): (&Region, &'a RegionInventory),
    plan_id: &str,
    organization: &'a OrganizationInventory,
) -> Option<&'a Fact<RegionSettings>> {
    if !plan_id.starts_with(OF_ORGANIZATION) {
        return Some(&inventory.settings);
    }
    match organization.organization.known() {
        Some(known) if known.management_account == account.account_id => Some(&inventory.settings),
        Some(_) => organization.opt_in.get(region),
        None => None,
    }
}

impl<'a> Place<'a> {
    pub(super) fn new(
        account: &'a AccountInventory,
        region: &'a Region,
        inventory: &'a RegionInventory,
        organization: &'a OrganizationInventory,
        now: Timestamp,
    ) -> Self {
        let plans = inventory.plans.known().into_iter().flatten();
        let complete = |plan: &PlanInventory| plan.selections.known().is_some_and(|all| all.iter().all(|one| one.known().is_some()));
        let plans_complete = inventory.plans.known().is_some_and(|plans| plans.iter().all(complete));
        let plans = plans.map(|plan| Plan::of(account, (region, inventory), plan, organization, now)).collect::<Vec<_>>();
        let plan_gaps = inventory.plans.gap().into_iter().chain(plans.iter().flat_map(|plan| plan.gaps.iter().copied())).collect();
        let listed =
            inventory.resources.known().into_iter().flatten().map(|resource| (&resource.arn, resource)).collect::<BTreeMap<_, _>>();
        Self {
            account_id: &account.account_id,
            region,
            plans,
            plans_complete,
            plan_gaps,
            own: Own::of(&account.account_id, inventory),
            list_gap: inventory.resources.gap(),
            clusters: listed.keys().any(|arn| arn.service() == "rds" && arn.resource().starts_with("cluster:")),
            listed,
        }
    }

    /// A resource as the list of resources has it, with its tags.
    pub(super) fn listed(&self, resource: &Arn) -> Option<&'a Resource> {
        self.listed.get(resource).copied()
    }

    /// The resources that may be judged here, each with how well it is known to be here: listed, backed up, named by a selection.
    pub(super) fn candidates(&self) -> impl Iterator<Item = (u8, Arn)> {
        let supported = |arn: &Arn| ResourceType::of(arn).next().is_some();
        let listed = self.listed.keys().filter(move |arn| supported(arn)).map(|arn| (0, (*arn).clone()));
        // A recovery point that names no resource stands for itself, and nothing can be said of it.
        let itself = |arn: &&Arn| self.own.of_resource(arn).iter().any(|held| held.points.newest.iter().any(|point| point.arn == **arn));
        let backed_up = self.own.resources().filter(move |arn| !itself(arn) && arn.service() != "backup").map(|arn| (1, arn.clone()));
        let named = self.plans.iter().flat_map(|plan| &plan.choosers).flat_map(|chooser| chooser.matcher.names());
        let named = named.filter_map(|name| Arn::parse(name).ok()).filter(move |arn| supported(arn)).map(|arn| (2, arn));
        listed.chain(backed_up).chain(named).filter(|(_, arn)| self.may_be_here(arn))
    }

    fn may_be_here(&self, arn: &Arn) -> bool {
        arn.region().is_none_or(|region| region == *self.region) && arn.account().is_none_or(|account| account == *self.account_id)
    }
}
