//! Plans, selections and recovery points in, kinds of copies out.

use super::*;
use crate::evidence::{Lifecycle, PlanRule, RuleTimes, TagOperator, TagTest};

const ROLE: &str = "arn:aws:iam::111111111111:role/service-role/AWSBackupDefaultServiceRole";
const CENTRAL: &str = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central";
const KEY: &str = "arn:aws:kms:eu-central-1:111111111111:key/1";

fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

fn local() -> Arn {
    arn("arn:aws:backup:eu-central-1:111111111111:backup-vault:local")
}

fn plan(id: &str, days: &[Option<i64>]) -> BackupPlan {
    let actions = days.iter().map(|days| CopyAction {
        destination_vault_arn: arn(CENTRAL),
        delete_after_days: *days,
        move_to_cold_storage_after_days: None,
    });
    BackupPlan {
        account_id: AccountId::parse("111111111111").unwrap(),
        region: Region::parse("eu-central-1").unwrap(),
        id: id.to_owned(),
        name: "nightly".to_owned(),
        created_at: None,
        rules: vec![PlanRule {
            name: "night".to_owned(),
            target_vault: "local".to_owned(),
            copy_actions: actions.collect(),
            times: RuleTimes::default(),
            lifecycle: Lifecycle::default(),
        }],
    }
}

fn selection(resources: &[&str]) -> Selection {
    Selection {
        name: "everything".to_owned(),
        role_arn: arn(ROLE),
        resources: resources.iter().map(|pattern| (*pattern).to_owned()).collect(),
        not_resources: Vec::new(),
        tags: Vec::new(),
        conditions: Vec::new(),
        created_at: None,
    }
}

fn by_tag(name: &str, role: &str) -> Selection {
    let tags = vec![TagTest { operator: TagOperator::Equals, key: "backup".to_owned(), value: "daily".to_owned() }];
    Selection { name: name.to_owned(), role_arn: arn(role), tags, ..selection(&[]) }
}

fn volume(number: u32, day: u32, key: Option<&str>) -> StoredPoint {
    StoredPoint {
        arn: arn(&format!("arn:aws:ec2:eu-central-1::snapshot/snap-{number}-{day}")),
        resource_arn: Some(arn(&format!("arn:aws:ec2:eu-central-1:111111111111:volume/vol-{number}"))),
        resource_type: "EBS".to_owned(),
        encryption_key_arn: key.map(arn),
        created_at: Some(format!("2026-01-{day:02}T00:00:00Z").parse().unwrap()),
        plan_id: None,
        copied_from: None,
    }
}

fn found(plans: &[(BackupPlan, Vec<Selection>)], points: Vec<StoredPoint>) -> Discovered {
    discover(plans, &BTreeMap::from([(local(), points)]))
}

#[test]
fn backups_of_one_type_under_one_key_are_one_route_and_the_newest_stands_for_them() {
    let points = vec![volume(1, 1, Some(KEY)), volume(2, 3, Some(KEY)), volume(2, 2, Some(KEY)), volume(3, 1, None)];
    let legs = found(&[(plan("p", &[None]), vec![selection(&["*"])])], points).legs;
    let seen = legs.iter().map(|leg| (leg.key.clone(), leg.recovery_point_arn.as_ref().unwrap().resource_name().to_owned()));
    assert_eq!(seen.collect::<Vec<_>>(), [(LegKey::Key(arn(KEY)), "snap-2-3".to_owned()), (LegKey::Unencrypted, "snap-3-1".to_owned())]);
    assert!(legs.iter().all(|leg| leg.job_role_arn == arn(ROLE) && leg.destination_vault_arn == arn(CENTRAL) && !leg.fully_managed));
}

#[test]
fn of_a_resource_that_came_under_another_key_only_the_newest_backup_counts() {
    let old = "arn:aws:kms:eu-central-1:111111111111:key/old";
    let legs = found(&[(plan("p", &[None]), vec![selection(&[])])], vec![volume(1, 1, Some(old)), volume(1, 2, Some(KEY))]).legs;
    assert_eq!(legs.iter().map(|leg| leg.key.clone()).collect::<Vec<_>>(), [LegKey::Key(arn(KEY))]);
}

#[test]
fn a_plan_copies_neither_what_another_plan_made_nor_what_was_copied_to_it_nor_what_it_does_not_select() {
    let other = StoredPoint { plan_id: Some("q".to_owned()), ..volume(1, 1, Some(KEY)) };
    let copy = StoredPoint { copied_from: Some(local()), ..volume(2, 1, Some(KEY)) };
    let plans = [(plan("p", &[None]), vec![selection(&["arn:aws:rds:*"])])];
    let none = found(&plans, vec![other.clone(), copy.clone(), volume(3, 1, Some(KEY))]);
    assert_eq!((none.legs.len(), none.unknown.len()), (0, 1));
    let excluded = Selection { not_resources: vec!["arn:aws:ec2:*:*:volume/vol-3".to_owned()], ..selection(&["*"]) };
    assert_eq!(found(&[(plan("p", &[None]), vec![excluded])], vec![volume(3, 1, Some(KEY))]).legs, []);
    let mine = StoredPoint { plan_id: Some("p".to_owned()), ..volume(3, 1, Some(KEY)) };
    assert_eq!(found(&[(plan("p", &[None]), vec![selection(&["*"])])], vec![other, copy, mine]).legs.len(), 1);
}

