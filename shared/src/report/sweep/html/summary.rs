//! The head of the page, which says all in one sentence, and its foot, which says how it was made and what it cannot say.

use super::elsewhere;
use super::markup::{bar, counts, state, t};
use crate::compliance::SweepHead;
use crate::diagnosis::Severity;
use crate::report::sweep::verdict::{self, Standing};
use crate::report::sweep::words::{self, PROTECTIONS, counted, list, minute, number};
use crate::report::sweep::{Overview, Share};

/// Circumference of the ring.
const AROUND: u64 = 326;

/// The head.
pub(super) fn header(head: &SweepHead, overview: &Overview) -> String {
    let (class, word) = match verdict::standing(overview) {
        Standing::Ill => ("ill", "Action needed"),
        Standing::Unseen => ("unseen", "Not everything was seen"),
        Standing::Well => ("well", "All is well"),
    };
    let organization = head.organization_id.as_ref().map(|id| format!(" · organization {}", t(id))).unwrap_or_default();
    let regions = head.regions.iter().map(|region| region.as_str().to_owned()).collect::<Vec<_>>();
    let keeps = head.backup_accounts.iter().map(|id| words::named_account(id, overview.backup_names.get(id).map(String::as_str)));
    let keeps = keeps.collect::<Vec<_>>();
    let keeps = if keeps.is_empty() { String::new() } else { format!(" Copies are kept in {}.", t(&list(&keeps))) };
    format!(
        "<header class=\"hero {class}\">\n{}<div class=\"hero-text\">\n<p class=\"eyebrow\">Backup Guardian · sweep of {}{organization}</p>\n\
         <p class=\"standing\">{word}</p>\n<h1>{}</h1>\n<p class=\"scope\">{} in {}.{keeps}</p>\n</div>\n\
         <div class=\"hero-bar\">{}<p class=\"legend\">{}</p></div>\n{}</header>\n",
        ring(overview),
        minute(head.at),
        t(&verdict::sentence(overview)),
        counted(overview.totals.accounts, "account"),
        t(&list(&regions)),
        bar(&overview.totals.resources),
        legend(overview),
        tiles(overview),
    )
}

/// The percentage as a ring, and how it was counted.
fn ring(overview: &Overview) -> String {
    let share = Share::of(&overview.totals);
    let filled = share.permille().unwrap_or_default().min(1000) * AROUND / 1000;
    let (text, class) = match share.permille() {
        Some(_) => (share.text(), "ring-text"),
        None => ("none".to_owned(), "ring-text"),
    };
    format!(
        "<figure class=\"ring\"><svg viewBox=\"0 0 120 120\" role=\"img\" aria-label=\"{text} protected\">\
         <circle class=\"ring-rest\" cx=\"60\" cy=\"60\" r=\"52\"/>\
         <circle class=\"ring-part\" cx=\"60\" cy=\"60\" r=\"52\" stroke-dasharray=\"{filled} {AROUND}\" transform=\"rotate(-90 60 60)\"/>\
         <text class=\"{class}\" x=\"60\" y=\"67\" text-anchor=\"middle\">{text}</text></svg>\
         <figcaption>{} protected<br>what was not seen counts against</figcaption></figure>\n",
        verdict::share(overview),
    )
}

fn legend(overview: &Overview) -> String {
    let told = PROTECTIONS.iter().rev().filter(|protection| verdict::resources(overview, **protection) > 0);
    told.map(|protection| format!("<span>{} {}</span>", number(verdict::resources(overview, *protection)), state(*protection))).collect()
}

fn tiles(overview: &Overview) -> String {
    let severities = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
    let by = severities.iter().filter_map(|severity| {
        let n = overview.totals.failures.get(severity).filter(|n| **n > 0)?;
        Some(format!("{} {}", number(*n), severity.as_str()))
    });
    let by = by.collect::<Vec<_>>().join(", ");
    let unread = overview.totals.accounts_not_evaluated;
    let tiles = [
        (
            "findings",
            verdict::failures(overview),
            ["failed check", "failed checks"],
            if by.is_empty() { "none of any severity".to_owned() } else { by },
        ),
        ("coverage", verdict::ill(overview), ["resource lacks protection", "resources lack protection"], counted_of(overview)),
        (
            "not-evaluated",
            unread,
            ["account not evaluated", "accounts not evaluated"],
            if unread > 0 { "never taken for compliant".to_owned() } else { "everything was read".to_owned() },
        ),
        (
            "coverage",
            overview.unknown_outcomes(),
            ["question not answered", "questions not answered"],
            "what decides was not seen".to_owned(),
        ),
    ];
    let tile = |(id, n, what, more): (&str, u64, [&str; 2], String)| {
        let class = if n == 0 { "tile calm" } else { "tile" };
        let [one, many] = what;
        let what = if n == 1 { one } else { many };
        format!(
            "<li class=\"{class}\"><a href=\"#{id}\"><strong>{}</strong> <span>{what}</span> <small>{}</small></a></li>",
            number(n),
            t(&more)
        )
    };
    // The link leads nowhere where there is no such part.
    let there = |id: &str| id != "not-evaluated" || !overview.not_evaluated.is_empty() || !overview.organization_gaps.is_empty();
    let tiles = tiles.into_iter().map(|(id, n, what, more)| tile((if there(id) { id } else { "method" }, n, what, more)));
    format!("<ul class=\"tiles\">{}</ul>\n", tiles.collect::<String>())
}

fn counted_of(overview: &Overview) -> String {
    let ill = overview
        .totals
        .resources
        .iter()
        .filter(|(protection, _)| words::lacks(**protection) && **protection != crate::coverage::Protection::Unknown);
    let told = counts(&ill.map(|(protection, n)| (*protection, *n)).collect());
    if told.is_empty() { "none of those that were seen".to_owned() } else { told }
}

/// The foot.
pub(super) fn footer(overview: &Overview, machine_form: Option<&str>) -> String {
    let states = PROTECTIONS
        .iter()
        .rev()
        .map(|protection| format!("<div><dt>{}</dt><dd>{}</dd></div>", state(*protection), words::meaning(*protection)));
    let version = overview.head.as_ref().map(|head| format!(" {}", t(&head.version))).unwrap_or_default();
    format!(
        "<footer id=\"method\" aria-labelledby=\"method-title\">\n<h2 id=\"method-title\">Method and limits</h2>\n\
         <p>The recovery points themselves were looked at, in each account and in the vaults that the copy actions name. A copy counts when it \
         arrived, not when a rule asks for it.</p>\n\
         <p><strong>The percentage</strong> is that of protected resources among all that should be protected. A resource whose protection was not seen \
         counts as not protected, and an account of which something could not be read counts as one such resource. Excepted resources are \
         left out. It is rounded down.</p>\n\
         <dl class=\"states\">{}</dl>\n\
         <p><strong>What this page leaves out.</strong> Lists show the worst first and say how many more there are: at most 100 findings, 1,000 accounts in the \
         matrix, and the details of the 200 accounts that need attention most, with 40 resources and 40 outcomes each. {}</p>\n\
         <p><strong>What it cannot say.</strong> It tells what AWS answered at the time above. It reads no data of a backup: whether one can be \
         restored, only a restore test shows. A name or a message that others chose is shown as text, with what would act in it made visible.</p>\n\
         <p class=\"made\">Made by Backup Guardian{version}. <code>guardian explain CODE</code> is the manual of a check.</p>\n</footer>\n",
        states.collect::<String>(),
        elsewhere(machine_form),
    )
}
