//! Wildcard patterns of the policy language, and policy variables inside them.
//!
//! `*` stands for any run of characters, `?` for one. A variable's value is literal: a `*` that comes from a tag is no wildcard.
//! Matching keeps one position to return to (the last star), so its cost is at most pattern × text; there is no exponential case.

use super::context::{Context, Lookup};

/// One element of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tok {
    Char(char),
    One,
    Many,
}

/// A pattern after its variables were resolved.
pub(crate) enum Pattern {
    Tokens(Vec<Tok>),
    /// A variable without value and without default: equals nothing.
    NoValue,
    /// A variable whose value is not known; carries the key.
    Unknown(String),
}

/// How the text of a pattern is to be read.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    /// `*` and `?` are wildcards. Otherwise they are themselves (`StringEquals`).
    pub(crate) wildcards: bool,
    /// `${…}` is a variable: only in documents of version 2012-10-17.
    pub(crate) variables: bool,
    /// Compare without letter case.
    pub(crate) fold: bool,
}

/// Reads a pattern.
pub(crate) fn pattern(text: &str, reading: Reading, context: &Context) -> Pattern {
    let mut tokens = Vec::with_capacity(text.len());
    let mut unknown = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if reading.variables
            && let Some(after) = rest.strip_prefix("${")
            && let Some((inside, behind)) = after.split_once('}')
        {
            match variable(inside, context) {
                Value::Text(value) => tokens.extend(value.chars().flat_map(|c| fold(c, reading.fold)).map(Tok::Char)),
                Value::None => return Pattern::NoValue,
                // A later variable without value settles it all the same.
                Value::Unknown(key) => unknown = Some(key),
            }
            rest = behind;
            continue;
        }
        match c {
            '*' if reading.wildcards => {
                if tokens.last() != Some(&Tok::Many) {
                    tokens.push(Tok::Many);
                }
            }
            '?' if reading.wildcards => tokens.push(Tok::One),
            _ => tokens.extend(fold(c, reading.fold).map(Tok::Char)),
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    unknown.map_or(Pattern::Tokens(tokens), Pattern::Unknown)
}

enum Value {
    Text(String),
    None,
    Unknown(String),
}

fn variable(inside: &str, context: &Context) -> Value {
    // The three characters that cannot be written otherwise.
    if matches!(inside, "*" | "?" | "$") {
        return Value::Text(inside.to_owned());
    }
    let (key, default) = match inside.split_once(',') {
        Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\''))),
        None => (inside.trim(), None),
    };
    match context.get(key) {
        Lookup::One(value) => Value::Text(value.to_owned()),
        Lookup::Unknown => Value::Unknown(key.to_owned()),
        // A key with several values cannot be a variable.
        Lookup::Many(_) => Value::None,
        Lookup::Absent => default.map_or(Value::None, |text| Value::Text(text.to_owned())),
    }
}

fn fold(c: char, fold: bool) -> impl Iterator<Item = char> {
    let lower = fold.then(|| c.to_lowercase());
    let same = (!fold).then_some(c);
    lower.into_iter().flatten().chain(same)
}

/// Whether the tokens match the whole text.
pub(crate) fn matches(tokens: &[Tok], text: &[char]) -> bool {
    let (mut t, mut c) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (tokens.get(t), text.get(c)) {
            (None, None) => return true,
            (Some(Tok::Many), _) => {
                star = Some((t + 1, c));
                t += 1;
                continue;
            }
            (Some(Tok::One), Some(_)) => {
                t += 1;
                c += 1;
                continue;
            }
            (Some(Tok::Char(wanted)), Some(found)) if wanted == found => {
                t += 1;
                c += 1;
                continue;
            }
            _ => {}
        }
        match star {
            Some((after, at)) if at < text.len() => {
                star = Some((after, at + 1));
                t = after;
                c = at + 1;
            }
            _ => return false,
        }
    }
}

/// Whether a pattern with `*` and `?` matches the whole text, letter case included. No variables.
pub fn wildcard_matches(text_of_pattern: &str, text: &str) -> bool {
    let reading = Reading { wildcards: true, variables: false, fold: false };
    match pattern(text_of_pattern, reading, &Context::default()) {
        Pattern::Tokens(tokens) => matches(&tokens, &text.chars().collect::<Vec<_>>()),
        Pattern::NoValue | Pattern::Unknown(_) => false,
    }
}

/// Matches a plain ASCII pattern without letter case: actions.
pub(crate) fn matches_action(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            (Some(b'?'), Some(_)) => {
                p += 1;
                t += 1;
                continue;
            }
            (Some(wanted), Some(found)) if wanted.eq_ignore_ascii_case(found) => {
                p += 1;
                t += 1;
                continue;
            }
            _ => {}
        }
        match star {
            Some((after, at)) if at < text.len() => {
                star = Some((after, at + 1));
                p = after;
                t = at + 1;
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, as slow as it is obvious.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            Some(('?', rest)) => !text.is_empty() && naive(rest, &text[1..]),
            Some((c, rest)) => text.first() == Some(c) && naive(rest, &text[1..]),
        }
    }

    proptest::proptest! {
        #[test]
        fn globbing_agrees_with_its_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,10}") {
            let expected = naive(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
            proptest::prop_assert_eq!(wildcard_matches(&pattern, &text), expected);
            proptest::prop_assert_eq!(matches_action(&pattern, &text), expected);
        }
    }
}
