//! Who is covered how: accounts by states of protection, checks by outcome, and the catalogues of auditors.

use std::collections::{BTreeMap, BTreeSet};

use super::markup::{bar, t};
use super::more;
use crate::arn::AccountId;
use crate::compliance::Status;
use crate::compliance::frameworks::{Control, Framework};
use crate::coverage::Protection;
use crate::report::sweep::words::{self, PROTECTIONS, number, protection_id};
use crate::report::sweep::{AccountLine, Extent, Overview};

/// The coverage.
pub(super) fn section(overview: &Overview, detailed: &BTreeSet<&AccountId>) -> String {
    let shown = occurring(overview);
    let heads =
        shown.iter().map(|protection| format!("<th scope=\"col\" class=\"n\">{}</th>", words::capital(words::protection(*protection))));
    let rows = overview.accounts.iter().map(|line| row(line, &shown, detailed.contains(&line.account_id))).collect::<String>();
    let totals = shown.iter().map(|protection| cell(*protection, overview.totals.resources.get(protection)));
    format!(
        "<section id=\"coverage\" aria-labelledby=\"coverage-title\">\n<h2 id=\"coverage-title\">Coverage</h2>\n\
         <div class=\"scroll tall\" role=\"region\" tabindex=\"0\" aria-label=\"Coverage by account\"><table class=\"matrix\">\n\
         <caption>Resources by account and state of protection, the accounts that need attention most first</caption>\n\
         <thead><tr><th scope=\"col\">Account</th>{}<th scope=\"col\" class=\"n\">Failed checks</th><th scope=\"col\">Evaluated</th></tr></thead>\n\
         <tbody>{rows}</tbody>\n<tfoot><tr><th scope=\"row\">All {}</th>{}<td class=\"n\">{}</td><td>{}</td></tr></tfoot></table></div>\n{}{}</section>\n",
        heads.collect::<String>(),
        words::counted(overview.totals.accounts, "account"),
        totals.collect::<String>(),
        number(overview.totals.failures.values().sum()),
        match overview.totals.accounts_not_evaluated {
            0 => "wholly".to_owned(),
            n => format!("{} not wholly", number(n)),
        },
        more(overview.accounts.hidden(), "account", None),
        checks(overview),
    )
}

/// The states that some resource is in; the best one always.
fn occurring(overview: &Overview) -> Vec<Protection> {
    let there =
        |protection: &Protection| *protection == Protection::Protected || overview.totals.resources.get(protection).is_some_and(|n| *n > 0);
    PROTECTIONS.into_iter().filter(there).collect()
}

fn row(line: &AccountLine, shown: &[Protection], detailed: bool) -> String {
    let name = match &line.name {
        Some(name) => format!("{} <span class=\"code\">{}</span>", t(&words::cut(name, 48)), line.account_id),
        None => format!("<span class=\"code\">{}</span>", line.account_id),
    };
    let name = if detailed { format!("<a href=\"#a-{}\">{name}</a>", line.account_id) } else { name };
    let cells = shown.iter().map(|protection| cell(*protection, line.resources.get(protection)));
    let worst = line.failures.keys().max();
    let failures = match (line.failures.values().sum::<u64>(), worst) {
        (n, Some(worst)) if n > 0 => format!("{} <span class=\"badge badge-{worst}\">{worst}</span>", number(n), worst = worst.as_str()),
        _ => "<span class=\"zero\">0</span>".to_owned(),
    };
    let evaluated = match line.evaluated {
        Extent::Whole => "wholly",
        Extent::Part => "<strong class=\"gap\">in part</strong>",
        Extent::None => "<strong class=\"gap\">not at all</strong>",
    };
    format!(
        "<tr><th scope=\"row\">{name}{}</th>{}<td class=\"n\">{failures}</td><td>{evaluated}</td></tr>\n",
        bar(&line.resources),
        cells.collect::<String>()
    )
}

fn cell(protection: Protection, n: Option<&u64>) -> String {
    match n.copied().unwrap_or_default() {
        0 => "<td class=\"n\"><span class=\"zero\">0</span></td>".to_owned(),
        n => format!("<td class=\"n has-{}\">{}</td>", protection_id(protection), number(n)),
    }
}

/// The order in which outcomes are counted.
const STATUSES: [(Status, &str); 5] = [
    (Status::Fail, "Fail"),
    (Status::Unknown, "Could not tell"),
    (Status::Excepted, "Excepted"),
    (Status::Pass, "Pass"),
    (Status::NotApplicable, "Does not apply"),
];

