//! Reads of trails. The event history is looked up by an adapter of its own, which has a budget.

use serde_json::Value;

use super::json::Api;
use super::signed::Service;
use super::{Failure, Question, refused, region};
use crate::session::Cloud;

const CLOUDTRAIL: Api =
    Api { service: Service::named("cloudtrail", "CloudTrail"), prefix: "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101" };

pub(super) async fn ask(cloud: &Cloud, question: &Question) -> Result<Value, Failure> {
    region(question)?;
    match question.operation {
        "DescribeTrails" | "GetTrailStatus" | "GetEventSelectors" => CLOUDTRAIL.one(cloud, question).await,
        _ => Err(refused(question)),
    }
}