#[test]
fn what_tags_choose_is_certain_only_of_what_the_plan_itself_backed_up() {
    let on_demand = volume(1, 1, Some(KEY));
    let made = StoredPoint { plan_id: Some("p".to_owned()), ..volume(2, 1, None) };
    let perhaps = |selections: Vec<Selection>, points: Vec<StoredPoint>| {
        let legs = found(&[(plan("p", &[None]), selections)], points).legs;
        legs.iter().map(|leg| (leg.key == LegKey::Unencrypted, leg.perhaps_selected.clone())).collect::<Vec<_>>()
    };
    let tagged = || by_tag("tagged", ROLE);
    assert_eq!(
        perhaps(vec![tagged()], vec![on_demand.clone(), made.clone()]),
        [(false, Some("tagged".to_owned())), (true, None)],
        "of the one the plan tells nothing, the other it has chosen before"
    );
    // Conditions beside a pattern are no other case; a pattern that does not name the resource is.
    let conditions = Selection { tags: Vec::new(), conditions: tagged().tags, ..selection(&["*"]) };
    assert_eq!(perhaps(vec![conditions.clone()], vec![on_demand.clone()]), [(false, Some("everything".to_owned()))]);
    assert_eq!(perhaps(vec![Selection { resources: vec!["arn:aws:rds:*".to_owned()], ..conditions }], vec![on_demand.clone()]), []);
    // Another selection that names it makes it certain.
    assert_eq!(perhaps(vec![tagged(), selection(&["arn:aws:ec2:*"])], vec![on_demand.clone()]), [(false, None)]);
    // Which of two selections with roles of their own chose it, the recovery point does not tell.
    let other = "arn:aws:iam::111111111111:role/other";
    assert_eq!(
        perhaps(vec![tagged(), by_tag("second", other)], vec![made.clone()]),
        [(true, Some("second".to_owned())), (true, Some("tagged".to_owned()))]
    );
    assert_eq!(perhaps(vec![tagged(), by_tag("second", ROLE)], vec![made]), [(true, None)]);
    // Nothing is backed up yet: what is named besides tags may be copied.
    let both = Selection { resources: vec!["arn:aws:ec2:*:*:volume/*".to_owned()], ..tagged() };
    assert_eq!(perhaps(vec![both], Vec::new()), [(false, Some("tagged".to_owned()))]);
}

#[test]
fn without_a_backup_the_selection_tells_the_type_and_for_managed_types_the_key() {
    let patterns = ["arn:aws:ec2:*:*:volume/*", "arn:aws:elasticfilesystem:eu-central-1:111111111111:file-system/fs-1"];
    let legs = found(&[(plan("orgs/p", &[None]), vec![selection(&patterns)])], Vec::new()).legs;
    let seen = legs.iter().map(|leg| (leg.resource_type.as_str(), leg.fully_managed, leg.key.clone())).collect::<Vec<_>>();
    assert_eq!(seen, [("EBS", false, LegKey::NotSeen), ("EFS", true, LegKey::OfVault)]);
    // The type alone does not tell how DynamoDB is backed up, and a star tells nothing.
    for pattern in ["arn:aws:dynamodb:*:*:table/*", "*"] {
        let unknown = found(&[(plan("p", &[None]), vec![selection(&[pattern])])], Vec::new()).unknown;
        assert_eq!(unknown.iter().map(|unknown| unknown.source_vault_arn.clone()).collect::<Vec<_>>(), [local()], "{pattern}");
    }
}

#[test]
fn a_vault_whose_backups_were_not_read_gives_nothing_and_a_plan_without_copies_neither() {
    let plans = [(plan("p", &[None]), vec![selection(&["*"])])];
    assert_eq!(discover(&plans, &BTreeMap::new()), Discovered::default());
    assert_eq!(found(&[(plan("p", &[]), vec![selection(&["*"])])], vec![volume(1, 1, Some(KEY))]), Discovered::default());
}

#[test]
fn the_shortest_and_the_longest_retention_of_equal_routes_are_kept() {
    let plans = [(plan("p", &[Some(5), Some(30)]), vec![selection(&["*"])]), (plan("q", &[None]), vec![selection(&["*"])])];
    let legs = found(&plans, vec![volume(1, 1, Some(KEY))]).legs;
    assert_eq!(legs.iter().map(|leg| leg.retention_days).collect::<Vec<_>>(), [(Some(5), None)]);
}

#[test]
fn the_order_of_what_was_read_changes_nothing() {
    let mut points = vec![volume(1, 1, Some(KEY)), volume(2, 3, Some(KEY)), volume(3, 1, None), volume(2, 2, None)];
    let mut plans = vec![(plan("p", &[Some(5)]), vec![selection(&["*"]), selection(&[])]), (plan("q", &[None]), vec![selection(&["*"])])];
    let first = found(&plans, points.clone());
    points.reverse();
    plans.reverse();
    assert_eq!(found(&plans, points), first);
}
