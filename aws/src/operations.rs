//! The topic of those who run the guardian.

use guardian_core::ports::{Operations, PortError};

use crate::classify::port_error;

/// The operations topic.
#[derive(Clone, Debug)]
pub struct OperationsTopic {
    client: aws_sdk_sns::Client,
    topic_arn: String,
}

impl OperationsTopic {
    /// Sends to this topic.
    pub fn new(config: &aws_config::SdkConfig, topic_arn: impl Into<String>) -> Self {
        Self { client: aws_sdk_sns::Client::new(config), topic_arn: topic_arn.into() }
    }
}

impl Operations for OperationsTopic {
    async fn tell(&self, subject: &str, body: &str) -> Result<(), PortError> {
        let request = self.client.publish().topic_arn(&self.topic_arn).subject(subject).message(body);
        request.send().await.map(|_| ()).map_err(|error| port_error("sns:Publish", &error))
    }
}
