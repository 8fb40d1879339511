//! Two tables for spreadsheets (RFC 4180): the coverage of resources, and the outcomes of checks.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return for a formula and runs it. Such a cell gets an
//! apostrophe in front, which spreadsheets show as text.

use std::io::{self, Write};

use jiff::Timestamp;

use super::words::{protection_id, status};
use super::{Inert, SweepWriter};
use crate::compliance::{AccountResult, CheckOutcome, OrganizationResult, SweepHead, Totals};
use crate::coverage::ResourceCoverage;
use crate::evidence::Gap;

/// The coverage: one row per resource, and one per account or Region that was not evaluated.
#[derive(Debug)]
pub struct CoverageCsv<W>(W);

/// The outcomes: one row per check and thing, and one per account or Region that was not evaluated.
#[derive(Debug)]
pub struct OutcomesCsv<W>(W);

const COVERAGE: [&str; 20] = [
    "account_id",
    "account_name",
    "region",
    "resource_type",
    "resource_arn",
    "resource_name",
    "protection",
    "why",
    "rules",
    "newest_backup_at",
    "newest_backup_point",
    "newest_backup_key",
    "copy_vaults",
    "newest_copy_at",
    "newest_copy_point",
    "newest_copy_key",
    "not_copied",
    "exception_owner",
    "exception_until",
    "not_seen",
];

const OUTCOMES: [&str; 13] = [
    "account_id",
    "account_name",
    "region",
    "code",
    "check",
    "severity",
    "status",
    "resource_arn",
    "part",
    "seen",
    "remedy",
    "evidence",
    "not_seen",
];

impl<W: Write> CoverageCsv<W> {
    /// To `out`, which should be buffered.
    pub fn to(out: W) -> Inert<Self> {
        Inert(Self(out))
    }

    fn resource(&mut self, name: &str, row: &ResourceCoverage) -> io::Result<()> {
        let rules = row.rules.iter().map(|rule| {
            let perhaps = if rule.certain { "" } else { "perhaps " };
            format!("{perhaps}{} / {} / {}: {}", rule.plan_name, rule.selection_name, rule.rule_name, rule.because)
        });
        // Of several vaults the worst is told: the one without a copy, else the one whose newest copy is the oldest.
        let copy = row.copies.iter().min_by_key(|landing| landing.newest.as_ref().map(|newest| newest.created_at));
        let (backup, copied) = (row.newest_backup.as_ref(), copy.and_then(|landing| landing.newest.as_ref()));
        let exception = row.exception.as_ref();
        line(
            &mut self.0,
            &[
                row.account_id.as_str(),
                name,
                row.region.as_str(),
                &row.resource_type,
                row.resource_arn.as_str(),
                row.resource_name.as_deref().unwrap_or_default(),
                protection_id(row.protection),
                &row.why,
                &joined(rules),
                &time(backup.map(|newest| newest.created_at)),
                backup.map_or("", |newest| newest.recovery_point_arn.as_str()),
                backup.and_then(|newest| newest.key_arn.as_ref()).map_or("", |key| key.as_str()),
                &joined(row.copies.iter().map(|landing| landing.vault_arn.as_str().to_owned())),
                &time(copied.map(|newest| newest.created_at)),
                copied.map_or("", |newest| newest.recovery_point_arn.as_str()),
                copied.and_then(|newest| newest.key_arn.as_ref()).map_or("", |key| key.as_str()),
                &if row.copies.is_empty() {
                    String::new()
                } else {
                    row.copies.iter().map(|landing| landing.uncopied).sum::<u64>().to_string()
                },
                exception.map_or("", |exception| exception.owner.as_str()),
                &time(exception.map(|exception| exception.until)),
                &gaps(&row.gaps),
            ],
        )
    }
}

impl<W: Write> SweepWriter for CoverageCsv<W> {
    fn head(&mut self, _: &SweepHead) -> io::Result<()> {
        line(&mut self.0, &COVERAGE)
    }

    fn organization(&mut self, _: &OrganizationResult) -> io::Result<()> {
        Ok(())
    }

    fn account(&mut self, account: &AccountResult) -> io::Result<()> {
        let name = account.name.as_deref().unwrap_or_default();
        for part in &account.not_evaluated {
            let region = part.region.as_ref().map_or("", |region| region.as_str());
            let mut cells = [""; 20];
            let not_seen = gaps(&part.gaps);
            [cells[0], cells[1], cells[2], cells[6], cells[19]] = [part.account_id.as_str(), name, region, "not-evaluated", &not_seen];
            line(&mut self.0, &cells)?;
        }
        account.coverage.iter().try_for_each(|row| self.resource(name, row))
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> OutcomesCsv<W> {
    /// To `out`, which should be buffered.
    pub fn to(out: W) -> Inert<Self> {
        Inert(Self(out))
    }

    fn outcome(&mut self, name: &str, found: &CheckOutcome) -> io::Result<()> {
        let subject = &found.outcome.subject;
        line(
            &mut self.0,
            &[
                subject.account_id.as_str(),
                name,
                subject.region.as_ref().map_or("", |region| region.as_str()),
                &found.code,
                &found.check,
                found.severity.as_str(),
                status(found.outcome.status),
                subject.resource_arn.as_ref().map_or("", |arn| arn.as_str()),
                subject.part.as_deref().unwrap_or_default(),
                &found.outcome.seen,
                found.outcome.remedy.as_deref().unwrap_or_default(),
                &joined(found.outcome.evidence.iter().cloned()),
                &gaps(&found.outcome.gaps),
            ],
        )
    }
}

impl<W: Write> SweepWriter for OutcomesCsv<W> {
    fn head(&mut self, _: &SweepHead) -> io::Result<()> {
        line(&mut self.0, &OUTCOMES)
    }

    fn organization(&mut self, organization: &OrganizationResult) -> io::Result<()> {
        organization.outcomes.iter().try_for_each(|found| self.outcome("", found))
    }

    fn account(&mut self, account: &AccountResult) -> io::Result<()> {
        let name = account.name.as_deref().unwrap_or_default();
        for part in &account.not_evaluated {
            let region = part.region.as_ref().map_or("", |region| region.as_str());
            let not_seen = gaps(&part.gaps);
            let account = part.account_id.as_str();
            line(&mut self.0, &[account, name, region, "", "", "", "not-evaluated", "", "", "", "", "", &not_seen])?;
        }
        let name_of = |found: &CheckOutcome| account.name_of(&found.outcome.subject).map_or("", String::as_str);
        account.outcomes.iter().try_for_each(|found| self.outcome(name_of(found), found))
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        self.0.flush()
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

fn gaps(gaps: &[Gap]) -> String {
    joined(gaps.iter().map(super::words::gap))
}

fn time(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

fn line(out: &mut impl Write, cells: &[&str]) -> io::Result<()> {
    for (at, text) in cells.iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        out.write_all(cell(text).as_bytes())?;
    }
    out.write_all(b"\r\n")
}

/// A cell as a spreadsheet shows it and never runs it.
fn cell(text: &str) -> String {
    let formula = text.trim_start().starts_with(['=', '+', '-', '@']) || text.starts_with(['\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_text_whatever_is_in_it() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(1)", "'@SUM(1)"),
            (" =1", "' =1"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
