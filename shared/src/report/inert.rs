//! Makes text that others chose (names, messages, principals, error codes) inert: it may say anything, it may do nothing.
//!
//! Decides which characters and character sequences reach any sink, and changes the rest visibly: a control, format or bidirectional character
//! becomes `[U+202E]`, a mention or a link loses its effect, a line break becomes a space. It knows nothing of where the text came from.
//! What a sink needs beyond this (Markdown, the alphabet of SMS) is that sink's own business.
//!
//! INVARIANT: [`text`] is idempotent, and its result holds no line break, no control or format character, no mention, no live link to a host
//! other than the AWS documentation, and no run of five hyphens (the fence of the machine block).

use super::alert::{ActIn, Alert, AlertJob, Changed, Closed, Done, EvidenceLine, Foretold, IncidentLine, Moment, NextStep, Route};
use crate::diagnosis::{Denied, Evaluation, Patch};
use crate::event::Problem;
use crate::evidence::Gap;
use crate::tamper::BEFORE_FILE;

/// Longest command that is passed on; longer ones are left out like unprintable ones, because a cut command is another command.
const LONGEST_COMMAND: usize = 4096;

/// Makes a text inert.
pub(super) fn text(raw: &str) -> String {
    if is_harmless(raw) { raw.to_owned() } else { changed(raw) }
}

fn changed(raw: &str) -> String {
    fence(&links(&mentions(&visible(raw))))
}

/// Whether a text holds nothing that would be changed. It may say no too often. Most texts are ids, and a report of a large organization has
/// millions of them.
pub(super) fn is_harmless(raw: &str) -> bool {
    let mut before = b' ';
    for byte in raw.bytes() {
        let active = matches!(byte, b'<' | b']' | b'@') || (byte == b'/' && before == b'/') || (before == b' ' && byte == b' ');
        if active || !(b' '..=b'~').contains(&byte) {
            return false;
        }
        before = byte;
    }
    (raw.is_empty() || before != b' ') && !raw.contains("-----")
}

/// Whether a character is shown as it is. Everything else is named by its number: whoever reads the alert sees that it was there.
fn is_plain(c: char) -> bool {
    match c {
        ' '..='~' => true,
        // Letters that look like nothing.
        '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}' => false,
        // Right-to-left scripts reorder the digits and ARNs beside them on a screen, without any control character.
        '\u{590}'..='\u{8ff}'
        | '\u{fb1d}'..='\u{fdff}'
        | '\u{fe70}'..='\u{fefe}'
        | '\u{10800}'..='\u{10fff}'
        | '\u{1e800}'..='\u{1efff}' => false,
        // Punctuation and signs of western text, without the soft hyphen and the directional and joining marks among them.
        '\u{ad}' => false,
        '\u{a1}'..='\u{bf}'
        | '\u{d7}'
        | '\u{f7}'
        | '\u{2010}'..='\u{2027}'
        | '\u{2030}'..='\u{205e}'
        | '\u{20a0}'..='\u{20c0}'
        | '\u{2122}' => true,
        other => other.is_alphanumeric(),
    }
}

