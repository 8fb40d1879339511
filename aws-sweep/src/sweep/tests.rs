use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use guardian_aws::answers::{Answer, Answers, Failure, Question};
use guardian_aws::readers::{Fold, Readers};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::compliance::Scope;
use guardian_core::evidence::{Fact, GapReason, ResourcePoints};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

const KEEPER: &str = "222222222222";
const CENTRAL: &str = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central";
const VOLUMES: usize = 2;

fn source(number: usize) -> String {
    format!("{:012}", 300_000_000_000 + number)
}

/// Accounts that copy every volume every night into one vault, of which a page holds 20.
struct Estate {
    accounts: usize,
    nights: AtomicUsize,
    /// Fails at this page, once.
    breaks_at: Mutex<Option<usize>>,
    /// Is not answered, once: an account and an operation.
    lost: Mutex<Option<(String, &'static str)>>,
}

impl Estate {
    fn of(accounts: usize, nights: usize) -> Self {
        Self { accounts, nights: AtomicUsize::new(nights), breaks_at: Mutex::default(), lost: Mutex::default() }
    }

    fn points(&self) -> usize {
        self.nights.load(Ordering::Relaxed) * self.accounts * VOLUMES
    }

    fn row(&self, number: usize) -> Value {
        let (night, volume) = (number / (self.accounts * VOLUMES), number % (self.accounts * VOLUMES));
        let account = source(volume / VOLUMES);
        json!({
            "RecoveryPointArn": format!("arn:aws:ec2:eu-central-1::snapshot/snap-{night:03}-{volume:06}"),
            "ResourceArn": format!("arn:aws:ec2:eu-central-1:{account}:volume/vol-{}", volume % VOLUMES),
            "ResourceType": "EBS",
            "Status": "COMPLETED",
            "IsEncrypted": volume != 3,
            "CreationDate": 1_767_225_600 + night * 86_400,
            "SourceBackupVaultArn": format!("arn:aws:backup:eu-central-1:{account}:backup-vault:local"),
            "EncryptionKeyArn": format!("arn:aws:kms:eu-central-1:{KEEPER}:key/central"),
        })
    }
}

impl Answers for Estate {
    async fn ask(&self, question: &Question) -> Answer {
        let keeper = question.account.as_str() == KEEPER;
        let is_lost = |(account, operation): &mut (String, &str)| *account == question.account.as_str() && *operation == question.operation;
        let lost = self.lost.lock().unwrap().take_if(is_lost).is_some();
        let outcome = match question.operation {
            _ if lost => Err(Failure::new(GapReason::Unavailable, "down")),
            "ListBackupVaults" if keeper => Ok(json!({"BackupVaultList": [{"BackupVaultName": "central", "BackupVaultArn": CENTRAL}]})),
            "ListBackupVaults" => Ok(json!({"BackupVaultList": []})),
            "ListBackupPlans" if keeper => Ok(json!({"BackupPlansList": []})),
            "ListBackupPlans" => Ok(json!({"BackupPlansList": [{"BackupPlanId": "p"}]})),
            "GetBackupPlan" => Ok(json!({"BackupPlanId": "p", "BackupPlan": {"BackupPlanName": "p", "Rules": [{
                "RuleName": "r", "RuleId": "r", "TargetBackupVaultName": "local", "ScheduleExpression": "cron(0 5 ? * * *)",
                "CopyActions": [{"DestinationBackupVaultArn": CENTRAL}],
            }]}})),
            _ => Err(Failure::new(GapReason::NotFound, "nothing of the kind")),
        };
        Answer { outcome, at: Timestamp::UNIX_EPOCH, principal: None }
    }

    async fn recovery_points(&self, _: &Question, from: Option<&str>, fold: &mut Fold) -> Result<(Option<String>, Timestamp), Failure> {
        let page = from.map_or(0, |from| from.parse().unwrap());
        if self.breaks_at.lock().unwrap().take_if(|at| *at == page).is_some() {
            return Err(Failure::new(GapReason::Unavailable, "down"));
        }
        let end = ((page + 1) * 20).min(self.points());
        let rows = (page * 20..end).map(|number| self.row(number)).collect::<Vec<_>>();
        fold.add_answer(&json!({"RecoveryPoints": rows})).unwrap();
        Ok(((end < self.points()).then(|| (page + 1).to_string()), Timestamp::UNIX_EPOCH))
    }

