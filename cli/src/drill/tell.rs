//! A copy as people and machines read it.

use guardian_core::drill::Planned;
use guardian_core::event::JobId;
use guardian_core::evidence::{Gap, GapReason};
use guardian_core::report::inert_text;
use serde_json::{Value, json};

use run_drill::act::Outcome;

/// A size as people read it.
#[expect(clippy::cast_precision_loss, reason = "one digit behind the point is shown")]
pub(super) fn bytes(size: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut left = size as f64;
    let mut unit = 0;
    while left >= 1024.0 && unit + 1 < units.len() {
        left /= 1024.0;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{size} {name}") } else { format!("{left:.1} {name}") }
}

pub(super) fn copy_json(planned: &Planned, outcome: Option<&Outcome>) -> Value {
    let order = &planned.order;
    let mut copy = json!({
        "account_id": order.account,
        "region": order.region,
        "recovery_point_arn": order.point,
        "source_vault_arn": order.source_vault,
        "destination_vault_arn": order.destination_vault,
        "role_arn": order.role,
        "delete_after_days": order.retention.days(),
        "retention_from": planned.origin.as_str(),
        "outcome": match outcome {
            None => "planned",
            Some(Outcome::Started(_)) => "started",
            Some(Outcome::Landed(_)) => "landed",
            Some(Outcome::Failed(_)) => "failed",
            Some(Outcome::Refused(_) | Outcome::LeftOver(_) | Outcome::NotKept(_)) => "not-started",
        },
    });
    let mut more = |name: &str, value: Option<Value>| {
        if let (Some(value), Some(copy)) = (value, copy.as_object_mut()) {
            copy.insert(name.to_owned(), value);
        }
    };
    more("move_to_cold_storage_after_days", order.retention.cold_after_days().map(Value::from));
    more("resource_arn", planned.resource.as_ref().map(|arn| json!(arn)));
    more("resource_type", planned.resource_type.as_ref().map(|kind| json!(kind)));
    more("size_bytes", planned.size_bytes.map(Value::from));
    more("expires_at", planned.expires_at.map(|at| json!(at)));
    more("job_id", job_of_outcome(outcome).map(|job| json!(job)));
    more("reason", outcome.and_then(reason).map(Value::from));
    copy
}

fn job_of_outcome(outcome: Option<&Outcome>) -> Option<&JobId> {
    match outcome {
        Some(Outcome::Started(job) | Outcome::Landed(job) | Outcome::Failed(job)) => Some(job),
        _ => None,
    }
}

/// Why a copy was not started, and what helps. It may carry text of AWS.
pub(super) fn reason(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Started(_) | Outcome::Landed(_) => None,
        Outcome::Failed(job) => Some(format!(
            "the copy job {} ended without a copy: `guardian explain job --type copy` says why, and asked again it is tried again",
            job.as_str()
        )),
        Outcome::NotKept(error) => Some(format!("not started, because it could not be written down: {error}; ask again")),
        Outcome::Refused(gap) => Some(refused(gap)),
        Outcome::LeftOver(made) => {
            Some(format!("{made} of the drill before is there still: `guardian drill list --remove` deletes it or says how"))
        }
    }
}

fn refused(gap: &Gap) -> String {
    let said = gap.detail.as_deref().unwrap_or_else(|| gap.reason.as_str());
    match gap.reason {
        GapReason::RoleNotAssumable => format!(
            "account {} lets nobody start drills: {said}; switch them on there (EnableDrills of deploy/agent-global.yaml)",
            gap.account_id
        ),
        reason if reason.may_pass() => format!("AWS gave no clear answer ({said}): ask again, which starts nothing twice"),
        _ => format!("AWS did not start it: {said}"),
    }
}

pub(super) fn copy_text(planned: &Planned, outcome: Option<&Outcome>) -> String {
    let order = &planned.order;
    let cold = order.retention.cold_after_days().map_or(String::new(), |days| format!(", cold after {days}"));
    let mut lines = vec![
        ("of", planned.resource.as_ref().map(|arn| arn.to_string())),
        ("into", Some(order.destination_vault.to_string())),
        ("role", Some(order.role.to_string())),
        ("kept", Some(format!("{} days{cold} ({})", order.retention.days(), planned.origin.as_str()))),
        ("size", planned.size_bytes.map(bytes)),
        ("expires", planned.expires_at.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())),
    ];
    if let Some(outcome) = outcome {
        lines.push(("job", job_of_outcome(Some(outcome)).map(|job| job.as_str().to_owned())));
        lines.push(("but", reason(outcome)));
    }
    let lines = lines.into_iter().filter_map(|(name, value)| Some(format!("    {:<9}{}\n", format!("{name}:"), inert_text(&value?))));
    format!("\n  {}\n{}", inert_text(order.point.as_str()), lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_by_people() {
        for (size, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (8 << 30, "8.0 GiB"), (3 << 40, "3.0 TiB")] {
            assert_eq!(bytes(size), text);
        }
    }
}
