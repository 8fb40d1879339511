//! Wildcard patterns of the policy language, and policy variables inside them.
//!
//! `*` stands for any run of characters, `?` for one. A variable's value is literal: a `*` that comes from a tag is no wildcard.
//! Matching keeps one position to return to (the last star), so its cost is at most pattern × text; there is no exponential case.

use super::context::{Context, Lookup};

/// Marks of the wildcards among the bytes of a pattern. Neither byte occurs in UTF-8, so that no text can be taken for a wildcard.
const MANY: u8 = 0xff;
const ONE: u8 = 0xfe;

/// A pattern after its variables were resolved: UTF-8 with the marks above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens(Vec<u8>);

/// What the text of a pattern comes to.
pub(crate) enum Pattern {
    Tokens(Tokens),
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

impl Tokens {
    pub(crate) fn is_star(&self) -> bool {
        self.0 == [MANY]
    }

    /// The fields between the first five colons; the sixth keeps its colons.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        self.0.splitn(6, |byte| *byte == b':')
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        matches(&self.0, text.as_bytes())
    }

    /// Matches an ARN as if a star that ends one of the first fields could run on over colons, while one inside a field cannot.
    ///
    /// Stars of two kinds need more than one position to return to, so this keeps them all; the cost is again pattern × text.
    pub(crate) fn matches_running_on(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let fields = self.fields().count();
        // `reached[t]`: what was read of the pattern matches the first `t` bytes.
        let mut reached = vec![false; text.len() + 1];
        if let Some(start) = reached.first_mut() {
            *start = true;
        }
        for (number, field) in self.fields().enumerate() {
            let free = number + 1 == fields;
            if number > 0 {
                reached = advance(&reached, text, |byte| byte == b':');
            }
            for (at, token) in field.iter().enumerate() {
                let crosses = free || at + 1 == field.len();
                reached = match *token {
                    MANY => {
                        let mut running = false;
                        let before = reached.iter().zip(std::iter::once(None).chain(text.iter().map(Some)));
                        before
                            .map(|(reached, byte)| {
                                running = *reached || running && (crosses || byte != Some(&b':'));
                                running
                            })
                            .collect()
                    }
                    ONE => one_character(&reached, text, free),
                    literal => advance(&reached, text, |byte| byte == literal),
                };
            }
        }
        reached.last() == Some(&true)
    }

    /// The text of a pattern that was read without wildcards.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The positions behind one byte that passes the test.
fn advance(reached: &[bool], text: &[u8], passes: impl Fn(u8) -> bool) -> Vec<bool> {
    std::iter::once(false).chain(reached.iter().zip(text).map(|(reached, byte)| *reached && passes(*byte))).collect()
}

/// The positions behind one character.
fn one_character(reached: &[bool], text: &[u8], colon: bool) -> Vec<bool> {
    let mut next = advance(reached, text, |byte| !continues(byte) && (colon || byte != b':'));
    for (at, byte) in text.iter().enumerate() {
        if continues(*byte) && next.get(at) == Some(&true) {
            next.iter_mut().skip(at).take(2).zip([false, true]).for_each(|(place, value)| *place = value);
        }
    }
    next
}

/// Whether a field ends in a star.
pub(crate) fn ends_in_star(field: &[u8]) -> bool {
    field.last() == Some(&MANY)
}

/// Lower-case letters, for comparisons without letter case.
pub(crate) fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Reads a pattern.
pub(crate) fn pattern(text: &str, reading: Reading, context: &Context) -> Pattern {
    let mut tokens = Vec::with_capacity(text.len());
    let mut unknown = None;
    let mut rest = text;
    while !rest.is_empty() {
        // Up to the next variable, if there is one.
        let variable_at = if reading.variables { rest.find("${") } else { None };
        let (plain, from) = variable_at.and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
        push(&mut tokens, plain, reading.wildcards, reading.fold);
        rest = from;
        let Some(after) = rest.strip_prefix("${") else { continue };
        let Some((inside, behind)) = after.split_once('}') else {
            // Without its closing brace it is text.
            push(&mut tokens, "${", false, false);
            rest = after;
            continue;
        };
        match variable(inside, context) {
            Value::Text(value) => push(&mut tokens, value, false, reading.fold),
            Value::None => return Pattern::NoValue,
            // A later variable without value settles it all the same.
            Value::Unknown => unknown = Some(key_of(inside).0.to_owned()),
        }
        rest = behind;
    }
    unknown.map_or(Pattern::Tokens(Tokens(tokens)), Pattern::Unknown)
}

fn push(tokens: &mut Vec<u8>, text: &str, wildcards: bool, fold: bool) {
    let lower;
    let text = if fold {
        lower = folded(text);
        &lower
    } else {
        text
    };
    if !wildcards {
        tokens.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            // Two stars are one.
            b'*' if tokens.last() == Some(&MANY) => {}
            b'*' => tokens.push(MANY),
            b'?' => tokens.push(ONE),
            _ => tokens.push(byte),
        }
    }
}

enum Value<'a> {
    Text(&'a str),
    None,
    Unknown,
}

/// Key and default of `key` or `key, 'default'`.
fn key_of(inside: &str) -> (&str, Option<&str>) {
    match inside.split_once(',') {
        Some((key, default)) => {
            let default = default.trim();
            (key.trim(), Some(default.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).unwrap_or(default)))
        }
        None => (inside.trim(), None),
    }
}

