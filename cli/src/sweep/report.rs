//! The reports of a sweep: the machine form first, then everything else from it.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use guardian_aws::answers::Answers;
use guardian_aws_sweep::sweep::{Parts, Ready, Sweep};
use guardian_core::arn::Arn;
use guardian_core::compliance::{Status, Totals, frameworks};
use guardian_core::report::sweep::{
    Asff, Changes, CoverageCsv, Html, Json, MOST_ROWS, Ocsf, OutcomesCsv, Overview, Product, Reader, Surroundings, SweepWriter, compare,
    terminal,
};

use crate::input;
use crate::output::{Exit, Format, Output};

/// What is written beside the summary.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Reports")]
pub(super) struct Reports {
    /// Write the page: one file, for people.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the machine form.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the resources as CSV.
    #[arg(long, value_name = "FILE")]
    coverage_csv: Option<PathBuf>,
    /// Write what the checks say as CSV.
    #[arg(long, value_name = "FILE")]
    checks_csv: Option<PathBuf>,
    /// Write findings in the format of AWS Security Hub: one input of BatchImportFindings a line. Needs `--product`.
    #[arg(long, value_name = "FILE", requires = "product")]
    asff: Option<PathBuf>,
    /// The product in whose name they are imported, such as arn:aws:securityhub:eu-central-1:111111111111:product/111111111111/default.
    #[arg(long, value_name = "ARN")]
    product: Option<String>,
    /// Write findings in the Open Cybersecurity Schema Framework, one a line.
    #[arg(long, value_name = "FILE")]
    ocsf: Option<PathBuf>,
    /// The machine form of an earlier sweep: tell what changed since.
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
}

impl Reports {
    /// Finds what is wrong before an hour of reading, not after it.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        self.product()?;
        if let Some(file) = &self.since {
            read(file)?;
        }
        for file in [&self.html, &self.json, &self.coverage_csv, &self.checks_csv, &self.asff, &self.ocsf].into_iter().flatten() {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !folder.is_dir() {
                anyhow::bail!("the report {} cannot be written: there is no folder {}", input::name(file), input::name(folder));
            }
        }
        Ok(())
    }

    fn product(&self) -> anyhow::Result<Option<Product>> {
        let Some(product) = &self.product else { return Ok(None) };
        Ok(Some(Product::try_from(Arn::parse(product).context("`--product`")?).context("`--product`")?))
    }

    /// Judges every account and writes everything.
    pub(super) async fn write<A: Answers, P: Parts>(
        &self,
        sweep: &Sweep<A, P>,
        ready: &Ready,
        work: &Path,
        output: &Output,
    ) -> anyhow::Result<Exit> {
        let machine = self.json.clone().unwrap_or_else(|| work.join("report.json"));
        let mut overview = Overview::gather();
        {
            let mut json = Json::to(create(&machine)?);
            let mut both: [&mut dyn SweepWriter; 2] = [&mut json, &mut overview];
            let (head, organization) = (sweep.head(ready), sweep.judge_organization(ready));
            let mut totals = Totals::default();
            totals.add_organization(&organization);
            each(&mut both, |writer| writer.head(&head)).and_then(|()| each(&mut both, |writer| writer.organization(&organization)))?;
            let mut judging = sweep.judging(ready);
            while let Some(result) = judging.next().await? {
                totals.add(&result);
                each(&mut both, |writer| writer.account(&result))?;
            }
            each(&mut both, |writer| writer.end(&totals)).with_context(|| format!("the report {}", input::name(&machine)))?;
        }
        let overview = overview.into_inner();
        let changes = self.changes(&machine)?;
        self.others(&machine, &overview, changes.as_ref())?;
        if output.json(Format::Text) {
            copy_to(&machine, output)?;
        } else {
            output.print(&terminal(&overview, changes.as_ref(), output.look(), MOST_ROWS))?;
        }
        Ok(exit(&overview))
    }

    fn changes(&self, machine: &Path) -> anyhow::Result<Option<Changes>> {
        let Some(file) = &self.since else { return Ok(None) };
        let changes = compare(&mut read(file)?, &mut read(machine)?);
        changes.map(Some).with_context(|| format!("the sweep {} cannot be compared", input::name(file)))
    }

    /// Everything that is written in the second pass.
    fn others(&self, machine: &Path, overview: &Overview, changes: Option<&Changes>) -> anyhow::Result<()> {
        let machine_form = self.json.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let frameworks = frameworks::all();
        let surroundings = Surroundings { changes, frameworks: &frameworks, machine_form: machine_form.as_deref() };
        let mut writers: Vec<Box<dyn SweepWriter + '_>> = Vec::new();
        if let Some(file) = &self.html {
            writers.push(Box::new(Html::to(create(file)?, overview, surroundings)));
        }
        if let Some(file) = &self.coverage_csv {
            writers.push(Box::new(CoverageCsv::to(create(file)?)));
        }
        if let Some(file) = &self.checks_csv {
            writers.push(Box::new(OutcomesCsv::to(create(file)?)));
        }
        if let (Some(file), Some(product)) = (&self.asff, self.product()?) {
            writers.push(Box::new(Asff::to(create(file)?, product)));
        }
        if let Some(file) = &self.ocsf {
            writers.push(Box::new(Ocsf::to(create(file)?)));
        }
        if writers.is_empty() {
            return Ok(());
        }
        let mut from = read(machine)?;
        for writer in &mut writers {
            writer.head(&from.head)?;
            writer.organization(&from.organization)?;
        }
        while let Some(account) = from.next_account()? {
            for writer in &mut writers {
                writer.account(&account)?;
            }
        }
        let totals = from.totals().cloned().unwrap_or_default();
        for writer in &mut writers {
            writer.end(&totals).context("a report could not be written")?;
        }
        Ok(())
    }
}

