//! Answers that are each well and contradict each other.

use super::*;

/// Everything that is wrong, whether the answers alone tell it or only what was seen.
fn wrong(changes: &Value, seen: &Seen) -> Vec<String> {
    let read = Answers::read(&with(changes.clone()));
    let found = read.and_then(|answers| plan(&answers, seen, "setup"));
    found.map_or_else(|problems| problems.iter().map(ToString::to_string).collect(), |_| Vec::new())
}

/// One problem, told by its field and with every text of `says`.
fn one(changes: Value, seen: &Seen, field: &str, says: &[&str]) {
    let told = wrong(&changes, seen);
    assert!(told.len() == 1 && told[0].starts_with(&format!("`{field}` ")), "{changes}: {told:?}");
    assert!(says.iter().all(|text| told[0].contains(text)), "{changes}: {told:?}");
}

/// The backup account lies in the unit of the sources.
fn within() -> Seen {
    let paths = BTreeMap::from([(id(BACKUP), "o-exampleorgid/r-ab12/ou-ab12-11111111/".to_owned())]);
    Seen { paths, all_paths: true, ..Seen::default() }
}

#[test]
fn a_role_of_one_use_is_none_of_another() {
    let nobody = Seen::default();
    let principal = |name: &str| json!({"backup": {"break_glass_principal": format!("arn:aws:iam::222222222222:{name}")}});
    for (changes, field, says) in [
        (
            json!({"backup": {"copy_back_role": "one", "break_glass_role": "one"}}),
            "backup.break_glass_role",
            ["is `one`, and so is `backup.copy_back_role`", "another name"],
        ),
        (
            json!({"backup": {"break_glass_role": "Backup-Copy-Back"}}),
            "backup.break_glass_role",
            ["`backup.copy_back_role`", "copies back with"],
        ),
        (
            json!({"sources": {"role": "backup-break-glass"}}),
            "backup.break_glass_role",
            ["and so is `sources.role`", "makes the backups with"],
        ),
        (json!({"sources": {"role": "stacksets-exec-own"}}), "sources.role", ["leave these alone", "another name"]),
        (json!({"backup": {"break_glass_role": "StackSets-Exec-1"}}), "backup.break_glass_role", ["StackSets deploy", "another name"]),
        (
            json!({"backup": {"copy_back_role": "backup-guardian-reader"}}),
            "backup.copy_back_role",
            ["of the guardian itself", "another name"],
        ),
        // No session of a role has a second factor.
        (principal("role/two-people-and-a-safe"), "backup.break_glass_principal", ["a user of the backup account", "second factor"]),
    ] {
        one(changes, &nobody, field, &says);
    }
    for fine in [
        principal("user/backup-break-glass"),
        // Two accounts: what makes the backups and what copies back may be called the same.
        json!({"sources": {"role": "one"}, "backup": {"copy_back_role": "one"}}),
        json!({"sources": {"role": "backup-guardians"}}),
    ] {
        assert_eq!(wrong(&fine, &nobody), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn a_vault_and_an_alias_have_a_name_that_nobody_else_gives() {
    let nobody = Seen::default();
    for (changes, field, says) in [
        (json!({"backup": {"vault": "Default"}}), "backup.vault", ["is `Default`", "another name"]),
        (json!({"sources": {"vault": "Default"}}), "sources.vault", ["is `Default`", "`false` for `sources.make_vault`"]),
        (
            json!({"backup": {"air_gapped_vault": "Default", "lock": {"acknowledgement": ACKNOWLEDGEMENT}}}),
            "backup.air_gapped_vault",
            ["is `Default`", "another name"],
        ),
        (
            json!({"sources": {"volume_key_alias": "local-backups"}}),
            "sources.volume_key_alias",
            ["and so is `sources.vault`", "another name"],
        ),
    ] {
        one(changes, &nobody, field, &says);
    }
    for fine in [
        json!({"sources": {"vault": "Default", "make_vault": false}}),
        json!({"backup": {"vault": "default"}}),
        json!({"sources": {"volume_key_alias": "local-backups", "make_vault": false}}),
        json!({"sources": {"volume_key_alias": "local-backups", "make_volume_key": false}}),
        // In two accounts.
        json!({"sources": {"vault": "central-backups"}}),
    ] {
        assert_eq!(wrong(&fine, &nobody), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn what_two_stacks_make_in_the_backup_account_has_two_names() {
    // By the whole organization as target, or by what was seen.
    let root = |mut changes: Value| {
        changes["sources"]["targets"] = json!(["r-ab12"]);
        changes
    };
    let unit = |mut changes: Value| {
        changes["protect"] = json!({"sources": false});
        changes
    };
    let air_gap = |name: &str| json!({"sources": {"vault": "one"}, "backup": {"air_gapped_vault": name, "lock": {"acknowledgement": ACKNOWLEDGEMENT}}});
    for (changes, field, other) in [
        (json!({"sources": {"vault": "central-backups"}}), "sources.vault", "backup.vault"),
        (air_gap("one"), "sources.vault", "backup.air_gapped_vault"),
        (json!({"sources": {"volume_key_alias": "central-backups"}}), "sources.volume_key_alias", "backup.vault"),
        (json!({"sources": {"role": "Backup-copy-back"}}), "sources.role", "backup.copy_back_role"),
    ] {
        let says = [&format!("and so is `{other}`"), "the backup account 222222222222", "another name"];
        one(root(changes.clone()), &Seen::default(), field, &says);
        one(unit(changes), &within(), field, &says);
    }
    for fine in [
        json!({"sources": {"vault": "central-backups", "make_vault": false}}),
        json!({"sources": {"role": "backup-copy-back", "make_role": false}}),
        json!({"sources": {"volume_key_alias": "central-backups", "make_volume_key": false}}),
        air_gap("two"),
        // In two Regions, and keys and vaults are of one; upper and lower case are two names there.
        json!({"sources": {"vault": "central-backups"}, "backup": {"region": "eu-north-1"}}),
        json!({"sources": {"vault": "Central-Backups"}}),
    ] {
        assert_eq!(wrong(&root(fine.clone()), &Seen::default()), Vec::<String>::new(), "{fine}");
        assert_eq!(wrong(&unit(fine.clone()), &within()), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn policies_reach_whom_they_are_meant_for() {
    let account = json!({"policies": [{"targets": ["ou-ab12-11111111", BACKUP]}]});
    one(account.clone(), &Seen::default(), "policies[0].targets", &["which is `backup.account`", "`protect.sources`", "leave it out"]);
    one(json!({}), &within(), "policies[0].targets", &["`ou-ab12-11111111`", "in which the backup account", "or write `false`"]);
    let mut unprotected = account;
    unprotected["protect"] = json!({"sources": false});
    assert_eq!(wrong(&unprotected, &Seen::default()), Vec::<String>::new());
    // What is admitted.
    let admit = |path: &str| json!({"backup": {"admit": [path]}});
    one(
        admit("o-exampleorgid/r-ab12/ou-ab12-22222222/*"),
        &complete(),
        "backup.admit",
        &["does not admit 111111111111", "`policies`", "name the path"],
    );
    one(admit("o-exampleorgid/r-ab12/"), &complete(), "backup.admit", &["does not admit 111111111111", "with `*`"]);
    for fine in ["o-exampleorgid/r-ab12/*", "o-exampleorgid/r-ab12/ou-ab12-11111111/", "o-exampleorgid/r-ab12/ou-ab12-11111111/*"] {
        assert_eq!(wrong(&admit(fine), &complete()), Vec::<String>::new(), "{fine}");
    }
    assert_eq!(
        wrong(&admit("o-exampleorgid/r-ab12/ou-ab12-22222222/*"), &Seen::default()),
        Vec::<String>::new(),
        "nobody saw where accounts lie"
    );
    one(admit("o-anotherone99/r-ab12/*"), &Seen::default(), "backup.admit[0]", &["no path of the organization `o-exampleorgid`"]);
}
