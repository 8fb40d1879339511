//! Which answer becomes which parameter of which template, and which argument of which command: `mapped.txt` has those of one set of answers, in the order
//! in which a script runs them, and each answer that changes changes what is named here and nothing else.

use super::*;

const WRITTEN: &str = include_str!("mapped.txt");

/// The example, with every account and Region in one role only.
fn answers(changes: Value) -> Value {
    let mut answers = json!({
        "backup": {"region": "eu-north-1"}, "guardian": {"region": "eu-west-3"}, "delegated_administrator": "555555555555",
    });
    for (name, value) in changes.as_object().unwrap() {
        match (answers[name].as_object_mut(), value) {
            (Some(members), Value::Object(more)) => members.extend(more.clone()),
            _ => answers[name] = value.clone(),
        }
    }
    answers
}

/// The parameters of every stack, then every command behind its account, option by option.
fn written(changes: Value) -> String {
    let plan = planned(answers(changes), &Seen::default());
    let parameters = plan.stacks.iter().flat_map(|stack| {
        let of = format!("{} {}", stack.name, stack.template);
        stack.parameters.iter().map(move |(name, value)| format!("{of} {name}={value}\n"))
    });
    let actions = plan.steps.iter().flat_map(|step| step.actions.iter().map(|action| (step.account.as_str(), action)));
    let commands = actions.flat_map(|(account, action)| {
        let options = action.command.join(" ").replace(" --", "\n    --");
        [format!("{account} {options}\n")]
    });
    parameters.chain(commands).collect()
}

#[test]
fn every_parameter_and_every_command_is_there_in_the_order_in_which_each_finds_what_it_needs() {
    assert_eq!(written(json!({})), WRITTEN);
}

/// Another answer, and what it puts in the place of what.
fn check(changes: Value, swaps: &[(&str, &str)]) {
    let mut expected = WRITTEN.to_owned();
    for (old, new) in swaps {
        assert!(expected.contains(old), "{changes}: nowhere `{old}`");
        expected = expected.replace(old, new);
    }
    let actual = written(changes.clone());
    let differ = expected.lines().zip(actual.lines()).find(|(one, other)| one != other);
    assert!(actual == expected, "{changes}: {differ:?}");
}

#[test]
fn a_name_an_account_and_a_region_stand_wherever_they_belong_and_nowhere_else() {
    let keeper = "arn:aws:iam::888888888888:user/two-people-and-a-safe";
    for (changes, old, new) in [
        (
            json!({"organization": {"id": "o-another0001", "root_id": "r-ab12", "management_account": "333333333333"}}),
            "o-exampleorgid",
            "o-another0001",
        ),
        (
            json!({"organization": {"id": "o-exampleorgid", "root_id": "r-cd34", "management_account": "333333333333"}, "sources": {"targets": ["ou-cd34-11111111"]}}),
            "ab12",
            "cd34",
        ),
        (
            json!({"organization": {"id": "o-exampleorgid", "root_id": "r-ab12", "management_account": "777777777777"}}),
            "333333333333",
            "777777777777",
        ),
        (json!({"regions": ["ca-central-1", "eu-west-1"]}), "eu-central-1", "ca-central-1"),
        (json!({"regions": ["eu-central-1", "eu-west-2"]}), "eu-west-1", "eu-west-2"),
        (
            json!({"sources": {"targets": ["ou-ab12-11111111", "ou-ab12-22222222"]}}),
            "ou-ab12-11111111",
            "ou-ab12-11111111,ou-ab12-22222222",
        ),
        (json!({"sources": {"vault": "kept-here"}}), "local-backups", "kept-here"),
        (json!({"sources": {"role": "makes-backups"}}), "backup-jobs", "makes-backups"),
        (json!({"sources": {"volume_key_alias": "disks"}}), "VolumeKeyAlias=volumes", "VolumeKeyAlias=disks"),
        (json!({"backup": {"account": "888888888888", "break_glass_principal": keeper}}), "222222222222", "888888888888"),
        (json!({"backup": {"region": "eu-south-1"}}), "eu-north-1", "eu-south-1"),
        (json!({"backup": {"vault": "kept-there"}}), "central-backups", "kept-there"),
        (
            json!({"backup": {"break_glass_principal": "arn:aws:iam::222222222222:user/alice"}}),
            "arn:aws:iam::222222222222:user/two-people-and-a-safe",
            "arn:aws:iam::222222222222:user/alice",
        ),
        (json!({"backup": {"break_glass_role": "glass"}}), "BreakGlassRoleName=backup-break-glass", "BreakGlassRoleName=glass"),
        (json!({"backup": {"copy_back_role": "back"}}), "CopyBackRoleName=backup-copy-back", "CopyBackRoleName=back"),
        (json!({"guardian": {"account": "666666666666"}}), "444444444444", "666666666666"),
        (json!({"guardian": {"region": "eu-west-2"}}), "eu-west-3", "eu-west-2"),
        (json!({"guardian": {"alert_email": "alerts@example.com"}}), "AlertEmail=on-call@example.com", "AlertEmail=alerts@example.com"),
        (
            json!({"guardian": {"operations_email": "alarms@example.com"}}),
            "OperationsEmail=platform@example.com",
            "OperationsEmail=alarms@example.com",
        ),
        (json!({"delegated_administrator": "999999999999"}), "555555555555", "999999999999"),
    ] {
        check(changes, &[(old, new)]);
    }
}

