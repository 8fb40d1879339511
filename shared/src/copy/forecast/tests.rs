//! A healthy leg, and everything taken from it in turn.

use serde_json::{Value, json};

use super::*;
use crate::arn::{AccountId, Region};
use crate::copy::BACKUP_ROLE;
use crate::evidence::{KeyManager, NamedPolicy};

const ROLE: &str = "arn:aws:iam::111111111111:role/service-role/AWSBackupDefaultServiceRole";
const COPIER: &str = "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup";
const LOCAL: &str = "arn:aws:backup:eu-central-1:111111111111:backup-vault:local";
const CENTRAL: &str = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central";
const KEY: &str = "arn:aws:kms:eu-central-1:111111111111:key/1";
const CENTRAL_KEY: &str = "arn:aws:kms:eu-central-1:222222222222:key/2";

fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

fn known<T>(value: T) -> Fact<T> {
    Fact::Known { value, source: "test".to_owned(), at: jiff::Timestamp::UNIX_EPOCH }
}

fn document(statement: Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": statement})
}

fn key(arn_text: &str, principal: &str) -> (Fact<Key>, Fact<KeyPolicy>, Fact<KeyGrants>) {
    let policy = document(json!([{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{}:root", arn(arn_text).account().unwrap())}, "Action": "kms:*",
         "Resource": "*"}]));
    (
        known(Key { arn: arn(arn_text), manager: Some(KeyManager::Customer), state: Some("Enabled".to_owned()), deletion_at: None }),
        known(KeyPolicy { key_arn: arn(arn_text), document: policy }),
        known(KeyGrants { key_arn: arn(arn_text), grants: Vec::new() }),
    )
}

fn vault(arn_text: &str, key: &str) -> Fact<Vault> {
    known(Vault {
        arn: arn(arn_text),
        vault_type: Some("BACKUP_VAULT".to_owned()),
        state: None,
        encryption_key_arn: Some(arn(key)),
        locked: Some(false),
        min_retention_days: None,
        max_retention_days: None,
        lock_date: None,
        points: None,
    })
}

fn bounds(account: &str) -> Fact<PolicyLevels> {
    let everything = document(json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}));
    let scp = document(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let document = if account.is_empty() { everything } else { scp };
    let level = vec![NamedPolicy { name: "FullAWSAccess".to_owned(), arn: None, document }];
    known(PolicyLevels { account_id: AccountId::parse("111111111111").unwrap(), levels: vec![level.clone(), level] })
}

fn healthy() -> (Leg, LegFacts) {
    let leg = Leg {
        account_id: AccountId::parse("111111111111").unwrap(),
        region: Region::parse("eu-central-1").unwrap(),
        source_vault_arn: arn(LOCAL),
        destination_vault_arn: arn(CENTRAL),
        resource_type: "EBS".to_owned(),
        fully_managed: false,
        key: LegKey::Key(arn(KEY)),
        job_role_arn: arn(ROLE),
        perhaps_selected: None,
        recovery_point_arn: Some(arn("arn:aws:ec2:eu-central-1::snapshot/snap-1")),
        retention_days: (Some(30), Some(30)),
    };
    let (source_key, source_key_policy, source_key_grants) = key(KEY, COPIER);
    let (destination_key, destination_key_policy, destination_key_grants) = key(CENTRAL_KEY, COPIER);
    let open = document(json!({"Effect": "Allow", "Principal": "*", "Action": "backup:CopyIntoBackupVault", "Resource": "*",
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}}}));
    let policies = vec![NamedPolicy { name: "backup".to_owned(), arn: None, document: BACKUP_ROLE.document() }];
    let facts = LegFacts {
        organization: known(Organization {
            id: "o-exampleorgid".to_owned(),
            management_account: AccountId::parse("333333333333").unwrap(),
        }),
        global_settings: known(GlobalSettings {
            management_account: AccountId::parse("333333333333").unwrap(),
            cross_account_backup: true,
        }),
        job_role: known(Role { arn: arn(ROLE), trust: None, policies, boundary: None }),
        source_scps: bounds("scp"),
        source_rcps: bounds(""),
        destination_rcps: bounds(""),
        source_vault: vault(LOCAL, KEY),
        source_vault_policy: known(VaultPolicy { vault_arn: arn(LOCAL), document: None }),
        destination_vault: vault(CENTRAL, CENTRAL_KEY),
        destination_vault_policy: known(VaultPolicy { vault_arn: arn(CENTRAL), document: Some(open) }),
        source_key,
        source_key_policy,
        source_key_grants,
        destination_key,
        destination_key_policy,
        destination_key_grants,
    };
    (leg, facts)
}

