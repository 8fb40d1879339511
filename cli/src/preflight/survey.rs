//! Reads everything that decides the copies of some accounts: plans, selections, recovery points, and of each kind of copy the vaults, keys, job role and
//! policies of the organization.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::Arc;

use anyhow::Context as _;
use guardian_aws::answers::Answers;
use guardian_core::arn::{AccountId, Region};
use guardian_core::copy::{Leg, LegFacts, NotYetKnown, discover, not_yet_plans};
use guardian_core::evidence::Gap;
use guardian_core::ports::RouteReader as _;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::places::Place;
use crate::evidence::{Plans, Readers};

/// Accounts that are read at the same time.
const ACCOUNTS_AT_ONCE: usize = 8;

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Every kind of copy, sorted, with what decides it.
    pub(crate) legs: Vec<(Leg, LegFacts)>,
    /// Plans that were read.
    pub(crate) plans: usize,
    /// Those of them that copy something.
    pub(crate) copying_plans: usize,
    /// Copy actions whose kind of backups is not known.
    pub(crate) unknown: Vec<NotYetKnown>,
    /// Plans, selections and recovery points that could not be read.
    pub(crate) gaps: Vec<Gap>,
}

/// Reads the plans of some accounts and Regions. An account that cannot be read is a gap and stops no other.
pub(crate) async fn survey<A: Answers + 'static>(readers: Arc<Readers<A>>, places: Vec<Place>) -> anyhow::Result<Survey> {
    let mut accounts: BTreeMap<AccountId, Vec<Region>> = BTreeMap::new();
    for (account, region) in places {
        accounts.entry(account).or_default().push(region);
    }
    let progress = progress(accounts.len());
    let at_once = Arc::new(Semaphore::new(ACCOUNTS_AT_ONCE));
    let mut tasks = JoinSet::new();
    for (account, regions) in accounts {
        let (readers, at_once) = (Arc::clone(&readers), Arc::clone(&at_once));
        tasks.spawn(async move {
            let _permit = at_once.acquire_owned().await;
            let mut survey = Survey::default();
            for region in regions {
                survey.add(Box::pin(one(&readers, &account, &region)).await);
            }
            survey
        });
    }
    let mut survey = Survey::default();
    while let Some(done) = tasks.join_next().await {
        survey.add(done.context("an account was not read to its end")?);
        progress.inc(1);
    }
    progress.finish_and_clear();
    survey.legs.sort_by(|(a, _), (b, _)| a.cmp(b));
    survey.unknown.sort();
    survey.gaps.sort();
    survey.gaps.dedup();
    Ok(survey)
}

/// Nothing where nobody looks.
fn progress(accounts: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::try_from(accounts).unwrap_or_default());
    let style = ProgressStyle::with_template("{elapsed} {bar:30} {pos} of {len} accounts");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Survey {
    fn add(&mut self, other: Self) {
        self.legs.extend(other.legs);
        self.plans += other.plans;
        self.copying_plans += other.copying_plans;
        self.unknown.extend(other.unknown);
        self.gaps.extend(other.gaps);
    }
}

async fn one<A: Answers>(readers: &Readers<A>, account: &AccountId, region: &Region) -> Survey {
    let (found, wanted) = tokio::join!(readers.copying_plans(account, region), readers.wanted_plans(account));
    let Plans { read, copying: plans, mut gaps } = found;
    let not_yet = match wanted {
        // Whether a plan is missing can only be told where all of them were read.
        Ok(wanted) if gaps.is_empty() => not_yet_plans(account, region, &wanted, &plans),
        Ok(_) => Vec::new(),
        Err(gap) => {
            gaps.push(gap);
            Vec::new()
        }
    };
    let vaults = plans.iter().flat_map(|(plan, selections)| {
        let rules = plan.rules.iter().filter(|rule| !rule.copy_actions.is_empty() && !selections.is_empty());
        rules.filter_map(|rule| plan.vault(&rule.target_vault))
    });
    let vaults = vaults.collect::<std::collections::BTreeSet<_>>();
    let mut points = BTreeMap::new();
    for vault in vaults {
        match readers.stored_points(&vault).await {
            Ok(stored) => {
                points.insert(vault, stored);
            }
            Err(gap) => gaps.extend(gap),
        }
    }
    let mut found = discover(&plans, &points);
    found.unknown.extend(not_yet);
    let mut legs = Vec::new();
    for leg in found.legs {
        let facts = Box::pin(readers.leg_facts(&leg)).await;
        legs.push((leg, facts));
    }
    Survey { legs, plans: read, copying_plans: plans.len(), unknown: found.unknown, gaps }
}
