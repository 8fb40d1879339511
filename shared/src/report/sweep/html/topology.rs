//! The picture: source accounts on the left, the vaults that keep their copies on the right, and whether copies arrive. The same in a table below,
//! for who cannot see it.

use std::collections::{BTreeMap, BTreeSet};

use super::markup::t;
use super::more;
use crate::arn::{AccountId, Arn};
use crate::compliance::checks::find;
use crate::report::sweep::words::{counted, cut, named_account, number};
use crate::report::sweep::{Overview, RouteLine, RouteState};

/// Source accounts that are drawn one by one.
const MOST_SOURCES: usize = 10;
/// Accounts that could not be read and are drawn one by one.
const MOST_UNREAD: usize = 3;
/// Vaults that are drawn.
const MOST_VAULTS: usize = 8;
/// Routes of the table.
const MOST_ROUTES: usize = 100;

const WIDTH: usize = 980;
const BOX: usize = 270;
const STEP: usize = 68;
const HEIGHT: usize = 52;
const TOP: usize = 40;
const RIGHT: usize = WIDTH - BOX;

/// The section.
pub(super) fn section(overview: &Overview) -> String {
    let routes = &overview.routes;
    let mut out = String::from("<section id=\"topology\" aria-labelledby=\"topology-title\">\n<h2 id=\"topology-title\">Topology</h2>\n");
    if routes.worst.is_empty() {
        out.push_str("<p class=\"none\">No rule that was seen asks for a copy.</p>\n</section>\n");
        return out;
    }
    out.push_str(&format!("<p>{}</p>\n", t(&sentence(overview))));
    out.push_str(&format!(
        "<div class=\"scroll picture\" role=\"region\" tabindex=\"0\" aria-label=\"Picture of the topology\">{}</div>\n{}{}",
        Picture::of(overview).draw(),
        legend(overview),
        table(overview)
    ));
    out.push_str("</section>\n");
    out
}

fn sentence(overview: &Overview) -> String {
    let count = |state| overview.routes.count(state);
    let states = [RouteState::Broken, RouteState::Stopped, RouteState::Unknown, RouteState::Well];
    let mut told = states.map(|state| (count(state), word(state))).to_vec();
    told.push((overview.routes.to_other_vaults, "to further vaults"));
    let all = told.iter().map(|(n, _)| n).sum::<u64>();
    let told = told.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", number(n))).collect::<Vec<_>>();
    format!("{} from source accounts to vaults: {}.", counted(all, "route"), told.join(", "))
}

fn word(state: RouteState) -> &'static str {
    match state {
        RouteState::Broken => "broken",
        RouteState::Stopped => "to be stopped",
        RouteState::Unknown => "not seen",
        RouteState::Well => "well",
    }
}

fn class(state: RouteState) -> &'static str {
    match state {
        RouteState::Broken => "broken",
        RouteState::Stopped => "stopped",
        RouteState::Unknown => "unseen",
        RouteState::Well => "well",
    }
}

/// A box on the left.
struct Source {
    title: String,
    under: String,
    class: &'static str,
    edges: Vec<Edge>,
}

/// A way to a vault, by its place.
struct Edge {
    to: usize,
    state: RouteState,
    label: String,
}

struct Picture<'a> {
    sources: Vec<Source>,
    vaults: Vec<(&'a Arn, String)>,
}

impl<'a> Picture<'a> {
    fn of(overview: &'a Overview) -> Self {
        let routes = &overview.routes;
        let vaults = routes.by_vault.keys().take(MOST_VAULTS).collect::<Vec<_>>();
        let place = |vault: &Arn| vaults.iter().position(|one| *one == vault);
        let mut drawn = BTreeSet::<&AccountId>::new();
        let mut sources = Vec::<(&AccountId, Source)>::new();
        let mut rest = routes.by_vault.clone();
        for line in routes.worst.iter() {
            let Some(to) = place(&line.vault_arn) else { continue };
            if !drawn.contains(&line.account_id) {
                if drawn.len() >= MOST_SOURCES {
                    continue;
                }
                drawn.insert(&line.account_id);
                sources.push((&line.account_id, source(line)));
            }
            if let Some((_, source)) = sources.iter_mut().find(|(id, _)| **id == line.account_id) {
                source.edges.push(Edge { to, state: line.state(), label: line.label() });
            }
            if let Some(n) = rest.get_mut(&line.vault_arn).and_then(|states| states.get_mut(&line.state())) {
                *n = n.saturating_sub(1);
            }
        }
        let mut sources = sources.into_iter().map(|(_, source)| source).collect::<Vec<_>>();
        sources.extend(others(&rest, place));
        sources.extend(unread(overview, &drawn));
        let vaults = vaults.into_iter().map(|vault| (vault, keeper(overview, vault))).collect();
        Self { sources, vaults }
    }

