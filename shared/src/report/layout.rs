//! Lays lines out for a page of fixed width.

use super::outline::Line;

/// Columns of a line of prose where the reader's own width is not known: mail programs quote it unbroken, and it reads well.
pub(super) const COLUMNS: usize = 78;

/// An id or a link stays in one piece up to this length, whatever the width: a broken one cannot be copied.
const LONGEST_WORD: usize = 2100;

/// The printed lines of a section, each indented by at least two columns: only headings start a line.
pub(super) fn lines(lines: &[Line], columns: usize) -> Vec<String> {
    let label = lines
        .iter()
        .filter_map(|line| match line {
            Line::Field(label, _) => Some(label.chars().count() + 2),
            Line::Text(_) | Line::Item(_) | Line::Bullet(_) | Line::Command(_) | Line::Code(_) => None,
        })
        .max()
        .unwrap_or_default();
    let mut number = 0;
    lines
        .iter()
        .flat_map(|line| match line {
            Line::Text(text) => wrap("  ", "  ", text, columns),
            Line::Field(name, value) => wrap(&format!("  {:label$}", format!("{name}:")), &" ".repeat(label + 2), value, columns),
            Line::Item(text) => {
                number += 1;
                wrap(&format!("  {:<4}", format!("{number}.")), "      ", text, columns)
            }
            Line::Bullet(text) => wrap("  - ", "    ", text, columns),
            Line::Command(command) => vec![format!("      $ {command}")],
            Line::Code(code) => vec![format!("      {code}")],
        })
        .collect()
}

/// Wraps a text at white space; the first line starts with one indent, the others with another.
pub(super) fn wrap(first: &str, rest: &str, text: &str, columns: usize) -> Vec<String> {
    filled(first, rest, text.split(' ').filter(|word| !word.is_empty()), columns)
}

/// The same, but a command or JSON between backticks stays in one piece, however long, because a broken one cannot be copied. Not for what others may
/// have written: it could make any line as long as they like.
pub(super) fn wrap_around_copied(first: &str, rest: &str, text: &str, columns: usize) -> Vec<String> {
    filled(first, rest, words(text).into_iter(), columns)
}

fn filled<'a>(first: &str, rest: &str, words: impl Iterator<Item = &'a str>, columns: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in words.flat_map(pieces) {
        let length = line.chars().count() + usize::from(!empty) + word.chars().count();
        if !empty && length > columns {
            out.push(std::mem::replace(&mut line, rest.to_owned()));
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(&word);
        empty = false;
    }
    out.push(line.trim_end().to_owned());
    out
}

/// The words of a text; a command or JSON between backticks is one of them.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(' ');
    while !rest.is_empty() {
        // White space ends a word, but not inside of what is copied; a bracket may stand before the backtick.
        let mut end = rest.find(' ').unwrap_or(rest.len());
        let opened = rest.find('`').filter(|at| *at < end).map(|at| at + 1);
        if let Some((open, inside)) = opened.and_then(|open| Some((open, rest.get(open..)?)))
            && let Some(length) = inside.find('`').filter(|_| is_copied(inside))
        {
            let closed = open + length + 1;
            end = rest.get(closed..).and_then(|after| after.find(' ')).map_or(rest.len(), |more| closed + more);
        }
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after.trim_start_matches(' ');
    }
    words
}

/// Whether what begins between backticks is for a shell or a policy editor.
fn is_copied(inside: &str) -> bool {
    ["aws ", "guardian ", "{", "[", "\""].iter().any(|start| inside.starts_with(start))
}

/// A word, in pieces if it is too long for a line and neither an id, nor a link, nor something to copy.
fn pieces(word: &str) -> Vec<String> {
    // A word with a blank in it is one that was kept in one piece.
    let copied = word.contains(' ');
    let is_id = copied || word.contains("arn:") || word.trim_start_matches('(').starts_with("https://");
    let most = if is_id { LONGEST_WORD } else { COLUMNS - 20 };
    let chars = word.chars().collect::<Vec<_>>();
    chars.chunks(most).map(|piece| piece.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_stays_in_one_piece() {
        let json = r#"{"Sid": "A", "Effect": "Deny", "Action": ["kms:DisableKey", "kms:ScheduleKeyDeletion"], "Resource": "*"}"#;
        for copied in
            [json.to_owned(), format!("aws iam put-role-policy --policy-document '{json}'"), "\"AWS\": \"a b c d e f g h\"".to_owned()]
        {
            let text = format!("add to the policy of the key: (`{copied}`), and then see that nobody else may do that any more");
            let lines = wrap_around_copied("", "", &text, 40);
            assert!(lines.iter().any(|line| line.contains(&format!("`{copied}`"))), "{lines:?}");
            assert!(lines.iter().filter(|line| !line.contains('`')).all(|line| line.chars().count() <= 40), "{lines:?}");
            assert_eq!(lines.join(" "), text);
        }
    }

    #[test]
    fn prose_between_backticks_and_a_backtick_alone_are_wrapped_as_ever() {
        let says = "AWS says `the key is not accessible to whoever asked for it`, and `{ that nobody closes";
        let lines = wrap_around_copied("", "", says, 30);
        assert!(lines.iter().all(|line| line.chars().count() <= 30), "{lines:?}");
        assert_eq!(lines.join(" "), says);
    }
}