const BACKUP_ACCOUNT: &str = "backup-account deploy/backup-account.yaml";

#[test]
fn what_is_decided_of_the_copies_stands_in_the_stack_of_the_backup_account() {
    let lines = |all: &str| all.split(' ').map(|one| format!("{BACKUP_ACCOUNT} {one}\n")).collect::<String>();
    let swap = |old: &str, new: &str| (lines(old), lines(new));
    let locked = |changes: Value| {
        let mut changes = changes;
        changes["acknowledgement"] = json!(ACKNOWLEDGEMENT);
        changes
    };
    let acknowledged = format!("LockAcknowledgement={}", ACKNOWLEDGEMENT.replace(' ', "_"));
    for (changes, old, new) in [
        (
            json!({"admit": ["o-exampleorgid/r-ab12/ou-ab12-11111111/*", "o-exampleorgid/r-ab12/ou-ab12-22222222/"]}),
            "OrganizationId=o-exampleorgid",
            "OrganizationId=o-exampleorgid OrganizationPaths=o-exampleorgid/r-ab12/ou-ab12-11111111/*,o-exampleorgid/r-ab12/ou-ab12-22222222/".to_owned(),
        ),
        (json!({"lock": {"min_days": 9}}), "MinRetentionDays=7", "MinRetentionDays=9".to_owned()),
        (json!({"lock": {"min_days": 7, "max_days": 777}}), "MaxRetentionDays=3650", "MaxRetentionDays=777".to_owned()),
        (
            json!({"lock": locked(json!({"min_days": 7, "mode": "compliance", "grace_days": 21}))}),
            // What nobody can undo takes no longer than the copies are kept.
            "MaxRetentionDays=3650 LockMode=governance",
            format!("MaxRetentionDays=400 LockMode=compliance LockGraceDays=21 {acknowledged}"),
        ),
        // Days of grace are of a lock for good only.
        (json!({"lock": {"min_days": 7, "grace_days": 21}}), "LockMode=governance", "LockMode=governance".to_owned()),
        (
            json!({"lock": locked(json!({"min_days": 7})), "air_gapped_vault": "air-gap"}),
            "MaxRetentionDays=3650 LockMode=governance",
            format!("MaxRetentionDays=400 LockMode=governance {acknowledged} AirGappedVaultName=air-gap"),
        ),
        (
            json!({"notification_email": "copies@example.com"}),
            "LockMode=governance",
            "LockMode=governance NotificationEmail=copies@example.com".to_owned(),
        ),
    ] {
        let (old, new) = swap(old, &new);
        check(json!({"backup": changes}), &[(&old, &new.replace('_', " "))]);
    }
}

#[test]
fn what_is_decided_of_the_sources_stands_in_their_stack_set() {
    for (changes, swaps) in [
        (json!({"make_vault": false}), vec![("MakeVault=yes", "MakeVault=no")]),
        (json!({"make_role": false}), vec![("MakeRole=yes", "MakeRole=no")]),
        (
            json!({"make_volume_key": false}),
            vec![("MakeVolumeKey=yes", "MakeVolumeKey=no"), ("VolumesUseTheKey=yes", "VolumesUseTheKey=no")],
        ),
        (json!({"volumes_use_the_key": false}), vec![("VolumesUseTheKey=yes", "VolumesUseTheKey=no")]),
    ] {
        check(json!({"sources": changes}), &swaps);
    }
}

const POLICY: &str = "backup-policy-backups deploy/management-account.yaml";

