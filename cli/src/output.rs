//! What a command prints: results on standard output, everything else on standard error.

use std::cell::Cell;
use std::io::{ErrorKind, IsTerminal as _, Write as _};

use anyhow::Context as _;
use clap::ValueEnum;
use guardian_core::report::Look;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Nothing is wrong, or every line was answered.
    Fine,
    /// Something is wrong, and this is what.
    Finding,
    /// Wrong usage, or input that cannot be read.
    Usage,
    /// Not enough could be seen.
    CouldNotTell,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Finding => 1,
            Exit::Usage => 2,
            Exit::CouldNotTell => 3,
        })
    }
}

/// Standard output in the asked format.
#[derive(Debug)]
pub(crate) struct Output {
    format: Option<Format>,
    closed: Cell<bool>,
}

impl Output {
    pub(crate) fn new(format: Option<Format>) -> Self {
        Self { format, closed: Cell::new(false) }
    }

    /// Whether to print JSON; `default` where the user did not say.
    pub(crate) fn json(&self, default: Format) -> bool {
        self.format.unwrap_or(default) == Format::Json
    }

    /// How text looks: coloured and as wide as the terminal where a person looks at it, else plain.
    pub(crate) fn look(&self) -> Look {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return Look::PLAIN;
        }
        // https://no-color.org: set and not empty.
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = !unwanted && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        match terminal_size::terminal_size_of(stdout) {
            Some((terminal_size::Width(width), _)) => Look::for_terminal(color, usize::from(width)),
            None => Look { color, ..Look::PLAIN },
        }
    }

    /// Whether the reader of standard output has gone: it has what it wanted, and printing more is of no use.
    pub(crate) fn closed(&self) -> bool {
        self.closed.get()
    }

    /// Prints a result; exactly one line break at its end. A reader that has gone is no error: `guardian ... | head -1` is fine.
    pub(crate) fn print(&self, text: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        let written = out
            .write_all(text.trim_end_matches('\n').as_bytes())
            .and_then(|()| out.write_all(b"\n"))
            // At once: the next line may be long in coming.
            .and_then(|()| out.flush());
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.closed.set(true);
                Ok(())
            }
            written => written.context("the result could not be written"),
        }
    }
}

/// Says something to the person at the terminal without touching the result. An error may quote what somebody else wrote, so nothing in it moves the
/// cursor or turns the line around.
pub(crate) fn complain(text: &str) {
    let shown = text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        match c {
            '\n' => shown.push(c),
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                shown.extend(c.escape_unicode())
            }
            c if c.is_control() => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
        shown
    });
    // With standard error closed there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{shown}");
}