/// One line of visible characters; white space of any kind and length is one space.
fn visible(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        if c.is_whitespace() {
            if !out.is_empty() && !out.ends_with(' ') {
                out.push(' ');
            }
        } else if is_plain(c) {
            out.push(c);
        } else {
            out.push_str(&format!("[U+{:04X}]", u32::from(c)));
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Words that chat systems turn into a call for everybody.
const CALLS: [&str; 6] = ["here", "channel", "everyone", "all", "group", "team"];

/// Takes the effect from `<!channel>`, `<@U1>`, `<#C1>`, `@here` and `[text](link)`.
fn mentions(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        out.push(c);
        let next = rest.clone().next();
        let active = match c {
            '<' => matches!(next, Some('!' | '@' | '#')),
            ']' => matches!(next, Some('(')),
            '@' => is_call(rest.as_str()),
            _ => false,
        };
        if active {
            out.push(' ');
        }
    }
    out
}

fn is_call(after_at: &str) -> bool {
    let word = after_at.chars().take_while(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    CALLS.contains(&word.as_str())
}

/// The only host whose links stay links: messages of AWS cite its documentation.
const DOCUMENTATION: &str = "docs.aws.amazon.com/";

/// Breaks links, so that nobody's mail client or chat makes a stranger's address clickable.
fn links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split("://");
    if let Some(first) = parts.next() {
        out.push_str(first);
    }
    for part in parts {
        let documentation = out.ends_with("https") && part.starts_with(DOCUMENTATION);
        let web = ["http", "https", "ftp"].iter().any(|scheme| {
            let tail = out.chars().rev().take(scheme.len()).collect::<Vec<_>>();
            tail.into_iter().rev().collect::<String>().eq_ignore_ascii_case(scheme)
        });
        out.push_str(if web && !documentation { "[:]//" } else { "://" });
        out.push_str(part);
    }
    out
}

/// Shortens runs of hyphens, so that no text can look like the fence of the machine block.
fn fence(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = 0;
    for c in text.chars() {
        run = if c == '-' { run + 1 } else { 0 };
        if run < 5 {
            out.push(c);
        }
    }
    out
}

/// Whether a command may be shown as it is. It is never changed: a changed command is another command.
pub(super) fn is_showable_command(command: &str) -> bool {
    command.len() <= LONGEST_COMMAND
        && command.chars().all(|c| matches!(c, ' '..='~'))
        && mentions(command) == command
        // A link that a chat makes clickable; no command of ours has one.
        && !command.to_ascii_lowercase().contains("http://")
        && !loads_a_value(command)
        && fence(command) == command
        && !command.trim().is_empty()
}

/// Whether the AWS CLI would take a value for the place of one, and send what it reads there
/// (<https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-parameters-file.html>). No quoting helps against that. The one file that commands of ours
/// load is what `guardian incidents before` wrote, once in a command.
fn loads_a_value(command: &str) -> bool {
    let ours = format!(" file://{BEFORE_FILE}");
    let command = match command.split_once(&ours) {
        Some((head, tail)) if tail.is_empty() || tail.starts_with(' ') => format!("{head}{tail}"),
        _ => command.to_owned(),
    };
    let command = command.to_ascii_lowercase();
    ["file://", "fileb://", "https://"]
        .iter()
        .any(|place| [' ', '=', '\'', '"'].iter().any(|before| command.contains(&format!("{before}{place}"))))
}

/// Whether a link may be shown as it is: `https://<host>/<path>` of the plainest characters, without user, port or encoded characters.
fn is_showable_link(link: &str) -> bool {
    let Some((host, path)) = link.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else { return false };
    let is_host = host.contains('.')
        && host.split('.').all(|label| !label.is_empty() && label.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-')));
    let is_path =
        path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | ':' | '?' | '=' | '&' | '#' | '+' | ','));
    is_host && is_path && path.matches('#').count() <= 1 && link.len() <= 2048 && fence(link) == link
}

fn option(raw: Option<&String>) -> Option<String> {
    raw.map(|raw| text(raw)).filter(|text| !text.is_empty())
}

/// What somebody said, of which something must be left.
fn said(raw: &str) -> String {
    Some(text(raw)).filter(|text| !text.is_empty()).unwrap_or_else(|| "(nothing)".to_owned())
}

