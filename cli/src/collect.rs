//! `guardian collect`: a folder of evidence, so that others can look without access.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use diagnose_job::config::for_reading;
use guardian_aws::answers::Answers;
use guardian_aws::readers::Reading;
use guardian_core::arn::{AccountId, Region};
use guardian_core::report::inert_text;
use jiff::Timestamp;

use crate::cloud;
use crate::evidence::{Collected, Once, Readers, Recorder};
use crate::output::{Exit, Format, Output, complain};
use crate::preflight::{Chosen, Places, apart, survey, unread};

/// Read what decides the copies and the compliance of some accounts, and write every answer of AWS down.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian collect --account 111111111111 --region eu-central-1 --out evidence
  guardian preflight --evidence evidence
  guardian sweep --evidence evidence

Only reads are made. The folder holds
`<account>/<region|global>/<service>/<Operation>/<hash of request>.json` with
{request, response | error, at, principal}, and `manifest.json`, written last.
It holds policies, ARNs and names, no data of backups.

Live, it needs what `guardian explain job --help` says.

Exit codes: 0 everything was read, 2 wrong usage, 3 something could not be
read; it is in the folder as an error.")]
pub(crate) struct Collect {
    /// Folder to write into; it is made where it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write into a folder that is not empty.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    places: Places,
}

impl Collect {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        let (reader, settings) = for_reading().context("the environment cannot be used")?;
        let recorder = Recorder::into_folder(cloud::open(reader, self.places.first_region()).await?, &self.out, self.force)?;
        let readers = Arc::new(Readers::over(Once::over(recorder)));
        let places = match self.places.choose(&readers).await? {
            Chosen::Places(places) => places,
            Chosen::CouldNotTell(why) => {
                complain(&format!("guardian: {why}"));
                return Ok(Exit::CouldNotTell);
            }
        };
        survey(Arc::clone(&readers), places.clone()).await?;
        let (accounts, regions) = apart(places);
        inventories(&readers, &accounts, &regions, &settings.backup_accounts).await;
        let collected = readers.answers().source().finish(&accounts, &regions)?;
        if output.json(Format::Text) {
            let result = serde_json::json!({"out": self.out, "answers": collected.asked, "gaps": collected.gaps});
            output.print(&serde_json::to_string_pretty(&result)?)?;
        } else {
            output.print(&summary(&collected, &self.out.display().to_string()))?;
        }
        Ok(if collected.gaps.is_empty() { Exit::Fine } else { Exit::CouldNotTell })
    }
}

/// Reads what `guardian sweep` reads. What it makes of it is not needed here: the answers are in the folder.
async fn inventories<A: Answers>(readers: &Readers<A>, accounts: &[AccountId], regions: &[Region], backup_accounts: &BTreeSet<AccountId>) {
    let Some(region) = regions.first() else { return };
    let now = Timestamp::now();
    let organization = readers.organization_inventory(region, now).await;
    readers.organization_bounds(&organization).await;
    // What the management account switched on decides in every account.
    if let Some(organization) = organization.organization.known() {
        for region in regions {
            readers.region_settings(&organization.management_account, region).await;
        }
    }
    for account in accounts {
        let reading = Reading { regions: regions.to_vec(), trusts: backup_accounts.contains(account), points: true, now };
        Box::pin(readers.account_inventory(account, &reading)).await;
    }
}

fn summary(collected: &Collected, out: &str) -> String {
    let mut lines = vec![match collected.asked {
        1 => format!("1 answer is in `{out}`; {} could not be had.", collected.gaps.len()),
        asked => format!("{asked} answers are in `{out}`; {} could not be had.", collected.gaps.len()),
    }];
    lines.extend(collected.gaps.iter().map(|gap| inert_text(&unread(gap))));
    lines.join("\n")
}
