//! The drawing, for the page and as a file of its own.

use super::{Edge, Picture, class, codes, sentence, signs, word};
use crate::report::sweep::html::{COLORS, t};
use crate::report::sweep::words::cut;
use crate::report::sweep::{Overview, RouteState};

const STYLE: &str = include_str!("picture.css");

const WIDTH: usize = 980;
const BOX: usize = 270;
const STEP: usize = 68;
const HEIGHT: usize = 52;
const TOP: usize = 40;
const RIGHT: usize = WIDTH - BOX;

/// The drawing as a part of the page.
pub(in crate::report::sweep) fn drawn(overview: &Overview) -> String {
    let (body, height) = Picture::of(overview).body("The table below the picture says the same.");
    format!(
        "<svg class=\"topology\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"picture-title picture-text\">{body}</svg>"
    )
}

/// The drawing as a file that needs nothing else, with its legend. Colours are written out, because not every program that shows drawings knows
/// variables.
pub fn topology_svg(overview: &Overview) -> String {
    let (body, height) = Picture::of(overview).body(&t(&sentence(overview)).to_string());
    let mut legend = String::new();
    let mut y = height + LINE;
    for (state, means) in signs(overview) {
        legend.push_str(&format!(
            "<path class=\"edge {}\" d=\"M0 {y}h64\"/>{}<text class=\"under\" x=\"78\" y=\"{}\">{}: {means}</text>",
            class(state),
            mark(state, 32, y),
            y + 4,
            word(state)
        ));
        y += LINE;
    }
    for (code, title) in codes(overview).into_iter().take(MOST_CODES) {
        legend.push_str(&format!("<text class=\"under\" x=\"0\" y=\"{}\">{}{}</text>", y + 4, t(code), t(&cut(&title, 140))));
        y += LINE;
    }
    let whole = y + TOP;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"topology\" viewBox=\"-{MARGIN} -{MARGIN} {} {whole}\" width=\"{}\" height=\"{whole}\" role=\"img\" aria-labelledby=\"picture-title picture-text\">\
         <style>{}{ALONE}</style><rect class=\"ground\" x=\"-{MARGIN}\" y=\"-{MARGIN}\" width=\"{}\" height=\"{whole}\"/>{body}<g class=\"legend\">{legend}</g></svg>\n",
        WIDTH + 2 * MARGIN,
        WIDTH + 2 * MARGIN,
        written_out(STYLE),
        WIDTH + 2 * MARGIN,
    )
}

/// What a page around it would say.
const ALONE: &str = ".topology{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif}.ground{fill:#fff}.legend .under{font-size:12px;fill:#4d5b69}";
const LINE: usize = 30;
const MARGIN: usize = 20;
/// Checks that the legend explains.
const MOST_CODES: usize = 12;

/// The style with the colours of the light palette in the place of its variables.
fn written_out(style: &str) -> String {
    let light = COLORS.split('}').next().unwrap_or_default();
    let colors = light.split([';', '{', '\n']).filter_map(|one| one.trim().strip_prefix("--")?.split_once(':'));
    colors.fold(style.to_owned(), |style, (name, color)| style.replace(&format!("var(--{name})"), color))
}

