//! What a command prints: results on standard output, everything else on standard error.

use std::io::{IsTerminal as _, Write as _};

use clap::ValueEnum;

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
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Option<Format>,
}

impl Output {
    pub(crate) fn new(format: Option<Format>) -> Self {
        Self { format }
    }

    /// Whether to print JSON; `default` where the user did not say.
    pub(crate) fn json(&self, default: Format) -> bool {
        self.format.unwrap_or(default) == Format::Json
    }

    /// Whether a person looks at standard output and wants colours (<https://no-color.org>).
    pub(crate) fn color(&self) -> bool {
        std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
    }

    /// Prints a result; exactly one line break at its end.
    pub(crate) fn print(&self, text: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.trim_end_matches('\n').as_bytes())?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

/// Says something to the person at the terminal without touching the result.
pub(crate) fn complain(text: &str) {
    // With standard error closed there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