fn variable<'a>(inside: &'a str, context: &'a Context) -> Value<'a> {
    // The three characters that cannot be written otherwise.
    if matches!(inside, "*" | "?" | "$") {
        return Value::Text(inside);
    }
    let (key, default) = key_of(inside);
    match context.get(key) {
        Lookup::One(value) => Value::Text(value),
        Lookup::Unknown => Value::Unknown,
        // A key with several values cannot be a variable.
        Lookup::Many(_) => Value::None,
        Lookup::Absent => default.map_or(Value::None, Value::Text),
    }
}

/// Whether the pattern matches the whole text.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    run(pattern, text, |wanted, found| wanted == found, || {})
}

/// Matches, and calls `step` for each comparison.
fn run(pattern: &[u8], text: &[u8], equal: impl Fn(u8, u8) -> bool, mut step: impl FnMut()) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        step();
        match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(&MANY), _) => {
                // A star at the end takes the rest.
                if p + 1 == pattern.len() {
                    return true;
                }
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            // One character, not one byte: never from the middle of one.
            (Some(&ONE), Some(&found)) if !continues(found) => {
                p += 1;
                t += 1;
                while text.get(t).is_some_and(|byte| continues(*byte)) {
                    t += 1;
                }
                continue;
            }
            (Some(&wanted), Some(&found)) if equal(wanted, found) => {
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

/// Whether a byte of UTF-8 is not the first of its character.
fn continues(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// Whether a pattern with `*` and `?` matches the whole text, letter case included. No variables.
pub fn wildcard_matches(pattern: &str, text: &str) -> bool {
    Tokens::of_wildcards(pattern).matches(text)
}

impl Tokens {
    /// A pattern with `*` and `?`, letter case included and without variables, to be matched many times.
    pub(crate) fn of_wildcards(pattern: &str) -> Self {
        let mut tokens = Vec::with_capacity(pattern.len());
        push(&mut tokens, pattern, true, false);
        Self(tokens)
    }
}

/// Matches without letter case: actions.
pub(crate) fn matches_action(pattern: &str, action: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        return pattern.eq_ignore_ascii_case(action);
    }
    let mut tokens = Vec::with_capacity(pattern.len());
    push(&mut tokens, pattern, true, false);
    run(&tokens, action.as_bytes(), |wanted, found| wanted.eq_ignore_ascii_case(&found), || {})
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

    /// The definition of the other reading of an ARN pattern: recursive, one byte for one character.
    fn naive_running_on(pattern: &[u8], text: &[u8], field: usize, fields: usize) -> bool {
        let free = field + 1 == fields;
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => {
                let crosses = free || rest.first().is_none_or(|next| *next == b':');
                (0..=text.len())
                    .take_while(|skip| crosses || !text[..*skip].contains(&b':'))
                    .any(|skip| naive_running_on(rest, &text[skip..], field, fields))
            }
            Some((b'?', rest)) => {
                text.first().is_some_and(|byte| free || *byte != b':') && naive_running_on(rest, &text[1..], field, fields)
            }
            Some((c, rest)) => {
                let field = field + usize::from(*c == b':' && !free);
                text.first() == Some(c) && naive_running_on(rest, &text[1..], field, fields)
            }
        }
    }

    fn steps(pattern: &str, text: &str) -> usize {
        let mut tokens = Vec::new();
        push(&mut tokens, pattern, true, false);
        let mut steps = 0;
        run(&tokens, text.as_bytes(), |wanted, found| wanted == found, || steps += 1);
        steps
    }

    proptest::proptest! {
        #[test]
        fn globbing_agrees_with_its_definition(pattern in "[abé*?]{0,8}", text in "[abé]{0,10}") {
            let expected = naive(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>());
            proptest::prop_assert_eq!(wildcard_matches(&pattern, &text), expected);
            proptest::prop_assert_eq!(matches_action(&pattern, &text), expected);
        }

        #[test]
        fn running_on_agrees_with_its_definition(pattern in "[ab:*?]{0,9}", text in "[ab:]{0,9}") {
            let mut tokens = Vec::new();
            push(&mut tokens, &pattern, true, false);
            let single = pattern.split("**").collect::<Vec<_>>().join("*").replace("**", "*");
            let fields = single.splitn(6, ':').count();
            let expected = naive_running_on(single.as_bytes(), text.as_bytes(), 0, fields);
            proptest::prop_assert_eq!(Tokens(tokens).matches_running_on(&text), expected, "{}", single);
        }

        #[test]
        fn the_work_is_at_most_pattern_times_text(pattern in "[ab*?]{0,40}", text in "[ab]{0,60}") {
            proptest::prop_assert!(steps(&pattern, &text) <= (pattern.len() + 1) * (text.len() + 2));
        }
    }

    #[test]
    fn a_question_mark_takes_one_character_also_where_a_star_runs_on() {
        for (pattern, text, expected) in [("a*:?:b", "a:é:b", true), ("a*:??:b", "a:é:b", false), ("a*:?", "a:x:é", true)] {
            let mut tokens = Vec::new();
            push(&mut tokens, pattern, true, false);
            assert_eq!(Tokens(tokens).matches_running_on(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_most_hostile_patterns_of_the_largest_policy_stay_below_pattern_times_text() {
        let text = "a".repeat(1_600);
        for part in ["*a", "a*", "?*", "*?a", "*aaaaaaaaaaaaaaab", "*a*b"] {
            let pattern = format!("{}b", part.repeat(32 * 1024 / part.len()));
            assert!(steps(&pattern, &text) <= (pattern.len() + 1) * (text.len() + 2), "{part}");
        }
    }
}
