//! Whom the policy of a vault lets in, and whether its conditions keep to those inside.
//!
//! A condition counts only where all of it is understood: an operator that asks for a value, and nothing but values of ours. Everything else may
//! hold for anybody, and leaves the statement as open as if it had none.

use std::collections::BTreeSet;

use serde_json::Value;

use super::documents::{Part, parts};
use super::{Scene, Write};

/// Operators that hold only for the values that they list. Without a value in the request they do not hold, unlike those with `IfExists` and
/// `ForAllValues`.
const ASKING: [&str; 3] = ["stringequals", "stringequalsignorecase", "stringlike"];
/// Before an operator: one of the values of the request is listed.
const ANY: &str = "foranyvalue:";

/// The Allow parts of a policy by which somebody may come in who is not known to belong here.
pub(super) fn open(document: &Value, write: &Write, scene: &Scene<'_>) -> BTreeSet<Part> {
    let mut unbound = document.clone();
    let keeps = |statement: &Value| !statement.get("Condition").is_some_and(|condition| is_bound(condition, write, scene));
    match unbound.get_mut("Statement") {
        Some(Value::Array(all)) => all.retain(keeps),
        Some(one) if !keeps(one) => *one = Value::Array(Vec::new()),
        _ => {}
    }
    parts(&unbound, "Allow").into_iter().filter(|part| is_outside(part, write, scene)).collect()
}

/// A service of AWS acts for whoever calls it, and is none of those.
fn is_outside(part: &Part, write: &Write, scene: &Scene<'_>) -> bool {
    match part.account() {
        Some(account) => !is_known(account, write, scene),
        None => part.principal.contains('*') || part.principal.starts_with("everybody but"),
    }
}

fn is_known(account: &str, write: &Write, scene: &Scene<'_>) -> bool {
    account == write.account.as_str() || scene.backup_accounts.iter().any(|known| known.as_str() == account)
}

/// Whether it holds for nobody outside: all its operators must hold, so one that is bound is enough.
fn is_bound(condition: &Value, write: &Write, scene: &Scene<'_>) -> bool {
    condition.as_object().into_iter().flatten().any(|(operator, keys)| {
        let operator = operator.to_lowercase();
        let (of_any, plain) = operator.strip_prefix(ANY).map_or((false, operator.as_str()), |plain| (true, plain));
        ASKING.contains(&plain)
            && keys.as_object().into_iter().flatten().any(|(key, values)| {
                let values = match values {
                    Value::Array(list) => list.as_slice(),
                    one => std::slice::from_ref(one),
                };
                let is_ours = |value: &Value| value.as_str().is_some_and(|value| is_ours(&key.to_lowercase(), value, of_any, write, scene));
                !values.is_empty() && values.iter().all(is_ours)
            })
    })
}

fn is_ours(key: &str, value: &str, of_any: bool, write: &Write, scene: &Scene<'_>) -> bool {
    match key {
        "aws:principalorgid" | "aws:sourceorgid" => {
            scene.organization_id == Some(value) || value.eq_ignore_ascii_case("${aws:ResourceOrgID}")
        }
        // A caller has several paths: AWS asks for an operator of sets.
        "aws:principalorgpaths" | "aws:sourceorgpaths" => {
            let inside = |id| value.strip_prefix(id).is_some_and(|rest: &str| rest.starts_with('/'));
            of_any && scene.organization_id.is_some_and(inside)
        }
        "aws:principalaccount" | "aws:sourceaccount" => {
            is_known(value, write, scene) || value.eq_ignore_ascii_case("${aws:ResourceAccount}")
        }
        _ => false,
    }
}
