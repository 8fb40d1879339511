//! Reads of trails. The event history is looked up by an adapter of its own, which has a budget.

use serde_json::Value;

use super::capture::raw;
use super::{Failure, Question, refused, region};
use crate::session::Cloud;

pub(super) async fn ask(cloud: &Cloud, question: &Question) -> Result<Value, Failure> {
    let trail = cloud.clients(&question.account, region(question)?).await?.trail;
    match question.operation {
        "DescribeTrails" => raw!(trail.describe_trails()),
        "GetTrailStatus" => raw!(trail.get_trail_status().set_name(question.parameter("Name"))),
        "GetEventSelectors" => raw!(trail.get_event_selectors().set_trail_name(question.parameter("TrailName"))),
        _ => Err(refused(question)),
    }
}
