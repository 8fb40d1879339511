//! One account in detail: its resources with rule, newest backup, newest copy, age, key and why; and what its checks say.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::findings::evidence;
use super::markup::{bar, counts, pair, rich, state, t};
use super::more;
use crate::arn::Arn;
use crate::compliance::{AccountResult, CheckOutcome, OrganizationResult, Status};
use crate::coverage::{Landing, Newest, ResourceCoverage, SelectingRule};
use crate::report::sweep::words::{self, counted, minute, number};

/// Resources, and outcomes, of one account.
const MOST: usize = 40;
/// Rules of one resource.
const MOST_RULES: usize = 8;

/// What the checks say of the organization.
pub(super) fn organization(organization: &OrganizationResult) -> String {
    if organization.outcomes.is_empty() {
        return String::new();
    }
    format!(
        "<details class=\"account\"><summary><span class=\"name\">The organization</span> <span></span> <span class=\"quiet\">{}</span></summary>\n{}</details>\n",
        t(&tally(&organization.outcomes)),
        outcomes(&organization.outcomes, None)
    )
}

/// An account. The place that links lead to is inside, so that following one opens it.
pub(super) fn account(account: &AccountResult, at: Option<Timestamp>, machine_form: Option<&str>) -> String {
    let mut states = BTreeMap::new();
    for row in &account.coverage {
        *states.entry(row.protection).or_default() += 1;
    }
    let told = [
        counts(&states),
        tally(&account.outcomes),
        if account.not_evaluated.is_empty() { String::new() } else { "not wholly evaluated".to_owned() },
    ];
    let told = told.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" · ");
    let id = &account.account_id;
    let name = account.name.as_ref().map(|name| format!("{} ", t(&words::cut(name, 48)))).unwrap_or_default();
    let mut out = format!(
        "<details class=\"account\"><summary><span class=\"name\">{name}<span class=\"code\">{id}</span></span> <span>{}</span> <span class=\"quiet\">{}</span></summary>\n\
         <div id=\"a-{id}\">\n",
        bar(&states),
        t(&told)
    );
    for part in &account.not_evaluated {
        let region = part.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
        let gaps = part.gaps.iter().take(MOST).map(|gap| format!("<li>{}</li>", t(&words::gap(gap)))).collect::<String>();
        out.push_str(&format!("<p><strong class=\"gap\">Not evaluated{region}.</strong> What could not be read:</p><ul>{gaps}</ul>\n"));
    }
    if !account.coverage.is_empty() {
        let mut rows = account.coverage.iter().collect::<Vec<_>>();
        rows.sort_by_key(|row| row.protection);
        out.push_str("<h3>Resources</h3>\n<div class=\"rows\">\n");
        out.extend(rows.iter().take(MOST).map(|row| resource(row, at)));
        out.push_str("</div>\n");
        out.push_str(&more(account.coverage.len().saturating_sub(MOST) as u64, "resource", machine_form));
    }
    out.push_str(&outcomes(&account.outcomes, machine_form));
    out.push_str("</div></details>\n");
    out
}

fn resource(row: &ResourceCoverage, at: Option<Timestamp>) -> String {
    let newest_copy = row.copies.iter().filter_map(|landing| landing.newest.as_ref()).map(|newest| newest.created_at).max();
    let age = |made: Option<Timestamp>| match (made, at) {
        (Some(made), Some(at)) => age(at, made),
        (Some(made), None) => minute(made),
        (None, _) => "none".to_owned(),
    };
    let copy = if row.copies.is_empty() { "not asked for".to_owned() } else { age(newest_copy) };
    let mut facts = pair("Why", &rich(&words::sentence(&row.why)));
    facts.push_str(&pair("Resource", &format!("<code>{}</code>", t(row.resource_arn.as_str()))));
    for selecting in row.rules.iter().take(MOST_RULES) {
        facts.push_str(&pair("Rule", &rule(selecting)));
    }
    if row.rules.len() > MOST_RULES {
        facts.push_str(&pair("Rule", &format!("and {} more", number((row.rules.len() - MOST_RULES) as u64))));
    }
    if let Some(newest) = &row.newest_backup {
        facts.push_str(&pair("Newest backup", &point(newest, at)));
    }
    for landing in &row.copies {
        facts.push_str(&pair("Copy", &copied(landing, at)));
    }
    if let Some(exception) = &row.exception {
        let text = format!("{} answers for it until {}: {}", exception.owner, minute(exception.until), words::sentence(&exception.reason));
        facts.push_str(&pair("Exception", &t(&text).to_string()));
    }
    for gap in row.gaps.iter().take(MOST_RULES) {
        facts.push_str(&pair("Not seen", &t(&words::gap(gap)).to_string()));
    }
    format!(
        "<details class=\"row\"><summary>{} <span class=\"name\">{}</span> <span class=\"quiet\">{}</span> \
         <span class=\"quiet\">backup: {}</span> <span class=\"quiet\">copy: {}</span></summary><dl>{facts}</dl></details>\n",
        state(row.protection),
        t(&words::resource(row)),
        t(row.region.as_str()),
        t(&age(row.newest_backup.as_ref().map(|newest| newest.created_at))),
        t(&copy),
    )
}

