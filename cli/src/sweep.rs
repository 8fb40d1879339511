//! `guardian sweep`: compliance and coverage of an organization from the terminal.

mod report;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use diagnose_job::config::for_reading;
use futures_util::stream::{self, StreamExt as _};
use guardian_aws::Cloud;
use guardian_aws::answers::Answers;
use guardian_aws::readers::Readers;
use guardian_aws_sweep::sweep::{FolderParts, Order, PartError, Sweep, SweepError, judge_to};
use guardian_core::arn::AccountId;
use guardian_core::compliance::{Baseline, Scope};
use guardian_core::report::inert_text;
use guardian_core::report::sweep::Overview;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;

use crate::cloud;
use crate::evidence::Folder;
use crate::input;
use crate::output::{Exit, Output, complain};
use crate::preflight::{Places, apart};
use report::Reports;
pub(crate) use report::{exit, unreadable};

/// Tell of every resource whether its copies landed, and of every part of the topology whether it holds.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  guardian sweep --region eu-central-1
  guardian sweep --region eu-central-1 --html report.html --json report.json
  guardian sweep --html report.html --since last-week.json
  guardian sweep --account 111111111111 --region eu-central-1 --format json
  guardian sweep --evidence evidence --html report.html

It reads the plans, selections, vaults, recovery points, keys, roles and
settings of every account of the organization, and nothing per recovery point.
Only reads are made, below the published limits of AWS; README.md says how
many. What could not be read is listed as not evaluated and never counts as
well.

JSON is the schema backup-guardian/sweep/v1: one document, accounts by id,
with the hash of what is before it.

The baseline is JSON, backup-guardian/baseline/v1:
  {\"schema\": \"backup-guardian/baseline/v1\", \"retention_days\": 35,
   \"frequency_hours\": 24, \"copy_within_hours\": 24, \"restore_test_days\": 90,
   \"restore_minutes\": 240, \"copy_to_another_region\": true,
   \"wanted_tags\": [{\"key\": \"backup\", \"values\": [\"daily\"]}],
   \"outside_roles\": [\"backup-guardian-reader\"],
   \"exceptions\": [{\"check\": \"coverage\", \"account_id\": \"111111111111\",
     \"resource\": \"arn:aws:ec2:*:volume/*\", \"owner\": \"data team\",
     \"reason\": \"scratch volumes\", \"until\": \"2027-01-31T00:00:00Z\"}]}
An exception always has an owner, a reason and an end. `check` is a code or a
name of `guardian explain --list`, or `coverage`.

Live, it needs what `guardian explain job --help` says.

Exit codes: 0 everything was seen and is well, 1 something is not, 2 wrong
usage, 3 nothing is known to be ill, but not everything could be seen, or no
account that keeps copies is known. What is for information (info) counts as
well.")]
pub(crate) struct SweepArguments {
    #[command(flatten)]
    sweeping: Sweeping,
    #[command(flatten)]
    reports: Reports,
}

impl SweepArguments {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        self.reports.check()?;
        let Some(swept) = self.sweeping.judge(self.reports.machine_form()).await? else { return Ok(Exit::CouldNotTell) };
        self.reports.write(&swept, output)
    }
}

/// What is swept, and how: the same for every command that sweeps.
#[derive(Debug, Args)]
pub(crate) struct Sweeping {
    #[command(flatten)]
    pub(crate) places: Places,
    /// Folder that `guardian collect` made. Without it AWS is asked.
    #[arg(long, value_name = "DIR")]
    pub(crate) evidence: Option<PathBuf>,
    /// Account that keeps the copies (repeatable); it is read whatever `--account` says. Default: GUARDIAN_BACKUP_ACCOUNT_IDS.
    #[arg(long = "backup-account", value_name = "ID")]
    backup_accounts: Vec<String>,
    /// What was agreed on: retention, frequency, exceptions. Default: the file of GUARDIAN_BASELINE, else 35 days and daily.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Keep what was read in this folder, and take up a sweep that was interrupted there.
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Accounts that are read at the same time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    at_once: u16,
    /// Calls a second, as a multiple of the published limits: more where AWS raised yours, less to be a quiet guest.
    #[arg(long, value_name = "TIMES", default_value_t = 1.0, value_parser = pace)]
    pace: f64,
}

