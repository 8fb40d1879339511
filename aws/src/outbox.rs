//! A queue of our own that is written to.

use std::time::Duration;

use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use guardian_core::ports::{Outbox, PortError};

use crate::classify::port_error;

/// Most messages of one request, and most bytes of it with room for what surrounds them
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const MOST_MESSAGES: usize = 10;
const MOST_BYTES: usize = 200_000;

/// A queue.
#[derive(Clone, Debug)]
pub struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

impl Queue {
    /// Writes to the queue of this address.
    pub fn new(config: &aws_config::SdkConfig, url: impl Into<String>) -> Self {
        Self { client: aws_sdk_sqs::Client::new(config), url: url.into() }
    }

    async fn batch(&self, bodies: &[&String], delay: Duration) -> Result<(), PortError> {
        const OPERATION: &str = "sqs:SendMessage";
        let mut request = self.client.send_message_batch().queue_url(&self.url);
        for (n, body) in bodies.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(n.to_string())
                .message_body(body.as_str())
                .delay_seconds(i32::try_from(delay.as_secs()).unwrap_or(900).min(900));
            let refused = |_| PortError { operation: OPERATION, code: "request refused by the SDK".to_owned(), retryable: false };
            request = request.entries(entry.build().map_err(refused)?);
        }
        let answer = request.send().await.map_err(|error| port_error(OPERATION, &error))?;
        match answer.failed().first() {
            None => Ok(()),
            Some(failure) => Err(PortError { operation: OPERATION, code: failure.code().to_owned(), retryable: !failure.sender_fault() }),
        }
    }
}

impl Outbox for Queue {
    async fn put(&self, bodies: &[String], delay: Duration) -> Result<(), PortError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for body in bodies {
            if batch.len() == MOST_MESSAGES || !batch.is_empty() && bytes + body.len() > MOST_BYTES {
                self.batch(&batch, delay).await?;
                batch.clear();
                bytes = 0;
            }
            bytes += body.len();
            batch.push(body);
        }
        if batch.is_empty() { Ok(()) } else { self.batch(&batch, delay).await }
    }
}
