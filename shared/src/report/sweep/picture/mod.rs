//! The picture of the topology: source accounts on the left, the vaults that keep their copies on the right, and whether copies arrive. The page, the
//! drawing that stands alone and the terminal draw the same.

mod json;
mod svg;
mod text;

use std::collections::{BTreeMap, BTreeSet};

pub use json::topology_json;
pub use svg::topology_svg;
pub(super) use svg::{drawn, mark};
pub use text::topology_text;

use super::words::{counted, cut, number};
use super::{Overview, RouteLine, RouteState};
use crate::arn::{AccountId, Arn};
use crate::compliance::checks::find;

/// Source accounts that are drawn one by one.
const MOST_SOURCES: usize = 10;
/// Accounts that could not be read and are drawn one by one.
const MOST_UNREAD: usize = 3;
/// Vaults that are drawn.
const MOST_VAULTS: usize = 8;

/// How many routes are in which state.
pub(super) fn sentence(overview: &Overview) -> String {
    let count = |state| overview.routes.count(state);
    let states = [RouteState::Broken, RouteState::Stopped, RouteState::Unknown, RouteState::Well];
    let mut told = states.map(|state| (count(state), word(state))).to_vec();
    told.push((overview.routes.to_other_vaults, "to further vaults"));
    let all = told.iter().map(|(n, _)| n).sum::<u64>();
    let told = told.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", number(n))).collect::<Vec<_>>();
    format!("{} from source accounts to vaults: {}.", counted(all, "route"), told.join(", "))
}

/// A state in a word.
pub(super) fn word(state: RouteState) -> &'static str {
    match state {
        RouteState::Broken => "broken",
        RouteState::Stopped => "to be stopped",
        RouteState::Unknown => "not seen",
        RouteState::Well => "well",
    }
}

/// A state as a class of the style.
pub(super) fn class(state: RouteState) -> &'static str {
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

/// The states that are drawn, with what each means.
pub(super) fn signs(overview: &Overview) -> Vec<(RouteState, &'static str)> {
    let all = [
        (RouteState::Broken, "copies that should be there are not, are old, or lie under another key"),
        (RouteState::Stopped, "copies are there so far, and a policy or a setting will stop the next one, or that of some types"),
        (RouteState::Unknown, "nobody could look"),
        (RouteState::Well, "copies land, and nothing that was seen will stop the next one"),
    ];
    // Accounts that could not be read are drawn, too, though nobody knows their ways.
    let unread = overview.not_evaluated.iter().any(|part| part.region.is_none());
    let drawn = |state| overview.routes.count(state) > 0 || state == RouteState::Unknown && unread;
    all.into_iter().filter(|(state, _)| drawn(*state)).collect()
}

/// The checks that stop copies, each with what does not hold.
pub(super) fn codes(overview: &Overview) -> Vec<(&str, String)> {
    let codes = overview.routes.worst.iter().flat_map(|line| &line.stopped_by).collect::<BTreeSet<_>>();
    let title = |code: &str| find(code).map_or_else(String::new, |check| format!(" does not hold: {}", check.meta.title));
    codes.into_iter().map(|code| (code.as_str(), title(code))).collect()
}
