//! The terminal: an alert as the e-mail tells it, without the machine block, and the page of a rule.

use super::alert::Alert;
use super::{email, inert, layout, outline};
use crate::diagnosis::Severity;

/// How a terminal shows text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Whether escape sequences for colour may be used.
    pub color: bool,
    /// Width of the prose. Commands, ARNs and links stay in one piece whatever it is.
    pub columns: usize,
}

impl Look {
    /// No colour, and the width of an e-mail: what a file or another program gets.
    pub const PLAIN: Self = Self { color: false, columns: layout::COLUMNS };

    /// The width for a terminal: no wider than reads well, no narrower than the indents need.
    pub fn for_terminal(color: bool, width: usize) -> Self {
        Self { color, columns: width.clamp(40, layout::COLUMNS) }
    }

    pub(super) fn paint(self, style: &str, text: &str) -> String {
        if self.color { format!("{style}{text}{RESET}") } else { text.to_owned() }
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.paint(BOLD, text)
    }
}

const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
pub(super) const RED: &str = "\u{1b}[1;31m";
pub(super) const YELLOW: &str = "\u{1b}[1;33m";
pub(super) const GREEN: &str = "\u{1b}[1;32m";
const RESET: &str = "\u{1b}[0m";

/// Renders an alert for a terminal. Without colour there is no escape sequence in it.
pub fn terminal(alert: &Alert, look: Look) -> String {
    let alert = inert::alert(alert);
    let title = match alert.severity {
        Severity::Critical | Severity::High => RED,
        Severity::Medium | Severity::Low => YELLOW,
        Severity::Info => GREEN,
    };
    let mut lines = email::title(&alert, look.columns).iter().map(|line| look.paint(title, line)).collect::<Vec<_>>();
    for section in outline::sections(&alert) {
        lines.push(String::new());
        lines.push(look.bold(section.heading));
        for line in layout::lines(&section.lines, look.columns) {
            let is_command = line.starts_with("      $ ");
            lines.push(if is_command { look.paint(DIM, &line) } else { line });
        }
    }
    lines.join("\n") + "\n"
}
