//! The machine form. Its members are in `--help`, and only ever added to.

use guardian_core::copy::{Judged, NotYetKnown, Verdict};
use guardian_core::remedy::{NoPatch, Patch, cli};
use guardian_core::report::inert_text;
use serde_json::{Value, json};

use super::finding::{Finding, Findings};

pub(crate) fn json(findings: &Findings) -> Value {
    let count = |verdict| findings.with(verdict).count();
    inert(json!({
        "routes": findings.routes.iter().map(route).collect::<Vec<_>>(),
        "not_known": findings.unknown.iter().map(not_known).collect::<Vec<_>>(),
        "gaps": findings.gaps,
        "summary": {
            "plans": findings.plans,
            "plans_that_copy": findings.copying_plans,
            "routes": findings.routes.len(),
            "works": count(Verdict::Works),
            "will_fail": count(Verdict::WillFail),
            "depends": count(Verdict::Depends),
            "not_known": findings.unknown.len(),
            "gaps": findings.gaps.len(),
        },
    }))
}

fn route(finding: &Finding) -> Value {
    let forecast = &finding.forecast;
    let route = &forecast.route;
    let mut value = json!({
        "source_account": route.source_account,
        "source_region": route.source_region,
        "source_vault": route.source_vault_arn.resource_name(),
        "resource_type": route.resource_type,
        "key": route.source_key_arn,
        "destination_vault": route.destination_vault_arn,
        "job_role": route.job_role_arn,
        "perhaps_selected_by": forecast.perhaps_selected,
        "verdict": match forecast.verdict {
            Verdict::Works => "works",
            Verdict::WillFail => "will-fail",
            Verdict::Depends => "depends",
        },
        "denied": forecast.denied.iter().map(denied).collect::<Vec<_>>(),
        "obstacles": forecast.blockers.iter().map(|blocker| blocker.reason()).collect::<Vec<_>>(),
        "patches": finding.patches().map(patch).collect::<Vec<_>>(),
        "without_patch": finding.without_patch().map(without_patch).collect::<Vec<_>>(),
        "depends_on": forecast.open,
        "gaps": forecast.gaps,
    });
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}

fn denied(judged: &Judged) -> Value {
    let need = &judged.requirement;
    json!({"principal": need.principal, "action": need.action, "resource": need.resource, "why": judged.reason()})
}

fn patch(patch: &Patch) -> Value {
    json!({
        "account_id": patch.account_id,
        "target_arn": patch.target_arn,
        "operation": patch.operation.action(),
        "statements": patch.statements,
        "document": patch.document,
        "cli": cli(patch),
        "proof": patch.proof,
    })
}

fn without_patch(no_patch: &NoPatch) -> Value {
    match no_patch.instead() {
        Some(instead) => json!({"reason": no_patch.reason(), "instead": instead}),
        None => json!({"reason": no_patch.reason()}),
    }
}

fn not_known(unknown: &NotYetKnown) -> Value {
    json!({
        "account": unknown.account_id,
        "region": unknown.region,
        "plan": unknown.plan,
        "source_vault": unknown.source_vault_arn.resource_name(),
        "destination_vault": unknown.destination_vault_arn,
        "why": unknown.why.reason(),
    })
}

/// Names, Sids and error codes are other people's text, wherever they stand. A patch is not touched: changed, it would be another patch, and JSON
/// and its command are inert by their own escapes.
fn inert(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(inert_text(&text)),
        Value::Array(items) => Value::Array(items.into_iter().map(inert).collect()),
        Value::Object(members) => Value::Object(members.into_iter().map(member).collect()),
        value => value,
    }
}

fn member((name, value): (String, Value)) -> (String, Value) {
    let value = if name == "patches" { value } else { inert(value) };
    (name, value)
}
