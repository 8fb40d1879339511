//! An inventory over the wire: every request is counted, and whatever may pass changes neither what was read nor much of what was asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use guardian_aws::readers::{Readers, Reading, closed};
use guardian_aws::session::{Cloud, ReaderRole};
use guardian_aws_sweep::sweep::{FolderParts, Order, Ready, Sweep, judge_to};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::compliance::{NotEvaluated, Scope, Status};
use guardian_core::evidence::{AccountInventory, Bound, GapReason, OrganizationInventory};
use guardian_perf_stub::estate::{BACKUP, Central, HOME, MANAGEMENT, Shape, mix};
use guardian_perf_stub::faults::Fault;
use guardian_perf_stub::{Settings, Stub};
use jiff::Timestamp;

const NOW: &str = "2026-11-27T00:00:00Z";

fn soak() -> bool {
    std::env::var_os("GUARDIAN_SOAK").is_some()
}

/// What a sweep reads of everything.
struct Swept {
    organization: OrganizationInventory,
    accounts: BTreeMap<String, AccountInventory>,
}

pub(crate) fn cloud(address: &str, times: f64) -> Cloud {
    let base = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(aws_config::Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("AKIDSTUB", "stub", None, None, "stub")))
        .timeout_config(guardian_aws::session::timeouts())
        .endpoint_url(address)
        .build();
    let organization_role_arn = Arn::parse(&format!("arn:aws:iam::{MANAGEMENT}:role/backup-guardian-reader")).ok();
    let reader = ReaderRole { name: "backup-guardian-reader".to_owned(), external_id: None, organization_role_arn };
    Cloud::patient(base, reader, times)
}

/// The stub has no limits of its own unless it was told so; then nobody needs to wait.
pub(crate) const UNHURRIED: f64 = 1000.0;

async fn sweep(shape: &Shape, address: &str, times: f64) -> Swept {
    let readers = Arc::new(Readers::over(cloud(address, times)));
    let regions = shape.regions.iter().map(|name| Region::parse(name).unwrap()).collect::<Vec<_>>();
    let reading = Reading { regions, trusts: false, points: true, now: NOW.parse().unwrap() };
    let organization = readers.organization_inventory(&reading.regions[0], reading.now).await;
    let bounds = readers.organization_bounds(&organization).await;
    let reads = stream::iter(shape.accounts()).map(async |account| {
        let id = AccountId::parse(&account).unwrap();
        let mut inventory = Box::pin(readers.account_inventory(&id, &reading)).await.inventory;
        inventory.scps = bounds.of(&organization, &id, Bound::Scp);
        inventory.rcps = bounds.of(&organization, &id, Bound::Rcp);
        (account, inventory)
    });
    let accounts = reads.buffered(8).collect::<BTreeMap<_, _>>().await;
    Swept { organization, accounts }
}

pub(crate) fn random_shape(seed: u64) -> Shape {
    let draw = |what: u64, most: u64| usize::try_from(mix(&[seed, what]) % (most + 1)).unwrap();
    Shape {
        seed,
        uneven: true,
        accounts: 1 + draw(1, 24),
        regions: ["eu-central-1", "eu-west-1", "us-east-1"][..=draw(2, 2)].iter().map(|name| (*name).to_owned()).collect(),
        vaults: draw(3, 4),
        points: draw(4, 60),
        resources: 1 + draw(5, 8),
        plans: draw(6, 3),
        selections: draw(7, 3),
        tagged: draw(8, 250),
        page: 1 + draw(9, 40),
        policies: draw(10, 25),
        central: None,
    }
}

