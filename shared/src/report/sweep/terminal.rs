//! The sweep on a terminal: what a tired engineer reads in ten seconds, the worst first.

use super::verdict::{self, Standing};
use super::words::{self, PROTECTIONS, counted, cut, minute, named_account, number};
use super::{Changes, Overview, Share, Turn};
use crate::arn::AccountId;
use crate::diagnosis::Severity;
use crate::evidence::Gap;
use crate::report::layout::{wrap, wrap_around_copied};
use crate::report::terminal::{GREEN, Look, RED, YELLOW};

/// Rows of one list; the machine form has the rest.
pub const MOST_ROWS: usize = 20;

/// The whole text. Lists have at most `most` rows each.
pub fn terminal(overview: &Overview, changes: Option<&Changes>, look: Look, most: usize) -> String {
    let mut page = Page { look, most, lines: Vec::new() };
    page.head(overview);
    page.protection(overview);
    page.findings(overview);
    page.resources(overview);
    page.not_evaluated(overview);
    if let Some(changes) = changes {
        page.changes(changes);
    }
    page.lines.join("\n") + "\n"
}

/// What checks found and what was not evaluated, as a part of another text; empty where there is nothing to tell.
pub fn terminal_findings(overview: &Overview, look: Look, most: usize) -> String {
    let mut page = Page { look, most, lines: Vec::new() };
    page.findings(overview);
    page.not_evaluated(overview);
    page.lines.join("\n")
}

const INDENT: &str = "           ";

struct Page {
    look: Look,
    most: usize,
    lines: Vec<String>,
}

impl Page {
    fn head(&mut self, overview: &Overview) {
        if let Some(head) = &overview.head {
            let organization = head.organization_id.as_ref().map(|id| format!(", organization {}", cut(id, 40))).unwrap_or_default();
            self.lines.push(format!(
                "Sweep of {}: {}, {}{organization}",
                minute(head.at),
                counted(overview.totals.accounts, "account"),
                counted(head.regions.len() as u64, "Region")
            ));
        }
        let style = match verdict::standing(overview) {
            Standing::Ill => RED,
            Standing::Unseen => YELLOW,
            Standing::Well => GREEN,
        };
        for line in wrap("", "", &verdict::sentence(overview), self.look.columns) {
            self.lines.push(self.look.paint(style, &line));
        }
    }

    fn protection(&mut self, overview: &Overview) {
        let share = Share::of(&overview.totals);
        self.heading(&format!("PROTECTED: {} ({})", share.text(), verdict::share(overview)));
        for protection in PROTECTIONS {
            let n = verdict::resources(overview, protection);
            if n > 0 {
                self.lines.push(format!("  {:>7}  {}", number(n), words::protection(protection)));
            }
        }
        if overview.totals.accounts_not_evaluated > 0 {
            self.lines.push(format!(
                "  {:>7}  accounts not evaluated, each counted as not protected",
                number(overview.totals.accounts_not_evaluated)
            ));
        }
    }

    fn findings(&mut self, overview: &Overview) {
        if overview.findings.is_empty() {
            return;
        }
        let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
        let counts = severities.iter().filter_map(|severity| {
            let n = overview.totals.failures.get(severity).filter(|n| **n > 0)?;
            Some(format!("{} {}", number(*n), severity.as_str()))
        });
        self.heading(&format!("FINDINGS: {}", counts.collect::<Vec<_>>().join(", ")));
        for finding in overview.findings.iter().take(self.most) {
            let (found, subject) = (&finding.found, &finding.found.outcome.subject);
            let style = if found.severity >= Severity::High { RED } else { YELLOW };
            let label = format!("{:<8}", found.severity.as_str().to_uppercase());
            self.lines.push(format!("  {} {}  {}", self.look.paint(style, &label), found.code, words::check(&found.check)));
            self.text(&words::seen(found));
            let region = subject.region.as_ref().map(|region| format!(", {region}")).unwrap_or_default();
            let account = named_account(&subject.account_id, overview.acting(finding));
            let object = words::object_for(subject, finding.concerned_name.as_deref());
            self.text(&format!("act in {account}{region}: {object}"));
            if let Some(remedy) = &found.outcome.remedy {
                let remedy = format!("do: {remedy}");
                self.lines.extend(wrap_around_copied(INDENT, INDENT, &remedy, self.look.columns));
            }
        }
        self.more(overview.findings.total(), overview.findings.iter().len());
    }

    fn resources(&mut self, overview: &Overview) {
        if overview.resources.is_empty() {
            return;
        }
        self.heading("RESOURCES THAT LACK PROTECTION");
        for row in overview.resources.iter().take(self.most) {
            let state = self.look.paint(YELLOW, &format!("{:<17}", words::protection(row.protection)));
            self.lines.push(format!("  {state} {}, account {}, {}", words::resource(row), row.account_id, row.region));
            self.text(&words::sentence(&row.why));
        }
        self.more(overview.resources.total(), overview.resources.iter().len());
    }

    fn not_evaluated(&mut self, overview: &Overview) {
        if overview.not_evaluated.is_empty() && overview.organization_gaps.is_empty() {
            return;
        }
        self.heading("NOT EVALUATED, AND SO NOT COMPLIANT");
        let gap = |gap: &Gap, of: Option<&AccountId>| match of {
            Some(account) if *account == gap.account_id => format!("{}, because {}", cut(&gap.action, 100), words::reason(gap.reason)),
            _ => words::gap(gap),
        };
        for missing in overview.organization_gaps.iter().take(self.most) {
            self.lines.push(format!("  the organization: {}", gap(missing, None)));
        }
        for part in overview.not_evaluated.iter().take(self.most) {
            let region = part.region.as_ref().map(|region| format!(", {region}")).unwrap_or_default();
            let account = named_account(&part.account_id, part.name.as_deref());
            let first = part.gaps.first().map(|missing| gap(missing, Some(&part.account_id))).unwrap_or_default();
            let others = part.gaps_total.saturating_sub(1);
            let others = if others > 0 { format!(", and {} more", number(others)) } else { String::new() };
            self.lines.extend(wrap("  ", "    ", &format!("{account}{region}: {first}{others}"), self.look.columns));
        }
        self.more(overview.not_evaluated.total(), overview.not_evaluated.iter().len());
    }

    fn changes(&mut self, changes: &Changes) {
        self.heading(&format!("CHANGED SINCE {}", minute(changes.since)));
        if changes.is_empty() {
            self.lines.push("  nothing".to_owned());
        }
        for turn in Turn::ALL.into_iter().filter(|turn| changes.count(*turn) > 0) {
            self.lines.push(format!("  {:>7}  {}", number(changes.count(turn)), words::turn(turn)));
        }
        if !changes.protection.is_empty() {
            self.lines.push(format!("  {:>7}  with another protection", counted(changes.protection.total(), "resource")));
        }
        for turned in changes.turned.iter().take(self.most.min(5)) {
            self.text(&format!("{}: {} {}", words::turn(turned.turn), turned.found.code, words::object(&turned.found.outcome.subject)));
        }
    }

    fn heading(&mut self, text: &str) {
        self.lines.push(String::new());
        self.lines.push(self.look.bold(text));
    }

    fn text(&mut self, text: &str) {
        self.lines.extend(wrap(INDENT, INDENT, text, self.look.columns));
    }

    fn more(&mut self, total: u64, kept: usize) {
        let shown = kept.min(self.most) as u64;
        if let Some(hidden) = total.checked_sub(shown).filter(|hidden| *hidden > 0) {
            self.lines.push(format!("  ... and {} more: --format json", number(hidden)));
        }
    }
}