impl Picture<'_> {
    /// Everything inside the drawing, and how high it is.
    fn body(&self, told: &str) -> (String, usize) {
        let rows = self.sources.len().max(self.vaults.len());
        let height = TOP + rows * STEP;
        let middle = |at: usize, of: usize| TOP + (rows - of) * STEP / 2 + at * STEP + HEIGHT / 2;
        let (mut edges, mut labels) = (String::new(), String::new());
        let mut boxes = String::new();
        for (at, source) in self.sources.iter().enumerate() {
            let from = middle(at, self.sources.len());
            for (number, edge) in source.edges.iter().enumerate() {
                edges.push_str(&draw_edge(edge, from, middle(edge.to, self.vaults.len())));
                labels.push_str(&draw_label(edge, from, number));
            }
            if source.edges.is_empty() {
                edges.push_str(&format!(
                    "<path class=\"edge unseen\" d=\"M{BOX} {from}h70\"/><text class=\"label unseen\" x=\"{}\" y=\"{}\">not evaluated</text>",
                    BOX + 80,
                    from + 4
                ));
            }
            boxes.push_str(&draw_box(0, from, source.class, &source.title, &source.under));
        }
        for (at, (vault, keeper)) in self.vaults.iter().enumerate() {
            let title = format!("vault {}", cut(vault.resource_name(), 30));
            boxes.push_str(&draw_box(RIGHT, middle(at, self.vaults.len()), "vault", &title, keeper));
        }
        let body = format!(
            "<title id=\"picture-title\">Which source account copies to which vault</title>\
             <desc id=\"picture-text\">{told}</desc>\
             <text class=\"column\" x=\"0\" y=\"18\">Source accounts</text><text class=\"column\" x=\"{RIGHT}\" y=\"18\">Vaults that keep copies</text>\
             {edges}{labels}{boxes}"
        );
        (body, height)
    }
}

fn draw_edge(edge: &Edge, from: usize, to: usize) -> String {
    let class = class(edge.state);
    let bend = (BOX + RIGHT) / 2;
    // Three tenths of the way, where the ways to one vault are still apart.
    let (x, y) = ((343 * BOX + 630 * bend + 27 * RIGHT) / 1000, (784 * from + 216 * to) / 1000);
    let mark = mark(edge.state, x, y);
    format!("<path class=\"edge {class}\" d=\"M{BOX} {from}C{bend} {from} {bend} {to} {RIGHT} {to}\"/>{mark}")
}

/// What marks a way that is not well, so that it is told apart without its colour.
pub(in crate::report::sweep) fn mark(state: RouteState, x: usize, y: usize) -> String {
    match state {
        RouteState::Broken => mark_broken(x, y),
        RouteState::Stopped => mark_stopped(x, y),
        RouteState::Unknown | RouteState::Well => String::new(),
    }
}

/// A cross in a circle.
fn mark_broken(x: usize, y: usize) -> String {
    let (left, top) = (x.saturating_sub(4), y.saturating_sub(4));
    format!("<g class=\"mark\"><circle cx=\"{x}\" cy=\"{y}\" r=\"11\"/><path d=\"M{left} {top}l9 9m0 -9l-9 9\"/></g>")
}

/// A bar across a square.
fn mark_stopped(x: usize, y: usize) -> String {
    let (left, top) = (x.saturating_sub(10), y.saturating_sub(10));
    format!(
        "<g class=\"mark\"><rect x=\"{left}\" y=\"{top}\" width=\"20\" height=\"20\" rx=\"4\"/><path d=\"M{} {y}h10\"/></g>",
        x.saturating_sub(5)
    )
}

/// Beside the box that it belongs to, where the ways are still apart, and over all of them.
fn draw_label(edge: &Edge, from: usize, number: usize) -> String {
    let y = (from + 16 * number).saturating_sub(14);
    match edge.label.as_str() {
        "" => String::new(),
        label => format!("<text class=\"label {}\" x=\"{}\" y=\"{y}\">{}</text>", class(edge.state), BOX + 12, t(&cut(label, 52))),
    }
}

fn draw_box(x: usize, middle: usize, class: &str, title: &str, under: &str) -> String {
    let y = middle - HEIGHT / 2;
    format!(
        "<g class=\"box {class}\"><rect x=\"{x}\" y=\"{y}\" width=\"{BOX}\" height=\"{HEIGHT}\" rx=\"9\"/><rect class=\"stripe\" x=\"{x}\" y=\"{y}\" width=\"6\" height=\"{HEIGHT}\" rx=\"3\"/>\
         <text class=\"title\" x=\"{}\" y=\"{}\">{}</text><text class=\"under\" x=\"{}\" y=\"{}\">{}</text></g>",
        x + 18,
        y + 22,
        t(title),
        x + 18,
        y + 40,
        t(under)
    )
}
