//! For a tired reader: first what will fail, each cause once with the routes that share it.

use std::collections::{BTreeMap, BTreeSet};

use guardian_core::arn::Arn;
use guardian_core::copy::{Forecast, Verdict, WhyNotKnown};
use guardian_core::evidence::Gap;
use guardian_core::remedy::Patch;
use guardian_core::report::inert_text;

use super::finding::{Finding, Findings};

pub(crate) fn text(findings: &Findings) -> String {
    let mut page = Page::default();
    let count = |verdict| findings.with(verdict).count();
    let (fail, depend, work) = (count(Verdict::WillFail), count(Verdict::Depends), count(Verdict::Works));
    if findings.routes.is_empty() {
        page.line(0, &findings.no_route());
    } else {
        let total = findings.routes.len();
        page.line(0, &format!("{total} {}: {fail} will fail, {depend} depend on what is not known, {work} work", noun(total, "route")));
    }
    let failing = findings
        .with(Verdict::WillFail)
        .map(|finding| &finding.forecast)
        .flat_map(|forecast| forecast.causes().into_iter().map(move |cause| (cause, forecast)));
    page.grouped("WILL FAIL", failing);
    page.mend(&findings.routes);
    let depending = findings.with(Verdict::Depends).map(|finding| &finding.forecast).flat_map(|forecast| {
        let fails = forecast.causes().into_iter().map(|cause| format!("if it is made, it will fail: {cause}"));
        forecast.open.iter().cloned().chain(fails).map(move |open| (open, forecast))
    });
    page.grouped("DEPENDS", depending);
    let works = findings.with(Verdict::Works).collect::<Vec<_>>();
    if !works.is_empty() {
        page.title("WORKS");
        for finding in works {
            page.line(1, &route(&finding.forecast));
        }
    }
    if !findings.unknown.is_empty() {
        page.title("NOT KNOWN");
        for why in [WhyNotKnown::NoBackupYet, WhyNotKnown::NotAPlanYet] {
            let unknown = findings.unknown.iter().filter(|unknown| unknown.why == why).collect::<Vec<_>>();
            if !unknown.is_empty() {
                page.line(1, why.reason());
            }
            for unknown in unknown {
                let (from, into) = (place(&unknown.source_vault_arn), place(&unknown.destination_vault_arn));
                page.line(2, &format!("plan {}: {from} -> {into}", unknown.plan));
            }
        }
    }
    let mut gaps = findings.gaps.iter().chain(findings.routes.iter().flat_map(|finding| &finding.forecast.gaps)).collect::<Vec<_>>();
    gaps.sort();
    gaps.dedup();
    if !gaps.is_empty() {
        page.title("COULD NOT BE READ");
        for gap in gaps {
            page.line(1, &unread(gap));
        }
    }
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, depth: usize, line: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(&inert_text(line));
        self.text.push('\n');
    }

    fn title(&mut self, title: &str) {
        self.text.push('\n');
        self.line(0, title);
    }

    /// What mends the routes: for each policy every statement once, whichever route it came from.
    fn mend(&mut self, findings: &[Finding]) {
        let mut changes: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for patch in findings.iter().flat_map(Finding::patches) {
            let statements = changes.entry(lacking(patch)).or_default();
            for statement in &patch.statements {
                let statement = format!("{statement:#}");
                if !statements.contains(&statement) {
                    statements.push(statement);
                }
            }
        }
        let by_hand = findings.iter().flat_map(Finding::without_patch).map(|no_patch| {
            let instead = no_patch.instead().map(|instead| format!(": {instead}")).unwrap_or_default();
            format!("{}{instead}", no_patch.reason())
        });
        let by_hand = by_hand.collect::<BTreeSet<_>>();
        if changes.is_empty() && by_hand.is_empty() {
            return;
        }
        self.title("WHAT MENDS IT");
        for (change, statements) in changes {
            self.line(1, &change);
            for line in statements.iter().flat_map(|statement| statement.lines()) {
                // Two spaces for each level of the JSON, as for each of ours.
                let told = line.trim_start_matches(' ');
                self.line(2 + (line.len() - told.len()) / 2, told);
            }
        }
        for reason in by_hand {
            self.line(1, &reason);
        }
    }

    /// Each cause with its routes, those of most routes first.
    fn grouped<'a>(&mut self, title: &str, found: impl Iterator<Item = (String, &'a Forecast)>) {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for (cause, forecast) in found {
            let route = route(forecast);
            match groups.iter_mut().find(|(known, _)| *known == cause) {
                Some((_, routes)) => routes.push(route),
                None => groups.push((cause, vec![route])),
            }
        }
        groups.sort_by_key(|(_, routes)| std::cmp::Reverse(routes.len()));
        if !groups.is_empty() {
            self.title(title);
        }
        for (cause, routes) in groups {
            self.line(1, &cause);
            for route in routes {
                self.line(2, &route);
            }
        }
    }
}

/// Whose policy lacks what.
fn lacking(patch: &Patch) -> String {
    let what = if patch.policy_name.is_some() { "give another policy to" } else { "add to the policy of" };
    format!("account {}: {what} {} ({})", patch.account_id, patch.target_arn, patch.operation.action())
}

fn route(forecast: &Forecast) -> String {
    let route = &forecast.route;
    let key = match &route.source_key_arn {
        Some(key) => format!("under {key}"),
        None => "under no key that was seen".to_owned(),
    };
    format!("{} -> {}, {} {key}", place(&route.source_vault_arn), place(&route.destination_vault_arn), route.resource_type)
}

fn place(vault: &Arn) -> String {
    let account = vault.account().map_or_else(String::new, |account| account.to_string());
    let region = vault.region().map_or_else(String::new, |region| region.to_string());
    format!("{account} {region} {}", vault.resource_name())
}

/// What could not be read, where and why. May quote untrusted text.
pub(crate) fn unread(gap: &Gap) -> String {
    let region = gap.region.as_ref().map_or_else(String::new, |region| format!(" {region}"));
    let reason = serde_json::to_value(gap.reason).ok().and_then(|reason| reason.as_str().map(str::to_owned)).unwrap_or_default();
    let detail = gap.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
    format!("{} in {}{region}: {reason}{detail}", gap.action, gap.account_id)
}

fn noun(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}