    fn organization_account(&self) -> Option<AccountId> {
        None
    }
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn folder(name: &str) -> Folder {
    Folder(std::env::temp_dir().join(format!("guardian-sweep-test-{}-{name}", std::process::id())))
}

fn sweep(estate: Estate, folder: &Folder) -> Arc<Sweep<Estate, FolderParts>> {
    let accounts = (0..estate.accounts).map(source).chain([KEEPER.to_owned()]).map(|id| AccountId::parse(&id).unwrap()).collect();
    let scope = Scope { backup_accounts: vec![AccountId::parse(KEEPER).unwrap()], ..Scope::default() };
    let order =
        Order { now: "2026-11-27T00:00:00Z".parse().unwrap(), regions: vec![Region::parse("eu-central-1").unwrap()], accounts, scope };
    Arc::new(Sweep::new(Readers::over(estate), FolderParts::new(&folder.0), order))
}

async fn read(sweep: &Sweep<Estate, FolderParts>) -> Arc<Ready> {
    let begun = sweep.begin().await.unwrap();
    for account in &begun.accounts {
        sweep.collect(&begun, account).await.unwrap();
    }
    for vault in sweep.vaults(&begun).await.unwrap() {
        sweep.gather(&begun, &vault).await.unwrap();
    }
    Arc::new(sweep.ready(begun).await.unwrap())
}

/// Complete points by account, and how many of each resource are kept one by one.
async fn arrived(sweep: &Sweep<Estate, FolderParts>, ready: &Ready) -> BTreeMap<String, Vec<(u64, usize)>> {
    let mut all = BTreeMap::new();
    for (bucket, accounts) in arrivals::buckets(&ready.accounts).enumerate() {
        for (account, by_vault) in sweep.bucket(ready, bucket).await.unwrap() {
            assert!(accounts.contains(&account), "{account} is in bucket {bucket}");
            let points = by_vault.into_values().flat_map(|arrivals| arrivals.points.known().cloned().unwrap_or_default());
            let sums = |points: ResourcePoints| (points.completed, points.newest.len());
            all.insert(account.to_string(), points.map(sums).collect());
        }
    }
    all
}

fn expected(accounts: usize, nights: usize) -> BTreeMap<String, Vec<(u64, usize)>> {
    (0..accounts).map(|number| (source(number), vec![(nights as u64, nights.min(ResourcePoints::KEPT)); VOLUMES])).collect()
}

#[tokio::test]
async fn what_arrived_of_every_account_is_whole_however_it_was_spilled() {
    let folder = folder("spilled");
    let sweep = sweep(Estate::of(150, 70), &folder);
    let ready = read(&sweep).await;
    assert_eq!(arrived(&sweep, &ready).await, expected(150, 70));
    let segments = &ready.listed[&Arn::parse(CENTRAL).unwrap()].segments;
    assert!(segments.len() == 3 && segments.values().all(|pieces| *pieces > 1), "{segments:?}");
    let mut judging = sweep.judging(&ready);
    let mut last = None;
    while let Some(result) = judging.next().await.unwrap() {
        assert!(last < Some(result.account_id.clone()), "by id");
        last = Some(result.account_id);
    }
    // The account that keeps the copies is judged by their sums.
    let keeper = sweep.whole(&ready, &AccountId::parse(KEEPER).unwrap()).await.unwrap();
    let vault = &keeper.regions.values().next().unwrap().vaults.known().unwrap()[0];
    assert_eq!(vault.points.known(), Some(&Vec::new()));
    assert_eq!((vault.copies.completed, vault.copies.unencrypted.points, vault.copies.unencrypted.resources.len()), (150 * 70 * 2, 70, 1));
}

#[tokio::test]
async fn the_account_that_keeps_the_copies_is_read_whatever_accounts_are_named() {
    let folder = folder("named");
    let mut sweep = Arc::into_inner(sweep(Estate::of(2, 3), &folder)).unwrap();
    sweep.order.accounts.retain(|account| account.as_str() == source(1));
    let ready = read(&sweep).await;
    assert_eq!(ready.accounts.iter().map(ToString::to_string).collect::<Vec<_>>(), [KEEPER.to_owned(), source(1)]);
    let keeper = sweep.whole(&ready, &AccountId::parse(KEEPER).unwrap()).await.unwrap();
    assert!(keeper.regions.values().next().unwrap().vaults.known().is_some());
}

#[tokio::test]
async fn a_vault_that_broke_off_is_a_gap_and_read_again_leaves_nothing_of_before() {
    let folder = folder("broken");
    let sweep = sweep(Estate { breaks_at: Mutex::new(Some(100)), ..Estate::of(70, 40) }, &folder);
    let ready = read(&sweep).await;
    assert!(arrived(&sweep, &ready).await.values().all(Vec::is_empty));
    let told = ready.nothing_in(&Arn::parse(CENTRAL).unwrap());
    assert!(matches!(told.points, Fact::Gap(_)), "what was read of a vault that broke off is not taken for all of it");
    // Meanwhile most of it was deleted.
    sweep.readers.answers().nights.store(2, Ordering::Relaxed);
    let ready = read(&sweep).await;
    assert_eq!(arrived(&sweep, &ready).await, expected(70, 2));
}

#[tokio::test]
async fn an_account_of_which_something_was_not_answered_is_read_again_and_no_other() {
    let folder = folder("partial");
    let sweep = sweep(Estate { lost: Mutex::new(Some((source(1), "ListBackupPlans"))), ..Estate::of(3, 1) }, &folder);
    let begun = sweep.begin().await.unwrap();
    let plans = |number| {
        let (sweep, account) = (Arc::clone(&sweep), AccountId::parse(&source(number)).unwrap());
        async move { sweep.inventory(&account).await.unwrap().unwrap().regions.into_values().next().unwrap().plans }
    };
    for account in &begun.accounts {
        sweep.collect(&begun, account).await.unwrap();
    }
    assert!(matches!(plans(1).await, Fact::Gap(_)));
    *sweep.readers.answers().lost.lock().unwrap() = Some((source(2), "ListBackupPlans"));
    for account in &begun.accounts {
        sweep.collect(&begun, account).await.unwrap();
    }
    assert!(plans(1).await.known().is_some_and(|plans| plans.len() == 1));
    assert!(plans(2).await.known().is_some(), "it was whole and is not asked again");
    assert!(sweep.readers.answers().lost.lock().unwrap().is_some());
}
