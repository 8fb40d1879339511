//! Recorded events into a queue, and the alerts that come out: what `guardian replay` needs of AWS.
//!
//! The alerts are read as any subscriber reads them, through a queue of our own that is subscribed for the time of the replay.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::types::QueueAttributeName;
use guardian_core::arn::Region;
use guardian_core::ports::PortError;

use crate::classify::port_error;
use crate::operator;
use crate::session::our_account_in;

/// A session in the guardian account that may send, subscribe and receive.
#[derive(Debug)]
pub struct Replayer {
    sqs: aws_sdk_sqs::Client,
    sns: aws_sdk_sns::Client,
}

/// A queue that receives the alerts while a replay lasts.
#[derive(Debug)]
pub struct Mailbox {
    queue_url: String,
    subscription_arn: String,
}

fn missing(operation: &'static str) -> PortError {
    PortError { operation, code: "incomplete answer".to_owned(), retryable: false }
}

impl Replayer {
    /// With the credentials of the environment, in a Region.
    pub async fn here(region: &Region) -> Self {
        Self::with(&our_account_in(region).await)
    }

    /// As the administrator of the guardian account of a lab.
    pub async fn in_lab(administrator: &str, region: &Region) -> Result<Self, PortError> {
        Ok(Self::with(&operator::in_lab(administrator, region).await?))
    }

    fn with(config: &SdkConfig) -> Self {
        Self { sqs: aws_sdk_sqs::Client::new(config), sns: aws_sdk_sns::Client::new(config) }
    }

    /// The queue whose name has all these parts, and not `DeadLetter`; `None` where not exactly one has.
    pub async fn find_queue(&self, parts: &[&str]) -> Result<Option<String>, PortError> {
        let mut found = Vec::new();
        let mut pages = self.sqs.list_queues().max_results(1000).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| port_error("sqs:ListQueues", &error))?;
            found.extend(
                page.queue_urls()
                    .iter()
                    .filter(|url| {
                        let name = url.rsplit('/').next().unwrap_or_default();
                        parts.iter().all(|part| name.contains(part)) && !name.contains("DeadLetter")
                    })
                    .cloned(),
            );
        }
        Ok(if found.len() == 1 { found.pop() } else { None })
    }

    /// Sends one event into the queue of a function.
    pub async fn send(&self, queue_url: &str, event: &str) -> Result<(), PortError> {
        let request = self.sqs.send_message().queue_url(queue_url).message_body(event);
        request.send().await.map(|_| ()).map_err(|error| port_error("sqs:SendMessage", &error))
    }

    /// Subscribes a queue of our own to a topic.
    pub async fn subscribe(&self, topic_arn: &str, name: &str) -> Result<Mailbox, PortError> {
        let answer = self.sqs.create_queue().queue_name(name).send().await.map_err(|error| port_error("sqs:CreateQueue", &error))?;
        let queue_url = answer.queue_url.ok_or_else(|| missing("sqs:CreateQueue"))?;
        let answer = self
            .sqs
            .get_queue_attributes()
            .queue_url(&queue_url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
            .await
            .map_err(|error| port_error("sqs:GetQueueAttributes", &error))?;
        let queue_arn = answer
            .attributes()
            .and_then(|attributes| attributes.get(&QueueAttributeName::QueueArn))
            .cloned()
            .ok_or_else(|| missing("sqs:GetQueueAttributes"))?;
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue_arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
        }]});
        self.sqs
            .set_queue_attributes()
            .queue_url(&queue_url)
            .attributes(QueueAttributeName::Policy, policy.to_string())
            .send()
            .await
            .map_err(|error| port_error("sqs:SetQueueAttributes", &error))?;
        let answer = self
            .sns
            .subscribe()
            .topic_arn(topic_arn)
            .protocol("sqs")
            .endpoint(&queue_arn)
            .attributes("RawMessageDelivery", "true")
            .return_subscription_arn(true)
            .send()
            .await
            .map_err(|error| port_error("sns:Subscribe", &error))?;
        Ok(Mailbox { queue_url, subscription_arn: answer.subscription_arn.ok_or_else(|| missing("sns:Subscribe"))? })
    }

    /// Takes what has arrived; waits up to `patience` for the first message.
    pub async fn receive(&self, mailbox: &Mailbox, patience: Duration) -> Result<Vec<String>, PortError> {
        let mut bodies = Vec::new();
        let mut wait = i32::try_from(patience.as_secs()).unwrap_or(20).min(3);
        loop {
            let answer = self
                .sqs
                .receive_message()
                .queue_url(&mailbox.queue_url)
                .max_number_of_messages(10)
                .wait_time_seconds(wait)
                .send()
                .await
                .map_err(|error| port_error("sqs:ReceiveMessage", &error))?;
            if answer.messages().is_empty() {
                return Ok(bodies);
            }
            wait = 0;
            for message in answer.messages() {
                bodies.extend(message.body().map(str::to_owned));
                if let Some(receipt) = message.receipt_handle() {
                    let request = self.sqs.delete_message().queue_url(&mailbox.queue_url).receipt_handle(receipt);
                    request.send().await.map_err(|error| port_error("sqs:DeleteMessage", &error))?;
                }
            }
        }
    }

    /// Takes subscription and queue away again.
    pub async fn unsubscribe(&self, mailbox: Mailbox) -> Result<(), PortError> {
        let request = self.sns.unsubscribe().subscription_arn(mailbox.subscription_arn);
        request.send().await.map_err(|error| port_error("sns:Unsubscribe", &error))?;
        let request = self.sqs.delete_queue().queue_url(mailbox.queue_url);
        request.send().await.map(|_| ()).map_err(|error| port_error("sqs:DeleteQueue", &error))
    }
}
