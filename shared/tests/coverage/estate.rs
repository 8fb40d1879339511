//! An account as a sweep sees it, in which everything is well: one volume, tagged, backed up every day at 05:00 and copied to the backup account.

use std::collections::BTreeMap;

use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::compliance::Scope;
use guardian_core::coverage::{Arrivals, ArrivalsByVault, ResourceCoverage, cover};
use guardian_core::evidence::{
    AccountInventory, BackupPlan, Copies, CopyAction, Fact, Gap, GapReason, Lifecycle, Organization, OrganizationInventory, PlanInventory,
    PlanRule, Point, RegionInventory, RegionSettings, Resource, ResourcePoints, RuleTimes, Selection, TagOperator, TagTest, Vault,
    VaultInventory,
};
use jiff::{Timestamp, ToSpan};

pub(crate) const NOW: &str = "2026-11-27T12:00:00Z";
pub(crate) const OWN: &str = "111111111111";
pub(crate) const MANAGEMENT: &str = "333333333333";
pub(crate) const VOLUME: &str = "arn:aws:ec2:eu-central-1:111111111111:volume/vol-1";
pub(crate) const BUCKET: &str = "arn:aws:s3:::orders";
pub(crate) const LOCAL: &str = "arn:aws:backup:eu-central-1:111111111111:backup-vault:local";
pub(crate) const CENTRAL: &str = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central";
pub(crate) const DAILY: &str = "cron(0 5 ? * * *)";

pub(crate) fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub(crate) fn ago(hours: i64) -> Timestamp {
    now() - hours.hours()
}

pub(crate) fn region() -> Region {
    Region::parse("eu-central-1").unwrap()
}

pub(crate) fn known<T>(value: T) -> Fact<T> {
    Fact::Known { value, source: "test".to_owned(), at: now() }
}

pub(crate) fn gap<T>(action: &str) -> Fact<T> {
    Fact::Gap(Gap {
        action: action.to_owned(),
        account_id: AccountId::parse(OWN).unwrap(),
        region: Some(region()),
        reason: GapReason::AccessDenied,
        detail: None,
    })
}

/// The value of a fact that is known.
pub(crate) fn of<T>(fact: &mut Fact<T>) -> &mut T {
    match fact {
        Fact::Known { value, .. } => value,
        _ => panic!("known before"),
    }
}

pub(crate) fn rule(id: &str, schedule: &str, destinations: &[&str]) -> PlanRule {
    PlanRule {
        name: format!("rule {id}"),
        target_vault: "local".to_owned(),
        copy_actions: destinations
            .iter()
            .map(|vault| CopyAction {
                destination_vault_arn: arn(vault),
                delete_after_days: Some(35),
                move_to_cold_storage_after_days: None,
            })
            .collect(),
        times: RuleTimes {
            rule_id: Some(id.to_owned()),
            schedule: Some(schedule.to_owned()),
            zone: None,
            start_window_minutes: Some(60),
            continuous: false,
        },
        lifecycle: Lifecycle::default(),
    }
}

pub(crate) fn selection(resources: &[&str], tags: &[(&str, &str)]) -> Selection {
    Selection {
        name: "tagged".to_owned(),
        role_arn: arn("arn:aws:iam::111111111111:role/backup"),
        resources: resources.iter().map(|text| (*text).to_owned()).collect(),
        not_resources: Vec::new(),
        tags: tags
            .iter()
            .map(|(key, value)| TagTest { operator: TagOperator::Equals, key: (*key).to_owned(), value: (*value).to_owned() })
            .collect(),
        conditions: Vec::new(),
        created_at: Some(ago(9000)),
    }
}

pub(crate) fn plan(id: &str, rules: Vec<PlanRule>, selections: Vec<Selection>) -> PlanInventory {
    let plan = BackupPlan {
        account_id: AccountId::parse(OWN).unwrap(),
        region: region(),
        id: id.to_owned(),
        name: format!("plan {id}"),
        created_at: Some(ago(9000)),
        rules,
    };
    PlanInventory { plan: known(plan), id: id.to_owned(), selections: known(selections.into_iter().map(known).collect()) }
}

/// A recovery point, begun so many hours ago by a rule of a plan.
pub(crate) fn point(hours: i64, made_by: Option<(&str, &str)>) -> Point {
    Point {
        arn: arn(&format!("arn:aws:ec2:eu-central-1::snapshot/snap-{hours}-{}", made_by.map_or("", |(_, rule)| rule))),
        created_at: ago(hours),
        plan_id: made_by.map(|(plan, _)| plan.to_owned()),
        rule_id: made_by.map(|(_, rule)| rule.to_owned()),
        key_arn: None,
        delete_at: Some(ago(hours) + (35 * 24).hours()),
    }
}

pub(crate) fn points(resource: &str, kind: &str, copied_from: Option<&str>, newest: Vec<Point>) -> ResourcePoints {
    ResourcePoints {
        resource_arn: arn(resource),
        resource_type: kind.to_owned(),
        resource_name: None,
        copied_from: copied_from.map(arn),
        completed: newest.len() as u64,
        newest,
        unencrypted: 0,
        partial: 0,
        expired: 0,
        expired_since: None,
    }
}