fn each(writers: &mut [&mut dyn SweepWriter], mut write: impl FnMut(&mut dyn SweepWriter) -> std::io::Result<()>) -> std::io::Result<()> {
    writers.iter_mut().try_for_each(|writer| write(&mut **writer))
}

fn create(file: &Path) -> anyhow::Result<BufWriter<File>> {
    let file_name = || format!("the report {} cannot be written", input::name(file));
    Ok(BufWriter::new(File::create(file).with_context(file_name)?))
}

fn read(file: &Path) -> anyhow::Result<Reader<BufReader<File>>> {
    let opened = File::open(file).map_err(|error| anyhow::anyhow!("the sweep {} {}", input::name(file), input::why(&error)))?;
    Reader::open(BufReader::new(opened)).with_context(|| format!("the file {} is no sweep", input::name(file)))
}

/// The machine form on standard output, piece by piece.
fn copy_to(machine: &Path, output: &Output) -> anyhow::Result<()> {
    for line in BufReader::new(File::open(machine)?).lines() {
        if output.closed() {
            break;
        }
        output.print(&line?)?;
    }
    Ok(())
}

/// A failure of a check, or a resource that lacks protection, is a finding; what was not seen is none.
fn exit(overview: &Overview) -> Exit {
    use guardian_core::coverage::Protection;
    let totals = &overview.totals;
    let ill =
        [Protection::Unprotected, Protection::OptInBlocked, Protection::SelectedNeverBackedUp, Protection::NeverCopied, Protection::Stale];
    let lacking = ill.iter().any(|protection| totals.resources.get(protection).is_some_and(|count| *count > 0));
    let unseen = totals.accounts_not_evaluated > 0
        || !overview.organization_gaps.is_empty()
        || totals.outcomes.contains_key(&Status::Unknown)
        || totals.resources.contains_key(&Protection::Unknown);
    if lacking || totals.outcomes.contains_key(&Status::Fail) {
        Exit::Finding
    } else if unseen {
        Exit::CouldNotTell
    } else {
        Exit::Fine
    }
}
