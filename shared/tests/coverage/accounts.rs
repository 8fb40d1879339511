//! What is said of resources, illness by illness.

use std::sync::Arc;

use guardian_core::coverage::Protection::{self, *};

use crate::estate::*;

const CLUSTER: &str = "arn:aws:rds:eu-central-1:111111111111:cluster:orders";
const INSTANCE: &str = "arn:aws:rds:eu-central-1:111111111111:db:orders";
const STACK: &str = "arn:aws:cloudformation:eu-central-1:111111111111:stack/orders/1";

/// What is said of the volume, and that the reason has these words.
fn check(estate: &Estate, protection: Protection, words: &str) {
    let told = estate.told(VOLUME);
    assert_eq!(told.protection, protection, "{told:#?}");
    assert!(told.why.contains(words), "{}", told.why);
}

#[test]
fn a_volume_that_is_backed_up_and_copied_by_its_schedule_is_protected() {
    let estate = Estate::well();
    check(&estate, Protected, "7 hours old, where 27 are allowed, and its copies landed");
    let told = estate.told(VOLUME);
    assert_eq!(told.resource_type, "EBS");
    assert_eq!((told.rules[0].because.as_str(), told.rules[0].certain), ("its tag `backup` is `true`", true));
    assert_eq!(told.rules[0].longest_pause_hours, Some(24));
    assert_eq!(told.newest_backup.unwrap().created_at, ago(7));
    assert_eq!((told.copies[0].newest.as_ref().unwrap().created_at, told.copies[0].uncopied), (ago(6), 0));
}

#[test]
fn what_no_selection_selects_is_unprotected_and_the_selections_say_why() {
    let mut estate = Estate::well();
    let mut others = vec![selection(&["arn:aws:rds:*:*:db:*"], &[]), selection(&["*"], &[])];
    others[1].not_resources = vec!["arn:aws:ec2:*:*:volume/*".to_owned()];
    of(&mut of(&mut estate.here().plans)[0].selections).extend(others.into_iter().map(known));
    of(&mut estate.here().resources)[0].tags.clear();
    check(&estate, Unprotected, "of the 3 selections in its Region none selects it: 1 name other resources, 1 exclude it, 1 ask for tags");
    *of(&mut estate.here().plans) = Vec::new();
    check(&estate, Unprotected, "no selection");
}