fn told(leg: &Leg, facts: &LegFacts) -> Forecast {
    forecast(leg, facts, None).unwrap().unwrap()
}

fn gap<T>(reason: GapReason) -> Fact<T> {
    Fact::Gap(Gap {
        action: "test:Read".to_owned(),
        account_id: AccountId::parse("111111111111").unwrap(),
        region: None,
        reason,
        detail: None,
    })
}

#[test]
fn a_leg_that_has_everything_works() {
    let (leg, facts) = healthy();
    let told = told(&leg, &facts);
    assert_eq!((told.verdict, told.open, told.gaps), (Verdict::Works, vec![], vec![]), "{:?}", told.denied);
}

/// Takes one fact away.
type Loss = fn(&mut LegFacts, GapReason);

/// Every fact that decides the copies of the healthy leg.
const LOSSES: &[(&str, Loss)] = &[
    ("job role", |facts, reason| facts.job_role = gap(reason)),
    ("global settings", |facts, reason| facts.global_settings = gap(reason)),
    ("SCPs", |facts, reason| facts.source_scps = gap(reason)),
    ("source vault", |facts, reason| facts.source_vault = gap(reason)),
    ("policy of the source vault", |facts, reason| facts.source_vault_policy = gap(reason)),
    ("destination vault", |facts, reason| facts.destination_vault = gap(reason)),
    ("policy of the destination vault", |facts, reason| facts.destination_vault_policy = gap(reason)),
    ("source key", |facts, reason| facts.source_key = gap(reason)),
    ("policy of the source key", |facts, reason| facts.source_key_policy = gap(reason)),
    ("destination key", |facts, reason| facts.destination_key = gap(reason)),
    ("policy of the destination key", |facts, reason| facts.destination_key_policy = gap(reason)),
];

#[test]
fn whatever_was_not_seen_makes_it_depend_and_is_named() {
    for (name, lose) in LOSSES {
        let (leg, mut facts) = healthy();
        lose(&mut facts, GapReason::AccessDenied);
        let told = told(&leg, &facts);
        assert_eq!((told.verdict, told.gaps.len()), (Verdict::Depends, 1), "{name}");
        assert!(!told.open.is_empty(), "{name}");
    }
}

#[test]
fn what_does_not_exist_makes_it_fail() {
    for name in ["job role", "destination vault", "source key", "destination key"] {
        let (leg, mut facts) = healthy();
        let (_, lose) = LOSSES.iter().find(|(known, _)| *known == name).unwrap();
        lose(&mut facts, GapReason::NotFound);
        let told = told(&leg, &facts);
        assert!(matches!(told.blockers.as_slice(), [Blocker::Missing(_)]), "{name}: {:?}", told.blockers);
        assert_eq!(told.verdict, Verdict::WillFail, "{name}");
    }
}

#[test]
fn states_and_locks_suffice_alone() {
    let lock = |min: Option<i64>, max: Option<i64>| {
        move |facts: &mut LegFacts| {
            if let Fact::Known { value, .. } = &mut facts.destination_vault {
                (value.locked, value.min_retention_days, value.max_retention_days) = (Some(true), min, max);
            }
        }
    };
    let verdict = |change: &dyn Fn(&mut LegFacts)| {
        let (leg, mut facts) = healthy();
        change(&mut facts);
        told(&leg, &facts).verdict
    };
    assert_eq!(verdict(&lock(Some(31), None)), Verdict::WillFail);
    assert_eq!(verdict(&lock(None, Some(29))), Verdict::WillFail);
    assert_eq!(verdict(&lock(Some(30), Some(30))), Verdict::Works);
    for (state, expected) in [("PendingDeletion", Verdict::WillFail), ("Disabled", Verdict::WillFail), ("Updating", Verdict::Works)] {
        let change = |facts: &mut LegFacts| {
            if let Fact::Known { value, .. } = &mut facts.destination_key {
                value.state = Some(state.to_owned());
            }
        };
        assert_eq!(verdict(&change), expected, "{state}");
    }
    assert_eq!(verdict(&|facts| facts.destination_rcps = gap(GapReason::NotFound)), Verdict::WillFail);
}

