//! The page: one file that needs nothing else, reads without a script, prints, and is light or dark as the reader's machine is.
//!
//! Two passes over the accounts: the first gathers the [`Overview`], the second writes the page, with the details of each account as it comes by.
//! So that the page of ten thousand accounts can still be opened, the matrix has the worst thousand of them and the details the worst two hundred,
//! with forty rows each; what is left out is counted in its place, and the machine form has it.
//!
//! Nothing is loaded and nothing runs: the content security policy lets one style in, by its hash.

mod accounts;
mod changes;
mod findings;
mod markup;
mod matrix;
mod summary;
mod topology;

use std::collections::BTreeSet;
use std::io::{self, Write};

use markup::style_source;
pub(super) use markup::t;

use super::words::{self, counted, minute};
use super::{Changes, Inert, Overview, SweepWriter};
use crate::arn::AccountId;
use crate::compliance::frameworks::Framework;
use crate::compliance::{AccountResult, OrganizationResult, SweepHead, Totals};

/// The palettes.
pub(super) const COLORS: &str = include_str!("colors.css");
/// Palettes and picture before the page, which has other rules for print.
const STYLE: &str = concat!(include_str!("colors.css"), include_str!("../picture/picture.css"), include_str!("page.css"));

/// What the page tells beside the sweep.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// What changed since the last run, where there was one.
    pub changes: Option<&'a Changes>,
    /// The catalogues of auditors.
    pub frameworks: &'a [Framework],
    /// Name or address of the machine form, in which everything is.
    pub machine_form: Option<&'a str>,
}

/// Writes the page, in the second pass.
#[derive(Debug)]
pub struct Html<'a, W> {
    out: W,
    overview: &'a Overview,
    surroundings: Surroundings<'a>,
    detailed: BTreeSet<&'a AccountId>,
}

impl<'a, W: Write> Html<'a, W> {
    /// To `out`, which should be buffered; `overview` is what the first pass over the same sweep gathered.
    pub fn to(out: W, overview: &'a Overview, surroundings: Surroundings<'a>) -> Inert<Self> {
        Inert(Self { out, overview, surroundings, detailed: overview.detailed() })
    }

    fn put(&mut self, markup: &str) -> io::Result<()> {
        self.out.write_all(markup.as_bytes())
    }

    /// The links to the parts that there are.
    fn contents(&self) -> String {
        let overview = self.overview;
        let parts = [
            ("changes", "What changed", self.surroundings.changes.is_some()),
            ("findings", "Findings", true),
            ("topology", "Topology", true),
            ("coverage", "Coverage", true),
            ("not-evaluated", "Not evaluated", !overview.not_evaluated.is_empty() || !overview.organization_gaps.is_empty()),
            ("frameworks", "Frameworks", !self.surroundings.frameworks.is_empty()),
            ("accounts", "Accounts", !overview.accounts.is_empty()),
            ("method", "Method and limits", true),
        ];
        let links =
            parts.into_iter().filter(|(_, _, there)| *there).map(|(id, title, _)| format!("<li><a href=\"#{id}\">{title}</a></li>"));
        format!("<nav aria-label=\"Contents\"><ul>{}</ul></nav>\n", links.collect::<String>())
    }
}

impl<W: Write> SweepWriter for Html<'_, W> {
    fn head(&mut self, head: &SweepHead) -> io::Result<()> {
        let organization = head.organization_id.as_deref().unwrap_or("backups");
        let policy = format!("default-src 'none'; style-src {}; base-uri 'none'; form-action 'none'", style_source(STYLE));
        self.put(&format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
             <title>Backup sweep of {}, {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#main\">Skip to the report</a>\n",
            t(organization),
            minute(head.at),
        ))?;
        self.put(&summary::header(head, self.overview))?;
        self.put(&self.contents())?;
        self.put("<main id=\"main\">\n")?;
        if let Some(changes) = self.surroundings.changes {
            self.put(&changes::section(changes))?;
        }
        self.put(&findings::section(self.overview))?;
        self.put(&topology::section(self.overview))?;
        self.put(&matrix::section(self.overview, &self.detailed))?;
        self.put(&findings::not_evaluated(self.overview))?;
        self.put(&matrix::frameworks(self.overview, self.surroundings.frameworks))
    }

    fn organization(&mut self, organization: &OrganizationResult) -> io::Result<()> {
        self.put("<section id=\"accounts\" aria-labelledby=\"accounts-title\">\n<h2 id=\"accounts-title\">Accounts</h2>\n")?;
        let (all, shown) = (self.overview.accounts.total(), self.detailed.len() as u64);
        if all > shown {
            self.put(&format!(
                "<p class=\"note\">The {} of {} that need attention most. {}</p>\n",
                words::number(shown),
                counted(all, "account"),
                elsewhere(self.surroundings.machine_form)
            ))?;
        }
        self.put(&accounts::organization(organization))
    }

    fn account(&mut self, account: &AccountResult) -> io::Result<()> {
        if !self.detailed.contains(&account.account_id) {
            return Ok(());
        }
        let at = self.overview.head.as_ref().map(|head| head.at);
        self.put(&accounts::account(account, at, self.surroundings.machine_form))
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        self.put("</section>\n</main>\n")?;
        self.put(&summary::footer(self.overview, self.surroundings.machine_form))?;
        self.put("</body>\n</html>\n")?;
        self.out.flush()
    }
}

/// Where the rest is.
fn elsewhere(machine_form: Option<&str>) -> String {
    match machine_form {
        Some(name) => format!("All of them are in <code>{}</code>.", t(name)),
        None => "All of them are in the machine form (<code>--format json</code>).".to_owned(),
    }
}

/// Says how many rows are not shown.
fn more(hidden: u64, what: &str, machine_form: Option<&str>) -> String {
    if hidden == 0 {
        return String::new();
    }
    let s = if hidden == 1 { "" } else { "s" };
    format!("<p class=\"note\">and {} more {what}{s}. {}</p>\n", words::number(hidden), elsewhere(machine_form))
}
