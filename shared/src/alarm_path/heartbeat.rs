//! Does what runs by itself still run?

use jiff::{SignedDuration, Timestamp};

use super::facts::Heartbeat;
use super::{Check, TroubleKind, Words};
use crate::evidence::Fact;

/// Whether a function ended its work lately.
pub fn heartbeat(facts: &Heartbeat, now: Timestamp) -> Check {
    let function = &facts.function;
    let mut check = Check::of(format!("function {function}"));
    match &facts.last {
        Fact::Known { value, .. } => {
            let limit = SignedDuration::try_from(facts.limit).unwrap_or(SignedDuration::MAX);
            if now.duration_since(*value) > limit {
                let words = Words {
                    what: format!("{function} has not ended its work since {value:.0} (it should within {} hours)", limit.as_hours()),
                    consequence: consequence(function).to_owned(),
                    remedy: remedy(function),
                    command: Some(format!("aws logs tail /aws/lambda/backup-guardian-{function} --since 6h")),
                };
                check.add(TroubleKind::HeartbeatLate, "", words);
            }
        }
        Fact::Gap(gap) => check.unchecked(&format!("the heartbeat of {function}"), gap),
        Fact::NotAsked => check.complete = false,
    }
    check
}

/// What nobody hears of while a function is silent.
fn consequence(function: &str) -> &'static str {
    match function {
        "report-sweep" => "nobody is told whether copies land and whether the set-up still holds",
        _ => "failures that no event announces are not found",
    }
}

/// Where the reason is found: a sweep has an execution with all its steps, and no queue.
fn remedy(function: &str) -> String {
    match function {
        "report-sweep" => format!("read the executions of the state machine backup-guardian-sweep and the log of {function}"),
        _ => format!("read the log of {function} and its dead-letter queue"),
    }
}
