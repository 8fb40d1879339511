//! The handler: begin or take up, put the batches among the parts, answer where they are.

use guardian_aws::answers::Answers;
use guardian_aws_sweep::SweepId;
use guardian_aws_sweep::sweep::{Begun, PartError, Parts, Sweep, SweepError};
use guardian_core::arn::{AccountId, Arn};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Accounts of one batch: each is a session, some dozens of calls and a part.
const MOST_ACCOUNTS: usize = 10;

/// What is to be planned.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Request {
    /// A sweep begins.
    Accounts {
        /// The name of the execution.
        execution: String,
        /// When it started.
        started: Timestamp,
    },
    /// Its accounts were read.
    Vaults {
        /// The sweep.
        sweep: SweepId,
    },
}

impl Request {
    /// Of which sweep it is.
    pub fn sweep(&self) -> SweepId {
        match self {
            Self::Accounts { execution, started } => SweepId::of(execution, *started),
            Self::Vaults { sweep } => sweep.clone(),
        }
    }
}

/// What one invocation of `sweep-account` is to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The sweep.
    pub sweep: SweepId,
    /// Accounts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<AccountId>,
    /// Vaults that copies go to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vaults: Vec<Arn>,
}

/// Where the batches are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The sweep.
    pub sweep: SweepId,
    /// The bucket.
    pub bucket: String,
    /// The key of the list of items.
    pub items: String,
    /// How many there are.
    pub count: usize,
}

/// A step that must be tried again.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The event is none of the state machine.
    #[error("the event asks for nothing that is known: {0}")]
    Unknown(#[from] serde_json::Error),
    /// The sweep was never planned.
    #[error("no sweep `{0}` was begun")]
    NotBegun(SweepId),
    /// It cannot begin.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// A part could not be kept.
    #[error(transparent)]
    Part(#[from] PartError),
}

/// The parts with the batches of accounts and of vaults.
const ACCOUNTS: &str = "batches/accounts.json";
const VAULTS: &str = "batches/vaults.json";

/// Accounts in batches of about the same size, so that none is left with one account.
pub fn batches(accounts: &[AccountId]) -> impl Iterator<Item = &[AccountId]> {
    let number = accounts.len().div_ceil(MOST_ACCOUNTS).max(1);
    accounts.chunks(accounts.len().div_ceil(number).max(1))
}

/// Plans a step. Answers the name of the part with the items, and how many there are.
pub async fn plan<A: Answers, P: Parts>(sweep: &Sweep<A, P>, parts: &P, request: &Request) -> Result<(&'static str, usize), PlanError> {
    let id = request.sweep();
    let (name, items) = match request {
        Request::Accounts { .. } => {
            let begun = sweep.begin().await?;
            sweep.bound(&begun).await?;
            let item = |accounts: &[AccountId]| Item { sweep: id.clone(), accounts: accounts.to_vec(), vaults: Vec::new() };
            (ACCOUNTS, batches(&begun.accounts).map(item).collect::<Vec<_>>())
        }
        Request::Vaults { .. } => {
            let begun = opened(sweep, parts, &id).await?;
            // One at a time: they share the calls of one account.
            let item = |vault| Item { sweep: id.clone(), accounts: Vec::new(), vaults: vec![vault] };
            (VAULTS, sweep.vaults(&begun).await?.into_iter().map(item).collect())
        }
    };
    parts.put(name, serde_json::to_vec(&items)?).await?;
    Ok((name, items.len()))
}

/// Takes up a sweep that was planned. One that never was would be begun here, and found empty.
pub async fn opened<A: Answers, P: Parts>(sweep: &Sweep<A, P>, parts: &P, id: &SweepId) -> Result<Begun, PlanError> {
    if parts.get(ACCOUNTS).await?.is_none() {
        return Err(PlanError::NotBegun(id.clone()));
    }
    Ok(sweep.begin().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_is_in_one_batch_and_batches_are_alike() {
        let accounts = |number: usize| (0..number).map(|n| AccountId::parse(&format!("{n:012}")).unwrap()).collect::<Vec<_>>();
        for number in [0, 1, 7, 10, 11, 20, 21, 99, 1001] {
            let all = accounts(number);
            let sizes = batches(&all).map(<[_]>::len).collect::<Vec<_>>();
            assert_eq!(batches(&all).flatten().cloned().collect::<Vec<_>>(), all);
            assert!(sizes.iter().all(|size| (1..=MOST_ACCOUNTS).contains(size)), "{number}: {sizes:?}");
            assert_eq!(sizes.len(), number.div_ceil(MOST_ACCOUNTS));
        }
        let eleven = accounts(11);
        assert_eq!(batches(&eleven).map(<[_]>::len).collect::<Vec<_>>(), [6, 5]);
    }

    #[test]
    fn the_events_are_those_of_the_state_machine() {
        let read = |text: &str| serde_json::from_str::<Request>(text);
        let begins = read(r#"{"step":"accounts","execution":"e","started":"2027-01-31T05:00:00.123Z"}"#).unwrap();
        let id = begins.sweep();
        assert_eq!(read(&format!(r#"{{"step":"vaults","sweep":"{id}"}}"#)).unwrap().sweep(), id);
        assert!(read(r#"{"step":"vaults","sweep":"../latest"}"#).is_err() && read("{}").is_err());
    }
}
