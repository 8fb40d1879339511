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
                    consequence: "failures that no event announces are not found".to_owned(),
                    remedy: format!("read the log of {function} and its dead-letter queue"),
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
