//! Answers in, a plan out. That the parameters are those of the templates is proved where these can be read (tests/suite/test_topology_plan.py).

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::arn::{AccountId, Region};
use crate::evidence::WantedPlan;

mod agreed;
mod mapped;
mod told;

const BACKUP: &str = "222222222222";

fn id(text: &str) -> AccountId {
    AccountId::parse(text).unwrap()
}

fn frankfurt() -> Region {
    Region::parse("eu-central-1").unwrap()
}

/// The example with some members changed.
fn with(changes: Value) -> Value {
    fn merge(into: &mut Value, from: Value) {
        match (into, from) {
            (Value::Object(into), Value::Object(from)) => {
                for (name, value) in from {
                    if value.is_null() {
                        into.remove(&name);
                    } else {
                        merge(into.entry(name).or_insert(Value::Null), value);
                    }
                }
            }
            (into, from) => *into = from,
        }
    }
    let mut answers = example();
    merge(&mut answers, changes);
    answers
}

fn planned(changes: Value, seen: &Seen) -> Plan {
    let answers = Answers::read(&with(changes)).unwrap_or_else(|problems| panic!("{problems:?}"));
    plan(&answers, seen, "setup").unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn problems(changes: Value) -> Vec<String> {
    Answers::read(&with(changes)).unwrap_err().iter().map(ToString::to_string).collect()
}

fn titles(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.what.as_str()).collect()
}