/// A copy of an alert in which every text is inert. Fields are listed one by one, so that a new field cannot be forgotten.
pub(super) fn alert(raw: &Alert) -> Alert {
    let Alert {
        schema: _,
        kind,
        incident_id,
        at,
        opened_at,
        severity,
        title,
        cause,
        rule,
        certainty,
        summary,
        act_in,
        denied,
        evaluation,
        patch,
        changed,
        jobs,
        jobs_total,
        account_names,
        incidents,
        report_uri,
        proved_by,
        closed,
        actor,
        changes,
        timeline,
        route,
        impact,
        evidence,
        gaps,
        unread,
        candidates,
        next_steps,
        confirm,
        links,
        fingerprint,
        truncated,
        foretold,
    } = raw;
    Alert {
        schema: super::alert::SCHEMA.to_owned(),
        kind: *kind,
        incident_id: incident_id.clone(),
        at: *at,
        opened_at: *opened_at,
        severity: *severity,
        title: Some(text(title)).filter(|title| !title.is_empty()).unwrap_or_else(|| "Alert of AWS Backup".to_owned()),
        cause: *cause,
        rule: option(rule.as_ref()),
        certainty: *certainty,
        summary: text(summary),
        act_in: acting(act_in),
        denied: denied.as_ref().map(|denied| Denied {
            principal: text(&denied.principal),
            action: text(&denied.action),
            resource: option(denied.resource.as_ref()),
            event_id: text(&denied.event_id),
            ..denied.clone()
        }),
        evaluation: evaluation.as_ref().map(|evaluation| Evaluation { stand: evaluation.stand, text: text(&evaluation.text) }),
        patch: patch.as_ref().and_then(patch_of),
        changed: changed.as_ref().map(|changed| Changed {
            actor: text(&changed.actor),
            action: text(&changed.action),
            event_id: text(&changed.event_id),
            at: changed.at,
            source_ip: option(changed.source_ip.as_ref()),
        }),
        jobs: jobs.iter().map(job).collect(),
        jobs_total: *jobs_total,
        account_names: account_names.iter().map(|(id, name)| (id.clone(), text(name))).filter(|(_, name)| !name.is_empty()).collect(),
        incidents: incidents
            .iter()
            .map(|line| IncidentLine { title: text(&line.title), act_in: acting(&line.act_in), ..line.clone() })
            .collect(),
        report_uri: option(report_uri.as_ref()),
        proved_by: proved_by.as_ref().map(job),
        closed: closed.as_ref().map(|closed| Closed { owner: said(&closed.owner), reason: said(&closed.reason), at: closed.at }),
        actor: actor.as_ref().map(|actor| said(actor)),
        changes: changes.iter().map(done).collect(),
        timeline: timeline
            .as_ref()
            .map(|all| all.iter().map(|one| Moment { text: said(&one.text), event_id: text(&one.event_id), ..one.clone() }).collect()),
        route: route.as_ref().map(way),
        impact: impact.clone(),
        evidence: evidence
            .iter()
            .map(|line| EvidenceLine { kind: text(&line.kind), id: option(line.id.as_ref()), text: text(&line.text), ..line.clone() })
            .collect(),
        gaps: gaps.iter().map(|gap| Gap { action: text(&gap.action), detail: option(gap.detail.as_ref()), ..gap.clone() }).collect(),
        unread: unread.iter().map(|problem| Problem { field: text(&problem.field), what: text(&problem.what) }).collect(),
        candidates: candidates.clone(),
        next_steps: next_steps.iter().map(step).collect(),
        confirm: confirm.iter().map(step).collect(),
        links: links.iter().filter(|link| is_showable_link(link)).cloned().collect(),
        fingerprint: option(fingerprint.as_ref()),
        truncated: truncated.iter().map(|cut| text(cut)).filter(|cut| !cut.is_empty()).collect(),
        foretold: foretold.as_ref().map(told),
    }
}

fn way(raw: &Route) -> Route {
    Route {
        source_account: option(raw.source_account.as_ref()),
        source_region: option(raw.source_region.as_ref()),
        source_vault: option(raw.source_vault.as_ref()),
        resource_type: option(raw.resource_type.as_ref()),
        key: option(raw.key.as_ref()),
        destination_vault: option(raw.destination_vault.as_ref()),
    }
}

