//! What a plan says of what is there already, and of what its steps do to others.

use super::*;

fn told(plan: &Plan, what: &str) -> bool {
    plan.notes.iter().any(|note| note.contains(what))
}

#[test]
fn one_source_account_that_has_something_says_nothing_of_the_others() {
    let asked = json!({"delegated_administrator": null});
    let every = "every account of the targets has it";
    assert!(planned(asked.clone(), &complete()).omitted.iter().any(|one| one.because.contains(every)));
    // Another account was listed and not looked at; or nobody knows which accounts there are.
    let mut unseen = complete();
    unseen.paths.insert(id("555555555555"), "o-exampleorgid/r-ab12/ou-ab12-11111111/ou-ab12-22222222/".to_owned());
    let unlisted = Seen { paths: BTreeMap::new(), all_paths: false, ..complete() };
    let some_paths = Seen { all_paths: false, ..complete() };
    for (seen, says) in [(&unseen, "of 555555555555 that was not seen"), (&unlisted, "further accounts"), (&some_paths, "further accounts")]
    {
        let plan = planned(asked.clone(), seen);
        assert_eq!(parameters(&plan, "source-backup")["MakeVault"], "yes");
        assert!(titles(&plan).iter().any(|title| title.contains("stacks: what each source")), "{:?}", titles(&plan));
        assert!(
            plan.notes.iter().filter(|note| note.starts_with("Accounts 111111111111 have the") && note.contains(says)).count() == 2,
            "{:?}",
            plan.notes
        );
        assert!(told(&plan, "write `false` for `sources.make_vault` if every account"), "{:?}", plan.notes);
        assert!(
            titles(&plan).iter().any(|title| title.contains("backup policy")) && told(&plan, "have a plan `backups`"),
            "{:?}",
            plan.notes
        );
    }
    // The management account counts where it is backed up, too: it gets the same by a stack of its own.
    let mut everywhere = complete();
    let root = |targets: &str| json!({"delegated_administrator": null, "sources": {"targets": [targets]}, "protect": {"sources": false}});
    everywhere.paths.insert(id("333333333333"), "o-exampleorgid/r-ab12/".to_owned());
    assert!(planned(root("ou-ab12-11111111"), &everywhere).omitted.iter().any(|one| one.because.contains(every)));
    let plan = planned(root("r-ab12"), &everywhere);
    assert!(told(&plan, "of 333333333333 that was not seen"), "{:?}", plan.notes);
}

#[test]
fn what_is_missing_in_one_region_and_what_was_not_seen_there_are_two_things() {
    let ireland = Region::parse("eu-west-1").unwrap();
    for (missing, says) in [
        (SeenRegion::default(), "have the vault `local-backups`; of 111111111111 in eu-west-1 that was not seen"),
        (
            SeenRegion { all_vaults: true, ..SeenRegion::default() },
            "have the vault `local-backups`, and 111111111111 in eu-west-1 have not",
        ),
    ] {
        let mut seen = complete();
        seen.accounts.get_mut(&id("111111111111")).unwrap().regions.insert(ireland.clone(), missing);
        let plan = planned(json!({}), &seen);
        assert!(told(&plan, says), "{says}: {:?}", plan.notes);
    }
}

#[test]
fn service_control_policies_are_never_left_out_without_a_word() {
    let plan = planned(json!({}), &complete());
    assert!(plan.omitted.iter().any(|one| one.what == "Make the backup policy `backups`"), "{:?}", plan.omitted);
    assert!(told(&plan, "NOT made") && told(&plan, "for ou-ab12-11111111 and for the backup account 222222222222"), "{:?}", plan.notes);
    // A plan of this name that somebody else's policy gave to an account outside of the targets is not ours.
    let mut elsewhere = complete();
    elsewhere.accounts.get_mut(&id("111111111111")).unwrap().wanted_plans.clear();
    let plan = planned(json!({}), &elsewhere);
    let last = plan.steps.last().unwrap();
    assert!(
        last.what.contains("attach service control policies to ou-ab12-11111111 and to the backup account 222222222222"),
        "{}",
        last.what
    );
    assert!(told(&plan, &format!("Step {} also attaches", last.number)), "{:?}", plan.notes);
    assert!(told(&plan, "Accounts 222222222222 have a plan `backups`") && !told(&plan, "NOT made"), "{:?}", plan.notes);
    let unprotected = planned(json!({"protect": {"sources": false, "backup_account": false}}), &complete());
    assert!(!told(&unprotected, "service control policies for"), "{:?}", unprotected.notes);
}

#[test]
fn what_changes_for_others_is_told_first() {
    let plan = planned(json!({}), &Seen::default());
    let step = plan.steps.iter().find(|step| step.what.contains("stacks: what each source")).unwrap();
    assert!(step.what.contains("a new key, with which every new EBS volume is encrypted"), "{}", step.what);
    assert!(plan.notes[0].starts_with(&format!("Step {} changes the accounts of others", step.number)), "{:?}", plan.notes);
    let quiet = planned(json!({"sources": {"volumes_use_the_key": false}}), &Seen::default());
    assert!(!told(&quiet, "changes the accounts of others"), "{:?}", quiet.notes);
}