#[test]
fn what_is_decided_of_a_policy_stands_in_its_stack() {
    let line = |text: &str| format!("{POLICY} {text}\n");
    let of = |changes: Value| {
        let mut policy = json!({"name": "backups", "monthly": {"schedule": "cron(0 7 1 * ? *)", "keep_days": 35, "keep_copies_days": 400}});
        policy.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json!({"policies": [policy]})
    };
    for (changes, lines) in [
        (
            json!({"targets": ["ou-ab12-77777777", "999999999999"]}),
            vec![("TargetIds=ou-ab12-11111111", "TargetIds=ou-ab12-77777777,999999999999")],
        ),
        (
            json!({"tag": {"key": "class", "values": ["gold", "gold plus"]}}),
            vec![("TagKey=backup", "TagKey=class"), ("TagValues=daily", "TagValues=gold,gold plus")],
        ),
        (json!({"daily": {"schedule": "cron(1 2 ? * * *)"}}), vec![("DailySchedule=cron(0 5 ? * * *)", "DailySchedule=cron(1 2 ? * * *)")]),
        (json!({"daily": {"keep_days": 41}}), vec![("DailyRetentionDays=35", "DailyRetentionDays=41")]),
        (json!({"daily": {"keep_copies_days": 42}}), vec![("DailyCopyRetentionDays=35", "DailyCopyRetentionDays=42")]),
        (
            json!({"monthly": {"schedule": "cron(5 6 2 * ? *)", "keep_days": 45, "keep_copies_days": 46}}),
            vec![
                ("MonthlySchedule=cron(0 7 1 * ? *)", "MonthlySchedule=cron(5 6 2 * ? *)"),
                ("MonthlyRetentionDays=35", "MonthlyRetentionDays=45"),
                ("MonthlyCopyRetentionDays=400", "MonthlyCopyRetentionDays=46"),
            ],
        ),
        // As long as copies of weeks and of months are kept where nothing is said.
        (json!({"monthly": {}}), vec![]),
        (json!({"start_within_minutes": 481}), vec![("StartWithinMinutes=60", "StartWithinMinutes=481")]),
        (
            json!({"start_within_minutes": 700}),
            vec![("StartWithinMinutes=60", "StartWithinMinutes=700"), ("CompleteWithinMinutes=720", "CompleteWithinMinutes=760")],
        ),
        (json!({"complete_within_minutes": 9999}), vec![("CompleteWithinMinutes=720", "CompleteWithinMinutes=9999")]),
    ] {
        let lines = lines.into_iter().map(|(old, new)| (line(old), line(new))).collect::<Vec<_>>();
        let swaps = lines.iter().map(|(old, new)| (old.as_str(), new.as_str())).collect::<Vec<_>>();
        check(of(changes), &swaps);
    }
    for (weekly, schedule, keep, copies) in [
        (json!({"schedule": "cron(3 4 ? * 2 *)", "keep_days": 43, "keep_copies_days": 44}), "cron(3 4 ? * 2 *)", 43, 44),
        (json!({}), "cron(0 6 ? * 1 *)", 35, 98),
    ] {
        let before = line("DailyCopyRetentionDays=35");
        let added =
            [format!("WeeklySchedule={schedule}"), format!("WeeklyRetentionDays={keep}"), format!("WeeklyCopyRetentionDays={copies}")];
        let after = before.clone() + &added.map(|text| line(&text)).concat();
        check(of(json!({"weekly": weekly})), &[(&before, &after)]);
    }
    check(json!({"protect": {"sources": false}}), &[("ProtectSources=yes", "ProtectSources=no")]);
    let principal = line("BreakGlassPrincipalArn=arn:aws:iam::222222222222:user/two-people-and-a-safe");
    check(json!({"protect": {"backup_account": false}}), &[(&line("ProtectBackupAccountId=222222222222"), ""), (&principal, "")]);
}

#[test]
fn accounts_of_two_policies_are_protected_once() {
    let plan = planned(
        json!({"policies": [{"name": "one"}, {"name": "two"}, {"name": "other", "targets": ["ou-ab12-22222222"]}]}),
        &Seen::default(),
    );
    let protects = |name: &str| parameters(&plan, &format!("backup-policy-{name}"))["ProtectSources"];
    assert_eq!(["one", "two", "other"].map(protects), ["yes", "no", "yes"]);
}

#[test]
fn what_is_switched_on_is_switched_on_in_every_region_before_the_backup_account_is_made() {
    let on = |region: &str| {
        format!(
            "333333333333 aws backup update-region-settings\n    --resource-type-opt-in-preference {{\"EBS\":true,\"Storage Gateway\":true}}\n    --region {region}\n"
        )
    };
    let before = "222222222222 aws iam create-service-linked-role";
    let both = on("eu-central-1") + &on("eu-west-1") + before;
    check(json!({"resource_types": ["EBS", "Storage Gateway"]}), &[(before, &both)]);
    let registers = "333333333333 aws organizations register-delegated-administrator\n    --account-id 555555555555\n    --service-principal backup.amazonaws.com\n";
    check(json!({"delegated_administrator": null}), &[(registers, ""), (",isDelegatedAdministratorEnabled=true", "")]);
}