    fn draw(&self) -> String {
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
        format!(
            "<svg class=\"topology\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"picture-title picture-text\">\
             <title id=\"picture-title\">Which source account copies to which vault</title>\
             <desc id=\"picture-text\">The table below the picture says the same.</desc>\
             <text class=\"column\" x=\"0\" y=\"18\">Source accounts</text><text class=\"column\" x=\"{RIGHT}\" y=\"18\">Vaults that keep copies</text>\
             {edges}{labels}{boxes}</svg>"
        )
    }
}

fn source(line: &RouteLine) -> Source {
    let title = line.name.as_ref().map_or_else(|| line.account_id.as_str().to_owned(), |name| cut(name, 30));
    let under = format!("{} · {}", line.account_id, counted(line.resources, "resource"));
    // The first route of an account is its worst.
    Source { title, under, class: class(line.state()), edges: Vec::new() }
}

/// The routes that are not drawn one by one, as one box.
fn others(rest: &BTreeMap<Arn, BTreeMap<RouteState, u64>>, place: impl Fn(&Arn) -> Option<usize>) -> Option<Source> {
    let mut edges = Vec::new();
    let mut all = 0_u64;
    for (vault, states) in rest {
        let told = states.iter().filter(|(_, n)| **n > 0);
        let label = told.clone().map(|(state, n)| format!("{} {}", number(*n), word(*state)));
        let label = label.collect::<Vec<_>>().join(", ");
        all += states.values().sum::<u64>();
        if let (Some(to), Some((state, _))) = (place(vault), told.clone().next()) {
            edges.push(Edge { to, state: *state, label });
        }
    }
    let worst = edges.iter().map(|edge| edge.state).min()?;
    Some(Source {
        title: format!("{} more", counted(all, "route")),
        under: "of other source accounts".to_owned(),
        class: class(worst),
        edges,
    })
}

fn unread(overview: &Overview, drawn: &BTreeSet<&AccountId>) -> Vec<Source> {
    let whole = overview.not_evaluated.iter().filter(|part| part.region.is_none() && !drawn.contains(&part.account_id)).collect::<Vec<_>>();
    let shown = whole.iter().take(MOST_UNREAD).map(|part| Source {
        title: part.name.as_ref().map_or_else(|| part.account_id.as_str().to_owned(), |name| cut(name, 30)),
        under: part
            .gaps
            .first()
            .map_or_else(|| part.account_id.as_str().to_owned(), |gap| format!("{} · {}", part.account_id, cut(&gap.action, 22))),
        class: "unread",
        edges: Vec::new(),
    });
    let mut sources = shown.collect::<Vec<_>>();
    let hidden = whole.len().saturating_sub(MOST_UNREAD) as u64;
    if hidden > 0 {
        sources.push(Source {
            title: format!("{} more", counted(hidden, "account")),
            under: "could not be read".to_owned(),
            class: "unread",
            edges: Vec::new(),
        });
    }
    sources
}

/// Whose vault it is.
fn keeper(overview: &Overview, vault: &Arn) -> String {
    let Some(account) = vault.account() else { return "account unknown".to_owned() };
    let name =
        overview.backup_names.get(&account).map_or_else(|| account.as_str().to_owned(), |name| format!("{} {account}", cut(name, 16)));
    match vault.region() {
        Some(region) => format!("{name} · {region}"),
        None => name,
    }
}

fn draw_edge(edge: &Edge, from: usize, to: usize) -> String {
    let class = class(edge.state);
    let bend = (BOX + RIGHT) / 2;
    // Three tenths of the way, where the ways to one vault are still apart.
    let (x, y) = ((343 * BOX + 630 * bend + 27 * RIGHT) / 1000, (784 * from + 216 * to) / 1000);
    let mark = match edge.state {
        RouteState::Broken => mark_broken(x, y),
        RouteState::Stopped => mark_stopped(x, y),
        RouteState::Unknown | RouteState::Well => String::new(),
    };
    format!("<path class=\"edge {class}\" d=\"M{BOX} {from}C{bend} {from} {bend} {to} {RIGHT} {to}\"/>{mark}")
}

