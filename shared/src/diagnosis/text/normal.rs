//! The normal form of a message: what is left when wrappers, case, punctuation, ids and names are taken away.
//!
//! Sources: the wrappers are those of SNS vault notifications, of console headings, of the AWS SDKs and of AWS Backup when it relays a message of the service
//! below (<https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-notifications.html>,
//! <https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-dashboards.html>).

use super::codes;

/// A message in normal form. Everything is lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Normal {
    /// The words of the sentence; `<arn>`, `<key>`, `<region>`, `<n>` and `<id>` stand for what varies.
    pub words: Vec<String>,
    /// Error codes of prefixes, tails and brackets, without duplicates, sorted.
    pub codes: Vec<String>,
    /// Words of a heading that stood before the message (`access denied`).
    pub heading: Vec<String>,
}

/// Longest message that is read whole. Longer ones are encoded blobs in the middle: their beginning and end are read.
const WHOLE: usize = 16 * 1024;
const HEAD: usize = 12 * 1024;
const TAIL: usize = 4 * 1024;
/// Wrappers inside wrappers are taken off at most this often.
const LAYERS: usize = 6;

impl Normal {
    /// Brings a message to its normal form.
    pub fn of(message: &str) -> Self {
        let mut normal = Self::default();
        let text = plain(&bounded(message));
        let mut rest = text.as_str();
        for _ in 0..LAYERS {
            let before = rest;
            rest = unquoted(rest);
            rest = normal.without_tail(rest);
            rest = normal.without_prefix(rest);
            if rest == before {
                break;
            }
        }
        normal.words = words(rest);
        let inline = normal.words.iter().filter(|word| codes::is_code(word)).cloned().collect::<Vec<_>>();
        normal.codes.extend(inline);
        normal.codes.sort();
        normal.codes.dedup();
        normal
    }

    fn code(&mut self, text: &str) {
        let code = text.trim().trim_end_matches(':').rsplit("::").next().unwrap_or_default();
        let code = code.trim_start_matches("client.").trim_start_matches("server.");
        if !code.is_empty() && code.len() <= 80 {
            self.codes.push(code.to_owned());
        }
    }

    /// Takes off what is glued on behind: the tail of the Java SDK, an encoded blob, the class of an error in brackets, a repeated verdict.
    fn without_tail<'a>(&mut self, text: &'a str) -> &'a str {
        let mut text = text.trim();
        if let Some((sentence, tail)) = text.split_once("(service:").filter(|(sentence, _)| !sentence.trim().is_empty()) {
            if let Some((_, code)) = tail.split_once("error code:") {
                self.code(code.split([';', ')', ',']).next().unwrap_or_default());
            }
            text = sentence.trim();
        }
        if let Some((sentence, _)) =
            text.split_once("encoded authorization failure message").filter(|(sentence, _)| !sentence.trim().is_empty())
        {
            text = sentence.trim();
        }
        let bare = text.trim_end_matches(['.', ' ']);
        if let Some((sentence, class)) = bare.strip_suffix(')').and_then(|open| open.rsplit_once('('))
            && !sentence.trim().is_empty()
            && !class.contains(' ')
            && (class.contains("::") || codes::is_code(class))
        {
            self.code(class);
            text = sentence.trim();
        }
        for verdict in ["backup job failed", "copy job failed", "restore job failed"] {
            let bare = text.trim_end_matches(['.', ' ']);
            if let Some(sentence) = bare.strip_suffix(verdict).filter(|sentence| sentence.split_whitespace().count() > 1) {
                text = sentence.trim();
            }
        }
        text
    }

    /// Takes off what stands before: notification, heading, relay prefix, error code.
    fn without_prefix<'a>(&mut self, text: &'a str) -> &'a str {
        let text = text.trim();
        for label in ["status message :", "status message:"] {
            if let Some((_, message)) = text.split_once(label).filter(|(_, message)| !message.trim().is_empty()) {
                return message;
            }
        }
        if let Some((_, message)) =
            text.split_once("failed with error:").filter(|(before, message)| short(before) && !message.trim().is_empty())
        {
            return message;
        }
        // `An error occurred (Code) when calling the X operation: …`
        if text.starts_with("an error occur")
            && let Some((code, message)) = text.split_once('(').and_then(|(_, rest)| rest.split_once(')'))
        {
            self.code(code);
            return message.split_once("operation").map_or(message, |(_, message)| message).trim_start_matches([' ', ':', '(', ')']);
        }
        // `(Code) …`
        if let Some((code, message)) = text.strip_prefix('(').and_then(|rest| rest.split_once(')')).filter(|(code, _)| codes::is_code(code))
        {
            self.code(code);
            return message;
        }
        // A heading in another script, followed by the message in English.
        if text.chars().next().is_some_and(|first| first.is_alphabetic() && !first.is_ascii())
            && let Some(at) = text.find(|c: char| c.is_ascii_lowercase())
            && let Some(message) = text.get(at..)
            && message.split_whitespace().count() > 1
        {
            return message;
        }
        let Some((before, message)) = text.split_once([':', '\n']) else { return text };
        let before = before.trim();
        let last = before.rsplit(' ').next().unwrap_or_default();
        let message = message.trim();
        if message.is_empty() {
            return text;
        }
        let number =
            last.strip_prefix("error_").or_else(|| last.strip_prefix("error-")).is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
        if short(before) && number {
            return message;
        }
        if before.split_whitespace().count() <= 2 && codes::is_code(last) && !before.contains('(') {
            self.code(last);
            return message;
        }
        let own_sentence =
            ["copy job", "backup job", "restore job", "windows vss", "your backup job"].iter().any(|start| message.starts_with(start));
        let newline = text.split_once(':').is_none_or(|(first, _)| first.len() > before.len());
        if is_heading(before) || (short(before) && (own_sentence || newline)) {
            self.heading.extend(words(before));
            return message;
        }
        text
    }
}

