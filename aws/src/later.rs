//! Work for later over SQS: a queue delays a message by at most 15 minutes
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-timers.html>).

use std::time::Duration;

use guardian_core::ports::{Later, PortError};

use crate::classify::port_error;

/// Longest delay of a message.
const LONGEST: Duration = Duration::from_secs(900);

/// The queue of later work.
#[derive(Clone, Debug)]
pub struct FollowUpQueue {
    client: aws_sdk_sqs::Client,
    queue_url: String,
}

impl FollowUpQueue {
    /// A queue by its URL.
    pub fn new(config: &aws_config::SdkConfig, queue_url: impl Into<String>) -> Self {
        Self { client: aws_sdk_sqs::Client::new(config), queue_url: queue_url.into() }
    }
}

impl Later for FollowUpQueue {
    async fn put_off(&self, work: &str, by: Duration) -> Result<(), PortError> {
        let seconds = i32::try_from(by.min(LONGEST).as_secs()).unwrap_or(900);
        let message = self.client.send_message().queue_url(&self.queue_url).message_body(work).delay_seconds(seconds);
        message.send().await.map(|_| ()).map_err(|error| port_error("sqs:SendMessage", &error))
    }
}
