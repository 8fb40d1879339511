//! The alert on a terminal: what the e-mail says, in the same order, without the machine block.

use super::alert::Alert;
use super::{email, inert, layout, outline};
use crate::diagnosis::Severity;

const BOLD: &str = "\u{1b}[1m";
const DIM: &str = "\u{1b}[2m";
const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const GREEN: &str = "\u{1b}[1;32m";
const RESET: &str = "\u{1b}[0m";

/// Renders an alert for a terminal. Without colour there is no escape sequence in it.
pub fn terminal(alert: &Alert, color: bool) -> String {
    let alert = inert::alert(alert);
    let paint = |style: &str, text: &str| if color { format!("{style}{text}{RESET}") } else { text.to_owned() };
    let title = match alert.severity {
        Severity::Critical | Severity::High => RED,
        Severity::Medium | Severity::Low => YELLOW,
        Severity::Info => GREEN,
    };
    let mut lines = email::title(&alert).iter().map(|line| paint(title, line)).collect::<Vec<_>>();
    for section in outline::sections(&alert) {
        lines.push(String::new());
        lines.push(paint(BOLD, section.heading));
        for line in layout::lines(&section.lines) {
            let is_command = line.starts_with("      $ ");
            lines.push(if is_command { paint(DIM, &line) } else { line });
        }
    }
    lines.join("\n") + "\n"
}