/// A category as the console prints it.
fn is_heading(text: &str) -> bool {
    let categories = ["access denied", "failure", "failed", "error", "expired", "aborted", "partial", "completed with issues"];
    categories.contains(&text) || (text.starts_with("invalid parameter") && short(text))
}

/// At most a handful of words, none of them a sentence of its own.
fn short(text: &str) -> bool {
    text.split_whitespace().count() <= 6 && !text.contains('.')
}

/// The beginning and the end of a text that is too long.
fn bounded(text: &str) -> String {
    if text.len() <= WHOLE {
        return text.to_owned();
    }
    let head = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= HEAD).last().unwrap_or(0);
    let tail = text.char_indices().map(|(at, _)| at).find(|at| *at >= text.len() - TAIL).unwrap_or(text.len());
    format!("{} {}", text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default())
}

/// Lower case, single blanks, plain quotation marks and apostrophes, no control characters but line ends.
fn plain(text: &str) -> String {
    let mut blank = true;
    let mut text = text
        .chars()
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            '\u{2018}' | '\u{2019}' | '\u{b4}' => '\'',
            '\u{201c}' | '\u{201d}' | '\u{201e}' => '"',
            '\u{ff1a}' => ':',
            '\n' => '\n',
            c if c.is_control() || c.is_whitespace() => ' ',
            c => c,
        })
        .filter(|c| {
            let again = blank && *c == ' ';
            blank = *c == ' ';
            !again
        })
        .collect::<String>();
    text.truncate(text.trim_end().len());
    text
}

/// Without the quotation marks around the whole.
fn unquoted(text: &str) -> &str {
    let text = text.trim();
    let quote = |c: char| matches!(c, '"' | '\'' | '`' | '\\');
    if text.starts_with(quote) || text.ends_with(['"', '`']) { text.trim_matches(quote).trim() } else { text }
}

/// Splits into words and puts placeholders for what varies.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::<String>::new();
    for chunk in masked(text).split_whitespace() {
        let name_expected = words.last().is_some_and(|last| NAMING.contains(&last.as_str()));
        let edge = |c: char| !(c.is_alphanumeric() || c == '*');
        let core = chunk.trim_matches(edge);
        if core.is_empty() {
            if chunk.contains("...") {
                push(&mut words, "<id>");
            }
            continue;
        }
        let enclosed = chunk.trim_matches(['.', ',', ';', ':']);
        let placeholder = (enclosed.starts_with('{') && enclosed.ends_with('}')) || (enclosed.starts_with('<') && enclosed.ends_with('>'));
        let quoted = enclosed.len() > 2 && enclosed.starts_with(['\'', '"', '`']) && enclosed.ends_with(['\'', '"', '`']);
        if placeholder || quoted {
            push(&mut words, "<id>");
        } else if core.contains("arn:") {
            push(&mut words, if core.contains(":kms:") { "<key>" } else { "<arn>" });
        } else if name_expected && is_name(core) {
            push(&mut words, "<id>");
        } else {
            plain_words(core, &mut words);
        }
    }
    words
}

