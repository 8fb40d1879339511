//! What changed since the last run.

use super::markup::{rich, state, t};
use super::more;
use crate::report::sweep::words::{self, counted, minute, number};
use crate::report::sweep::{Changes, ProtectionChange, Turn, Turned};

/// Lines of one list.
const MOST: usize = 20;

/// The section.
pub(super) fn section(changes: &Changes) -> String {
    let mut out = format!(
        "<section id=\"changes\" aria-labelledby=\"changes-title\">\n<h2 id=\"changes-title\">What changed since {}</h2>\n",
        minute(changes.since)
    );
    if changes.is_empty() {
        out.push_str("<p class=\"none\">Nothing: every check and every resource is as it was.</p>\n</section>\n");
        return out;
    }
    let turns = Turn::ALL.into_iter().filter(|turn| changes.count(*turn) > 0);
    let mut told = turns.map(|turn| format!("<strong>{}</strong> {}", number(changes.count(turn)), words::turn(turn))).collect::<Vec<_>>();
    if !changes.protection.is_empty() {
        told.push(format!("<strong>{}</strong> with another protection", counted(changes.protection.total(), "resource")));
    }
    for (n, what) in [(changes.accounts_new, "new"), (changes.accounts_gone, "gone")] {
        if n > 0 {
            told.push(format!("<strong>{}</strong> {what}", counted(n, "account")));
        }
    }
    out.push_str(&format!("<p>{}.</p>\n<div class=\"columns\">\n", told.join(", ")));
    out.push_str(&list("Checks", changes.turned.iter().map(turned), changes.turned.total(), "check"));
    out.push_str(&list("Resources", changes.protection.iter().map(protection), changes.protection.total(), "resource"));
    out.push_str("</div>\n</section>\n");
    out
}

fn list(title: &str, lines: impl ExactSizeIterator<Item = String>, total: u64, what: &str) -> String {
    if total == 0 {
        return String::new();
    }
    let shown = lines.len().min(MOST) as u64;
    format!(
        "<div><h3>{title}</h3><ul class=\"turns\">{}</ul>{}</div>\n",
        lines.take(MOST).collect::<String>(),
        more(total - shown, what, None)
    )
}

fn turned(turned: &Turned) -> String {
    let found = &turned.found;
    let (class, sign) = match turned.turn {
        Turn::Failed => ("worse", "▲"),
        Turn::Mended => ("better", "▼"),
        Turn::OutOfSight | Turn::Excepted | Turn::Gone => ("other", "●"),
    };
    let subject = &found.outcome.subject;
    let place = match (&subject.resource_arn, &subject.region, &subject.part) {
        (None, None, None) => format!("account {}", subject.account_id),
        _ => format!("{}, account {}", words::short(subject), subject.account_id),
    };
    format!(
        "<li><span class=\"sign {class}\" aria-hidden=\"true\">{sign}</span> <strong>{}</strong>: {} <span class=\"code\">{}</span><br>\
         <span class=\"quiet\">{}</span></li>\n",
        t(&words::capital(words::turn(turned.turn))),
        rich(&words::check(&found.check)),
        t(&found.code),
        t(&place),
    )
}

fn protection(change: &ProtectionChange) -> String {
    let from = change.from.map_or_else(|| "<span class=\"quiet\">not there</span>".to_owned(), state);
    let to = change.to.map_or_else(|| "<span class=\"quiet\">gone</span>".to_owned(), state);
    format!(
        "<li>{from} <span aria-label=\"became\" role=\"img\">→</span> {to}<br>{} <span class=\"quiet\">account {}</span></li>\n",
        t(&words::resource(&change.row)),
        t(change.row.account_id.as_str()),
    )
}
