//! CloudTrail records what a diagnosis needs.

use crate::compliance::say::{Place, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::Trail;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-062",
        name: "cloudtrail-fit-for-diagnosis",
        title: "CloudTrail records what a diagnosis needs",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "cloudtrail:GetEventSelectors"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-management-events-with-cloudtrail.html",
            "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html",
        ],
        page: include_str!("cloudtrail-fit-for-diagnosis.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_regions(|place, region| {
        let Some(trails) = region.trails.known() else { return vec![Outcome::unseen(place.here(), "the trails", &region.trails)] };
        vec![of(place, trails)]
    })
}

fn of(place: Place<'_>, trails: &[Trail]) -> Outcome {
    let mut gaps = Vec::new();
    let mut faults = Vec::new();
    let mut open = false;
    for trail in trails {
        let (logging, events) = (trail.logging.known(), trail.management_events.known());
        let mut lacks = Vec::new();
        if logging == Some(&false) {
            lacks.push("it does not log");
        }
        if let Some(events) = events {
            for (has, fault) in [
                (events.reads, "it leaves out calls that read"),
                (events.writes, "it leaves out calls that write"),
                (events.kms, "it leaves out calls of AWS KMS"),
            ] {
                if !has {
                    lacks.push(fault);
                }
            }
        }
        if lacks.is_empty() && logging.is_some() && events.is_some() {
            return Outcome::pass(place.here(), format!("the trail {} records all management events", quoted(trail.arn.as_str())))
                .from([trail.arn.as_str()]);
        }
        if lacks.is_empty() {
            open = true;
            gaps.extend(trail.logging.gap().into_iter().chain(trail.management_events.gap()).cloned());
        } else {
            faults.push(format!("{}: {}", quoted(trail.arn.as_str()), lacks.join(" and ")));
        }
    }
    if open {
        return Outcome::unknown(place.here(), "not seen: what the trails record", gaps);
    }
    faults.sort();
    let seen = if faults.is_empty() { "no trail records the management events of the Region".to_owned() } else { faults.join("; ") };
    let remedy = format!(
        "{} let a trail, best that of the organization, record all management events, AWS KMS and reads included: {}",
        place.words(),
        quoted(
            "aws cloudtrail put-event-selectors --trail-name TRAIL --event-selectors ReadWriteType=All,IncludeManagementEvents=true,ExcludeManagementEventSources=[]"
        )
    );
    Outcome::fail(place.here(), seen, remedy)
}