#[test]
fn the_agents_are_there_where_every_account_was_read_by_their_role() {
    let roles = "Make the StackSet of the roles of the guardian";
    let mut seen = complete();
    seen.accounts.values_mut().for_each(|account| account.roles.clear());
    assert!(planned(json!({}), &seen).omitted.iter().any(|one| one.what.starts_with(roles)));
    let account = seen.accounts.get_mut(&id("111111111111")).unwrap();
    (account.read, account.all_roles) = (false, false);
    assert!(titles(&planned(json!({}), &seen)).iter().any(|title| title.starts_with(roles)));
}

#[test]
fn targets_that_reach_nobody_or_accounts_without_a_vault_are_told() {
    let policies = json!([{"name": "a"}, {"name": "b", "targets": ["ou-ab12-22222222", "111111111111"]}]);
    let plan_of = |seen: &Seen| planned(json!({"policies": policies}), seen);
    let blind = plan_of(&Seen::default());
    for field in ["`policies[1].targets[0]`", "`policies[1].targets[1]`"] {
        assert!(blind.notes.iter().any(|note| note.starts_with(field) && note.contains("`local-backups`")), "{field}: {:?}", blind.notes);
    }
    let mut seen = complete();
    assert!(told(&plan_of(&seen), "`policies[1].targets[0]`, `ou-ab12-22222222`: no account of the organization lies in it"));
    assert!(!told(&plan_of(&seen), "`policies[1].targets[1]`"), "the account lies in a unit of the sources");
    seen.paths.insert(id("555555555555"), "o-exampleorgid/r-ab12/ou-ab12-11111111/ou-ab12-22222222/".to_owned());
    assert!(!told(&plan_of(&seen), "`policies[1].targets"), "the unit lies in one of the sources");
    assert!(told(
        &planned(json!({"sources": {"targets": ["ou-ab12-33333333"]}}), &seen),
        "`sources.targets[0]`, `ou-ab12-33333333`: no account"
    ));
}

#[test]
fn what_aws_would_take_and_nobody_means_is_told() {
    let plan = planned(json!({"regions": ["eu-central-1", "eu-wset-1"], "resource_types": ["EBS", "Foo"]}), &Seen::default());
    assert!(told(&plan, "`eu-wset-1` is no Region") && told(&plan, "`Foo` in `resource_types`"), "{:?}", plan.notes);
    assert!(!told(&plan, "`eu-central-1` is no") && !told(&plan, "`EBS` in"), "{:?}", plan.notes);
}

#[test]
fn what_the_steps_need_of_people_is_told() {
    let plan = planned(json!({}), &Seen::default());
    for what in [
        "version 2 of the AWS CLI",
        "25 concurrent executions",
        "e-mails to confirm",
        "OrganizationAccountAccessRole",
        "put-resource-policy",
        "must exist before",
    ] {
        assert!(told(&plan, what), "{what}: {:?}", plan.notes);
    }
    assert!(!told(&planned(json!({"delegated_administrator": null}), &Seen::default()), "put-resource-policy"));
    // Whoever takes the account over.
    let open = "No service control policy protects arn:aws:iam::222222222222:user/two-people-and-a-safe, nor the role `backup-break-glass`";
    assert!(
        told(&planned(json!({"protect": {"backup_account": false}}), &Seen::default()), open) && !told(&plan, "No service control policy")
    );
    let everywhere = planned(json!({"sources": {"targets": ["r-ab12"]}}), &Seen::default());
    assert!(told(&everywhere, "It has no lock"), "{:?}", everywhere.notes);
}

#[test]
fn a_stack_set_that_is_there_is_brought_to_what_the_files_say() {
    let plan = planned(json!({}), &Seen::default());
    let made = plan
        .steps
        .iter()
        .flat_map(|step| &step.actions)
        .filter(|action| action.command.get(2).is_some_and(|verb| verb == "create-stack-set"));
    let made = made.collect::<Vec<_>>();
    assert_eq!(made.len(), 3);
    for action in made {
        let renew = action.renew.as_ref().unwrap();
        assert_eq!(action.already, Some("NameAlreadyExistsException"));
        assert!(renew[2] == "update-stack-set" && renew[3..] == action.command[3..], "{renew:?}");
    }
}

#[test]
fn what_a_stack_set_may_have_made_is_never_taken_away_by_a_further_region() {
    let renewals = |plan: &Plan| {
        let actions = plan.steps.iter().flat_map(|step| &step.actions).filter_map(|action| action.renew.as_ref());
        actions.filter(|words| words.iter().any(|word| word == "source-backup")).count()
    };
    assert_eq!(renewals(&planned(json!({}), &Seen::default())), 1);
    // The role is there, and the vault in one of the two Regions: the parameters leave the role out.
    let mut seen = complete();
    seen.accounts.values_mut().for_each(|account| account.regions.clear());
    let plan = planned(json!({}), &seen);
    assert_eq!((parameters(&plan, "source-backup")["MakeRole"], renewals(&plan)), ("no", 0));
    assert!(told(&plan, "never change that StackSet to the parameters of this one"), "{:?}", plan.notes);
}