/// The fewest calls that can read an estate, by service and operation: what AWS has no wider list for, once.
fn floor(shape: &Shape) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::<String, u64>::new();
    let mut add = |operation: &str, count: usize| {
        if count > 0 {
            *calls.entry(operation.to_owned()).or_default() += count as u64;
        }
    };
    let accounts = shape.accounts();
    let pages = |items: usize, page: usize| items.div_ceil(page).max(1);
    for once in ["DescribeOrganization", "ListRoots", "ListAWSServiceAccessForOrganization", "ListDelegatedAdministrators"] {
        add(&format!("organizations:{once}"), 1);
    }
    add("backup:DescribeGlobalSettings", 1);
    add("organizations:ListAccounts", pages(accounts.len(), 20));
    add("organizations:ListPolicies", 2 * pages(shape.policies, 20));
    add("organizations:DescribePolicy", 2 * shape.policies);
    add("organizations:ListTargetsForPolicy", 2 * shape.policies);
    for account in &accounts {
        add("sts:AssumeRole", 1);
        add("organizations:DescribeEffectivePolicy", 1);
        let mut roles = 1; // the service-linked role
        let places = shape.regions.iter();
        let selects =
            places.clone().any(|region| (0..shape.plans_of(account, region)).any(|plan| shape.selections_of(account, region, plan) > 0));
        roles += usize::from(selects);
        for call in ["iam:GetRole", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies"] {
            add(call, roles);
        }
        for region in places {
            for call in ["ListBackupVaults", "DescribeRegionSettings", "ListBackupPlans", "ListRestoreTestingPlans"] {
                add(&format!("backup:{call}"), 1);
            }
            for call in ["ListBackupJobs", "ListCopyJobs", "ListRestoreJobs"] {
                add(&format!("backup:{call}"), 1);
            }
            add("cloudtrail:DescribeTrails", 1);
            add("ec2:GetAllowedImagesSettings", 1);
            add("ec2:GetEbsEncryptionByDefault", 1);
            add("ec2:GetEbsDefaultKmsKeyId", usize::from(shape.ebs_of(account, region)));
            add("tag:GetResources", pages(shape.tagged_of(account, region), 100));
            for plan in 0..shape.plans_of(account, region) {
                add("backup:GetBackupPlan", 1);
                add("backup:ListBackupSelections", 1);
                add("backup:GetBackupSelection", shape.selections_of(account, region, plan));
            }
            let vaults = shape.vaults_of(account, region);
            let mut keys = vaults.iter().map(|vault| vault.key.clone()).collect::<BTreeSet<_>>();
            keys.extend(shape.ebs_of(account, region).then(|| "ebs".to_owned()));
            for call in ["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus"] {
                add(call, keys.len());
            }
            for vault in &vaults {
                add("backup:GetBackupVaultAccessPolicy", 1);
                add("backup:GetBackupVaultNotifications", 1);
                add("backup:ListRecoveryPointsByBackupVault", if vault.points == 0 { 0 } else { pages(vault.points, shape.page) });
            }
        }
    }
    calls
}

fn by_operation(stub: &Stub) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::<String, u64>::new();
    for (call, count) in stub.log().answered {
        *calls.entry(format!("{}:{}", call.service, call.operation)).or_default() += count;
    }
    calls
}

#[tokio::test]
async fn a_sweep_asks_no_more_than_the_fewest_calls_that_can_read_the_estate() {
    for seed in 0..if soak() { 50 } else { 5 } {
        let shape = random_shape(seed);
        let (stub, address) = Stub::start(Settings::of(shape.clone()), 0).unwrap();
        let swept = Box::pin(sweep(&shape, &address, UNHURRIED)).await;
        assert_eq!(by_operation(&stub), floor(&shape), "estate {seed}: {shape:?}");
        assert_eq!(swept.organization.members.known().map(|members| members.len()), Some(shape.accounts().len()));
        for (account, inventory) in &swept.accounts {
            for region in &shape.regions {
                let read = &inventory.regions[&Region::parse(region).unwrap()];
                let vaults = read.vaults.known().unwrap();
                let points = |vault: &guardian_core::evidence::VaultInventory| {
                    vault.points.known().unwrap().iter().map(|points| points.completed).sum::<u64>()
                };
                let expected =
                    shape.vaults_of(account, region).iter().map(|vault| (vault.name.clone(), vault.points as u64)).collect::<Vec<_>>();
                let seen = vaults.iter().map(|vault| (vault.vault.arn.resource_name().to_owned(), points(vault))).collect::<Vec<_>>();
                assert_eq!(seen, expected, "estate {seed}, account {account}, {region}");
                assert_eq!(read.resources.known().map(Vec::len), Some(shape.tagged_of(account, region)));
            }
        }
    }
}

