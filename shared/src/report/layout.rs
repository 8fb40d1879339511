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
    let mut out = Vec::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()).flat_map(pieces) {
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

/// A word, in pieces if it is too long for a line and no id or link.
fn pieces(word: &str) -> Vec<String> {
    let is_id = word.contains("arn:") || word.trim_start_matches('(').starts_with("https://");
    let most = if is_id { LONGEST_WORD } else { COLUMNS - 20 };
    let chars = word.chars().collect::<Vec<_>>();
    chars.chunks(most).map(|piece| piece.iter().collect()).collect()
}
