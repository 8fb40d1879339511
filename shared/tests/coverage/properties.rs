//! What must hold of every account: of random ones here.

use std::collections::BTreeMap;

use guardian_core::arn::Arn;
use guardian_core::coverage::{Arrivals, Protection, ResourceCoverage};
use guardian_core::evidence::{Fact, TagOperator, TagTest};
use proptest::prelude::*;

use crate::estate::*;

const DATABASE: &str = "arn:aws:rds:eu-central-1:111111111111:db:orders";
const SECOND: &str = "arn:aws:ec2:eu-central-1:111111111111:volume/vol-2";
const RESOURCES: [(&str, &str); 4] = [(VOLUME, "EBS"), (SECOND, "EBS"), (BUCKET, "S3"), (DATABASE, "RDS")];
const COPIES: &str = "arn:aws:backup:eu-central-1:111111111111:backup-vault:copies";
const AGES: [i64; 6] = [1, 7, 20, 31, 60, 300];

/// Choices, one after the other.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn number(&mut self, below: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or_default()) % below
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.number(of.len())].clone()
    }

    /// Once in so many times.
    fn rarely(&mut self, times: usize) -> bool {
        self.number(times) == times - 1
    }
}

fn any_estate() -> impl Strategy<Value = Estate> {
    prop::collection::vec(any::<u8>(), 160).prop_map(|bytes| estate(&mut Choices(bytes.iter())))
}

fn estate(choose: &mut Choices<'_>) -> Estate {
    let mut estate = Estate::empty();
    let settings = |choose: &mut Choices<'_>| {
        let mut all = opted_in(&[("EBS", !choose.rarely(4)), ("S3", !choose.rarely(4)), ("RDS", true)]);
        if choose.rarely(5) {
            all.opted_in.remove("EBS");
        }
        all
    };
    estate.here().settings = known(settings(choose));
    if !choose.rarely(3) {
        estate.organization.opt_in.insert(region(), known(settings(choose)));
    }
    if choose.rarely(4) {
        of(&mut estate.organization.organization).management_account = estate.account.account_id.clone();
    }
    let mut made_by = vec![None];
    for number in 0..=choose.number(3) {
        let id = choose.one(&[format!("p{number}"), format!("orgs/p{number}")]);
        let rules = (0..=choose.number(2)).map(|n| any_rule(choose, &format!("{number}-{n}"))).collect::<Vec<_>>();
        made_by.extend(rules.iter().map(|rule| Some((id.clone(), rule.times.rule_id.clone().unwrap()))));
        let selections = (0..=choose.number(2)).map(|_| any_selection(choose)).collect();
        let mut plan = plan(&id, rules, selections);
        of(&mut plan.plan).created_at = choose.one(&[None, Some(ago(3)), Some(ago(9000)), Some(ago(9000))]);
        of(&mut estate.here().plans).push(plan);
    }
    let (mut local, mut copies, mut central) = (Vec::new(), Vec::new(), Vec::new());
    for (arn, kind) in RESOURCES {
        if !choose.rarely(4) {
            let tags =
                choose.one(&[vec![], vec![("backup", "true")], vec![("backup", "true"), ("stage", "prod")], vec![("stage", "test")]]);
            of(&mut estate.here().resources).push(resource(arn, &tags));
        }
        let some = |choose: &mut Choices<'_>, copied_from: Option<&str>, into: &mut Vec<_>| {
            let made = (0..choose.number(4)).map(|_| {
                let by = choose.one(&made_by).filter(|_| copied_from.is_none());
                point(choose.one(&AGES), by.as_ref().map(|(plan, rule)| (plan.as_str(), rule.as_str())))
            });
            let made = made.collect::<Vec<_>>();
            if !made.is_empty() {
                into.push(points(arn, kind, copied_from, made));
            }
        };
        some(choose, None, &mut local);
        some(choose, None, &mut copies);
        some(choose, Some(LOCAL), &mut copies);
        some(choose, Some(LOCAL), &mut central);
    }
    *of(&mut estate.here().vaults) = vec![holding(LOCAL, local), holding(COPIES, copies)];
    if choose.rarely(4) {
        of(&mut estate.here().vaults)[1].vault.vault_type = Some("LOGICALLY_AIR_GAPPED_BACKUP_VAULT".to_owned());
    }
    estate.arrivals = BTreeMap::from([(arn(CENTRAL), Arrivals { vault: known(vault(CENTRAL)).into(), points: known(central) })]);
    if choose.rarely(4) {
        estate.scope.baseline.wanted_tags = serde_json::from_str(r#"[{"key": "stage"}]"#).unwrap();
    }
    estate
}

fn any_rule(choose: &mut Choices<'_>, id: &str) -> guardian_core::evidence::PlanRule {
    let schedule = choose.one(&[DAILY, DAILY, "cron(30 * ? * * *)", "cron(0 5 ? * 1 *)", "rate(12 hours)", "cron(never)"]);
    let destinations = choose.one(&[vec![], vec![CENTRAL], vec![COPIES], vec![CENTRAL, COPIES]]);
    let mut rule = rule(id, schedule, &destinations);
    rule.times.continuous = choose.rarely(6);
    rule
}

fn any_selection(choose: &mut Choices<'_>) -> guardian_core::evidence::Selection {
    let backup: &[(&str, &str)] = &[("backup", "true")];
    let mut selection = match choose.number(6) {
        0 => selection(&["*"], &[]),
        1 => selection(&["arn:aws:ec2:*:*:volume/*"], &[]),
        2 => selection(&[VOLUME, BUCKET], &[]),
        3 => selection(&["arn:aws:ec2:*:*:volume/*"], backup),
        _ => selection(&[], backup),
    };
    if choose.rarely(5) {
        selection.not_resources = vec![SECOND.to_owned()];
    }
    if choose.rarely(4) {
        selection.conditions =
            vec![TagTest { operator: TagOperator::NotEquals, key: "aws:ResourceTag/stage".to_owned(), value: "test".to_owned() }];
    }
    selection.created_at = choose.one(&[None, Some(ago(2)), Some(ago(9000)), Some(ago(9000))]);
    selection
}

