//! Connections that are open before the first event comes.
//!
//! A function that tells of failures is cold at almost every event, and the first handshake with each service takes processor time that the smallest
//! memory has little of, while the initialization has two whole processors.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use guardian_core::arn::Region;

use crate::answers::{Service, endpoint, look_in};
use crate::session::{Cloud, timeouts, trail_timeouts};

/// Longest time for all of them: whoever cannot be reached now is asked again when there is something to ask.
const PATIENCE: Duration = Duration::from_secs(2);

/// Services, how many connections to each, and whether they are those of the event history, which has time-outs of its own.
const DIAGNOSIS: [(Service, usize, fn() -> TimeoutConfig); 7] = [
    (Service::named("sts", "STS"), 2, timeouts),
    (Service::named("dynamodb", "DynamoDB"), 4, timeouts),
    (Service::named("backup", "Backup"), 4, timeouts),
    (Service::named("kms", "KMS"), 6, timeouts),
    (Service::named("cloudtrail", "CloudTrail"), 1, trail_timeouts),
    (Service::named("sns", "SNS"), 1, timeouts),
    (Service::named("sqs", "SQS"), 1, timeouts),
];

impl Cloud {
    /// Opens as many connections as a diagnosis in our own Region has use for at the same time. Nothing is signed and nothing is asked.
    pub async fn open_for_diagnosis(&self) {
        let config = self.base();
        let Some(region) = config.region().and_then(|region| Region::parse(region.as_ref()).ok()) else { return };
        let mut opening = DIAGNOSIS
            .iter()
            .flat_map(|(service, count, timeouts)| (0..*count).map(move |_| (service, timeouts)))
            .filter_map(|(service, timeouts)| opened(config, service, &region, timeouts()))
            .collect::<FuturesUnordered<_>>();
        let all = async { while opening.next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("not every service could be reached while the function started");
        }
    }
}

/// Where there is no handshake there is nothing to be won.
fn opened(config: &SdkConfig, service: &Service, region: &Region, timeouts: TimeoutConfig) -> Option<impl Future<Output = ()>> {
    let host = endpoint(config, service, region.as_str(), region.partition());
    host.starts_with("https://").then(|| async move { look_in(config, host.trim_end_matches('/'), timeouts).await })
}
