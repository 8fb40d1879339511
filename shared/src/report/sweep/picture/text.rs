//! The same for a terminal: each source account with its ways, one below the other.

use super::{Edge, Picture, codes, sentence, signs, word};
use crate::report::layout::wrap;
use crate::report::sweep::{Overview, RouteState};
use crate::report::terminal::{GREEN, Look, RED, YELLOW};

const INDENT: &str = "                ";

/// Told apart without colour, too.
fn arrow(state: RouteState) -> &'static str {
    match state {
        RouteState::Broken => "----[X]---->",
        RouteState::Stopped => "----[-]---->",
        RouteState::Unknown => "- - [?] - ->",
        RouteState::Well => "----------->",
    }
}

fn style(state: RouteState) -> &'static str {
    match state {
        RouteState::Broken | RouteState::Stopped => RED,
        RouteState::Unknown => YELLOW,
        RouteState::Well => GREEN,
    }
}

/// The drawing, with its legend.
pub fn topology_text(overview: &Overview, look: Look) -> String {
    let picture = Picture::of(overview);
    let mut lines = wrap("", "", &sentence(overview), look.columns);
    if picture.sources.is_empty() {
        lines.push("No rule that was seen asks for a copy.".to_owned());
    }
    for source in &picture.sources {
        lines.push(String::new());
        lines.push(format!("{}  {}", look.bold(&source.title), source.under));
        for edge in &source.edges {
            way(&mut lines, &picture, edge, look);
        }
        if source.edges.is_empty() {
            lines.push(format!("  {}  not evaluated", look.paint(YELLOW, arrow(RouteState::Unknown))));
        }
    }
    legend(&mut lines, overview, look);
    lines.join("\n") + "\n"
}

fn way(lines: &mut Vec<String>, picture: &Picture<'_>, edge: &Edge, look: Look) {
    let (name, keeper) = picture.vaults.get(edge.to).map_or(("", ""), |(vault, keeper)| (vault.resource_name(), keeper));
    lines.push(format!("  {}  vault {name}  {keeper}", look.paint(style(edge.state), arrow(edge.state))));
    if !edge.label.is_empty() {
        lines.extend(wrap(INDENT, INDENT, &edge.label, look.columns));
    }
}

fn legend(lines: &mut Vec<String>, overview: &Overview, look: Look) {
    let signs = signs(overview);
    if !signs.is_empty() {
        lines.push(String::new());
    }
    for (state, means) in signs {
        let first = format!("  {}  ", arrow(state));
        lines.extend(wrap(&first, INDENT, &format!("{}: {means}", word(state)), look.columns));
    }
    for (code, title) in codes(overview) {
        lines.extend(wrap("  ", "           ", &format!("{code}{title}"), look.columns));
    }
}
