//! The reports of a sweep as files: the machine form first, then everything else from it, so that one account is in memory.

use std::fs::File;
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use guardian_aws::answers::Answers;
use guardian_core::compliance::{Totals, frameworks};
use guardian_core::report::inert_text;
use guardian_core::report::sweep::{
    Asff, Changes, CoverageCsv, Html, Json, Ocsf, OutcomesCsv, Overview, Product, ReadError, Reader, Surroundings, SweepWriter, compare,
};

use super::{PartError, Parts, Ready, Sweep};

/// What is written from the machine form.
#[derive(Clone, Debug, Default)]
pub struct Forms {
    /// The page for people.
    pub html: Option<PathBuf>,
    /// The resources.
    pub coverage_csv: Option<PathBuf>,
    /// What the checks say.
    pub checks_csv: Option<PathBuf>,
    /// Inputs of BatchImportFindings, and the product in whose name they are.
    pub asff: Option<(PathBuf, Product)>,
    /// Findings of the Open Cybersecurity Schema Framework.
    pub ocsf: Option<PathBuf>,
    /// How the page calls the machine form.
    pub machine_form: Option<String>,
}

/// A report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// What was read could not be had.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The file could not be written.
    #[error("the report `{0}` cannot be written")]
    Write(String, #[source] io::Error),
    /// An earlier machine form is not there.
    #[error("the sweep `{0}` cannot be read")]
    Open(String, #[source] io::Error),
    /// A machine form cannot be used.
    #[error("the file `{0}` is no sweep")]
    Read(String, #[source] ReadError),
}

fn shown(file: &Path) -> String {
    inert_text(&file.display().to_string())
}

/// Judges every account and writes the machine form; answers what is told of it in brief.
pub async fn judge_to<A, P>(sweep: &Arc<Sweep<A, P>>, ready: &Arc<Ready>, machine: &Path) -> Result<Overview, ReportError>
where
    A: Answers + 'static,
    P: Parts + 'static,
{
    let failed = |error| ReportError::Write(shown(machine), error);
    let mut both = Json::to(create(machine)?).beside(Overview::gather());
    let (head, organization) = (sweep.head(ready), sweep.judge_organization(ready));
    let mut totals = Totals::default();
    totals.add_organization(&organization);
    both.head(&head).and_then(|()| both.organization(&organization)).map_err(failed)?;
    let mut judging = sweep.judging(ready);
    while let Some(result) = judging.next().await? {
        totals.add(&result);
        both.account(&result).map_err(failed)?;
    }
    both.end(&totals).map_err(failed)?;
    Ok(both.into_inner().1)
}

/// What changed between two machine forms.
pub fn changes(before: &Path, now: &Path) -> Result<Changes, ReportError> {
    compare(&mut open(before)?, &mut open(now)?).map_err(|error| ReportError::Read(shown(before), error))
}

/// A machine form, up to its first account.
pub fn open(file: &Path) -> Result<Reader<BufReader<File>>, ReportError> {
    let opened = File::open(file).map_err(|error| ReportError::Open(shown(file), error))?;
    Reader::open(BufReader::new(opened)).map_err(|error| ReportError::Read(shown(file), error))
}

/// Writes everything else in a second pass.
pub fn write_forms(machine: &Path, overview: &Overview, changes: Option<&Changes>, forms: &Forms) -> Result<(), ReportError> {
    let frameworks = frameworks::all();
    let surroundings = Surroundings { changes, frameworks: &frameworks, machine_form: forms.machine_form.as_deref() };
    let mut writers: Vec<(&Path, Box<dyn SweepWriter + '_>)> = Vec::new();
    if let Some(file) = &forms.html {
        writers.push((file, Box::new(Html::to(create(file)?, overview, surroundings))));
    }
    if let Some(file) = &forms.coverage_csv {
        writers.push((file, Box::new(CoverageCsv::to(create(file)?))));
    }
    if let Some(file) = &forms.checks_csv {
        writers.push((file, Box::new(OutcomesCsv::to(create(file)?))));
    }
    if let Some((file, product)) = &forms.asff {
        writers.push((file, Box::new(Asff::to(create(file)?, product.clone()))));
    }
    if let Some(file) = &forms.ocsf {
        writers.push((file, Box::new(Ocsf::to(create(file)?))));
    }
    if writers.is_empty() {
        return Ok(());
    }
    let unreadable = |error| ReportError::Read(shown(machine), error);
    let mut from = open(machine)?;
    let mut all = |write: &mut dyn FnMut(&mut dyn SweepWriter) -> io::Result<()>| {
        writers.iter_mut().try_for_each(|(file, writer)| write(&mut **writer).map_err(|error| ReportError::Write(shown(file), error)))
    };
    all(&mut |writer| writer.head(&from.head))?;
    all(&mut |writer| writer.organization(&from.organization))?;
    while let Some(account) = from.next_account().map_err(unreadable)? {
        all(&mut |writer| writer.account(&account))?;
    }
    let totals = from.totals().cloned().unwrap_or_default();
    all(&mut |writer| writer.end(&totals))
}

fn create(file: &Path) -> Result<BufWriter<File>, ReportError> {
    File::create(file).map(BufWriter::new).map_err(|error| ReportError::Write(shown(file), error))
}
