//! The handler: read everything of the batch at the same time, count.

use std::sync::Arc;

use guardian_aws::answers::Answers;
use guardian_aws_sweep::sweep::{PartError, Parts, Sweep};
use plan_sweep::{Item, PlanError, opened};
use serde::Serialize;
use tokio::task::JoinSet;

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Accounts and vaults that were read.
    pub read: usize,
    /// Accounts that let nobody in.
    pub closed: usize,
}

/// A batch that must be tried again.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The sweep cannot be taken up.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Some of it could not be kept. The rest was.
    #[error("{failed} of {all} were not read, such as {name}: {why}")]
    Failed {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
        /// One of them.
        name: String,
        /// Why not.
        why: String,
    },
}

/// Reads a batch.
pub async fn read<A, P>(sweep: Arc<Sweep<A, P>>, parts: &P, item: Item) -> Result<Answer, BatchError>
where
    A: Answers + 'static,
    P: Parts + 'static,
{
    let begun = Arc::new(opened(&sweep, parts, &item.sweep).await?);
    let all = item.accounts.len() + item.vaults.len();
    let mut running = JoinSet::new();
    let mut names = std::collections::HashMap::new();
    for account in item.accounts {
        let (sweep, begun, name) = (Arc::clone(&sweep), Arc::clone(&begun), account.to_string());
        let task = running.spawn(async move { Box::pin(sweep.collect(&begun, &account)).await.map(|collected| collected.read) });
        names.insert(task.id(), name);
    }
    for vault in item.vaults {
        let (sweep, begun, name) = (Arc::clone(&sweep), Arc::clone(&begun), vault.to_string());
        let task = running.spawn(async move { Box::pin(sweep.gather(&begun, &vault)).await.map(|()| true) });
        names.insert(task.id(), name);
    }
    let mut answer = Answer::default();
    let mut failures = Vec::new();
    while let Some(ended) = running.join_next_with_id().await {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, outcome.map_err(|error: PartError| error.to_string())),
            Err(error) => (error.id(), Err("the read panicked".to_owned())),
        };
        match outcome {
            Ok(true) => answer.read += 1,
            Ok(false) => answer.closed += 1,
            Err(why) => {
                let name = names.get(&id).cloned().unwrap_or_default();
                tracing::error!(name, why, "not read");
                failures.push((name, why));
            }
        }
    }
    failures.sort();
    let failed = failures.len();
    match failures.into_iter().next() {
        None => Ok(answer),
        Some((name, why)) => Err(BatchError::Failed { failed, all, name, why }),
    }
}
