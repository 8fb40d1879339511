//! What is there already: a folder of evidence, or the report of a sweep.

use std::path::Path;

use anyhow::Context as _;
use diagnose_job::config::for_reading;
use guardian_aws::readers::{Readers, Reading};
use guardian_core::topology::{Gather, Seen};
use jiff::Timestamp;

use super::machine;
use crate::evidence::Folder;
use crate::input;
use crate::preflight::apart;

/// Reads either.
pub(super) async fn read(evidence: &Path) -> anyhow::Result<Seen> {
    if evidence.is_file() { report(evidence) } else { folder(evidence).await }
}

fn report(file: &Path) -> anyhow::Result<Seen> {
    let mut gather = Gather::inert();
    machine::read(file, &mut gather)?;
    Ok(gather.into_inner().0)
}

async fn folder(dir: &Path) -> anyhow::Result<Seen> {
    let folder = Folder::open(dir)?;
    let (accounts, regions) = apart(folder.places().places().iter().cloned().collect());
    let Some(first) = regions.first() else {
        anyhow::bail!("{} holds nothing of any account and Region: was it made by `guardian collect`?", input::name(dir));
    };
    let as_of = folder.recorded_at();
    let now = as_of.unwrap_or(Timestamp::UNIX_EPOCH);
    let (_, settings) = for_reading().context("the environment cannot be used")?;
    let readers = Readers::over(folder);
    let organization = readers.organization_inventory(first, now).await;
    let mut seen = Seen { as_of, regions: regions.iter().cloned().collect(), backup_accounts: settings.backup_accounts, ..Seen::default() };
    seen.add_organization(&organization);
    if let Some(management) = seen.management_account.clone() {
        for region in &regions {
            if let Some(settings) = readers.region_settings(&management, region).await.known() {
                seen.switched.insert(region.clone(), settings.opted_in.clone());
            }
        }
    }
    for account in &accounts {
        // The roles of all accounts, where somebody asked for them.
        let reading = Reading { regions: regions.clone(), trusts: true, points: false, now };
        seen.add_account(&Box::pin(readers.account_inventory(account, &reading)).await.inventory);
    }
    Ok(seen)
}