fn parameters<'a>(plan: &'a Plan, stack: &str) -> BTreeMap<&'static str, &'a str> {
    let stack = plan.stacks.iter().find(|one| one.name == stack).unwrap_or_else(|| panic!("no stack {stack}"));
    stack.parameters.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[test]
fn the_example_makes_a_plan_in_which_each_step_finds_what_it_needs() {
    let plan = planned(json!({}), &Seen::default());
    assert!(plan.omitted.is_empty());
    assert!(plan.steps.iter().enumerate().all(|(at, step)| step.number == at + 1 && !step.actions.is_empty()));
    let at = |what: &str| titles(&plan).iter().position(|title| title.contains(what)).unwrap_or_else(|| panic!("no step {what}"));
    let order = ["AWS Backup see", "StackSets deploy", "backup policies on", "copies into other", "service-linked role", "central vault"];
    let order = order.into_iter().chain(["stacks: what each source", "stacks: the roles", "Deploy the guardian", "stacks: the forwarding"]);
    let order = order.chain(["Make the backup policy"]).map(at).collect::<Vec<_>>();
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(order.last(), Some(&(plan.steps.len() - 1)));
    let policy = parameters(&plan, "backup-policy-backups");
    assert_eq!(policy["CentralVaultArn"], "arn:aws:backup:eu-central-1:222222222222:backup-vault:central-backups");
    assert_eq!(
        (policy["BackupRegions"], policy["ProtectSources"], policy["ProtectBackupAccountId"]),
        ("eu-central-1,eu-west-1", "yes", BACKUP)
    );
    assert!(policy.contains_key("MonthlySchedule") && !policy.contains_key("WeeklySchedule"));
    let reader = parameters(&plan, "backup-guardian-agent-global-management");
    assert_eq!(reader["ReadOrganization"], "yes");
    assert_eq!(parameters(&plan, "backup-guardian")["OrganizationRoleArn"], "arn:aws:iam::333333333333:role/backup-guardian-reader");
}

#[test]
fn without_a_region_for_all_copies_each_region_has_its_vault_and_its_policy() {
    let plan = planned(
        json!({"backup": {"region": null}, "policies": [{"name": "nightly"}, {"name": "other", "targets": ["ou-ab12-22222222"]}]}),
        &Seen::default(),
    );
    let vaults = titles(&plan).into_iter().filter(|title| title.contains("central vault")).count();
    assert_eq!(vaults, 2);
    for region in ["eu-central-1", "eu-west-1"] {
        let policy = parameters(&plan, &format!("backup-policy-nightly-{region}"));
        assert_eq!((policy["BackupRegions"], policy["PolicyName"]), (region, format!("nightly-{region}").as_str()));
        assert!(policy["CentralVaultArn"].contains(region));
    }
    // Protected once: the backup account by the first stack, sources by the first of each group.
    let protecting = |name: &str| {
        plan.stacks
            .iter()
            .filter(|stack| stack.parameters.iter().any(|(key, value)| *key == name && value != "no"))
            .map(|stack| stack.name.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(protecting("ProtectBackupAccountId"), ["backup-policy-nightly-eu-central-1"]);
    assert_eq!(protecting("ProtectSources"), ["backup-policy-nightly-eu-central-1", "backup-policy-other-eu-central-1"]);
}

#[test]
fn the_whole_organization_has_its_management_account_too_and_the_glass_can_be_broken() {
    let everywhere = json!({"sources": {"targets": ["r-ab12"]}});
    let plan = planned(everywhere, &Seen::default());
    assert_eq!(titles(&plan).iter().filter(|title| title.starts_with("Make the same in the management account")).count(), 2);
    assert_eq!(parameters(&plan, "backup-policy-backups")["ProtectSources"], "no");
    let told = problems(json!({"sources": {"targets": ["r-ab12"]}, "protect": {"sources": true}}));
    assert!(told.len() == 1 && told[0].starts_with("`protect.sources`") && told[0].contains("break-glass"), "{told:?}");
    let told = problems(json!({"policies": [{"targets": ["r-ab12"]}], "protect": {"sources": false}}));
    assert!(told[0].starts_with("`policies[0].targets` has the root"), "{told:?}");
}

#[test]
fn nothing_is_locked_for_good_that_nobody_acknowledged() {
    for lock in [json!({"lock": {"mode": "compliance"}}), json!({"air_gapped_vault": "air-gap"})] {
        let told = problems(json!({"backup": lock}));
        assert!(
            told.len() == 1 && told[0].starts_with("`backup.lock.acknowledgement` is missing") && told[0].contains(ACKNOWLEDGEMENT),
            "{told:?}"
        );
    }
    for not_quite in ["yes", "Nobody can undo this lock", "nobody can undo this lock "] {
        let told = problems(json!({"backup": {"lock": {"mode": "compliance", "acknowledgement": not_quite}}}));
        assert!(told[0].starts_with("`backup.lock.acknowledgement` is `"), "{told:?}");
    }
    let plan = planned(json!({"backup": {"lock": {"mode": "compliance", "acknowledgement": ACKNOWLEDGEMENT}}}), &Seen::default());
    let vault = parameters(&plan, "backup-account");
    assert_eq!((vault["LockMode"], vault["LockAcknowledgement"], vault["LockGraceDays"]), ("compliance", ACKNOWLEDGEMENT, "14"));
    assert!(plan.notes.iter().any(|note| note.contains("14 days after")), "{:?}", plan.notes);
    let air_gapped = json!({"backup": {"air_gapped_vault": "air-gap", "lock": {"acknowledgement": ACKNOWLEDGEMENT}}});
    assert_eq!(parameters(&planned(air_gapped, &Seen::default()), "backup-account")["LockAcknowledgement"], ACKNOWLEDGEMENT);
    let governance = planned(json!({}), &Seen::default());
    assert!(!parameters(&governance, "backup-account").contains_key("LockAcknowledgement"));
}

#[test]
fn copies_fit_into_the_lock() {
    let rules = |days: u32| json!([{"daily": {"keep_copies_days": days}}]);
    let told = problems(json!({"policies": rules(6)}));
    assert!(
        told.len() == 1 && told[0].starts_with("`policies[0].daily.keep_copies_days` is `6`") && told[0].contains("7 to 3650"),
        "{told:?}"
    );
    // Without numbers the lock takes what the policies ask for.
    let plan = planned(json!({"backup": {"lock": null}, "policies": rules(5000)}), &Seen::default());
    let vault = parameters(&plan, "backup-account");
    assert_eq!((vault["MinRetentionDays"], vault["MaxRetentionDays"]), ("5000", "5000"));
    let told = problems(json!({"backup": {"lock": {"max_days": 5}}}));
    assert!(told.iter().any(|one| one.starts_with("`backup.lock.max_days` is `5`")), "{told:?}");
}

#[test]
fn what_is_wrong_is_told_by_its_field_and_all_at_once() {
    for (changes, field, says) in [
        (json!({"organization": {"id": "o-UPPER"}}), "organization.id", "o-exampleorgid"),
        (json!({"organization": {"id": null}}), "organization.id", "is missing"),
        (json!({"organization": {"root_id": "ou-ab12-11111111"}}), "organization.root_id", "r-ab12"),
        (json!({"regions": []}), "regions", "a list"),
        (json!({"regions": ["eu-central-1", "mars"]}), "regions[1]", "eu-central-1"),
        (json!({"regions": ["eu-central-1", "eu-central-1"]}), "regions[1]", "twice"),
        (json!({"sources": {"targets": ["222222222222"]}}), "sources.targets[0]", "organizational unit"),
        (json!({"sources": {"vault": "a b"}}), "sources.vault", "letters"),
        (json!({"sources": {"make_volume_key": false, "volumes_use_the_key": true}}), "sources.volumes_use_the_key", "make_volume_key"),
        (json!({"backup": {"account": "22"}}), "backup.account", "12 digits"),
        (json!({"backup": {"account": 222_222_222_222_u64}}), "backup.account", "12 digits, a text in quotation marks"),
        (
            json!({"backup": {"account": "333333333333", "break_glass_principal": "arn:aws:iam::333333333333:user/x"}}),
            "backup.account",
            "management account",
        ),
        (
            json!({"backup": {"break_glass_principal": "arn:aws:iam::111111111111:user/x"}}),
            "backup.break_glass_principal",
            "belongs to account 111111111111, and `backup.account` is 222222222222",
        ),
        (json!({"backup": {"acount": "1"}}), "backup.acount", "known there are `account`"),
        (
            json!({"backup": {"air_gapped_vault": "central-backups", "lock": {"acknowledgement": ACKNOWLEDGEMENT}}}),
            "backup.air_gapped_vault",
            "another",
        ),
        (json!({"policies": null}), "policies", "is missing: expected is a list of at least one"),
        (json!({"policies": []}), "policies", "is empty"),
        (json!({"sources": {"targets": []}}), "sources.targets", "is empty"),
        (json!({"policies": [{"daily": {"keep_days": "35"}}]}), "policies[0].daily.keep_days", "from 1 to 36500, without quotation marks"),
        (json!({"sources": {"make_role": "true"}}), "sources.make_role", "without quotation marks"),
        (json!({"regions": [7]}), "regions[0]", "in quotation marks"),
        // Of another root than that of the organization.
        (json!({"sources": {"targets": ["ou-cd34-11111111"]}}), "sources.targets[0]", "`r-ab12`"),
        (json!({"policies": [{"targets": ["ou-ab12-11111111", "r-cd34"]}]}), "policies[0].targets[1]", "`r-ab12`"),
        (json!({"backup": {"admit": ["o-exampleorgid/r-ab12/ou-cd34-11111111/*"]}}), "backup.admit[0]", "`r-ab12`"),
        (json!({"backup": {"admit": ["o-anotherone99/r-ab12/*"]}}), "backup.admit[0]", "`o-exampleorgid`"),
        // AWS takes neither both days nor none.
        (json!({"policies": [{"daily": {"schedule": "cron(0 5 * * * *)"}}]}), "policies[0].daily.schedule", "with `?`"),
        (json!({"policies": [{"daily": {"schedule": "cron(0 5 ? * ? *)"}}]}), "policies[0].daily.schedule", "with `?`"),
        (json!({"policies": [{"name": "a"}, {"name": "a"}]}), "policies[1].name", "its own"),
        (json!({"policies": [{"daily": {"schedule": "cron(0 5 * * *)"}}]}), "policies[0].daily.schedule", "cron(0 5 ? * * *)"),
        (json!({"policies": [{"daily": {"schedule": "cron(0 5 ? * * *)\"},\"x"}}]}), "policies[0].daily.schedule", "cron"),
        (json!({"policies": [{"tag": {"values": ["a,b"]}}]}), "policies[0].tag.values[0]", "letters"),
        (json!({"policies": [{"tag": {"key": "a\"b"}}]}), "policies[0].tag.key", "letters"),
        (
            json!({"policies": [{"start_within_minutes": 700, "complete_within_minutes": 720}]}),
            "policies[0].complete_within_minutes",
            "760",
        ),
        (json!({"guardian": {"account": "333333333333"}}), "guardian.account", "management account"),
        (json!({"guardian": {"alert_email": "on call"}}), "guardian.alert_email", "e-mail"),
        // They go into samconfig.toml as they are.
        (json!({"guardian": {"alert_email": "\"on-call\"@example.com"}}), "guardian.alert_email", "e-mail"),
        (json!({"guardian": {"operations_email": "a\\b@example.com"}}), "guardian.operations_email", "e-mail"),
        (json!({"backup": {"notification_email": "a\u{7f}@example.com"}}), "backup.notification_email", "e-mail"),
        (json!({"guardian": {"region": "us-gov-west-1"}}), "regions", "one partition"),
        (json!({"delegated_administrator": "333333333333"}), "delegated_administrator", "another account"),
        (json!({"schema": "other"}), "schema", ANSWERS_SCHEMA),
    ] {
        let told = problems(changes.clone());
        assert!(told.iter().any(|one| one.starts_with(&format!("`{field}` ")) && one.contains(says)), "{changes}: {told:?}");
    }
    let told = problems(json!({"organization": {"id": "x"}, "backup": {"account": "x"}, "guardian": null}));
    assert!(told.len() >= 3, "{told:?}");
    let told = problems(json!({"sources": {"targets": ["ou-cd34-11111111"]}, "policies": [{}]}));
    assert_eq!(told.len(), 1, "what a policy has from the sources is told once: {told:?}");
    assert!(Answers::read(&json!([])).is_err() && Answers::read(&Value::Null).is_err());
}

/// The plan that the policy of the example gives to an account.
fn wanted() -> WantedPlan {
    let copies = |days: &str| {
        let vault = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central-backups";
        json!({vault: {"target_backup_vault_arn": vault, "lifecycle": {"delete_after_days": days}}})
    };
    let rule = |schedule: &str, copied: &str| {
        json!({
            "schedule_expression": schedule,
            "target_backup_vault_name": "local-backups",
            "lifecycle": {"delete_after_days": "35"},
            "copy_actions": copies(copied),
        })
    };
    let tagged = json!({"iam_role_arn": "arn:aws:iam::$account:role/backup-jobs", "tag_key": "backup", "tag_value": ["daily"]});
    WantedPlan {
        name: "backups".to_owned(),
        regions: vec!["eu-west-1".to_owned(), "eu-central-1".to_owned()],
        rules: Vec::new(),
        content: json!({
            "rules": {"daily": rule("cron(0 5 ? * * *)", "35"), "monthly": rule("cron(0 7 1 * ? *)", "400")},
            "selections": {"tags": {"tagged": tagged}},
        }),
    }
}

/// An organization in which everything is there.
fn complete() -> Seen {
    let region = SeenRegion {
        vaults: BTreeSet::from(["local-backups".to_owned(), "central-backups".to_owned()]),
        all_vaults: true,
        volume_key: Some(true),
    };
    let regions = ["eu-central-1", "eu-west-1"].map(|name| (Region::parse(name).unwrap(), region.clone()));
    let roles = ["backup-jobs", "backup-guardian-reader", "backup-break-glass", "backup-copy-back"].map(|name| (name.to_owned(), true));
    let account = SeenAccount {
        read: true,
        service_linked_role: Some(true),
        roles: BTreeMap::from(roles),
        all_roles: true,
        wanted_plans: BTreeMap::from([("backups".to_owned(), wanted())]),
        regions: BTreeMap::from(regions),
    };
    Seen {
        organization_id: Some("o-exampleorgid".to_owned()),
        management_account: Some(id("333333333333")),
        all_features: Some(true),
        backup_trusted: Some(true),
        stack_sets_trusted: Some(true),
        backup_policies: Some(true),
        service_control_policies: Some(true),
        cross_account: Some(true),
        delegated: Some(BTreeSet::from([id("444444444444")])),
        all_paths: true,
        paths: BTreeMap::from([
            (id("111111111111"), "o-exampleorgid/r-ab12/ou-ab12-11111111/".to_owned()),
            (id(BACKUP), "o-exampleorgid/r-ab12/".to_owned()),
        ]),
        accounts: BTreeMap::from([(id("111111111111"), account.clone()), (id(BACKUP), account)]),
        ..Seen::default()
    }
}

#[test]
fn what_is_there_is_left_out_and_told_and_what_was_not_seen_is_planned() {
    let plan = planned(json!({"delegated_administrator": null}), &complete());
    let left = titles(&plan);
    // Nobody looks at what only the guardian's own stacks make.
    assert!(left.iter().all(|title| title.contains("the guardian") || title.contains("forwarding rules")), "{left:?}");
    assert_eq!(plan.omitted.len(), 12, "{:?}", plan.omitted);
    let mut seen = complete();
    seen.cross_account = Some(false);
    seen.backup_trusted = None;
    seen.accounts.get_mut(&id(BACKUP)).unwrap().regions.clear();
    let plan = planned(json!({"delegated_administrator": null}), &seen);
    let titles = titles(&plan);
    for again in ["AWS Backup see", "copies into other accounts", "central vault"] {
        assert!(titles.iter().any(|title| title.contains(again)), "{again}: {titles:?}");
    }
}

#[test]
fn what_only_some_accounts_have_somebody_must_decide() {
    let mut seen = complete();
    let (other, path) = (id("555555555555"), "o-exampleorgid/r-ab12/ou-ab12-11111111/".to_owned());
    seen.paths.insert(other.clone(), path);
    seen.accounts.insert(other, SeenAccount { all_roles: true, ..SeenAccount::default() });
    let plan = planned(json!({}), &seen);
    assert_eq!(parameters(&plan, "source-backup")["MakeVault"], "yes");
    for what in ["the vault `local-backups`", "the role `backup-jobs`", "customer managed key"] {
        assert!(plan.notes.iter().any(|note| note.starts_with("Accounts 111111111111 have") && note.contains(what)), "{:?}", plan.notes);
    }
}

#[test]
fn a_backup_account_inside_a_unit_whose_accounts_are_protected_is_told() {
    let mut seen = complete();
    seen.paths.insert(id(BACKUP), "o-exampleorgid/r-ab12/ou-ab12-11111111/".to_owned());
    let answers = Answers::read(&example()).unwrap();
    let told = plan(&answers, &seen, "setup").unwrap_err();
    assert!(told[0].field == "policies[0].targets" && told[0].wrong.contains(BACKUP), "{told:?}");
}

#[test]
fn answers_are_filled_from_what_was_seen_and_a_contradiction_is_told() {
    let mut answers = with(json!({"organization": null, "backup": {"account": null}}));
    let seen = Seen { backup_accounts: BTreeSet::from([id(BACKUP)]), ..complete() };
    assert!(fill(&mut answers, &seen, false).is_empty());
    assert_eq!(Answers::read(&answers), Answers::read(&example()));
    let other = Seen { organization_id: Some("o-anotherone99".to_owned()), ..complete() };
    let told = fill(&mut answers, &other, false);
    assert!(told.len() == 1 && told[0].field == "organization.id" && told[0].wrong.contains("o-anotherone99"), "{told:?}");
    fill(&mut answers, &other, true);
    assert_eq!(answers["organization"]["id"], "o-anotherone99");
}

fn any_answers() -> impl Strategy<Value = Value> {
    let kept = || (1_u32..4000, 1_u32..4000).prop_map(|(keep, copies)| json!({"keep_days": keep, "keep_copies_days": copies}));
    let policy = (
        proptest::option::of(kept()),
        proptest::option::of(kept()),
        kept(),
        prop_oneof![Just(json!(["ou-ab12-11111111"])), Just(json!(["111111111111", "ou-ab12-22222222"]))],
    );
    let policies = proptest::collection::vec(policy, 1..3).prop_map(|all| {
        let one = |(at, (weekly, monthly, daily, targets)): (usize, (Option<Value>, Option<Value>, Value, Value))| {
            json!({"name": format!("p{at}"), "weekly": weekly, "monthly": monthly, "daily": daily, "targets": targets})
        };
        Value::Array(all.into_iter().enumerate().map(one).collect())
    });
    let regions = prop_oneof![Just(json!(["eu-central-1"])), Just(json!(["eu-central-1", "us-east-1", "ap-southeast-2"]))];
    (policies, regions, any::<[bool; 6]>(), proptest::option::of(Just("eu-west-1"))).prop_map(|(policies, regions, on, region)| {
        let lock = if on[0] { json!({"mode": "compliance", "acknowledgement": ACKNOWLEDGEMENT}) } else { json!({}) };
        let mut answers = with(json!({"policies": policies, "regions": regions, "backup": {"lock": null, "region": null}, "protect": {"sources": on[1], "backup_account": on[2]}, "sources": {"make_vault": on[3], "make_role": on[4], "make_volume_key": on[5]}}));
        answers["backup"]["lock"] = lock;
        answers["backup"]["region"] = json!(region);
        answers
    })
}

proptest! {
    #[test]
    fn every_file_that_a_command_names_is_written_and_every_file_is_named(answers in any_answers()) {
        let answers = Answers::read(&answers).map_err(|problems| TestCaseError::fail(format!("{problems:?}")))?;
        let plan = plan(&answers, &Seen::default(), "a folder").unwrap();
        let named = plan.steps.iter().flat_map(|step| &step.actions).flat_map(|action| &action.command);
        let named = named.filter_map(|word| word.strip_prefix("file://a folder/")).map(str::to_owned).collect::<BTreeSet<_>>();
        let mut written = plan.stacks.iter().map(|stack| format!("parameters/{}.json", stack.name)).collect::<BTreeSet<_>>();
        // Goes through samconfig.toml.
        written.remove("parameters/backup-guardian.json");
        prop_assert_eq!(named, written);
        let names = plan.stacks.iter().map(|stack| &stack.name).collect::<BTreeSet<_>>();
        prop_assert_eq!(names.len(), plan.stacks.len());
        let files = crate::report::set_up::files(&plan, &answers, "a folder");
        prop_assert_eq!(files.clone(), crate::report::set_up::files(&plan, &answers, "a folder"));
    }

    /// What was not seen is made; seeing more never plans more than seeing nothing.
    #[test]
    fn seeing_more_never_adds_a_step(keep in any::<[bool; 6]>()) {
        let mut seen = complete();
        if !keep[0] { seen.backup_trusted = None; }
        if !keep[1] { seen.backup_policies = None; }
        if !keep[2] { seen.accounts.remove(&id(BACKUP)); }
        if !keep[3] { seen.accounts.remove(&id("111111111111")); }
        if !keep[4] { seen.delegated = None; }
        if !keep[5] {
            seen.paths.clear();
            seen.all_paths = false;
        }
        let (all, some, none) = (planned(json!({}), &complete()), planned(json!({}), &seen), planned(json!({}), &Seen::default()));
        let subset = |few: &Plan, many: &Plan| titles(few).iter().all(|title| titles(many).contains(title));
        prop_assert!(subset(&all, &some) && subset(&some, &none));
    }

    #[test]
    fn no_answers_panic(text in "[ -~]{0,40}", at in 0_usize..9) {
        let names = ["organization", "regions", "sources", "backup", "policies", "protect", "resource_types", "guardian", "schema"];
        for value in [json!(text), json!([text]), json!({ "x": text }), json!([{ text.clone(): 1 }]), json!(-1)] {
            let mut answers = example();
            answers[names[at]] = value;
            let _ = Answers::read(&answers);
        }
    }
}

#[test]
fn the_partition_of_a_region_is_that_of_its_arns() {
    let gov = with(json!({
        "regions": ["us-gov-west-1"], "backup": {"region": null, "break_glass_principal": "arn:aws-us-gov:iam::222222222222:user/x"},
        "guardian": {"region": "us-gov-west-1"},
    }));
    let plan = plan(&Answers::read(&gov).unwrap(), &Seen::default(), "setup").unwrap();
    assert!(parameters(&plan, "backup-policy-backups")["CentralVaultArn"].starts_with("arn:aws-us-gov:backup:us-gov-west-1:"));
    assert!(parameters(&plan, "backup-guardian")["OrganizationRoleArn"].starts_with("arn:aws-us-gov:iam::"));
    assert_eq!(frankfurt().partition(), "aws");
}
