//! What was not read: it is told, and it never makes anything well or ill.

use guardian_core::coverage::Protection;
use guardian_core::evidence::Fact;

use crate::estate::*;

type Removal = (&'static str, fn(&mut Estate));

/// Every read on which the health of the volume rests.
const READS: [Removal; 9] = [
    ("backup:ListBackupPlans", |estate| estate.here().plans = gap("backup:ListBackupPlans")),
    ("backup:GetBackupPlan", |estate| of(&mut estate.here().plans)[0].plan = gap("backup:GetBackupPlan")),
    ("backup:ListBackupSelections", |estate| of(&mut estate.here().plans)[0].selections = gap("backup:ListBackupSelections")),
    ("backup:GetBackupSelection", |estate| of(&mut of(&mut estate.here().plans)[0].selections)[0] = gap("backup:GetBackupSelection")),
    ("tag:GetResources", |estate| estate.here().resources = gap("tag:GetResources")),
    ("backup:DescribeRegionSettings", |estate| estate.here().settings = gap("backup:DescribeRegionSettings")),
    ("backup:ListBackupVaults", |estate| estate.here().vaults = gap("backup:ListBackupVaults")),
    ("backup:ListRecoveryPointsByBackupVault", |estate| {
        of(&mut estate.here().vaults)[0].points = gap("backup:ListRecoveryPointsByBackupVault");
    }),
    ("backup:ListRecoveryPointsByBackupVault", |estate| {
        estate.arrivals.get_mut(&arn(CENTRAL)).unwrap().points = gap("backup:ListRecoveryPointsByBackupVault");
    }),
];

#[test]
fn a_read_that_failed_leaves_what_it_decides_unknown_and_is_named() {
    let mut estate = Estate::well();
    estate.back_up(&[]);
    for (action, remove) in READS {
        let mut less = estate.clone();
        remove(&mut less);
        match less.cover().as_slice() {
            [told] if action == "backup:ListRecoveryPointsByBackupVault" && told.protection == Protection::SelectedNeverBackedUp => {
                assert!(less.arrivals.values().any(|arrived| arrived.points.known().is_none()), "no backup: the copies do not matter");
            }
            [told] => {
                assert_eq!(told.protection, Protection::Unknown, "{action}: {told:#?}");
                assert!(told.gaps.iter().any(|gap| gap.action == action), "{action}: {:?}", told.gaps);
            }
            _ => assert_eq!(action, "tag:GetResources", "nothing else tells that it exists"),
        }
    }
}

#[test]
fn what_was_well_is_never_ill_and_never_well_again_because_something_was_not_read() {
    for (action, remove) in READS {
        let mut less = Estate::well();
        remove(&mut less);
        let told = less.told(VOLUME);
        assert_eq!(told.protection, Protection::Unknown, "{action}: {told:#?}");
        assert!(told.gaps.iter().any(|gap| gap.action == action), "{action}: {:?}", told.gaps);
    }
}

#[test]
fn an_illness_that_was_seen_stays_one_whatever_else_was_not_read() {
    let mut estate = Estate::well();
    of(&mut estate.here().plans).push(plan("q", vec![rule("s", DAILY, &[])], vec![selection(&[VOLUME], &[])]));
    estate.land(&[]);
    of(&mut estate.here().plans)[1].plan = gap("backup:GetBackupPlan");
    assert_eq!(estate.told(VOLUME).protection, Protection::NeverCopied);
    assert_eq!(estate.told(VOLUME).gaps, vec![]);
}

#[test]
fn nobody_asks_for_the_recovery_points_of_a_vault_that_says_it_is_empty() {
    let mut estate = Estate::well();
    let mut empty = holding("arn:aws:backup:eu-central-1:111111111111:backup-vault:empty", Vec::new());
    empty.points = Fact::NotAsked;
    of(&mut estate.here().vaults).push(empty.clone());
    assert_eq!(estate.told(VOLUME).protection, Protection::Unknown, "it may hold something");
    empty.vault.points = Some(0);
    of(&mut estate.here().vaults)[1] = empty;
    assert_eq!(estate.told(VOLUME).protection, Protection::Protected);
}