#[test]
fn a_policy_that_says_something_else_is_planned_and_told() {
    let policy = "Make the backup policy `backups`";
    for (change, says) in [
        (json!({"regions": ["eu-central-1", "eu-west-1", "eu-north-1"]}), "with other Regions."),
        (json!({"policies": [{"daily": {"keep_days": 36}, "monthly": {}}]}), "other schedules, retention or vaults"),
        (json!({"policies": [{"daily": {"schedule": "cron(0 4 ? * * *)"}, "monthly": {}}]}), "other schedules, retention or vaults"),
        (json!({"policies": [{"daily": {"keep_copies_days": 36}, "monthly": {}}]}), "other schedules, retention or vaults"),
        (json!({"policies": [{}]}), "other schedules, retention or vaults"),
        (json!({"backup": {"vault": "vault-2"}}), "other schedules, retention or vaults"),
        (json!({"policies": [{"tag": {"values": ["daily", "hourly"]}, "monthly": {}}]}), "another selection or role"),
        (json!({"sources": {"role": "other-jobs"}}), "another selection or role"),
    ] {
        let plan = planned(change.clone(), &complete());
        assert!(titles(&plan).iter().any(|title| title.starts_with(policy)), "{change}: {:?}", titles(&plan));
        assert!(
            plan.notes.iter().any(|note| note.starts_with("A policy of the organization gives") && note.contains(says)),
            "{change}: {:?}",
            plan.notes
        );
    }
    // Evidence of an earlier version has the Regions alone.
    let mut seen = complete();
    seen.accounts.values_mut().flat_map(|account| account.wanted_plans.values_mut()).for_each(|plan| plan.content = Value::Null);
    assert!(planned(json!({"policies": [{}]}), &seen).omitted.iter().any(|one| one.what == policy));
}

#[test]
fn nobody_is_locked_out_of_a_backup_account_whose_roles_nobody_made() {
    let mut seen = complete();
    let backup = seen.accounts.get_mut(&id(BACKUP)).unwrap();
    backup.wanted_plans.clear();
    backup.roles.remove("backup-break-glass");
    seen.accounts.get_mut(&id("111111111111")).unwrap().wanted_plans.clear();
    let plan = planned(json!({}), &seen);
    let policy = parameters(&plan, "backup-policy-backups");
    assert!(!policy.contains_key("ProtectBackupAccountId") && policy["ProtectSources"] == "yes");
    assert!(told(&plan, "`backup-break-glass` were not seen there") && told(&plan, "its stack is left out"), "{:?}", plan.notes);
    // With its roles it is protected; without its vault both roles are made.
    for (vault, roles) in [(true, true), (false, false)] {
        let mut seen = seen.clone();
        let backup = seen.accounts.get_mut(&id(BACKUP)).unwrap();
        if roles {
            backup.roles.insert("backup-break-glass".to_owned(), true);
        }
        if !vault {
            backup.regions.values_mut().for_each(|region| region.vaults.clear());
        }
        let plan = planned(json!({}), &seen);
        assert_eq!(parameters(&plan, "backup-policy-backups")["ProtectBackupAccountId"], BACKUP, "{vault}");
        assert_eq!(told(&plan, "its stack is left out"), vault);
    }
}

#[test]
fn a_role_under_a_path_is_another_one() {
    let aws = "service-role/AWSBackupDefaultServiceRole";
    let mut seen = complete();
    seen.accounts.values_mut().for_each(|account| account.roles = BTreeMap::from([(aws.to_owned(), true)]));
    let made = |role: &str, make: bool, seen: &Seen| planned(json!({"sources": {"role": role, "make_role": make}}), seen);
    let plan = made("AWSBackupDefaultServiceRole", true, &seen);
    assert_eq!(parameters(&plan, "source-backup")["MakeRole"], "yes");
    let plan = made(aws, false, &seen);
    assert_eq!(parameters(&plan, "backup-policy-backups")["RoleName"], aws);
    let told = problems(json!({"sources": {"role": aws}}));
    assert!(told.len() == 1 && told[0].starts_with("`sources.role`") && told[0].contains("`sources.make_role`"), "{told:?}");
}

#[test]
fn what_nobody_saw_is_told_even_where_somebody_looked() {
    let looked = Seen {
        regions: BTreeSet::from([frankfurt()]),
        accounts: BTreeMap::from([(
            id(BACKUP),
            SeenAccount { regions: BTreeMap::from([(frankfurt(), SeenRegion::default())]), ..SeenAccount::default() },
        )]),
        ..Seen::default()
    };
    assert!(told(&planned(json!({}), &looked), "Nothing was seen") && !told(&planned(json!({}), &complete()), "Nothing was seen"));
}
