//! Batches of a sweep as the state machine hands them out: one that fails stops no other, and nothing that is there is read again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use guardian_aws::Cloud;
use guardian_aws::readers::Readers;
use guardian_aws_sweep::SweepId;
use guardian_aws_sweep::sweep::{FolderParts, Order, PartError, Parts, Sweep};
use guardian_core::arn::Region;
use guardian_core::compliance::Scope;
use guardian_perf_stub::estate::Shape;
use guardian_perf_stub::{Settings, Stub};
use plan_sweep::{Item, PlanError, Request, plan};
use sweep_account::{Answer, BatchError, read};

use crate::inventory::{UNHURRIED, cloud, random_shape};

const NOW: &str = "2026-11-27T00:00:00Z";

/// Parts in a folder, of which some cannot be kept for now.
#[derive(Clone, Debug)]
struct Stubborn(FolderParts, Arc<Mutex<BTreeSet<String>>>);

impl Stubborn {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("guardian-suite-batches-{name}-{}", std::process::id()));
        Self(FolderParts::new(folder), Arc::default())
    }

    fn refuse(&self, names: &[String]) {
        *self.1.lock().unwrap() = names.iter().cloned().collect();
    }

    fn keeps(&self, name: &str) -> bool {
        self.0.folder().join(name).exists()
    }
}

impl Parts for Stubborn {
    const MOST_HELD: usize = FolderParts::MOST_HELD;
    const AT_ONCE: usize = FolderParts::AT_ONCE;

    async fn put(&self, name: &str, body: Vec<u8>) -> Result<(), PartError> {
        if self.1.lock().unwrap().contains(name) {
            return Err(PartError::Place { name: name.to_owned(), what: "full".to_owned() });
        }
        self.0.put(name, body).await
    }

    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, PartError> {
        self.0.get(name).await
    }
}

impl Drop for Stubborn {
    fn drop(&mut self) {
        if Arc::strong_count(&self.1) == 1 {
            let _ = std::fs::remove_dir_all(self.0.folder());
        }
    }
}

fn sweep(shape: &Shape, address: &str, parts: &Stubborn) -> Arc<Sweep<Cloud, Stubborn>> {
    let regions = shape.regions.iter().map(|name| Region::parse(name).unwrap()).collect();
    let order = Order { now: NOW.parse().unwrap(), regions, accounts: Vec::new(), scope: Scope::default() };
    Arc::new(Sweep::new(Readers::over(cloud(address, UNHURRIED)), parts.clone(), order))
}

fn begins() -> Request {
    Request::Accounts { execution: "one".to_owned(), started: NOW.parse().unwrap() }
}

async fn items(parts: &Stubborn, name: &str) -> Vec<Item> {
    serde_json::from_slice(&parts.get(name).await.unwrap().unwrap()).unwrap()
}

#[tokio::test]
async fn a_plan_that_is_asked_for_again_is_the_same_and_asks_for_nothing() {
    let shape = Shape { accounts: 11, ..random_shape(3) };
    let (stub, address) = Stub::start(Settings::of(shape.clone()), 0).unwrap();
    let parts = Stubborn::new("plan");
    let (name, count) = plan(&sweep(&shape, &address, &parts), &parts, &begins()).await.unwrap();
    let first = items(&parts, name).await;
    let asked = stub.log().total();
    assert_eq!(plan(&sweep(&shape, &address, &parts), &parts, &begins()).await.unwrap(), (name, count));
    assert_eq!((items(&parts, name).await, stub.log().total()), (first.clone(), asked));
    let planned = first.iter().flat_map(|item| &item.accounts).map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(planned, shape.accounts().into_iter().collect());
    assert_eq!(first.len(), count);
}

#[tokio::test]
async fn an_account_that_cannot_be_kept_stops_no_other_and_is_all_that_is_read_again() {
    let shape = Shape { accounts: 6, ..random_shape(4) };
    let (stub, address) = Stub::start(Settings::of(shape.clone()), 0).unwrap();
    let parts = Stubborn::new("read");
    let (name, _) = plan(&sweep(&shape, &address, &parts), &parts, &begins()).await.unwrap();
    let all = items(&parts, name).await.remove(0);
    let stuck = all.accounts[2].clone();
    parts.refuse(&[format!("accounts/{stuck}.json")]);
    let error = read(sweep(&shape, &address, &parts), &parts, all.clone()).await.unwrap_err();
    let number = all.accounts.len();
    assert!(matches!(&error, BatchError::Failed { failed: 1, all, name, .. } if *all == number && *name == stuck.to_string()), "{error}");
    for account in &all.accounts {
        assert_eq!(parts.keeps(&format!("collected/{account}.json")), *account != stuck, "{account}");
    }
    parts.refuse(&[]);
    let before = stub.log().total();
    let answer = read(sweep(&shape, &address, &parts), &parts, all.clone()).await.unwrap();
    assert_eq!(answer, Answer { read: number, closed: 0 });
    let again = stub.log().total() - before;
    assert!(again > 0 && again * 2 < before, "{again} calls after {before}");
    let done = stub.log().total();
    read(sweep(&shape, &address, &parts), &parts, all).await.unwrap();
    assert_eq!(stub.log().total(), done, "nothing is left to ask for");
}

#[tokio::test]
async fn what_was_never_planned_is_not_begun_by_reading_it() {
    let shape = Shape { accounts: 2, ..random_shape(5) };
    let (stub, address) = Stub::start(Settings::of(shape.clone()), 0).unwrap();
    let parts = Stubborn::new("never");
    let id = SweepId::of("another", NOW.parse().unwrap());
    let item = Item { sweep: id.clone(), accounts: Vec::new(), vaults: Vec::new() };
    let unknown = |error: &PlanError| matches!(error, PlanError::NotBegun(sweep) if *sweep == id);
    let error = read(sweep(&shape, &address, &parts), &parts, item).await.unwrap_err();
    assert!(matches!(&error, BatchError::Plan(error) if unknown(error)), "{error}");
    let request = Request::Vaults { sweep: id.clone() };
    let error = plan(&sweep(&shape, &address, &parts), &parts, &request).await.unwrap_err();
    assert!(unknown(&error) && stub.log().total() == 0, "{error}");
}
