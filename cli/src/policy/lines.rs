//! JSON Lines in, answers out: how the commands of this group read and write.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::anyhow;
use guardian_core::policy::case::Unreadable;

use crate::input::{self, Line};
use crate::output::{Exit, complain};

/// A case with every quota of IAM exhausted stays far below; a longer line is answered as a fault and not kept.
pub(super) const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// What is printed for one line, and whether the line held a case.
pub(super) struct Printed {
    pub(super) text: String,
    pub(super) held_a_case: bool,
}

/// Answers a file, or standard input for `-`, on standard output.
pub(super) fn answer_file(file: &Path, reply: impl Fn(usize, Result<&str, Unreadable>) -> io::Result<Printed>) -> anyhow::Result<Exit> {
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let answered = if file.as_os_str() == "-" {
        input::invite("cases");
        answer(&mut BufReader::with_capacity(64 * 1024, io::stdin().lock()), &mut out, reply)
    } else {
        let opened = File::open(file).map_err(|error| anyhow!("{} {}", input::name(file), input::why(&error)))?;
        answer(&mut BufReader::with_capacity(64 * 1024, opened), &mut out, reply)
    };
    match answered {
        Ok((0, _)) => Ok(Exit::Fine),
        Ok((bad, lines)) => {
            complain(&format!("guardian: {bad} of {lines} lines could not be read: --help shows what a line holds"));
            Ok(Exit::Usage)
        }
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Fine),
        Err(error) => Err(anyhow!("{} {}", input::name(file), input::why(&error))),
    }
}

/// Answers line by line; how many lines hold no case, and how many there are.
pub(super) fn answer(
    input: &mut BufReader<impl io::Read>,
    out: &mut impl Write,
    reply: impl Fn(usize, Result<&str, Unreadable>) -> io::Result<Printed>,
) -> io::Result<(usize, usize)> {
    let (mut bad, mut lines) = (0, 0);
    for number in 1_usize.. {
        // Before it waits for more input, everything that was asked is answered.
        if input.buffer().is_empty() {
            out.flush()?;
        }
        let printed = match input::next_line(input, LONGEST_LINE)? {
            None => break,
            Some(Line::Text(text)) if text.trim().is_empty() => continue,
            Some(Line::Text(text)) => reply(number, Ok(&text))?,
            Some(Line::TooLong) => reply(number, Err(Unreadable::TooLong(LONGEST_LINE)))?,
        };
        lines = number;
        bad += usize::from(!printed.held_a_case);
        out.write_all(printed.text.as_bytes())?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok((bad, lines))
}

/// What is wrong with a line, for people.
pub(super) fn unreadable(id: Option<&serde_json::Value>, line: usize, why: &Unreadable) -> String {
    // Without an id the name is the line already.
    let place = if id.is_some() { format!(" (line {line})") } else { String::new() };
    format!("{}{place}: {}", name(id, line), why.to_string().escape_debug())
}

/// How an answer is named for people: by its id, or else by its line. Ids are untrusted.
pub(super) fn name(id: Option<&serde_json::Value>, line: usize) -> String {
    match id {
        Some(serde_json::Value::String(id)) => id.escape_debug().to_string(),
        Some(id) => id.to_string(),
        None => format!("line {line}"),
    }
}