/// A span in angle brackets is what a writer masked, blanks and all.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        match after.split_once('>').filter(|(inside, _)| inside.len() <= 60 && !inside.contains('<')) {
            Some((inside, after)) => {
                // Inside an ARN or a name the mask is a part of the word.
                out.push_str(if inside.contains(' ') { "<id>" } else { "<masked>" });
                rest = after;
            }
            None => {
                out.push('<');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Words after which a name stands.
const NAMING: &[&str] = &["bucket", "table", "role", "named", "called"];

/// After a naming word: whether this is the name, and not the sentence going on.
fn is_name(word: &str) -> bool {
    const GOES_ON: &[&str] = &[
        "a",
        "already",
        "an",
        "and",
        "are",
        "arn",
        "at",
        "be",
        "because",
        "been",
        "by",
        "can",
        "can't",
        "cannot",
        "could",
        "couldn't",
        "did",
        "do",
        "does",
        "doesn't",
        "encryption",
        "for",
        "from",
        "has",
        "have",
        "in",
        "is",
        "isn't",
        "it",
        "key",
        "lacks",
        "may",
        "missing",
        "must",
        "name",
        "needs",
        "no",
        "not",
        "notification",
        "notifications",
        "object",
        "objects",
        "of",
        "on",
        "or",
        "owner",
        "permission",
        "permissions",
        "policies",
        "policy",
        "requires",
        "resource",
        "session",
        "should",
        "state",
        "that",
        "the",
        "to",
        "versioning",
        "was",
        "were",
        "which",
        "will",
        "with",
        "within",
    ];
    !GOES_ON.contains(&word)
}

fn push(words: &mut Vec<String>, word: &str) {
    words.push(word.to_owned());
}

/// One chunk without outer punctuation.
fn plain_words(core: &str, words: &mut Vec<String>) {
    let letters = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic());
    if let Some((service, action)) = core.split_once(':') {
        let name = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-*".contains(&b))
        };
        if service != "user" && name(service) && name(action) {
            push(words, core);
        } else {
            for part in core.split(':').filter(|part| !part.is_empty()) {
                plain_words(part, words);
            }
        }
    } else if core.contains('/') && core.split('/').all(letters) {
        for part in core.split('/') {
            plain_words(part, words);
        }
    } else if is_region(core) {
        push(words, "<region>");
    } else if core.bytes().any(|b| b.is_ascii_digit()) {
        let known = ["s3", "ec2"].contains(&core) || codes::is_code(core);
        let number = core.bytes().all(|b| b.is_ascii_digit() || b",.-".contains(&b));
        push(
            words,
            if known {
                core
            } else if number && core.len() < 12 {
                "<n>"
            } else {
                "<id>"
            },
        );
    } else if core.contains(['_', '@', '/', '=', '\\'])
        || core.matches('-').count() > 2
        || core.split('-').any(|part| part.len() > 2 && part.bytes().all(|b| b == b'x'))
    {
        push(words, "<id>");
    } else if codes::is_code(core) {
        push(words, core);
    } else {
        for part in core.split(|c: char| !(c.is_alphanumeric() || c == '\'' || c == '*')).filter(|part| !part.is_empty()) {
            let part = part.trim_matches('\'');
            match part {
                "cannot" | "can't" => words.extend(["can".to_owned(), "not".to_owned()]),
                "cmk" => push(words, "key"),
                "cmks" => push(words, "keys"),
                _ => match part.strip_suffix("n't") {
                    Some(verb) => words.extend([verb.to_owned(), "not".to_owned()]),
                    None => push(words, part.strip_suffix("'s").unwrap_or(part)),
                },
            }
        }
    }
}

/// `eu-central-1`, `us-gov-west-1`.
fn is_region(word: &str) -> bool {
    let parts = word.split('-').collect::<Vec<_>>();
    match parts.as_slice() {
        [first, middle @ .., last] => {
            first.len() == 2
                && (1..=2).contains(&middle.len())
                && last.len() == 1
                && last.bytes().all(|b| b.is_ascii_digit())
                && std::iter::once(first).chain(middle).all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()))
        }
        _ => false,
    }
}
