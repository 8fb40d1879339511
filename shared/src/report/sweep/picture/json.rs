//! The same for machines. Its members are only ever added to.

use serde_json::{Value, json};

use super::word;
use crate::report::sweep::{Overview, RouteLine, RouteState};

/// The worst routes one by one, how many there are in each state, and the accounts of which nobody knows.
pub fn topology_json(overview: &Overview) -> Value {
    let routes = &overview.routes;
    let states = [RouteState::Broken, RouteState::Stopped, RouteState::Unknown, RouteState::Well];
    let mut summary = states.into_iter().map(|state| (id(state), Value::from(routes.count(state)))).collect::<serde_json::Map<_, _>>();
    summary.insert("to_other_vaults".to_owned(), routes.to_other_vaults.into());
    let unread = overview.not_evaluated.iter().map(|part| {
        let gaps = part.gaps.iter().map(|gap| gap.action.as_str()).collect::<Vec<_>>();
        some(json!({"account_id": part.account_id, "account_name": part.name, "region": part.region, "gaps": gaps}))
    });
    json!({
        "at": overview.head.as_ref().map(|head| head.at),
        "routes": routes.worst.iter().map(route).collect::<Vec<_>>(),
        "routes_not_listed": routes.worst.total().saturating_sub(routes.worst.iter().len() as u64),
        "not_evaluated": unread.collect::<Vec<_>>(),
        "summary": summary,
    })
}

/// `to-be-stopped`, as one word.
fn id(state: RouteState) -> String {
    word(state).replace(' ', "-")
}

fn route(line: &RouteLine) -> Value {
    some(json!({
        "source_account": line.account_id,
        "source_name": line.name,
        "vault": line.vault_arn,
        "resources": line.resources,
        "state": id(line.state()),
        "why": Some(line.label()).filter(|why| !why.is_empty()),
        "stopped_by": line.stopped_by,
    }))
}

/// What is not known is absent.
fn some(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}