/// All steps of a sweep but the last.
async fn read_whole(shape: &Shape, address: &str, folder: &Path, scope: Scope) -> (Arc<Sweep<Cloud, FolderParts>>, Arc<Ready>) {
    let regions = shape.regions.iter().map(|name| Region::parse(name).unwrap()).collect();
    let order = Order { now: NOW.parse().unwrap(), regions, accounts: Vec::new(), scope };
    let sweep = Sweep::new(Readers::over(cloud(address, UNHURRIED)), FolderParts::new(folder), order);
    let begun = sweep.begin().await.unwrap();
    let collected = stream::iter(&begun.accounts).map(|account| Box::pin(sweep.collect(&begun, account))).buffered(8);
    collected.try_collect::<Vec<_>>().await.unwrap();
    for vault in sweep.vaults(&begun).await.unwrap() {
        sweep.gather(&begun, &vault).await.unwrap();
    }
    let ready = sweep.ready(begun).await.unwrap();
    (Arc::new(sweep), Arc::new(ready))
}

/// The machine form of the report of a whole sweep, as every way to sweep writes it.
async fn report(shape: &Shape, address: &str, name: &str) -> String {
    let folder = std::env::temp_dir().join(format!("guardian-suite-report-{}-{name}", std::process::id()));
    let scope = Scope { backup_accounts: vec![AccountId::parse(BACKUP).unwrap()], ..Scope::default() };
    let (sweep, ready) = Box::pin(read_whole(shape, address, &folder, scope)).await;
    let file = folder.join("report.json");
    judge_to(&sweep, &ready, &file).await.unwrap();
    let report = std::fs::read_to_string(file).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    report
}

#[tokio::test]
async fn faults_in_three_of_ten_calls_change_no_byte_of_the_report() {
    for seed in 0..if soak() { 10 } else { 1 } {
        let central = Central { now: NOW.parse::<Timestamp>().unwrap().as_second().unsigned_abs(), copies: 7 };
        let shape = Shape {
            accounts: 6,
            vaults: 3,
            points: 30,
            plans: 2,
            selections: 2,
            tagged: 60,
            central: Some(central),
            ..random_shape(100 + seed)
        };
        let (stub, address) = Stub::start(Settings::of(shape.clone()), 0).unwrap();
        let well = Box::pin(report(&shape, &address, &format!("well-{seed}"))).await;
        let calls = stub.log().total();
        let ill = ["unprotected", "never-copied", "stale", "never-backed-up"].into_iter().any(|word| well.contains(word));
        assert!(ill && well.contains("\"protection\":"), "estate {seed} has nothing to tell");
        assert!(!well.contains("\"gaps\":[{"), "estate {seed}: all of it can be read");
        let (faulty, address) = Stub::start(Settings { faults: (30, seed), ..Settings::of(shape.clone()) }, 0).unwrap();
        let told = Box::pin(report(&shape, &address, &format!("faulty-{seed}"))).await;
        let differs = well.lines().zip(told.lines()).find(|(one, other)| one != other);
        assert!(differs.is_none() && well.len() == told.len(), "estate {seed}: {differs:?}");
        let log = faulty.log();
        assert!(log.failed * 5 > log.total(), "{} of {} calls failed", log.failed, log.total());
        assert!(log.total() * 10 <= calls * 16, "{} calls instead of {calls}", log.total());
    }
}