#[test]
fn a_refusal_that_was_seen_stays_one_whatever_else_was_not_seen() {
    for (name, lose) in LOSSES.iter().filter(|(name, _)| !matches!(*name, "destination vault" | "policy of the destination vault")) {
        let (leg, mut facts) = healthy();
        facts.destination_vault_policy = known(VaultPolicy { vault_arn: arn(CENTRAL), document: None });
        lose(&mut facts, GapReason::AccessDenied);
        assert_eq!(told(&leg, &facts).verdict, Verdict::WillFail, "{name}");
    }
}

#[test]
fn a_key_that_no_backup_shows_yet_makes_it_depend() {
    let (leg, mut facts) = healthy();
    facts.source_key = Fact::NotAsked;
    let leg = Leg { key: LegKey::NotSeen, recovery_point_arn: None, ..leg };
    let told = told(&leg, &facts);
    assert_eq!(told.verdict, Verdict::Depends);
    assert_eq!(told.route.recovery_point_arn.as_str(), "arn:aws:ec2:eu-central-1::snapshot/*");
}

#[test]
fn copies_into_other_accounts_that_the_organization_switched_off_will_fail() {
    let off = |facts: &mut LegFacts| {
        let Fact::Known { value, .. } = &mut facts.global_settings else { panic!("known") };
        value.cross_account_backup = false;
    };
    let (leg, mut facts) = healthy();
    off(&mut facts);
    let failing = told(&leg, &facts);
    assert_eq!(failing.verdict, Verdict::WillFail);
    let reasons = failing.blockers.iter().map(Blocker::reason).collect::<Vec<_>>();
    assert_eq!(reasons.len(), 1);
    assert!(reasons[0].contains("isCrossAccountBackupEnabled") && reasons[0].contains("333333333333"), "{reasons:?}");
    // Not asked is not known.
    facts.global_settings = Fact::NotAsked;
    assert_eq!(told(&leg, &facts).verdict, Verdict::Depends);
    // A copy within the account needs it not.
    let (leg, mut facts) = healthy();
    let leg = Leg { destination_vault_arn: arn("arn:aws:backup:eu-central-1:111111111111:backup-vault:second"), ..leg };
    off(&mut facts);
    facts.destination_vault = vault(leg.destination_vault_arn.as_str(), KEY);
    assert_eq!(told(&leg, &facts).blockers, []);
}

#[test]
fn what_tags_may_select_fails_only_perhaps() {
    let (leg, mut facts) = healthy();
    let leg = Leg { perhaps_selected: Some("by tag".to_owned()), ..leg };
    let working = told(&leg, &facts);
    assert_eq!((working.verdict, working.open.len()), (Verdict::Works, 0), "if it is copied, it works");
    facts.destination_vault_policy = known(VaultPolicy { vault_arn: arn(CENTRAL), document: None });
    let perhaps = told(&leg, &facts);
    assert_eq!((perhaps.verdict, perhaps.denied.len(), perhaps.open.len()), (Verdict::Depends, 1, 1));
    assert!(perhaps.open[0].contains("`by tag`"), "{:?}", perhaps.open);
}

#[test]
fn a_policy_that_was_not_read_is_one_cause_however_many_calls_depend_on_it() {
    let (leg, mut facts) = healthy();
    facts.source_scps = gap(GapReason::NotConfigured);
    let told = told(&leg, &facts);
    let [open] = told.open.as_slice() else { panic!("{:?}", told.open) };
    assert!(
        open.contains("calls are allowed (") && open.contains("kms:") && open.ends_with("depends on unreadable scp document 1"),
        "{open}"
    );
}