pub(crate) fn vault(text: &str) -> Vault {
    Vault {
        arn: arn(text),
        vault_type: None,
        state: None,
        encryption_key_arn: None,
        locked: None,
        min_retention_days: None,
        max_retention_days: None,
        lock_date: None,
        points: None,
    }
}

pub(crate) fn holding(text: &str, points: Vec<ResourcePoints>) -> VaultInventory {
    VaultInventory {
        vault: vault(text),
        policy: Fact::NotAsked,
        notifications: Fact::NotAsked,
        points: known(points),
        copies: Copies::default(),
    }
}

pub(crate) fn resource(text: &str, tags: &[(&str, &str)]) -> Resource {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Resource { arn: arn(text), tags }
}

pub(crate) fn opted_in(types: &[(&str, bool)]) -> RegionSettings {
    RegionSettings { opted_in: types.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect(), ..RegionSettings::default() }
}

#[derive(Clone, Debug)]
pub(crate) struct Estate {
    pub(crate) account: AccountInventory,
    pub(crate) arrivals: ArrivalsByVault,
    pub(crate) organization: OrganizationInventory,
    pub(crate) scope: Scope,
}

impl Estate {
    /// Nothing is there, and everything was read.
    pub(crate) fn empty() -> Self {
        let inventory = RegionInventory {
            enabled: known(true),
            settings: known(opted_in(&[("EBS", true), ("EC2", true), ("RDS", true), ("S3", true)])),
            vaults: known(Vec::new()),
            plans: known(Vec::new()),
            resources: known(Vec::new()),
            ..RegionInventory::default()
        };
        let organization = Organization { id: "o-example".to_owned(), management_account: AccountId::parse(MANAGEMENT).unwrap() };
        Self {
            account: AccountInventory {
                account_id: AccountId::parse(OWN).unwrap(),
                at: now(),
                wanted_plans: Fact::NotAsked,
                scps: Fact::NotAsked,
                rcps: Fact::NotAsked,
                service_linked_role: Fact::NotAsked,
                roles: BTreeMap::new(),
                carriers: BTreeMap::new(),
                exempt: BTreeMap::new(),
                trusts: Fact::NotAsked,
                regions: BTreeMap::from([(region(), inventory)]),
            },
            arrivals: BTreeMap::from([(arn(CENTRAL), Arrivals { vault: known(vault(CENTRAL)).into(), points: known(Vec::new()) })]),
            organization: OrganizationInventory {
                at: now(),
                organization: known(organization),
                feature_set: Fact::NotAsked,
                members: Fact::NotAsked,
                trusted_services: Fact::NotAsked,
                delegated_administrators: Fact::NotAsked,
                policy_types: Fact::NotAsked,
                global_settings: Fact::NotAsked,
                opt_in: BTreeMap::new(),
                alarm_path: Fact::NotAsked,
            },
            scope: Scope::default(),
        }
    }

    /// Everything is well.
    pub(crate) fn well() -> Self {
        let mut estate = Self::empty();
        *of(&mut estate.here().plans) = vec![plan("p", vec![rule("r", DAILY, &[CENTRAL])], vec![selection(&[], &[("backup", "true")])])];
        *of(&mut estate.here().resources) = vec![resource(VOLUME, &[("backup", "true")])];
        estate.back_up(&[7, 31, 55]);
        estate.land(&[6, 30, 54]);
        estate
    }

    pub(crate) fn here(&mut self) -> &mut RegionInventory {
        self.account.regions.get_mut(&region()).unwrap()
    }

    pub(crate) fn plan(&mut self) -> &mut BackupPlan {
        of(&mut of(&mut self.here().plans)[0].plan)
    }

    /// The volume was backed up by the rule so many hours ago.
    pub(crate) fn back_up(&mut self, hours: &[i64]) {
        let made = hours.iter().map(|hours| point(*hours, Some(("p", "r")))).collect();
        *of(&mut self.here().vaults) = vec![holding(LOCAL, vec![points(VOLUME, "EBS", None, made)])];
    }

    /// Copies of the volume landed so many hours ago.
    pub(crate) fn land(&mut self, hours: &[i64]) {
        let made = hours.iter().map(|hours| point(*hours, None)).collect();
        *of(&mut self.arrivals.get_mut(&arn(CENTRAL)).unwrap().points) = vec![points(VOLUME, "EBS", Some(LOCAL), made)];
    }

    pub(crate) fn cover(&self) -> Vec<ResourceCoverage> {
        cover(&self.account, &self.arrivals, &self.organization, &self.scope, now())
    }

    /// What is said of a resource.
    pub(crate) fn told(&self, text: &str) -> ResourceCoverage {
        let found = self.cover().into_iter().find(|one| one.resource_arn.as_str() == text);
        found.unwrap_or_else(|| panic!("nothing is said of {text}"))
    }
}
