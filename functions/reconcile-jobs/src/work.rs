//! What the messages of the queue ask for.

use std::collections::BTreeSet;

use guardian_core::arn::{AccountId, Region};
use guardian_core::event::JobType;
use serde::{Deserialize, Serialize};

use crate::runs::Runs;

/// Every kind of job that can be listed.
pub(crate) const TYPES: [JobType; 4] = [JobType::Backup, JobType::Copy, JobType::Restore, JobType::Scan];
/// What is left to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Left {
    /// A list of jobs.
    List(Shard),
    /// Runs of plans.
    Runs(Runs),
}

/// A message of the queue.
pub type Work = guardian_aws::work::Work<Left>;

/// Lists that are read to their end one after the other: of the organization in a Region, or of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The Region.
    pub region: Region,
    /// The account that is asked; absent: the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The kinds of jobs that are still to be listed.
    pub types: Vec<JobType>,
    /// Which slice of the first kind.
    #[serde(default)]
    pub slice: usize,
    /// Where in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Organization: whether a job of another account was seen among the first kind.
    #[serde(default)]
    pub foreign: bool,
    /// Organization: kinds of which no job of another account was seen; they are asked for account by account.
    #[serde(default)]
    pub unproven: BTreeSet<JobType>,
    /// How often it failed so far.
    #[serde(default)]
    pub attempt: u32,
}

impl Shard {
    /// All kinds of jobs of the organization in a Region.
    pub(crate) fn organization(region: &Region) -> Self {
        Self::new(region, None, TYPES.to_vec())
    }

    /// These kinds of jobs of an account in a Region.
    pub(crate) fn account(region: &Region, account: &AccountId, types: Vec<JobType>) -> Self {
        Self::new(region, Some(account.clone()), types)
    }

    fn new(region: &Region, account: Option<AccountId>, types: Vec<JobType>) -> Self {
        Self { region: region.clone(), account, types, slice: 0, token: None, foreign: false, unproven: BTreeSet::new(), attempt: 0 }
    }
}
