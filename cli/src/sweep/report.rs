//! The reports of a sweep: the machine form first, then everything else from it.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use guardian_aws_sweep::sweep::{Forms, ReportError, changes, open, write_forms};
use guardian_core::arn::Arn;
use guardian_core::report::sweep::{MOST_ROWS, Overview, Product, Standing, standing, terminal};

use super::Swept;
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
            open(file).map_err(unreadable)?;
        }
        let mut named = BTreeSet::new();
        for file in [&self.html, &self.json, &self.coverage_csv, &self.checks_csv, &self.asff, &self.ocsf].into_iter().flatten() {
            if file.as_os_str() == "-" {
                anyhow::bail!("a report is a file: `-` is none; `--format json` prints the machine form");
            }
            if !named.insert(file) {
                anyhow::bail!("two reports cannot be the same file {}", input::name(file));
            }
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !folder.is_dir() {
                anyhow::bail!("the report {} cannot be written: there is no folder {}", input::name(file), input::name(folder));
            }
            let there = file.exists();
            let opened = File::options().append(true).create(true).open(file);
            opened.with_context(|| format!("the report {} cannot be written", input::name(file)))?;
            if !there {
                // One that cannot be removed again is written later.
                let _ = std::fs::remove_file(file);
            }
        }
        Ok(())
    }

    fn product(&self) -> anyhow::Result<Option<Product>> {
        let Some(product) = &self.product else { return Ok(None) };
        Ok(Some(Product::try_from(Arn::parse(product).context("`--product`")?).context("`--product`")?))
    }

    /// Where the machine form is wanted.
    pub(super) fn machine_form(&self) -> Option<&Path> {
        self.json.as_deref()
    }

    /// Writes everything.
    pub(super) fn write(&self, swept: &Swept, output: &Output) -> anyhow::Result<Exit> {
        let Swept { machine, overview, .. } = swept;
        let changes = self.since.as_deref().map(|since| changes(since, machine)).transpose().map_err(unreadable)?;
        write_forms(machine, overview, changes.as_ref(), &self.forms()?)?;
        if output.json(Format::Text) {
            copy_to(machine, output)?;
        } else {
            output.print(&terminal(overview, changes.as_ref(), output.look(), MOST_ROWS))?;
        }
        Ok(exit(overview))
    }

    fn forms(&self) -> anyhow::Result<Forms> {
        Ok(Forms {
            html: self.html.clone(),
            coverage_csv: self.coverage_csv.clone(),
            checks_csv: self.checks_csv.clone(),
            asff: self.asff.clone().zip(self.product()?),
            ocsf: self.ocsf.clone(),
            machine_form: self.json.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned()),
        })
    }
}

/// Why a file that somebody named is of no use.
pub(crate) fn unreadable(error: ReportError) -> anyhow::Error {
    match error {
        ReportError::Open(file, why) => anyhow::anyhow!("the sweep `{file}` {}", input::why(&why)),
        error => error.into(),
    }
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

/// What was seen to be ill is a finding; what was not seen is none.
pub(crate) fn exit(overview: &Overview) -> Exit {
    match standing(overview) {
        Standing::Ill => Exit::Finding,
        Standing::Unseen => Exit::CouldNotTell,
        Standing::Well => Exit::Fine,
    }
}