/// A sweep that was judged.
pub(crate) struct Swept {
    /// Holds the machine form, where nobody named a file for it.
    _work: Work,
    /// The machine form.
    pub(crate) machine: PathBuf,
    /// What is told of it in brief.
    pub(crate) overview: Overview,
}

fn pace(text: &str) -> Result<f64, String> {
    let pace = text.parse::<f64>().map_err(|error| error.to_string())?;
    if (0.1..=1000.0).contains(&pace) { Ok(pace) } else { Err("a number between 0.1 and 1000".to_owned()) }
}

impl Sweeping {
    /// Reads and judges every account, and writes the machine form; `None` where the accounts could not be listed, which was told.
    pub(crate) async fn judge(&self, machine: Option<&Path>) -> anyhow::Result<Option<Swept>> {
        let (reader, settings) = for_reading().context("the environment cannot be used")?;
        let mut backup_accounts =
            self.backup_accounts.iter().map(|id| AccountId::parse(id)).collect::<Result<Vec<_>, _>>().context("`--backup-account`")?;
        if backup_accounts.is_empty() {
            backup_accounts = settings.backup_accounts.iter().cloned().collect();
        }
        if backup_accounts.is_empty() {
            complain("guardian: no backup account is known, so nothing can be said to hold; name it with `--backup-account`");
        }
        let scope = Scope { backup_accounts, baseline: baseline(self.baseline.as_deref())? };
        match &self.evidence {
            Some(dir) => {
                let folder = Folder::open(dir)?;
                let (looked, now) = (folder.places(), folder.recorded_at().unwrap_or(Timestamp::UNIX_EPOCH));
                let readers = Readers::over(folder);
                let places = self.places.among(looked, &readers).await;
                if places.is_empty() {
                    bail!("`{}` holds nothing of these accounts and Regions: was it made by `guardian collect`?", dir.display());
                }
                let (accounts, regions) = apart(places);
                self.sweep(readers, Order { now, regions, accounts, scope }, machine).await
            }
            None => {
                let regions = self.places.regions()?;
                let session = cloud::open(reader.clone(), regions.first()).await?;
                let readers = Readers::over(Cloud::patient(session.base().clone(), reader, self.pace));
                let accounts = self.places.accounts().to_vec();
                if accounts.is_empty() && readers.answers().organization_account().is_none() {
                    bail!("no account: name one with `--account`, or set GUARDIAN_ORGANIZATION_ROLE_ARN to a role that may list them");
                }
                self.sweep(readers, Order { now: Timestamp::now(), regions, accounts, scope }, machine).await
            }
        }
    }

