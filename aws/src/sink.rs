//! Alerts over SNS.

use aws_sdk_sns::types::MessageAttributeValue;
use guardian_core::ports::{AlertSink, PortError};
use guardian_core::report::Message;
use serde_json::json;

use crate::classify::port_error;

/// The alert topic and, where there is one, the topic of the chat channel.
#[derive(Clone, Debug)]
pub struct Topics {
    client: aws_sdk_sns::Client,
    alert_topic_arn: String,
    chat_topic_arn: Option<String>,
}

impl Topics {
    /// Sends to these topics.
    pub fn new(config: &aws_config::SdkConfig, alert_topic_arn: impl Into<String>, chat_topic_arn: Option<String>) -> Self {
        Self { client: aws_sdk_sns::Client::new(config), alert_topic_arn: alert_topic_arn.into(), chat_topic_arn }
    }

    async fn publish(&self, topic: &str, message: &Message, body: String) -> Result<(), PortError> {
        const OPERATION: &str = "sns:Publish";
        let mut request = self.client.publish().topic_arn(topic).subject(&message.subject).message_structure("json").message(body);
        for (name, value) in &message.attributes {
            let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build().map_err(|_| PortError {
                operation: OPERATION,
                code: "incomplete attribute".to_owned(),
                retryable: false,
            })?;
            request = request.message_attributes(*name, attribute);
        }
        request.send().await.map(|_| ()).map_err(|error| port_error(OPERATION, &error))
    }
}

impl AlertSink for Topics {
    async fn send(&self, message: &Message) -> Result<(), PortError> {
        let body = json!({"default": message.default, "email": message.email, "sms": message.sms}).to_string();
        self.publish(&self.alert_topic_arn, message, body).await?;
        if let Some(topic) = &self.chat_topic_arn {
            let body = json!({"default": message.chat, "https": message.chat}).to_string();
            // The alert is out: a chat channel that is down must not make it come again.
            if let Err(error) = self.publish(topic, message, body).await {
                tracing::error!(operation = error.operation, code = %error.code, "the chat topic did not take the alert");
            }
        }
        Ok(())
    }
}
