//! How long an account takes to be judged: resources by the thousand, each asked of 10 plans with 5 selections. `make bench`.
//!
//! The cost must grow with the number of resources and no faster.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a bench may stop at the first surprise")]

use std::collections::BTreeMap;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use guardian_core::arn::Arn;
use guardian_core::compliance::Scope;
use guardian_core::coverage::{Arrivals, ArrivalsByVault, cover};
use guardian_core::evidence::{AccountInventory, Fact, OrganizationInventory};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const NOW: &str = "2026-11-27T12:00:00Z";
const ACCOUNT: &str = "111111111111";
const CENTRAL: &str = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central";
const LOCAL: &str = "arn:aws:backup:eu-central-1:111111111111:backup-vault:local";
/// Recovery points of a resource: as many days in the account as in the backup account.
const DAYS: i64 = 6;

fn main() {
    divan::main();
}

fn known(value: &Value) -> Value {
    json!({"fact": "known", "value": value, "source": "bench", "at": NOW})
}

fn volume(number: usize) -> String {
    format!("arn:aws:ec2:eu-central-1:{ACCOUNT}:volume/vol-{number:012}")
}

/// Five selections of a plan: one by tag, one by type and condition, one by pattern, one of exclusions, one that names 500 resources.
fn selections(plan: usize) -> Value {
    let selection = |name: &str, resources: &Value, not_resources: &Value, tags: &Value, conditions: &Value| {
        let role = format!("arn:aws:iam::{ACCOUNT}:role/backup");
        known(&json!({"name": name, "role_arn": role, "resources": resources, "not_resources": not_resources, "tags": tags,
            "conditions": conditions, "created_at": "2025-01-01T00:00:00Z"}))
    };
    let tag = |key: &str, value: &str| json!([{"operator": "equals", "key": key, "value": value}]);
    let named = (0..500).map(|number| volume(plan * 500 + number)).collect::<Vec<_>>();
    json!([
        selection("tagged", &json!([]), &json!([]), &tag("backup", &format!("plan-{plan}")), &json!([])),
        selection("type", &json!(["arn:aws:ec2:*:*:volume/*"]), &json!([]), &json!([]), &tag("aws:ResourceTag/tier", &format!("{plan}"))),
        selection("pattern", &json!([format!("arn:aws:ec2:*:*:volume/vol-*{plan}7")]), &json!([]), &json!([]), &json!([])),
        selection(
            "rest",
            &json!(["arn:aws:rds:*:*:*"]),
            &json!(["arn:aws:ec2:*:*:volume/*", "arn:aws:ec2:*:*:instance/*"]),
            &json!([]),
            &json!([])
        ),
        selection("named", &json!(named), &json!([]), &json!([]), &json!([])),
    ])
}

fn plan(number: usize) -> Value {
    let rule = |id: &str, schedule: &str| {
        json!({"name": id, "target_vault": "local", "copy_actions": [{"destination_vault_arn": CENTRAL}],
            "times": {"rule_id": id, "schedule": schedule, "start_window_minutes": 60}})
    };
    let id = format!("plan-{number}");
    let plan = json!({"account_id": ACCOUNT, "region": "eu-central-1", "id": id, "name": id, "created_at": "2025-01-01T00:00:00Z",
        "rules": [rule(&format!("{number}-daily"), "cron(0 5 ? * * *)"), rule(&format!("{number}-monthly"), "cron(0 5 1 * ? *)")]});
    json!({"plan": known(&plan), "id": id, "selections": known(&selections(number))})
}

fn points(number: usize, copied_from: Option<&str>) -> Value {
    let now = NOW.parse::<Timestamp>().unwrap();
    let plan = number % 10;
    let made = |day: i64| {
        let at = now - jiff::SignedDuration::from_hours(day * 24 + 7);
        json!({"arn": format!("arn:aws:ec2:eu-central-1::snapshot/snap-{number:012}-{day}"), "created_at": at,
            "plan_id": format!("plan-{plan}"), "rule_id": format!("{plan}-daily")})
    };
    json!({"resource_arn": volume(number), "resource_type": "EBS", "copied_from": copied_from, "completed": DAYS,
        "newest": (0..DAYS).map(made).collect::<Vec<_>>()})
}

/// Each resource is read by itself, so that the text of all of them is never there at once.
fn account(resources: usize) -> (AccountInventory, ArrivalsByVault) {
    fn all<T: DeserializeOwned>(resources: usize, one: impl Fn(usize) -> Value) -> Fact<Vec<T>> {
        let value = (0..resources).map(|number| serde_json::from_value(one(number)).unwrap()).collect();
        Fact::Known { value, source: "bench".to_owned(), at: NOW.parse().unwrap() }
    }
    let region = json!({"enabled": known(&json!(true)), "settings": known(&json!({"opted_in": {"EBS": true}})),
        "vaults": known(&json!([{"vault": {"arn": LOCAL}}])), "plans": known(&(0..10).map(plan).collect())});
    let account = json!({"account_id": ACCOUNT, "at": NOW, "regions": {"eu-central-1": region}});
    let mut account = serde_json::from_value::<AccountInventory>(account).unwrap();
    let region = account.regions.values_mut().next().unwrap();
    region.resources =
        all(resources, |n| json!({"arn": volume(n), "tags": {"backup": format!("plan-{}", n % 10), "tier": "none", "name": "x"}}));
    if let Fact::Known { value, .. } = &mut region.vaults {
        value[0].points = all(resources, |n| points(n, None));
    }
    let arrivals = Arrivals { points: all(resources, |n| points(n, Some(LOCAL))), ..Arrivals::default() };
    (account, BTreeMap::from([(Arn::parse(CENTRAL).unwrap(), arrivals)]))
}

#[divan::bench(args = [1_000, 10_000, 100_000], max_time = 20)]
fn resources(bencher: Bencher<'_, '_>, resources: usize) {
    let (account, arrivals) = account(resources);
    let organization = serde_json::from_value::<OrganizationInventory>(json!({"at": NOW})).unwrap();
    let (scope, now) = (Scope::default(), NOW.parse::<Timestamp>().unwrap());
    bencher
        .counter(ItemsCount::new(resources))
        .bench(|| black_box(cover(black_box(&account), &arrivals, &organization, &scope, now)).len());
}

/// What an account costs before its first resource: its plans.
#[divan::bench]
fn plans_alone(bencher: Bencher<'_, '_>) {
    let (account, arrivals) = account(0);
    let organization = serde_json::from_value::<OrganizationInventory>(json!({"at": NOW})).unwrap();
    let (scope, now) = (Scope::default(), NOW.parse::<Timestamp>().unwrap());
    bencher.bench(|| black_box(cover(black_box(&account), &arrivals, &organization, &scope, now)).len());
}
