//! Writes the report of a small organization to standard output, to look at and to test: `sweep_report html`.
//!
//! Formats: `json`, `html`, `text`, `coverage-csv`, `outcomes-csv`, `asff`, `ocsf`, `email`, `subject`. A second word chooses the organization: `demo` (default),
//! `before` (the run before), `stopped` (a policy will stop copies that landed so far), `hostile` (every text of
//! others is an attack), `well`, `empty`, or a number of accounts.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "an example: what is not there ends it")]

use std::error::Error;
use std::io::{self, BufWriter, Write};

use guardian_core::arn::Arn;
use guardian_core::report::sweep::{
    Asff, Changes, CoverageCsv, Html, Json, MOST_ROWS, Ocsf, OutcomesCsv, Overview, Product, Reader, Surroundings, SweepWriter, compare,
    digest, terminal,
};
use guardian_core::report::{Look, render};

#[path = "../tests/support/sweep.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod sweep;

/// Where the accounts come from: a caller has them on disk and reads them once per pass.
enum Organization {
    Small(Box<sweep::Sweep>),
    Large(u64),
}

impl Organization {
    fn named(name: &str) -> Result<Self, Box<dyn Error>> {
        Ok(match name {
            "demo" => Self::Small(Box::new(sweep::demo())),
            "before" => Self::Small(Box::new(sweep::before())),
            "hostile" => Self::Small(Box::new(sweep::hostile())),
            "stopped" => Self::Small(Box::new(sweep::stopped())),
            "well" => Self::Small(Box::new(sweep::well())),
            "empty" => Self::Small(Box::new(sweep::empty())),
            number => Self::Large(number.parse()?),
        })
    }

    fn tell(&self, writer: &mut impl SweepWriter) -> io::Result<()> {
        match self {
            Self::Small(sweep) => sweep.tell(writer),
            Self::Large(accounts) => sweep::large(*accounts, writer),
        }
    }
}

fn written(sweep: &sweep::Sweep) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    sweep.tell(&mut Json::to(&mut bytes))?;
    Ok(bytes)
}

fn changes(sweep: &sweep::Sweep) -> Result<Changes, Box<dyn Error>> {
    let (before, now) = (written(&sweep::before())?, written(sweep)?);
    Ok(compare(&mut Reader::open(before.as_slice())?, &mut Reader::open(now.as_slice())?)?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let words = std::env::args().skip(1).collect::<Vec<_>>();
    let name = words.get(1).map_or("demo", String::as_str);
    let organization = Organization::named(name)?;
    let changes = match &organization {
        Organization::Small(sweep) if name == "demo" || name == "hostile" => Some(changes(sweep)?),
        Organization::Small(_) | Organization::Large(_) => None,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let overview = || -> io::Result<Overview> {
        let mut overview = Overview::gather();
        organization.tell(&mut overview)?;
        Ok(overview.into_inner())
    };
    match words.first().map(String::as_str) {
        Some("json") => organization.tell(&mut Json::to(&mut out))?,
        Some("coverage-csv") => organization.tell(&mut CoverageCsv::to(&mut out))?,
        Some("outcomes-csv") => organization.tell(&mut OutcomesCsv::to(&mut out))?,
        Some("ocsf") => organization.tell(&mut Ocsf::to(&mut out))?,
        Some("asff") => {
            let product = Arn::parse("arn:aws:securityhub:eu-central-1:777777777777:product/777777777777/default")?;
            organization.tell(&mut Asff::to(&mut out, Product::try_from(product)?))?;
        }
        Some("text") => write!(out, "{}", terminal(&overview()?, changes.as_ref(), Look::PLAIN, MOST_ROWS))?,
        Some(format @ ("email" | "subject")) => {
            let message =
                digest(&overview()?, changes.as_ref(), Some("s3://reports/sweeps/2026-11-27.html")).map(|alert| render(&alert)).unwrap();
            writeln!(out, "{}", if format == "email" { message.email } else { message.subject })?;
        }
        Some("html") => {
            let overview = overview()?;
            let frameworks = sweep::frameworks();
            let surroundings = Surroundings { changes: changes.as_ref(), frameworks: &frameworks, machine_form: Some("sweep.json") };
            organization.tell(&mut Html::to(&mut out, &overview, surroundings))?;
        }
        _ => return Err("which format? json, html, text, coverage-csv, outcomes-csv, asff, ocsf, email, subject".into()),
    }
    out.flush()?;
    Ok(())
}
