//! One SMS of one part: at most 140 bytes, only characters that every GSM alphabet has in one septet.

use super::alert::Alert;
use super::{Kind, headline, words};
use crate::diagnosis::Cause;

/// Bytes of one part (<https://docs.aws.amazon.com/sns/latest/dg/sms_sending-overview.html>).
pub(super) const LONGEST: usize = 140;

/// `HIGH Copy failed: payroll-data (EBS). Act in 111111111111: kms-key-policy-missing-destination (supported)`.
pub(super) fn sms(alert: &Alert) -> String {
    let severity = alert.severity.as_str().to_uppercase();
    let whole = matches!(alert.kind, Kind::Storm | Kind::SelfCheck | Kind::Sweep | Kind::Prediction);
    if alert.actor.is_some() || whole {
        return gsm(&words::cut(&format!("{severity} {}. The e-mail lists them.", alert.title), LONGEST));
    }
    let what = match alert.jobs.first() {
        Some(job) => words::cut(&headline::what(alert.kind, alert.closed.is_some(), alert.cause, job), 44),
        None => "Alert".to_owned(),
    };
    let head = format!("{severity} {what}: ");
    let who = if words::is_for_information(alert) {
        format!("For information, account {}", alert.act_in.account_id)
    } else if words::is_unknown_management(alert) {
        format!("Act in management account of {}", alert.act_in.account_id)
    } else {
        format!("Act in {}", alert.act_in.account_id)
    };
    let cause = format!(". {who}: {}", alert.cause);
    let certainty = if alert.cause == Cause::Unexplained { String::new() } else { format!(" ({})", alert.certainty.as_str()) };
    let room = LONGEST.saturating_sub(head.len() + cause.len());
    let resource = alert.jobs.first().map(|job| words::resource(job, 60)).unwrap_or_default();
    let resource = words::cut(&gsm(&resource), room);
    let mut text = gsm(&format!("{head}{resource}{cause}"));
    if text.len() + certainty.len() <= LONGEST {
        text.push_str(&certainty);
    }
    text.chars().take(LONGEST).collect()
}

/// Characters that take one septet in the GSM alphabet and one byte in ASCII.
fn gsm(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            'A'..='Z'
            | 'a'..='z'
            | '0'..='9'
            | ' '
            | '@'
            | '$'
            | '_'
            | '!'
            | '"'
            | '#'
            | '%'
            | '&'
            | '\''
            | '('
            | ')'
            | '*'
            | '+'
            | ','
            | '-'
            | '.'
            | '/'
            | ':'
            | ';'
            | '<'
            | '='
            | '>'
            | '?' => c,
            '[' | '{' => '(',
            ']' | '}' => ')',
            _ => '?',
        })
        .collect()
}