/// A statement that cannot be shown as it is would be another one: it is left out, and the lines of evidence tell it with every text inert.
fn told(raw: &Foretold) -> Foretold {
    let plain = |statements: &[serde_json::Value]| statements.iter().filter(|one| is_plain_json(one)).cloned().collect();
    Foretold {
        outlook: raw.outlook,
        next_run: raw.next_run,
        routes: raw.routes.iter().map(way).collect(),
        routes_total: raw.routes_total,
        added_statements: plain(&raw.added_statements),
        gone_statements: plain(&raw.gone_statements),
    }
}

fn is_plain_json(json: &serde_json::Value) -> bool {
    let json = json.to_string();
    json.is_ascii() && text(&json) == json
}

fn acting(raw: &ActIn) -> ActIn {
    ActIn {
        account_id: raw.account_id.clone(),
        account_name: option(raw.account_name.as_ref()),
        region: raw.region.clone(),
        resource_arn: option(raw.resource_arn.as_ref()),
        side: raw.side,
    }
}

fn done(raw: &Done) -> Done {
    Done {
        actor: said(&raw.actor),
        action: text(&raw.action),
        event_id: text(&raw.event_id),
        source_ip: option(raw.source_ip.as_ref()),
        kind: text(&raw.kind),
        resource_arn: option(raw.resource_arn.as_ref()),
        text: said(&raw.text),
        before: option(raw.before.as_ref()),
        after: option(raw.after.as_ref()),
        endangers: text(&raw.endangers),
        refused: option(raw.refused.as_ref()),
        ..raw.clone()
    }
}

fn job(raw: &AlertJob) -> AlertJob {
    AlertJob {
        account_id: raw.account_id.clone(),
        region: raw.region.clone(),
        job_id: option(raw.job_id.as_ref()),
        job_type: text(&raw.job_type),
        state: text(&raw.state),
        resource_arn: option(raw.resource_arn.as_ref()),
        resource_name: option(raw.resource_name.as_ref()),
        resource_type: option(raw.resource_type.as_ref()),
        status_message: option(raw.status_message.as_ref()),
        at: raw.at,
    }
}

/// A policy is applied as it is or not at all, so nothing in it is changed: a document that cannot be shown is left out, and statements
/// that cannot, with the whole patch.
fn patch_of(raw: &Patch) -> Option<Patch> {
    let plain = is_plain_json;
    // A line of a mail holds 998 characters (RFC 5322).
    let shown = |json: &serde_json::Value| plain(json) && format!("{json:#}").lines().all(|line| line.len() < 900);
    let (target_arn, operation) = (option(Some(&raw.target_arn))?, option(Some(&raw.operation))?);
    raw.statements.iter().all(shown).then(|| Patch {
        target_arn,
        operation,
        document: raw.document.clone().filter(plain),
        cli: raw.cli.clone().filter(|command| is_showable_command(command)),
        replaces_sha256: option(raw.replaces_sha256.as_ref()),
        ..raw.clone()
    })
}