fn rule(rule: &SelectingRule) -> String {
    let pause =
        rule.longest_pause_hours.map(|hours| format!(", at least every {}", counted(hours.unsigned_abs(), "hour"))).unwrap_or_default();
    let perhaps = if rule.certain { "" } else { "perhaps: " };
    format!(
        "{perhaps}{} of plan {} <span class=\"code\">{}</span>{}, because of {} (selection {})",
        t(&rule.rule_name),
        t(&rule.plan_name),
        t(&rule.plan_id),
        t(&pause),
        rich(&rule.because),
        t(&rule.selection_name)
    )
}

fn point(newest: &Newest, at: Option<Timestamp>) -> String {
    let age = at.map(|at| format!(" ({})", age(at, newest.created_at))).unwrap_or_default();
    let deleted = newest.delete_at.map(|at| format!(", to be deleted {}", minute(at))).unwrap_or_else(|| ", kept for ever".to_owned());
    let key = match &newest.key_arn {
        Some(key) => format!("<br>under key <code>{}</code>", t(key.as_str())),
        None => "<br>without a key, or under one that AWS owns".to_owned(),
    };
    format!(
        "{}{age} in vault {}{}<br><code>{}</code>{key}",
        minute(newest.created_at),
        t(vault(&newest.vault_arn)),
        t(&deleted),
        t(newest.recovery_point_arn.as_str())
    )
}

fn copied(landing: &Landing, at: Option<Timestamp>) -> String {
    let mut out = match &landing.newest {
        Some(newest) => point(newest, at),
        None if landing.read => format!("none ever landed in <code>{}</code>", t(landing.vault_arn.as_str())),
        None => format!("the vault could not be read: <code>{}</code>", t(landing.vault_arn.as_str())),
    };
    if landing.uncopied > 0 {
        let until =
            landing.first_uncopied_expires_at.map(|at| format!("; the first can be copied until {}", minute(at))).unwrap_or_default();
        out.push_str(&format!("<br><strong>{} not copied{until}</strong>", counted(landing.uncopied, "recovery point")));
    }
    if landing.under_vault_key == Some(false) {
        out.push_str("<br><strong>not under the key of that vault</strong>");
    }
    out
}

fn vault(arn: &Arn) -> &str {
    arn.resource_name()
}

/// `5 hours ago`; of what lies ahead, its time.
fn age(at: Timestamp, made: Timestamp) -> String {
    let hours = at.duration_since(made).as_hours();
    match hours {
        ..0 => minute(made),
        0 => "under an hour ago".to_owned(),
        1..=71 => format!("{} ago", counted(hours.unsigned_abs(), "hour")),
        _ => format!("{} ago", counted((hours / 24).unsigned_abs(), "day")),
    }
}

/// `1 fails, 3 pass`.
fn tally(outcomes: &[CheckOutcome]) -> String {
    let n = |status| outcomes.iter().filter(|found| found.outcome.status == status).count() as u64;
    let told = [(Status::Fail, "failed"), (Status::Unknown, "unanswered"), (Status::Excepted, "excepted"), (Status::Pass, "passed")];
    let told = told.into_iter().filter(|(status, _)| n(*status) > 0).map(|(status, word)| format!("{} {word}", number(n(status))));
    let told = told.collect::<Vec<_>>();
    if told.is_empty() { String::new() } else { format!("checks: {}", told.join(", ")) }
}

/// What is not simply well, one by one; the rest is counted.
fn outcomes(outcomes: &[CheckOutcome], machine_form: Option<&str>) -> String {
    if outcomes.is_empty() {
        return String::new();
    }
    let mut told = outcomes.iter().filter(|found| found.outcome.status != Status::NotApplicable).collect::<Vec<_>>();
    told.sort_by_key(|found| (found.outcome.status, std::cmp::Reverse(found.severity)));
    let mut out = String::from("<h3>Checks</h3>\n<div class=\"rows\">\n");
    for found in told.iter().take(MOST) {
        let (status, subject) = (found.outcome.status, &found.outcome.subject);
        let mut facts = pair("Seen", &rich(&words::seen(found)));
        facts.push_str(&pair("Object", &format!("<code>{}</code>", t(&words::object(subject)))));
        if let Some(remedy) = &found.outcome.remedy {
            facts.push_str(&pair("Remedy", &rich(&words::sentence(remedy))));
        }
        out.push_str(&format!(
            "<details class=\"row\"><summary><span class=\"answer is-{}\">{}</span> <span class=\"name\">{}</span> <span class=\"code\">{}</span> \
             <span class=\"quiet\">{}</span></summary><dl>{facts}</dl>{}</details>\n",
            words::status(status),
            word(status),
            t(&words::check(&found.check)),
            t(&found.code),
            t(&words::short(subject)),
            evidence(&found.outcome.evidence, &found.outcome.gaps),
        ));
    }
    out.push_str("</div>\n");
    out.push_str(&more(told.len().saturating_sub(MOST) as u64, "outcome", machine_form));
    let apart = outcomes.len() - told.len();
    if apart > 0 {
        let (subject, verb) = (counted(apart as u64, "check"), if apart == 1 { "does" } else { "do" });
        out.push_str(&format!("<p class=\"note\">{subject} {verb} not apply here.</p>\n"));
    }
    out
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Fail => "fails",
        Status::Unknown => "could not tell",
        Status::Excepted => "excepted",
        Status::Pass => "passes",
        Status::NotApplicable => "does not apply",
    }
}