#[tokio::test]
async fn an_account_that_lets_nobody_in_is_one_gap_and_costs_one_call() {
    let shape = Shape { accounts: 4, ..random_shape(7) };
    let shut = Shape::account(2);
    let always = vec![(Some(shut.clone()), "sts".to_owned(), None, Fault::Denied)];
    let (_stub, address) = Stub::start(Settings { always, ..Settings::of(shape.clone()) }, 0).unwrap();
    let swept = Box::pin(sweep(&shape, &address, UNHURRIED)).await;
    for (account, inventory) in &swept.accounts {
        let gap = closed(inventory);
        assert_eq!(gap.is_some(), *account == shut, "{account}");
        if let Some(gap) = gap {
            assert_eq!((gap.action.as_str(), gap.reason), ("sts:AssumeRole", GapReason::RoleNotAssumable));
            assert!(inventory.regions.is_empty());
        }
    }
    assert_ne!(shut, HOME);
}

/// The accounts of which a whole sweep says that they were not, or not wholly, evaluated; and those that anything was said to be well of.
async fn swept(shape: &Shape, address: &str, folder: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    let (sweep, ready) = Box::pin(read_whole(shape, address, folder, Scope::default())).await;
    let (mut unread, mut well) = (BTreeSet::new(), BTreeSet::new());
    let mut judging = sweep.judging(&ready);
    while let Some(result) = judging.next().await.unwrap() {
        let account = &result.account_id;
        let whole = |part: &NotEvaluated| part.account_id == *account && part.region.is_none() && part.gaps.len() == 1;
        assert!(result.not_evaluated.is_empty() || matches!(result.not_evaluated.as_slice(), [part] if whole(part)), "{account}");
        if !result.not_evaluated.is_empty() {
            unread.insert(account.to_string());
        }
        if result.outcomes.iter().any(|outcome| outcome.outcome.status == Status::Pass) || !result.coverage.is_empty() {
            well.insert(account.to_string());
        }
    }
    (unread, well)
}

#[tokio::test]
async fn accounts_that_cannot_be_reached_are_listed_as_not_evaluated_and_never_as_well() {
    let shape = Shape { accounts: 5, tagged: 3, ..random_shape(11) };
    // What may pass is waited for, so only the soak tries every way to fail.
    let ways: &[Fault] = if soak() {
        &[Fault::Denied, Fault::Throttled, Fault::Down, Fault::Reset, Fault::Truncated, Fault::Garbled]
    } else {
        &[Fault::Denied]
    };
    for way in ways {
        for k in 0..=shape.accounts {
            let shut = (0..k).map(Shape::account).collect::<BTreeSet<_>>();
            let always = shut.iter().map(|account| (Some(account.clone()), "sts".to_owned(), None, *way)).collect();
            let (_stub, address) = Stub::start(Settings { always, ..Settings::of(shape.clone()) }, 0).unwrap();
            let folder = std::env::temp_dir().join(format!("guardian-suite-sweep-{}-{way:?}-{k}", std::process::id()));
            let (unread, well) = Box::pin(swept(&shape, &address, &folder)).await;
            std::fs::remove_dir_all(&folder).unwrap();
            assert_eq!(unread, shut, "{way:?}, {k}");
            assert!(well.is_disjoint(&shut), "{way:?}, {k}: {well:?}");
            assert!(!well.is_empty() || k == shape.accounts, "{way:?}, {k}");
        }
    }
}

/// How many calls in a thousand the limits turn away at a pace.
async fn turned_away(times: f64) -> u64 {
    let shape =
        Shape { accounts: 2, regions: vec!["eu-central-1".to_owned()], vaults: 12, points: 40, page: 5, plans: 6, ..random_shape(3) };
    let settings = Settings { limited: true, latency: Duration::from_millis(1), ..Settings::of(shape.clone()) };
    let (stub, address) = Stub::start(settings, 0).unwrap();
    Box::pin(sweep(&shape, &address, times)).await;
    let log = stub.log();
    log.throttled * 1000 / log.total()
}

#[tokio::test]
async fn calls_keep_below_the_published_limits() {
    // On a busy machine calls arrive in bunches, so that a few are turned away; without a pace most are.
    let (paced, unpaced) = (turned_away(1.0).await, turned_away(UNHURRIED).await);
    assert!(paced * 4 < unpaced, "{paced} and {unpaced} of 1,000 calls were turned away");
}