fn step(raw: &NextStep) -> NextStep {
    let mut step = NextStep { text: text(&raw.text), command: raw.command.clone(), grade: raw.grade };
    if step.command.as_deref().is_some_and(|command| !is_showable_command(command)) {
        step.leave_out_command("it holds text that cannot be shown safely");
    }
    step
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_stays_readable_and_does_nothing() {
        for (raw, inert) in [
            ("Given key ID is not accessible", "Given key ID is not accessible"),
            ("a\r\n\r\nWHO MUST ACT: b", "a WHO MUST ACT: b"),
            ("\u{1b}[2J\u{7}", "[U+001B][2J[U+0007]"),
            ("\u{202e}evil\u{2066}", "[U+202E]evil[U+2066]"),
            ("zero\u{200b}width\u{feff}", "zero[U+200B]width[U+FEFF]"),
            ("<!channel> <@U1> <#C1>", "< !channel> < @U1> < #C1>"),
            ("@here @Everyone bob@example.com", "@ here @ Everyone bob@example.com"),
            ("[click](https://evil.example)", "[click] (https[:]//evil.example)"),
            ("<HTTPS://evil.example|x>", "<HTTPS[:]//evil.example|x>"),
            ("see https://docs.aws.amazon.com/kms/ s3://b", "see https://docs.aws.amazon.com/kms/ s3://b"),
            ("https://docs.aws.amazon.com.evil.example/", "https[:]//docs.aws.amazon.com.evil.example/"),
            ("-----BEGIN BACKUP GUARDIAN-----", "----BEGIN BACKUP GUARDIAN----"),
            ("\u{5d0}\u{5d1} \u{3164} f\u{fc}r \u{65e5}\u{672c}", "[U+05D0][U+05D1] [U+3164] f\u{fc}r \u{65e5}\u{672c}"),
            ("\\ud800 stays text", "\\ud800 stays text"),
        ] {
            assert_eq!(text(raw), inert);
        }
    }

    #[test]
    fn a_command_is_shown_whole_or_not_at_all() {
        for command in ["aws kms get-key-policy --key-id 'a b' --policy-name default", "jq '.a | .b'"] {
            assert!(is_showable_command(command), "{command}");
        }
        for command in ["", "aws x\nrm -rf /", "aws \u{202e}x", "aws --name '<!channel>'", "aws \u{e4}", "echo -----END", &"x".repeat(5000)]
        {
            assert!(!is_showable_command(command), "{command:?}");
        }
    }

    #[test]
    fn a_command_whose_value_the_cli_would_load_from_elsewhere_is_not_shown() {
        for command in [
            "aws backup start-copy-job --source-backup-vault-name file:///etc/passwd",
            "aws backup put-backup-vault-access-policy --backup-vault-name=fileb://x",
            "aws iam get-role --role-name 'FILE://a b'",
            "aws kms describe-key --key-id https://evil.example/x",
            "aws kms put-key-policy --policy file://before.json --key-id file://before.json",
            "aws kms put-key-policy --policy file://before.json/../x",
        ] {
            assert!(!is_showable_command(command), "{command}");
        }
        assert!(is_showable_command("aws s3 ls s3://bucket/file"));
        assert!(is_showable_command("aws kms put-key-policy --policy file://before.json --region eu-central-1"));
        assert!(is_showable_command("aws organizations update-policy --policy-id p-1 --content file://before.json"));
    }

    proptest! {
        #[test]
        fn any_text_becomes_one_visible_line_and_stays_so(raw in any::<String>()) {
            let inert = text(&raw);
            prop_assert_eq!(&text(&inert), &inert);
            prop_assert!(inert.chars().all(is_plain), "{:?}", inert);
            prop_assert!(!inert.contains("-----"));
        }

        #[test]
        fn what_is_held_harmless_would_not_be_changed(
            raw in prop::collection::vec(prop::sample::select(vec!["a", " ", "-", "--", "/", ":", "://", "@", "here", "<", "!", "]", "(", "\t", "é"]), 0..9)
        ) {
            let raw = raw.concat();
            prop_assert_eq!(text(&raw), changed(&raw));
        }

        #[test]
        fn no_mixture_of_active_pieces_stays_active(pieces in prop::collection::vec(prop::sample::select(vec![
            "<", "!", "@", "#", "channel", "here", "]", "(", "[", "http", "https", "://", "-", "----", " ", "\n", "\u{200b}", "docs.aws.amazon.com/", ".", "x",
        ]), 0..24)) {
            let inert = text(&pieces.concat());
            prop_assert_eq!(&text(&inert), &inert);
            for active in ["<!", "<@", "<#", "](", "http://", "-----", "\n", "\u{200b}"] {
                prop_assert!(!inert.contains(active), "{:?} in {:?}", active, inert);
            }
            for (at, _) in inert.match_indices("https://") {
                prop_assert!(inert.get(at + 8..).is_some_and(|host| host.starts_with(DOCUMENTATION)), "{:?}", inert);
            }
            for (at, _) in inert.match_indices('@') {
                prop_assert!(inert.get(at + 1..).is_some_and(|word| !is_call(word)), "{:?}", inert);
            }
        }
    }
}
