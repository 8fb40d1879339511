//! The subject of the e-mail: printable ASCII, fewer than 100 characters, no line break, starts with a letter
//! (<https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>).

use super::alert::Alert;
use super::{headline, words};

/// Longest subject.
pub(super) const LONGEST: usize = 99;

/// `HIGH Copy failed: payroll-data (EBS), account payroll (111111111111)`. The account is never what is cut.
pub(super) fn subject(alert: &Alert) -> String {
    let severity = alert.severity.as_str().to_uppercase();
    if alert.actor.is_some() && alert.jobs.is_empty() {
        let account = format!(", account {}", alert.act_in.account_id);
        let what = alert.title.strip_suffix(&account).unwrap_or(&alert.title);
        let room = LONGEST.saturating_sub(severity.len() + 1 + account.len());
        return ascii(&format!("{severity} {}{account}", words::cut(what, room)));
    }
    let Some(job) = alert.jobs.first() else { return ascii(&words::cut(&format!("{severity} {}", alert.title), LONGEST)) };
    let what = words::cut(&headline::what(alert.kind, alert.closed.is_some(), alert.cause, job), 48);
    let id = &job.account_id;
    let account = match alert.account_names.get(id) {
        Some(name) => format!(", {} {id}", words::cut(name, 20)),
        None => format!(", account {id}"),
    };
    let head = format!("{severity} {what}: ");
    let room = LONGEST.saturating_sub(head.chars().count() + account.chars().count());
    ascii(&format!("{head}{}{account}", words::cut(&words::resource(job, 60), room)))
}

/// Everything outside printable ASCII becomes a question mark: one character stays one character.
fn ascii(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).take(LONGEST).collect()
}
