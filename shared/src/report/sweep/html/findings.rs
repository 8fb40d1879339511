//! What is wrong, the worst first, with who must act and how; and what could not be read.

use super::markup::{pair, rich, t};
use super::more;
use crate::evidence::Gap;
use crate::report::sweep::words::{self, counted, named_account, number};
use crate::report::sweep::{Finding, Overview};

/// Findings on the page.
const MOST: usize = 100;
/// Findings that are seen at once; the others are one click away.
const MOST_AT_ONCE: usize = 25;
/// Ids of one finding.
const MOST_IDS: usize = 24;

/// The findings.
pub(super) fn section(overview: &Overview) -> String {
    let mut out = String::from("<section id=\"findings\" aria-labelledby=\"findings-title\">\n<h2 id=\"findings-title\">Findings</h2>\n");
    if overview.findings.is_empty() {
        out.push_str("<p class=\"none\">No check fails on anything that was seen.</p>\n");
    } else {
        out.push_str("<ol class=\"findings\">\n");
        out.extend(overview.findings.iter().take(MOST_AT_ONCE).map(|finding| article(overview, finding)));
        out.push_str("</ol>\n");
        let later = overview.findings.iter().take(MOST).skip(MOST_AT_ONCE).map(|finding| article(overview, finding)).collect::<Vec<_>>();
        if !later.is_empty() {
            out.push_str(&format!(
                "<details class=\"later\"><summary>The next {}</summary><ol class=\"findings\">\n{}</ol></details>\n",
                counted(later.len() as u64, "finding"),
                later.concat()
            ));
        }
        out.push_str(&more(overview.findings.total().saturating_sub(overview.findings.iter().len().min(MOST) as u64), "finding", None));
    }
    out.push_str("</section>\n");
    out
}

fn article(overview: &Overview, finding: &Finding) -> String {
    let (found, outcome) = (&finding.found, &finding.found.outcome);
    let subject = &outcome.subject;
    let region = subject.region.as_ref().map(|region| format!(", {region}")).unwrap_or_default();
    let mut facts = pair("Act in", &t(&format!("{}{region}", named_account(&subject.account_id, overview.acting(finding)))).to_string());
    let object = words::object_for(subject, finding.concerned_name.as_deref());
    facts.push_str(&pair("Object", &format!("<code>{}</code>", t(&object))));
    if let Some(remedy) = &outcome.remedy {
        facts.push_str(&pair("Remedy", &rich(&words::sentence(remedy))));
    }
    let severity = found.severity.as_str();
    format!(
        "<li class=\"finding edge-{severity}\"><h3><span class=\"badge badge-{severity}\">{severity}</span> {} <span class=\"code\">{}</span></h3>\n\
         <p>{}</p>\n<dl>{facts}</dl>\n{}</li>\n",
        t(&words::check(&found.check)),
        t(&found.code),
        rich(&words::seen(found)),
        evidence(&outcome.evidence, &outcome.gaps),
    )
}

/// What it was concluded from, behind one click.
pub(super) fn evidence(ids: &[String], gaps: &[Gap]) -> String {
    if ids.is_empty() && gaps.is_empty() {
        return String::new();
    }
    let mut lines = ids.iter().take(MOST_IDS).map(|id| format!("<li><code>{}</code></li>", t(id))).collect::<String>();
    lines.extend(gaps.iter().take(MOST_IDS).map(|gap| format!("<li>not seen: {}</li>", t(&words::gap(gap)))));
    let hidden = ids.len().saturating_sub(MOST_IDS) + gaps.len().saturating_sub(MOST_IDS);
    if hidden > 0 {
        lines.push_str(&format!("<li>and {} more</li>", number(hidden as u64)));
    }
    let title = match (ids.len(), gaps.len()) {
        (0, n) => format!("Not seen ({n})"),
        (n, 0) => format!("Evidence ({n})"),
        (n, m) => format!("Evidence ({n}), not seen ({m})"),
    };
    format!("<details class=\"evidence\"><summary>{title}</summary><ul>{lines}</ul></details>\n")
}

/// What was not evaluated, and what must be granted so that it can be.
pub(super) fn not_evaluated(overview: &Overview) -> String {
    if overview.not_evaluated.is_empty() && overview.organization_gaps.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for gap in &overview.organization_gaps {
        rows.push_str(&row("the organization", "", std::slice::from_ref(gap), 1));
    }
    for part in overview.not_evaluated.iter() {
        let region = part.region.as_ref().map_or("all", |region| region.as_str());
        rows.push_str(&row(&named_account(&part.account_id, part.name.as_deref()), region, &part.gaps, part.gaps_total));
    }
    let missing = overview.missing.iter().map(|((action, reason), accounts)| {
        format!("<li><code>{}</code>: {}, in {}</li>", t(action), words::reason(*reason), counted(*accounts, "account"))
    });
    format!(
        "<section id=\"not-evaluated\" aria-labelledby=\"not-evaluated-title\">\n<h2 id=\"not-evaluated-title\">Not evaluated</h2>\n\
         <p>Of these nothing, or not everything, could be read. They are not compliant, and they count against the percentage.</p>\n\
         <ul class=\"missing\">{}</ul>\n\
         <div class=\"scroll tall\" role=\"region\" tabindex=\"0\" aria-label=\"Not evaluated, by account\"><table>\n\
         <thead><tr><th scope=\"col\">Account</th><th scope=\"col\">Region</th><th scope=\"col\">Missing</th><th scope=\"col\">Because</th></tr></thead>\n\
         <tbody>{rows}</tbody></table></div>\n{}</section>\n",
        missing.collect::<String>(),
        more(overview.not_evaluated.hidden(), "part", None),
    )
}

fn row(whose: &str, region: &str, gaps: &[Gap], total: u64) -> String {
    let actions = gaps.iter().map(|gap| format!("<code>{}</code>", t(&gap.action))).collect::<Vec<_>>().join(", ");
    let hidden = total.saturating_sub(gaps.len() as u64);
    let hidden = if hidden > 0 { format!(" and {} more", number(hidden)) } else { String::new() };
    let mut reasons = Vec::<String>::new();
    for gap in gaps {
        let detail = gap.detail.as_ref().map(|detail| format!(" ({})", words::cut(detail, 160))).unwrap_or_default();
        let reason = format!("{}{detail}", words::reason(gap.reason));
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{actions}{hidden}</td><td>{}</td></tr>\n",
        t(whose),
        t(region),
        t(&reasons.join("; "))
    )
}