    async fn sweep<A: Answers + 'static>(
        &self,
        readers: Readers<A>,
        order: Order,
        machine: Option<&Path>,
    ) -> anyhow::Result<Option<Swept>> {
        let work = Work::open(self.work.as_deref())?;
        let now = order.now;
        let sweep = Arc::new(Sweep::new(readers, FolderParts::new(work.path()), order));
        // Each step as a task: what one leaves behind in memory is of use to the next, where the thread that waits here would keep it for itself.
        let begun = {
            let sweep = Arc::clone(&sweep);
            tokio::spawn(async move { Box::pin(sweep.begin()).await })
        };
        let begun = match begun.await? {
            Ok(begun) => Arc::new(begun),
            Err(SweepError::NoAccounts(why)) => {
                complain(&format!("guardian: the accounts of the organization could not be listed: {why}; name them with `--account`"));
                return Ok(None);
            }
            Err(SweepError::Another) => bail!(
                "{} holds a sweep of other accounts, Regions or backup accounts: name another folder with `--work`, or remove that one",
                input::name(work.path())
            ),
            Err(error) => return Err(error.into()),
        };
        if begun.now < now {
            let folder = input::name(work.path());
            complain(&format!(
                "guardian: {folder} holds the sweep of {:.0}: what it read is not read again; for a new one name another folder",
                begun.now
            ));
        }
        let bounding = {
            let (sweep, begun) = (Arc::clone(&sweep), Arc::clone(&begun));
            tokio::spawn(async move { Box::pin(sweep.bound(&begun)).await.map(|_| ()) })
        };
        self.each("accounts read", &begun.accounts, |account| {
            let (sweep, begun) = (Arc::clone(&sweep), Arc::clone(&begun));
            async move { Box::pin(sweep.collect(&begun, &account)).await.map(|_| ()) }
        })
        .await?;
        let vaults = {
            let (sweep, begun) = (Arc::clone(&sweep), Arc::clone(&begun));
            tokio::spawn(async move { Box::pin(sweep.vaults(&begun)).await })
        };
        let vaults = vaults.await??;
        self.each("vaults read that keep copies", &vaults, |vault| {
            let (sweep, begun) = (Arc::clone(&sweep), Arc::clone(&begun));
            async move { Box::pin(sweep.gather(&begun, &vault)).await }
        })
        .await?;
        bounding.await??;
        let machine = machine.map_or_else(|| work.path().join("report.json"), Path::to_owned);
        let judged = {
            let machine = machine.clone();
            tokio::spawn(async move {
                let ready = Arc::new(Box::pin(sweep.ready(Arc::unwrap_or_clone(begun))).await?);
                judge_to(&sweep, &ready, &machine).await
            })
        };
        let overview = judged.await??;
        Ok(Some(Swept { _work: work, machine, overview }))
    }

    /// Reads each of them in a task of its own, so many at the same time.
    async fn each<T: Clone, F>(&self, what: &str, all: &[T], read: impl Fn(T) -> F) -> anyhow::Result<()>
    where
        F: Future<Output = Result<(), PartError>> + Send + 'static,
    {
        let shown = progress(all.len(), what);
        let tasks = stream::iter(all).map(|one| tokio::spawn(read(one.clone())));
        let mut ended = tasks.buffer_unordered(usize::from(self.at_once));
        while let Some(read) = ended.next().await {
            read??;
            shown.inc(1);
        }
        shown.finish_and_clear();
        Ok(())
    }
}

fn baseline(file: Option<&Path>) -> anyhow::Result<Baseline> {
    let named = std::env::var("GUARDIAN_BASELINE").ok().filter(|value| !value.is_empty());
    let file = match (file, &named) {
        (Some(file), _) => file.to_owned(),
        (None, Some(uri)) if uri.starts_with("s3://") => {
            bail!("GUARDIAN_BASELINE is `{}`: copy it here and name the file with `--baseline`", inert_text(uri))
        }
        (None, Some(uri)) => PathBuf::from(uri.strip_prefix("file://").unwrap_or(uri)),
        (None, None) => return Ok(Baseline::default()),
    };
    let text = String::from_utf8(input::read(&file)?).with_context(|| format!("{} is not text", input::name(&file)))?;
    Baseline::read(&text).with_context(|| format!("the file {} cannot be used", input::name(&file)))
}

/// Nothing where nobody looks.
fn progress(all: usize, what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::try_from(all).unwrap_or_default());
    let style = ProgressStyle::with_template(&format!("{{elapsed}} {{bar:30}} {{pos}} of {{len}} {what}, {{eta}} to go"));
    style.map_or_else(|_| ProgressBar::hidden(), |style| bar.with_style(style))
}

/// Where the parts of the sweep lie: policies and names, so for nobody else's eyes.
struct Work {
    path: PathBuf,
    kept: bool,
}

impl Work {
    fn open(named: Option<&Path>) -> anyhow::Result<Self> {
        let (path, kept) = match named {
            Some(path) => (path.to_owned(), true),
            None => {
                (std::env::temp_dir().join(format!("guardian-sweep-{}-{}", std::process::id(), Timestamp::now().as_nanosecond())), false)
            }
        };
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // Somebody else's folder of this name is not used: what is in it would be believed.
        match builder.recursive(kept).create(&path) {
            Ok(()) => Ok(Self { path, kept }),
            Err(error) => Err(error).with_context(|| format!("the folder {} cannot be made", input::name(&path))),
        }
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed is in the folder for temporary files.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
