//! What a command reads: bounded, and with errors that name the file and say what was expected.

use std::fmt::Write as _;
use std::io::{BufRead, ErrorKind, IsTerminal as _, Read};
use std::path::Path;

use anyhow::anyhow;

use crate::output::complain;

/// EventBridge delivers at most 1 MiB; what is much larger is the wrong file, and may have no end.
const LARGEST_FILE: u64 = 8 << 20;
/// What to call an input in a message: the name in backticks, or `standard input` for `-`.
pub(crate) fn name(file: &Path) -> String {
    if file.as_os_str() == "-" { "standard input".to_owned() } else { format!("`{}`", shown(file)) }
}

/// A path, inert and readable.
pub(crate) fn shown(file: &Path) -> String {
    let mut out = String::new();
    for c in file.to_string_lossy().chars() {
        if c.is_control() {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The bytes of a file, or of standard input for `-`.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let named = name(file);
    let mut bytes = Vec::new();
    let ended = if file.as_os_str() == "-" {
        invite("one event");
        std::io::stdin().lock().take(LARGEST_FILE + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
    };
    ended.map_err(|error| anyhow!("{named} {}", why(&error)))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(anyhow!("{named} is larger than {} MiB: an event of EventBridge has at most 1 MiB", LARGEST_FILE >> 20));
    }
    if bytes.trim_ascii().is_empty() {
        return Err(anyhow!("{named} is empty"));
    }
    Ok(bytes)
}

/// Why something cannot be read, as the end of a sentence.
pub(crate) fn why(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "does not exist".to_owned(),
        ErrorKind::IsADirectory => "is a folder, not a file".to_owned(),
        ErrorKind::NotADirectory => "is a file, not a folder".to_owned(),
        ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

/// Tells a person who started a command without input what it waits for; says nothing to a program.
pub(crate) fn invite(what: &str) {
    if std::io::stdin().is_terminal() {
        complain(&format!("guardian: reading {what} from the keyboard; end with Ctrl-D"));
    }
}

/// A file, or standard input for `-`, to be read line by line.
pub(crate) fn lines(file: &Path, what: &str) -> anyhow::Result<Box<dyn BufRead>> {
    if file.as_os_str() == "-" {
        invite(what);
        return Ok(Box::new(std::io::stdin().lock()));
    }
    match std::fs::File::open(file) {
        Ok(file) => Ok(Box::new(std::io::BufReader::new(file))),
        Err(error) => Err(anyhow!("{} {}", name(file), why(&error))),
    }
}

/// A line of JSON Lines.
pub(crate) enum Line {
    /// Its text; bytes that are no text are replaced.
    Text(String),
    /// It is longer than any question; its rest was skipped.
    TooLong,
}

/// The next line, as soon as it is there, without its end; `None` at the end of the input. At most `longest` bytes are kept.
pub(crate) fn next_line(input: &mut dyn BufRead, longest: usize) -> std::io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    let read = input.take(longest as u64 + 1).read_until(b'\n', &mut bytes)?;
    if read == 0 {
        return Ok(None);
    }
    if bytes.last() != Some(&b'\n') && bytes.len() > longest {
        input.skip_until(b'\n')?;
        return Ok(Some(Line::TooLong));
    }
    Ok(Some(Line::Text(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_one_by_one_and_a_line_without_end_is_skipped_not_kept() {
        let long = "x".repeat(300);
        let text = format!("a\r\n\n{long}\nb");
        let mut input = text.as_bytes();
        let mut read = Vec::new();
        while let Some(line) = next_line(&mut input, 100).unwrap() {
            read.push(match line {
                Line::Text(text) => text,
                Line::TooLong => "too long".to_owned(),
            });
        }
        assert_eq!(read, ["a", "", "too long", "b"]);
    }

    #[test]
    fn a_name_cannot_play_with_the_terminal() {
        assert_eq!(name(Path::new("a\u{1b}[2Jb")), "`a\\u{1b}[2Jb`");
        assert_eq!(name(Path::new("-")), "standard input");
    }
}