#[test]
fn what_nobody_wants_protected_is_left_out_unless_something_selects_it() {
    let mut estate = Estate::well();
    estate.scope.baseline.wanted_tags = serde_json::from_str(r#"[{"key": "stage", "values": ["prod"]}]"#).unwrap();
    check(&estate, Protected, "");
    of(&mut estate.here().resources)[0].tags.remove("backup");
    assert_eq!(estate.cover(), vec![]);
    of(&mut estate.here().resources)[0].tags.insert("stage".to_owned(), "test".to_owned());
    assert_eq!(estate.cover(), vec![]);
    of(&mut estate.here().resources)[0].tags.insert("stage".to_owned(), "prod".to_owned());
    check(&estate, Unprotected, "");
}

#[test]
fn a_type_that_is_switched_off_blocks_what_tags_select() {
    let mut estate = Estate::well();
    estate.here().settings = known(opted_in(&[("EBS", false)]));
    check(&estate, OptInBlocked, "opt-in");
    // Where the type is named, the setting is disregarded.
    *of(&mut estate.here().plans) =
        vec![plan("p", vec![rule("r", DAILY, &[CENTRAL])], vec![selection(&["arn:aws:ec2:*:*:volume/*"], &[])])];
    check(&estate, Protected, "");
}

#[test]
fn for_plans_of_the_organization_the_setting_of_the_management_account_counts() {
    let mut estate = Estate::well();
    *of(&mut estate.here().plans) = vec![plan("orgs/p", vec![rule("r", DAILY, &[])], vec![selection(&["*"], &[])])];
    estate.here().settings = known(opted_in(&[("EBS", false)]));
    *of(&mut estate.here().vaults) = Vec::new();
    check(&estate, Unknown, "the opt-in setting that counts was not seen");
    estate.organization.opt_in.insert(region(), known(opted_in(&[("EBS", true)])));
    check(&estate, SelectedNeverBackedUp, "");
    estate.organization.opt_in.insert(region(), known(opted_in(&[("EBS", false)])));
    check(&estate, OptInBlocked, "");
    estate.organization.opt_in.insert(region(), gap("backup:DescribeRegionSettings"));
    assert_eq!(estate.told(VOLUME).gaps[0].action, "backup:DescribeRegionSettings");
    of(&mut estate.organization.organization).management_account = estate.account.account_id.clone();
    check(&estate, OptInBlocked, "");
}

#[test]
fn what_aws_leaves_open_a_backup_of_the_plan_settles() {
    let mut estate = Estate::well();
    let both = vec![selection(&["arn:aws:ec2:*:*:volume/*"], &[("stage", "prod")])];
    of(&mut estate.here().plans)[0].selections = known(both.into_iter().map(known).collect());
    check(&estate, Protected, "");
    assert!(estate.told(VOLUME).rules[0].certain);
    estate.land(&[]);
    check(&estate, NeverCopied, "");
    // Longer ago, it says nothing of today.
    estate.back_up(&[60]);
    check(&estate, Unknown, "in two ways");
    assert!(!estate.told(VOLUME).rules[0].certain);
}

#[test]
fn what_is_selected_and_has_no_recovery_point_was_never_backed_up_once_a_run_was_due() {
    let mut estate = Estate::well();
    estate.back_up(&[]);
    check(&estate, SelectedNeverBackedUp, "was due");
    // The plan is of today 06:00: its first run is tomorrow at 05:00, and until 08:00 its backup need not be there.
    estate.plan().created_at = Some(ago(6));
    check(&estate, Unknown, "need not be there before 2026-11-28 08:00 UTC");
    // Of 04:00: the run of 05:00 was due at 08:00.
    estate.plan().created_at = Some(ago(8));
    check(&estate, SelectedNeverBackedUp, "");
    // A selection is as old as itself, whatever the age of its plan.
    of(&mut of(&mut of(&mut estate.here().plans)[0].selections)[0]).created_at = Some(ago(6));
    check(&estate, Unknown, "2026-11-28 08:00 UTC");
}

#[test]
fn backups_older_than_the_schedule_allows_are_stale() {
    let mut estate = Estate::well();
    estate.back_up(&[27, 51]);
    check(&estate, Protected, "");
    estate.back_up(&[28, 52]);
    check(&estate, Stale, "its newest recovery point is 28 hours old, and a rule that selects it allows 27");
    // Without a start window of its own, AWS' eight hours count, twice.
    estate.plan().rules[0].times.start_window_minutes = None;
    estate.back_up(&[41]);
    estate.land(&[41]);
    check(&estate, Protected, "");
    estate.back_up(&[42]);
    check(&estate, Stale, "allows 41");
}

#[test]
fn of_several_rules_the_most_frequent_decides_about_backups_and_each_about_its_own_copies() {
    let mut estate = Estate::well();
    estate.plan().rules.push(rule("hourly", "cron(30 * ? * * *)", &[]));
    check(&estate, Stale, "7 hours old, and a rule that selects it allows 4");
    let made = vec![point(3, Some(("p", "hourly"))), point(31, Some(("p", "r")))];
    *of(&mut estate.here().vaults) = vec![holding(LOCAL, vec![points(VOLUME, "EBS", None, made)])];
    check(&estate, Protected, "3 hours old, where 4 are allowed");
    // What the other rule makes, nobody asked to copy: the copies are measured by the rule that makes them.
    estate.land(&[52]);
    check(&estate, Stale, "1 recovery point younger than its newest copy");
    estate.land(&[31]);
    assert_eq!(estate.told(VOLUME).copies[0].uncopied, 0);
    check(&estate, Protected, "");
}

#[test]
fn a_schedule_that_cannot_be_read_makes_nobody_ill_and_nobody_well() {
    let mut estate = Estate::well();
    estate.plan().rules[0].times.schedule = Some("cron(never)".to_owned());
    check(&estate, Unknown, "the schedule of a rule that selects it cannot be read");
    estate.back_up(&[]);
    check(&estate, Unknown, "schedule");
    // That no copy of an old backup landed needs no schedule.
    estate.back_up(&[100]);
    estate.land(&[]);
    check(&estate, NeverCopied, "");
}

#[test]
fn backups_of_which_no_copy_landed_were_never_copied_once_one_must_be_there() {
    let mut estate = Estate::well();
    estate.land(&[]);
    check(&estate, NeverCopied, "no copy of it ever landed in the vault in account 222222222222");
    let told = estate.told(VOLUME);
    assert_eq!((told.copies[0].uncopied, told.copies[0].read), (2, true), "those of 31 and 55 hours ago");
    assert_eq!(told.copies[0].first_uncopied_expires_at, Some(ago(55 - 35 * 24)));
    // Two hours of window and completion, one of grace, 24 for the copy: a backup of 27 hours ago may be on its way.
    estate.back_up(&[7, 27]);
    check(&estate, Unknown, "no backup of that rule is old enough");
    estate.back_up(&[7, 28]);
    check(&estate, NeverCopied, "");
}

#[test]
fn a_copy_that_landed_long_ago_is_stale_and_what_it_left_behind_is_counted() {
    let mut estate = Estate::well();
    estate.back_up(&[7, 31, 55, 79]);
    estate.land(&[54]);
    check(
        &estate,
        Stale,
        "1 recovery point younger than its newest copy in the vault in account 222222222222 that a rule copies to did not land there within 24",
    );
    let told = estate.told(VOLUME);
    assert_eq!((told.copies[0].uncopied, told.copies[0].first_uncopied_expires_at), (1, Some(ago(31 - 35 * 24))));
    // In the other reading, in which a copy carries the time of its backup.
    estate.land(&[55]);
    assert_eq!(estate.told(VOLUME).copies[0].uncopied, 1);
    // Without any backup that should have been copied, the age of the copy is told.
    estate.back_up(&[7, 79]);
    check(
        &estate,
        Stale,
        "its newest copy in the vault in account 222222222222 that a rule copies to is 55 hours old, and the rule allows 51",
    );
    estate.land(&[51]);
    check(&estate, Protected, "");
}

#[test]
fn backups_on_demand_count_as_backups_but_need_no_copy() {
    let mut estate = Estate::well();
    let made = vec![point(7, None), point(40, None), point(79, Some(("p", "r")))];
    *of(&mut estate.here().vaults) = vec![holding(LOCAL, vec![points(VOLUME, "EBS", None, made)])];
    estate.land(&[50]);
    check(&estate, Protected, "");
    assert_eq!(estate.told(VOLUME).copies[0].uncopied, 0);
}

#[test]
fn the_copy_of_another_account_is_no_copy_of_this_one() {
    let mut estate = Estate::empty();
    let buckets = vec![selection(&["arn:aws:s3:::*"], &[])];
    *of(&mut estate.here().plans) = vec![plan("p", vec![rule("r", DAILY, &[CENTRAL])], buckets)];
    *of(&mut estate.here().resources) = vec![resource(BUCKET, &[])];
    let made = vec![point(7, Some(("p", "r"))), point(31, Some(("p", "r")))];
    *of(&mut estate.here().vaults) = vec![holding(LOCAL, vec![points(BUCKET, "S3", None, made)])];
    let landed = |from: &str| vec![points(BUCKET, "S3", Some(from), vec![point(6, None)])];
    *of(&mut estate.arrivals.get_mut(&arn(CENTRAL)).unwrap().points) = landed(&LOCAL.replace(OWN, "999999999999"));
    assert_eq!(estate.told(BUCKET).protection, NeverCopied);
    *of(&mut estate.arrivals.get_mut(&arn(CENTRAL)).unwrap().points) = landed(LOCAL);
    assert_eq!(estate.told(BUCKET).protection, Protected);
    // Nor is a copy that another account put into a vault of this one a backup of it.
    *of(&mut estate.here().vaults) = vec![holding(LOCAL, landed(&LOCAL.replace(OWN, "999999999999")))];
    assert_eq!(estate.told(BUCKET).protection, SelectedNeverBackedUp);
}

#[test]
fn copies_within_the_account_are_looked_for_in_its_own_vaults() {
    const SECOND: &str = "arn:aws:backup:eu-central-1:111111111111:backup-vault:second";
    let mut estate = Estate::well();
    estate.plan().rules[0].copy_actions[0].destination_vault_arn = arn(SECOND);
    check(&estate, NeverCopied, "in account 111111111111");
    of(&mut estate.here().vaults).push(holding(SECOND, vec![points(VOLUME, "EBS", Some(LOCAL), vec![point(6, None)])]));
    check(&estate, Protected, "");
    // A Region that was not swept.
    estate.plan().rules[0].copy_actions[0].destination_vault_arn = arn(&SECOND.replace("eu-central-1", "eu-west-1"));
    check(&estate, Unknown, "could not be read");
}

#[test]
fn a_backup_into_an_air_gapped_vault_is_a_backup_though_it_came_as_a_copy() {
    let mut estate = Estate::well();
    estate.plan().rules[0].copy_actions.clear();
    let mut inventory = holding(LOCAL, vec![points(VOLUME, "EBS", Some(LOCAL), vec![point(7, Some(("p", "r")))])]);
    *of(&mut estate.here().vaults) = vec![inventory.clone()];
    check(&estate, SelectedNeverBackedUp, "");
    inventory.vault.vault_type = Some("LOGICALLY_AIR_GAPPED_BACKUP_VAULT".to_owned());
    *of(&mut estate.here().vaults) = vec![inventory];
    check(&estate, Protected, "");
}

#[test]
fn how_far_a_continuous_backup_reaches_is_not_known_from_its_age() {
    let mut estate = Estate::well();
    estate.plan().rules[0].times.continuous = true;
    estate.back_up(&[500]);
    check(&estate, Unknown, "continuously");
    estate.back_up(&[]);
    check(&estate, SelectedNeverBackedUp, "");
    // Of what is kept up to date nothing is left behind; its copies are snapshots by the schedule.
    let mut made = point(500, Some(("p", "r")));
    made.arn = arn("arn:aws:backup:eu-central-1:111111111111:recovery-point:continuous:1");
    *of(&mut estate.here().vaults) = vec![holding(LOCAL, vec![points(VOLUME, "EBS", None, vec![made, point(3, None)])])];
    check(&estate, Protected, "");
    estate.land(&[600]);
    check(&estate, Stale, "600 hours old");
    assert_eq!(estate.told(VOLUME).copies[0].uncopied, 0);
}

#[test]
fn what_is_not_listed_may_be_deleted_and_is_ill_only_while_it_is_backed_up() {
    let mut estate = Estate::well();
    of(&mut of(&mut of(&mut estate.here().plans)[0].selections)[0]).resources = vec![VOLUME.to_owned()];
    of(&mut of(&mut of(&mut estate.here().plans)[0].selections)[0]).tags.clear();
    *of(&mut estate.here().resources) = Vec::new();
    check(&estate, Protected, "");
    estate.land(&[]);
    check(&estate, NeverCopied, "");
    estate.back_up(&[60]);
    check(&estate, Unknown, "it may be deleted");
    estate.back_up(&[]);
    check(&estate, Unknown, "it may be deleted");
    *of(&mut estate.here().plans) = Vec::new();
    estate.back_up(&[7]);
    check(&estate, Unknown, "it may be deleted");
}

#[test]
fn resources_that_are_backed_up_with_others_are_not_ill_by_themselves() {
    let mut estate = Estate::well();
    *of(&mut estate.here().resources) = vec![resource(INSTANCE, &[])];
    assert_eq!(estate.told(INSTANCE).protection, Unprotected);
    of(&mut estate.here().resources).extend([resource(CLUSTER, &[]), resource(STACK, &[])]);
    assert_eq!(estate.told(INSTANCE).protection, Unknown);
    let cluster = estate.told(CLUSTER);
    assert_eq!((cluster.protection, cluster.resource_type.as_str()), (Unprotected, "Aurora, DocumentDB, Neptune or RDS"));
    assert!(estate.cover().iter().all(|one| one.resource_arn.as_str() != STACK), "a stack is a way to name its resources");
    of(&mut estate.here().resources)[2].tags.insert("backup".to_owned(), "true".to_owned());
    of(&mut estate.here().settings).opted_in.insert("CloudFormation".to_owned(), true);
    assert_eq!(estate.told(STACK).protection, SelectedNeverBackedUp, "this one is meant to be backed up");
}

#[test]
fn the_key_of_a_copy_is_compared_with_that_of_its_vault() {
    let key = |id: &str| arn(&format!("arn:aws:kms:eu-central-1:222222222222:key/{id}"));
    let mut estate = Estate::well();
    let arrived = estate.arrivals.get_mut(&arn(CENTRAL)).unwrap();
    of(Arc::make_mut(&mut arrived.vault)).encryption_key_arn = Some(key("1"));
    assert_eq!(estate.told(VOLUME).copies[0].under_vault_key, None);
    for (id, same) in [("1", true), ("2", false)] {
        of(&mut estate.arrivals.get_mut(&arn(CENTRAL)).unwrap().points)[0].newest[0].key_arn = Some(key(id));
        assert_eq!(estate.told(VOLUME).copies[0].under_vault_key, Some(same));
    }
}

#[test]
fn an_exception_covers_what_is_ill_until_it_ends_and_keeps_the_reason() {
    let exception = |until: &str| format!(r#"[{{"check": "coverage", "owner": "data", "reason": "scratch", "until": "{until}"}}]"#);
    let mut estate = Estate::well();
    estate.scope.baseline.exceptions = serde_json::from_str(&exception("2026-12-31T00:00:00Z")).unwrap();
    check(&estate, Protected, "");
    estate.land(&[]);
    check(&estate, Excepted, "no copy of it ever landed");
    assert_eq!(estate.told(VOLUME).exception.unwrap().owner, "data");
    estate.scope.baseline.exceptions = serde_json::from_str(&exception("2026-11-27T11:59:59Z")).unwrap();
    check(&estate, NeverCopied, "");
    // What is not known is nobody's responsibility to take.
    estate.scope.baseline.exceptions = serde_json::from_str(&exception("2026-12-31T00:00:00Z")).unwrap();
    estate.here().plans = gap("backup:ListBackupPlans");
    check(&estate, Unknown, "");
}

#[test]
fn a_region_that_is_switched_off_has_no_resources() {
    let mut estate = Estate::well();
    estate.here().enabled = known(false);
    assert_eq!(estate.cover(), vec![]);
}
