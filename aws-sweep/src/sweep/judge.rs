//! Accounts are judged one after the other, by id; what arrived of them is taken from its bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use guardian_aws::answers::Answers;
use guardian_aws::readers::closed;
use guardian_core::arn::{AccountId, Arn};
use guardian_core::compliance::{AccountResult, AccountView, judge_account};
use guardian_core::coverage::{ArrivalsByVault, cover};
use guardian_core::evidence::{AccountInventory, Bound, Fact, Gap, GapReason};
use jiff::Timestamp;

use super::arrivals::buckets;
use super::ready::asked;
use super::{PartError, Parts, Ready, Sweep, destinations};

/// Tasks that judge accounts at the same time, each so many as are fetched at once ([`Parts::AT_ONCE`]), one after the other.
const TASKS: usize = 4;

/// The judgement of all accounts, by id.
pub struct Judging {
    pieces: Pin<Box<dyn Stream<Item = Result<Vec<AccountResult>, PartError>> + Send>>,
    judged: std::vec::IntoIter<AccountResult>,
}

/// Some accounts of one bucket, with what arrived of each.
type Piece = Vec<(AccountId, ArrivalsByVault)>;

impl<A: Answers + 'static, P: Parts + 'static> Sweep<A, P> {
    /// Begins to judge the accounts: where there is more than one processor, several at a time.
    pub fn judging(self: &Arc<Self>, ready: &Arc<Ready>) -> Judging {
        let (sweep, ready) = (Arc::clone(self), Arc::clone(ready));
        let buckets = stream::iter(0..buckets(&ready.accounts).len());
        let pieces = {
            let (sweep, ready) = (Arc::clone(&sweep), Arc::clone(&ready));
            buckets.then(move |bucket| {
                let (sweep, ready) = (Arc::clone(&sweep), Arc::clone(&ready));
                async move { sweep.pieces(&ready, bucket).await }
            })
        };
        let pieces = pieces.map_ok(|pieces| stream::iter(pieces.into_iter().map(Ok))).try_flatten();
        let judged = pieces.map_ok(move |piece| {
            let (sweep, ready) = (Arc::clone(&sweep), Arc::clone(&ready));
            let task = tokio::spawn(async move { sweep.piece(&ready, piece).await });
            async move {
                match task.await {
                    Ok(judged) => judged,
                    // A defect, as if it were no task.
                    Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
                }
            }
        });
        Judging { pieces: Box::pin(judged.try_buffered(TASKS)), judged: Vec::new().into_iter() }
    }

    /// A bucket in pieces.
    async fn pieces(&self, ready: &Ready, bucket: usize) -> Result<Vec<Piece>, PartError> {
        let mut arrived = self.bucket(ready, bucket).await?;
        let accounts = buckets(&ready.accounts).nth(bucket).unwrap_or_default();
        let of = |account: &AccountId| (account.clone(), arrived.remove(account).unwrap_or_default());
        let all = accounts.iter().map(of).collect::<Vec<_>>();
        let mut left = all.into_iter();
        Ok(std::iter::from_fn(|| Some(left.by_ref().take(P::AT_ONCE).collect::<Vec<_>>()).filter(|piece| !piece.is_empty())).collect())
    }

    async fn piece(&self, ready: &Ready, piece: Piece) -> Result<Vec<AccountResult>, PartError> {
        let whole = stream::iter(piece).map(|(account, arrived)| async move { Ok((self.whole(ready, &account).await?, arrived)) });
        let judged = whole.buffered(P::AT_ONCE).and_then(|(inventory, arrived)| async move {
            ready.keep(&inventory, &self.readers).await;
            Ok(self.judge(ready, &inventory, arrived))
        });
        judged.try_collect().await
    }
}

impl<A: Answers, P: Parts> Sweep<A, P> {
    /// An account with everything that was read of it. One that nobody read is not evaluated.
    pub(super) async fn whole(&self, ready: &Ready, account: &AccountId) -> Result<AccountInventory, PartError> {
        let inventory = self.inventory(account).await?;
        let mut inventory = inventory.unwrap_or_else(|| not_read(account, ready.organization.at));
        if closed(&inventory).is_none() {
            inventory.scps = ready.bounds.of(&ready.organization, account, Bound::Scp);
            inventory.rcps = ready.bounds.of(&ready.organization, account, Bound::Rcp);
        }
        if !self.order.scope.backup_accounts.contains(account) {
            return Ok(inventory);
        }
        for region in inventory.regions.values_mut() {
            let Fact::Known { value: vaults, .. } = &mut region.vaults else { continue };
            for vault in vaults.iter_mut().filter(|vault| matches!(vault.points, Fact::NotAsked)) {
                match self.gathered(&vault.vault.arn).await? {
                    Some(gathered) => {
                        (vault.points, vault.copies) = (gathered.points, gathered.copies);
                        region.keys.extend(gathered.keys);
                    }
                    None => vault.points = asked(Fact::NotAsked, &vault.vault.arn),
                }
            }
        }
        Ok(inventory)
    }

    fn judge(&self, ready: &Ready, inventory: &AccountInventory, arrived: ArrivalsByVault) -> AccountResult {
        let arrivals = arrivals(ready, &destinations(inventory), arrived);
        let Ready { organization, destinations, .. } = ready;
        let (now, scope) = (organization.at, &self.order.scope);
        let coverage = cover(inventory, &arrivals, organization, scope, now);
        judge_account(&AccountView { now, scope, organization, destinations, account: inventory, arrivals: &arrivals, coverage: &coverage })
    }
}

impl Judging {
    /// The next account; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<AccountResult>, PartError> {
        loop {
            if let Some(judged) = self.judged.next() {
                return Ok(Some(judged));
            }
            let Some(piece) = self.pieces.try_next().await? else { return Ok(None) };
            self.judged = piece.into_iter();
        }
    }
}

/// What arrived of an account in the vaults that it names. A vault that was read and has nothing of it is there, and empty.
fn arrivals(ready: &Ready, named: &BTreeSet<Arn>, mut arrived: ArrivalsByVault) -> ArrivalsByVault {
    arrived.retain(|vault, _| named.contains(vault));
    for vault in named {
        arrived.entry(vault.clone()).or_insert_with(|| ready.nothing_in(vault));
    }
    arrived
}

fn not_read(account: &AccountId, at: Timestamp) -> AccountInventory {
    AccountInventory {
        account_id: account.clone(),
        at,
        wanted_plans: Fact::NotAsked,
        scps: Fact::NotAsked,
        rcps: Fact::NotAsked,
        service_linked_role: Fact::Gap(Gap {
            action: "sts:AssumeRole".to_owned(),
            account_id: account.clone(),
            region: None,
            reason: GapReason::Unavailable,
            detail: Some("the account was not read".to_owned()),
        }),
        roles: BTreeMap::new(),
        carriers: BTreeMap::new(),
        exempt: BTreeMap::new(),
        trusts: Fact::NotAsked,
        regions: BTreeMap::new(),
    }
}
