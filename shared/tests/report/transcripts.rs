//! Transcripts: what is sent, byte for byte. Change the texts freely, but see the change.

use guardian_core::report::{Alert, Kind, Look, Message, Names, render, terminal};

use crate::cases;

/// Every sink of one alert, one after the other.
fn transcript(alert: &Alert) -> String {
    let Message { subject, default, email, sms, chat, attributes } = render(alert);
    let pretty = |json: &str| serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(json).unwrap()).unwrap();
    let attributes = attributes.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join("\n");
    format!(
        "=== subject ({})\n{subject}\n=== e-mail\n{email}=== sms ({})\n{sms}\n=== chat\n{}\n=== attributes\n{attributes}\n=== machine form\n{}\n",
        subject.len(),
        sms.len(),
        pretty(&chat),
        pretty(&default)
    )
}

#[test]
fn a_missing_create_grant_names_the_key_the_principal_and_who_must_act() {
    let (evidence, verdict) = cases::create_grant();
    insta::assert_snapshot!("create-grant", transcript(&cases::alert(&evidence, &verdict, Kind::Failure, 1, &cases::names())));
}

#[test]
fn a_suspicion_says_what_was_not_seen_and_why() {
    let (evidence, verdict) = cases::suspected();
    insta::assert_snapshot!("suspected-with-gaps", transcript(&cases::alert(&evidence, &verdict, Kind::Failure, 1, &Names::default())));
}

#[test]
fn an_unknown_message_is_quoted_and_called_unexplained() {
    let (evidence, verdict) = cases::unexplained();
    insta::assert_snapshot!("unexplained", transcript(&cases::alert(&evidence, &verdict, Kind::Failure, 1, &cases::names())));
}

#[test]
fn a_damaged_event_says_which_fields_could_not_be_read() {
    let (evidence, verdict) = cases::degraded();
    insta::assert_snapshot!("degraded-event", transcript(&cases::alert(&evidence, &verdict, Kind::Failure, 1, &cases::names())));
}

#[test]
fn found_malware_is_not_called_a_failed_copy() {
    let (evidence, verdict) = cases::threats();
    insta::assert_snapshot!("threats-found", transcript(&cases::alert(&evidence, &verdict, Kind::Failure, 1, &cases::names())));
}

#[test]
fn a_harmless_expiry_claims_no_hole_and_calls_nobody() {
    let (evidence, verdict) = cases::expired();
    insta::assert_snapshot!("info-expired", transcript(&cases::alert(&evidence, &verdict, Kind::Failure, 1, &cases::names())));
}

#[test]
fn who_endangers_backups_is_told_with_a_timeline_and_what_undoes_it() {
    let incident = cases::tampered("central-vault", "anna");
    insta::assert_snapshot!("tamper", transcript(&guardian_core::report::tamper(&incident, cases::at("2026-11-02T14:20:00Z")).unwrap()));
}

#[test]
fn a_reminder_says_since_when_and_how_many() {
    let (evidence, verdict) = cases::create_grant();
    let mut alert = cases::alert(&evidence, &verdict, Kind::Reminder, 7, &cases::names());
    alert.opened_at = Some(cases::at("2026-10-31T05:37:36Z"));
    insta::assert_snapshot!("reminder", transcript(&alert));
}

#[test]
fn an_unknown_management_account_is_described_not_invented() {
    let (evidence, verdict) = cases::management();
    insta::assert_snapshot!("management-account", transcript(&cases::alert(&evidence, &verdict, Kind::Upgrade, 1, &cases::names())));
}

#[test]
fn hostile_text_is_quoted_and_does_nothing() {
    let (evidence, verdict, names) = cases::hostile();
    insta::assert_snapshot!("hostile", transcript(&cases::alert(&evidence, &verdict, Kind::Failure, 3, &names)));
}

#[test]
fn the_terminal_shows_what_the_email_says_in_the_same_order() {
    let (evidence, verdict) = cases::create_grant();
    let alert = cases::alert(&evidence, &verdict, Kind::Failure, 1, &cases::names());
    let email = render(&alert).email;
    let before_block = email.split("\n-----BEGIN").next().unwrap();
    assert_eq!(terminal(&alert, Look::PLAIN).trim_end(), before_block.trim_end());
    let colored = terminal(&alert, Look { color: true, ..Look::PLAIN });
    insta::assert_snapshot!("terminal", colored.replace('\u{1b}', "<esc>"));
}
