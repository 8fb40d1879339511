//! Which accounts and Regions.

use std::collections::BTreeSet;

use anyhow::Context as _;
use clap::Args;
use guardian_aws::answers::Answers;
use guardian_core::arn::{AccountId, Region};

use crate::evidence::{Looked, Readers};

/// An account and a Region.
pub(crate) type Place = (AccountId, Region);

/// Accounts and Regions as the user names them.
#[derive(Clone, Debug, Args)]
pub(crate) struct Places {
    /// Account whose plans are read (repeatable). Default: every account of the organization, if GUARDIAN_ORGANIZATION_ROLE_ARN tells how to
    /// list them.
    #[arg(long = "account", value_name = "ID", value_parser = account)]
    accounts: Vec<AccountId>,
    /// Region whose plans are read (repeatable). Default: GUARDIAN_REGIONS.
    #[arg(long = "region", value_name = "REGION", value_parser = region)]
    regions: Vec<Region>,
}

fn account(text: &str) -> Result<AccountId, String> {
    AccountId::parse(text).map_err(|error| error.to_string())
}

fn region(text: &str) -> Result<Region, String> {
    Region::parse(text).map_err(|error| error.to_string())
}

/// What to look at, or why that is not known.
pub(crate) enum Chosen {
    /// These.
    Places(Vec<Place>),
    /// The accounts could not be listed.
    CouldNotTell(String),
}

impl Places {
    /// The first Region that was named: good for asking for sessions.
    pub(crate) fn first_region(&self) -> Option<&Region> {
        self.regions.first()
    }

    /// The accounts that were named.
    pub(crate) fn accounts(&self) -> &[AccountId] {
        &self.accounts
    }

    /// The Regions that were named, or else those of the environment.
    pub(crate) fn regions(&self) -> anyhow::Result<Vec<Region>> {
        let regions = if self.regions.is_empty() { configured_regions()? } else { self.regions.clone() };
        if regions.is_empty() {
            anyhow::bail!("no Region: name one with `--region`, or set GUARDIAN_REGIONS");
        }
        Ok(regions)
    }

    /// Those to judge by a folder: what was named, or else what was collected; where nobody tells what that was, what it holds and the accounts that
    /// it lists of the organization. What it does not hold of them is a gap; it is never left out. Empty where it is about none of them.
    pub(crate) async fn among<A: Answers>(&self, looked: Looked, readers: &Readers<A>) -> Vec<Place> {
        let (mut accounts, mut regions) = apart(looked.places().iter().cloned().collect());
        if !self.regions.is_empty() {
            regions.clone_from(&self.regions);
        }
        if !self.accounts.is_empty() {
            accounts.clone_from(&self.accounts);
        } else if let (Looked::Found(_), Ok(members)) = (&looked, readers.accounts().await) {
            accounts.extend(members);
        }
        let places = accounts.iter().flat_map(|account| regions.iter().map(|region| (account.clone(), region.clone())));
        let places = places.collect::<BTreeSet<_>>();
        if places.is_disjoint(looked.places()) { Vec::new() } else { places.into_iter().collect() }
    }

    /// Those that were named, or else the organization's and the environment's.
    pub(crate) async fn choose<A: Answers>(&self, readers: &Readers<A>) -> anyhow::Result<Chosen> {
        let regions = self.regions()?;
        let mut accounts = self.accounts.clone();
        if accounts.is_empty() {
            if readers.answers().organization_account().is_none() {
                anyhow::bail!("no account: name one with `--account`, or set GUARDIAN_ORGANIZATION_ROLE_ARN to a role that may list them");
            }
            accounts = match readers.accounts().await {
                Ok(accounts) => accounts,
                Err(gap) => {
                    let code = guardian_core::report::inert_text(gap.detail.as_deref().unwrap_or_default());
                    return Ok(Chosen::CouldNotTell(format!(
                        "the accounts of the organization could not be listed: `{}` in {} answered {code}; name them with `--account`",
                        gap.action, gap.account_id,
                    )));
                }
            };
        }
        let places = accounts.iter().flat_map(|account| regions.iter().map(|region| (account.clone(), region.clone())));
        Ok(Chosen::Places(places.collect::<BTreeSet<_>>().into_iter().collect()))
    }
}

/// The accounts and the Regions of some places, each once.
pub(crate) fn apart(places: Vec<Place>) -> (Vec<AccountId>, Vec<Region>) {
    let (mut accounts, mut regions): (Vec<_>, Vec<_>) = places.into_iter().unzip();
    accounts.sort();
    accounts.dedup();
    regions.sort();
    regions.dedup();
    (accounts, regions)
}

fn configured_regions() -> anyhow::Result<Vec<Region>> {
    let value = std::env::var("GUARDIAN_REGIONS").unwrap_or_default();
    let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(|name| Region::parse(name).with_context(|| format!("GUARDIAN_REGIONS is `{}`", value.escape_debug()))).collect()
}
