//! Connections that are open before the first event comes.
//!
//! A function that tells of failures is cold at almost every event, and the first handshake with each service takes processor time that the smallest
//! memory has little of, while the initialization has two whole processors.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use futures_util::future::join_all;
use guardian_core::arn::Region;

use crate::answers::{Service, endpoint, look_in};
use crate::session::{Cloud, timeouts, trail_timeouts};

/// Longest time for all of them: whoever cannot be reached now is asked again when there is something to ask.
const PATIENCE: Duration = Duration::from_secs(2);

/// A service, and how many connections to it are of use at the same time. Connections are kept by their time-outs.
struct Wanted {
    service: Service,
    count: usize,
    timeouts: fn() -> TimeoutConfig,
}

const fn wanted(host: &'static str, id: &'static str, count: usize) -> Wanted {
    Wanted { service: Service::named(host, id), count, timeouts }
}

const DIAGNOSIS: [Wanted; 7] = [
    wanted("sts", "STS", 2),
    wanted("dynamodb", "DynamoDB", 5),
    wanted("backup", "Backup", 4),
    wanted("kms", "KMS", 6),
    Wanted { timeouts: trail_timeouts, ..wanted("cloudtrail", "CloudTrail", 1) },
    wanted("sns", "SNS", 1),
    wanted("sqs", "SQS", 1),
];

impl Cloud {
    /// Opens as many connections as a diagnosis in our own Region has use for at the same time. Nothing is signed and nothing is asked.
    pub async fn open_for_diagnosis(&self) {
        let config = self.base();
        let Some(region) = config.region().and_then(|region| Region::parse(region.as_ref()).ok()) else { return };
        let all = join_all(DIAGNOSIS.iter().filter_map(|wanted| opened(config, wanted, &region)));
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("not every service could be reached while the function started");
        }
    }
}

/// The connections to one service; none where there is no handshake, for nothing is won there.
fn opened(config: &SdkConfig, wanted: &Wanted, region: &Region) -> Option<impl Future<Output = ()>> {
    let host = endpoint(config, &wanted.service, region.as_str(), region.partition());
    let timeouts = (wanted.timeouts)();
    host.starts_with("https://").then_some(async move { look_in(config, host.trim_end_matches('/'), timeouts, wanted.count).await })
}