/// A cross in a circle.
fn mark_broken(x: usize, y: usize) -> String {
    let (left, top) = (x.saturating_sub(4), y.saturating_sub(4));
    format!("<g class=\"mark\"><circle cx=\"{x}\" cy=\"{y}\" r=\"11\"/><path d=\"M{left} {top}l9 9m0 -9l-9 9\"/></g>")
}

/// A bar across a square: told apart from a cross without its colour, too.
fn mark_stopped(x: usize, y: usize) -> String {
    let (left, top) = (x.saturating_sub(10), y.saturating_sub(10));
    format!(
        "<g class=\"mark\"><rect x=\"{left}\" y=\"{top}\" width=\"20\" height=\"20\" rx=\"4\"/><path d=\"M{} {y}h10\"/></g>",
        x.saturating_sub(5)
    )
}

/// What the lines and the codes mean.
fn legend(overview: &Overview) -> String {
    let sample = |state: RouteState, means: &str| {
        let mark = match state {
            RouteState::Broken => mark_broken(32, 13),
            RouteState::Stopped => mark_stopped(32, 13),
            RouteState::Unknown | RouteState::Well => String::new(),
        };
        format!(
            "<li><svg viewBox=\"0 0 64 26\" width=\"64\" height=\"26\" aria-hidden=\"true\"><path class=\"edge {}\" d=\"M0 13h64\"/>{mark}</svg> \
             <span><strong>{}</strong>: {means}</span></li>\n",
            class(state),
            word(state),
        )
    };
    let all = [
        (RouteState::Broken, "copies that should be there are not, are old, or lie under another key"),
        (RouteState::Stopped, "copies are there so far, and a policy or a setting will stop the next one, or that of some types"),
        (RouteState::Unknown, "nobody could look"),
        (RouteState::Well, "copies land, and nothing that was seen will stop the next one"),
    ];
    // Accounts that could not be read are drawn, too, though nobody knows their ways.
    let unread = overview.not_evaluated.iter().any(|part| part.region.is_none());
    let drawn = |state| overview.routes.count(state) > 0 || state == RouteState::Unknown && unread;
    let lines = all.into_iter().filter(|(state, _)| drawn(*state)).map(|(state, means)| sample(state, means));
    let codes = overview.routes.worst.iter().flat_map(|line| &line.stopped_by).collect::<BTreeSet<_>>();
    let codes = codes.into_iter().map(|code| {
        let title = find(code).map_or_else(String::new, |check| format!(" does not hold: {}", check.meta.title));
        format!("<li><span><span class=\"code\">{}</span>{}</span></li>\n", t(code), t(&title))
    });
    format!("<ul class=\"signs\" aria-label=\"What the picture means\">\n{}{}</ul>\n", lines.collect::<String>(), codes.collect::<String>())
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

fn table(overview: &Overview) -> String {
    let rows = overview.routes.worst.iter().take(MOST_ROUTES).map(|line| {
        let state = line.state();
        let word = word(state);
        let why = if state == RouteState::Well { "copies land".to_owned() } else { line.label() };
        format!(
            "<tr><th scope=\"row\">{}</th><td><code>{}</code></td><td class=\"n\">{}</td><td><span class=\"answer route-{}\">{word}</span></td><td>{}</td></tr>\n",
            t(&named_account(&line.account_id, line.name.as_deref())),
            t(line.vault_arn.as_str()),
            number(line.resources),
            class(state),
            t(&why)
        )
    });
    let shown = overview.routes.worst.iter().len().min(MOST_ROUTES) as u64;
    format!(
        "<details class=\"wide\"><summary>The same as a table</summary>\n\
         <div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Routes\"><table>\n\
         <thead><tr><th scope=\"col\">Source account</th><th scope=\"col\">Vault</th><th scope=\"col\" class=\"n\">Resources</th><th scope=\"col\">State</th><th scope=\"col\">Why</th></tr></thead>\n\
         <tbody>{}</tbody></table></div>\n{}</details>\n",
        rows.collect::<String>(),
        more(overview.routes.worst.total().saturating_sub(shown), "route", None)
    )
}