fn checks(overview: &Overview) -> String {
    if overview.checks.is_empty() {
        return String::new();
    }
    let heads = STATUSES.map(|(_, title)| format!("<th scope=\"col\" class=\"n\">{title}</th>")).concat();
    let rows = overview.checks.iter().map(|(code, line)| {
        let cells = STATUSES.map(|(status, _)| count(status, &line.outcomes)).concat();
        format!(
            "<tr><th scope=\"row\"><span class=\"code\">{}</span> {}</th><td>{}</td>{cells}</tr>\n",
            t(code),
            t(&words::check(&line.check)),
            line.severity.as_str()
        )
    });
    format!(
        "<details class=\"wide\"><summary>All {} by outcome</summary>\n\
         <div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Checks by outcome\"><table>\n\
         <thead><tr><th scope=\"col\">Check</th><th scope=\"col\">Severity</th>{heads}</tr></thead>\n<tbody>{}</tbody></table></div></details>\n",
        words::counted(overview.checks.len() as u64, "check"),
        rows.collect::<String>()
    )
}

fn count(status: Status, outcomes: &BTreeMap<Status, u64>) -> String {
    match outcomes.get(&status).copied().unwrap_or_default() {
        0 => "<td class=\"n\"><span class=\"zero\">0</span></td>".to_owned(),
        n => format!("<td class=\"n is-{}\">{}</td>", words::status(status), number(n)),
    }
}

/// The catalogues of auditors.
pub(super) fn frameworks(overview: &Overview, frameworks: &[Framework]) -> String {
    if frameworks.is_empty() {
        return String::new();
    }
    let all = frameworks.iter().map(|framework| {
        let rows = framework.controls.iter().map(|control| control_row(overview, control)).collect::<String>();
        let title = t(&framework.title).to_string();
        format!(
            "<h3>{title}</h3>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{title}\"><table>\n\
             <thead><tr><th scope=\"col\">Control</th><th scope=\"col\">Asks for</th><th scope=\"col\">Answer</th><th scope=\"col\">Checks</th></tr></thead>\n\
             <tbody>{rows}</tbody></table></div>\n"
        )
    });
    format!(
        "<section id=\"frameworks\" aria-labelledby=\"frameworks-title\">\n<h2 id=\"frameworks-title\">Frameworks</h2>\n\
         <p>A control holds where every check that answers it passes on everything that was seen, and everything was seen.</p>\n{}</section>\n",
        all.collect::<String>()
    )
}

fn control_row(overview: &Overview, control: &Control) -> String {
    let mut outcomes = BTreeMap::<Status, u64>::new();
    let lines = overview.checks.iter().filter(|(_, line)| control.checks.contains(&line.check)).collect::<Vec<_>>();
    for (_, line) in &lines {
        for (status, n) in &line.outcomes {
            *outcomes.entry(*status).or_default() += n;
        }
    }
    let n = |status| outcomes.get(&status).copied().unwrap_or_default();
    let unseen = overview.totals.accounts_not_evaluated;
    let (class, answer) = match (n(Status::Fail), n(Status::Unknown), n(Status::Excepted), n(Status::Pass)) {
        (fails, ..) if fails > 0 => ("fail", format!("fails {}", times(fails))),
        (_, unknown, ..) if unknown > 0 => ("unknown", format!("could not tell {}", times(unknown))),
        (_, _, _, passes) if passes > 0 && unseen > 0 => {
            ("unknown", format!("holds as far as seen; {} not evaluated", words::counted(unseen, "account")))
        }
        (_, _, excepted, _) if excepted > 0 => ("excepted", format!("holds but for {}", words::counted(excepted, "exception"))),
        (_, _, _, passes) if passes > 0 => ("pass", "holds".to_owned()),
        _ if n(Status::NotApplicable) > 0 => ("not-applicable", "does not apply".to_owned()),
        _ => ("unknown", "no check looked".to_owned()),
    };
    let codes = lines.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>().join(", ");
    let note = control.note.as_ref().map(|note| format!("<br><span class=\"quiet\">{}</span>", t(note))).unwrap_or_default();
    format!(
        "<tr><th scope=\"row\"><span class=\"code\">{}</span></th><td>{}{note}</td><td><span class=\"answer is-{class}\">{answer}</span></td>\
         <td><span class=\"code\">{}</span></td></tr>\n",
        t(&control.id),
        t(&control.title),
        t(&codes)
    )
}

fn times(n: u64) -> String {
    if n == 1 { "once".to_owned() } else { format!("{} times", number(n)) }
}