/// Every estate of which one read less was made, with the read; and whether it told which resources there are.
fn one_read_less(estate: &Estate) -> Vec<(String, bool, Estate)> {
    let mut all = Vec::new();
    let mut less = |read: String, tells: bool, remove: &dyn Fn(&mut Estate)| {
        let mut one = estate.clone();
        remove(&mut one);
        all.push((read, tells, one));
    };
    less("settings".to_owned(), false, &|one| one.here().settings = gap("s"));
    less("plans".to_owned(), true, &|one| one.here().plans = gap("p"));
    less("resources".to_owned(), true, &|one| one.here().resources = gap("r"));
    less("vaults".to_owned(), true, &|one| one.here().vaults = Fact::NotAsked);
    less("organization".to_owned(), false, &|one| one.organization.organization = gap("o"));
    less("opt-in".to_owned(), false, &|one| one.organization.opt_in.clear());
    less("arrivals".to_owned(), false, &|one| one.arrivals.clear());
    less("copies".to_owned(), false, &|one| one.arrivals.get_mut(&arn(CENTRAL)).unwrap().points = gap("c"));
    for number in 0..2 {
        less(format!("vault {number}"), true, &move |one| of(&mut one.here().vaults)[number].points = gap("v"));
    }
    let mut copy = estate.clone();
    for (number, plan) in of(&mut copy.here().plans).iter_mut().enumerate() {
        less(format!("plan {number}"), false, &move |one| of(&mut one.here().plans)[number].plan = gap("p"));
        less(format!("selections {number}"), true, &move |one| of(&mut one.here().plans)[number].selections = gap("s"));
        for selection in 0..of(&mut plan.selections).len() {
            let read = format!("selection {number} {selection}");
            less(read, true, &move |one| of(&mut of(&mut one.here().plans)[number].selections)[selection] = gap("s"));
        }
    }
    all
}

fn by_arn(coverage: Vec<ResourceCoverage>) -> BTreeMap<Arn, ResourceCoverage> {
    coverage.into_iter().map(|one| (one.resource_arn.clone(), one)).collect()
}

/// Whether less evidence may move the one verdict to the other: to unknown, or from an illness to a lesser one.
fn may_become(before: Protection, after: Protection) -> bool {
    before == after || after == Protection::Unknown || (before < after && after < Protection::Excepted)
}

/// Everything in another order, and copies of another account besides.
fn in_another_order(estate: &Estate) -> Estate {
    let mut other = estate.clone();
    let here = other.here();
    of(&mut here.resources).reverse();
    of(&mut here.vaults).reverse();
    of(&mut here.plans).reverse();
    for plan in of(&mut here.plans) {
        of(&mut plan.selections).reverse();
        of(&mut plan.plan).rules.reverse();
        for rule in &mut of(&mut plan.plan).rules {
            rule.copy_actions.reverse();
        }
    }
    let central = other.arrivals.get_mut(&arn(CENTRAL)).unwrap();
    of(&mut central.points).reverse();
    for vault in of(&mut other.here().vaults) {
        of(&mut vault.points).reverse();
        for points in of(&mut vault.points) {
            points.newest.reverse();
        }
    }
    other
}

proptest! {
    #[test]
    fn less_evidence_moves_a_verdict_towards_unknown_and_no_other_way(estate in any_estate()) {
        let before = by_arn(estate.cover());
        for (read, tells, less) in one_read_less(&estate) {
            let after = by_arn(less.cover());
            for (arn, one) in &before {
                match after.get(arn) {
                    Some(other) => prop_assert!(may_become(one.protection, other.protection), "without {read}:\n{one:#?}\n{other:#?}"),
                    None => prop_assert!(tells, "without {read} nothing is said of {arn}"),
                }
            }
            for (arn, other) in &after {
                let was_left_out = !before.contains_key(arn);
                prop_assert!(!was_left_out || other.protection == Protection::Unknown, "without {read}: {other:#?}");
            }
        }
    }

    #[test]
    fn the_order_of_what_was_read_changes_nothing(estate in any_estate()) {
        prop_assert_eq!(estate.cover(), in_another_order(&estate).cover());
    }

    #[test]
    fn each_resource_is_told_once_in_the_order_of_its_arn_and_what_is_not_known_says_why(estate in any_estate()) {
        let coverage = estate.cover();
        prop_assert!(coverage.is_sorted_by(|one, other| one.resource_arn < other.resource_arn));
        for one in coverage {
            prop_assert!(!one.why.is_empty(), "{one:#?}");
            prop_assert!(one.protection != Protection::Protected || (one.newest_backup.is_some() && one.gaps.is_empty()), "{one:#?}");
        }
    }

    #[test]
    fn copies_of_another_account_change_nothing(estate in any_estate(), hours in 0..400_i64) {
        let before = estate.cover();
        let mut more = estate;
        let foreign = LOCAL.replace(OWN, "999999999999");
        for (arn, kind) in RESOURCES {
            let landed = || points(arn, kind, Some(&foreign), vec![point(hours, None)]);
            of(&mut more.arrivals.get_mut(&crate::estate::arn(CENTRAL)).unwrap().points).push(landed());
            for vault in of(&mut more.here().vaults) {
                of(&mut vault.points).push(landed());
            }
        }
        prop_assert_eq!(before, more.cover());
    }
}
