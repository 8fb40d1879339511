//! The picture of the topology in the page, and the same in a table below, for who cannot see it.

use super::markup::t;
use super::more;
use crate::report::sweep::picture::{class, codes, drawn, mark, sentence, signs, word};
use crate::report::sweep::words::{named_account, number};
use crate::report::sweep::{Overview, RouteState};

/// Routes of the table.
const MOST_ROUTES: usize = 100;

/// The section.
pub(super) fn section(overview: &Overview) -> String {
    let routes = &overview.routes;
    let mut out = String::from("<section id=\"topology\" aria-labelledby=\"topology-title\">\n<h2 id=\"topology-title\">Topology</h2>\n");
    if routes.worst.is_empty() {
        out.push_str("<p class=\"none\">No rule that was seen asks for a copy.</p>\n</section>\n");
        return out;
    }
    out.push_str(&format!("<p>{}</p>\n", t(&sentence(overview))));
    out.push_str(&format!(
        "<div class=\"scroll picture\" role=\"region\" tabindex=\"0\" aria-label=\"Picture of the topology\">{}</div>\n{}{}",
        drawn(overview),
        legend(overview),
        table(overview)
    ));
    out.push_str("</section>\n");
    out
}

/// What the lines and the codes mean.
fn legend(overview: &Overview) -> String {
    let sample = |(state, means): (RouteState, &str)| {
        format!(
            "<li><svg viewBox=\"0 0 64 26\" width=\"64\" height=\"26\" aria-hidden=\"true\"><path class=\"edge {}\" d=\"M0 13h64\"/>{}</svg> \
             <span><strong>{}</strong>: {means}</span></li>\n",
            class(state),
            mark(state, 32, 13),
            word(state),
        )
    };
    let lines = signs(overview).into_iter().map(sample);
    let codes = codes(overview);
    let codes = codes.iter().map(|(code, title)| format!("<li><span><span class=\"code\">{}</span>{}</span></li>\n", t(code), t(title)));
    format!("<ul class=\"signs\" aria-label=\"What the picture means\">\n{}{}</ul>\n", lines.collect::<String>(), codes.collect::<String>())
}

fn table(overview: &Overview) -> String {
    let rows = overview.routes.worst.iter().take(MOST_ROUTES).map(|line| {
        let state = line.state();
        let word = word(state);
        let why = if state == RouteState::Well { "copies land".to_owned() } else { line.label() };
        format!(
            "<tr><th scope=\"row\">{}</th><td><code>{}</code></td><td class=\"n\">{}</td><td><span class=\"answer route-{}\">{word}</span></td><td>{}</td></tr>\n",
            t(&named_account(&line.account_id, line.name.as_deref())),
            t(line.vault_arn.as_str()),
            number(line.resources),
            class(state),
            t(&why)
        )
    });
    let shown = overview.routes.worst.iter().len().min(MOST_ROUTES) as u64;
    format!(
        "<details class=\"wide\"><summary>The same as a table</summary>\n\
         <div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Routes\"><table>\n\
         <thead><tr><th scope=\"col\">Source account</th><th scope=\"col\">Vault</th><th scope=\"col\" class=\"n\">Resources</th><th scope=\"col\">State</th><th scope=\"col\">Why</th></tr></thead>\n\
         <tbody>{}</tbody></table></div>\n{}</details>\n",
        rows.collect::<String>(),
        more(overview.routes.worst.total().saturating_sub(shown), "route", None)
    )
}
