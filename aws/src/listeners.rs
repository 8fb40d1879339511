//! Who listens: topics and queues of our own account, read with our own role.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName;
use guardian_core::alarm_path::facts::{SmsAccount, Subscription, TopicSettings};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{Fact, Gap, GapReason};
use guardian_core::ports::{QueueReader, TopicReader};
use serde_json::Value;

use crate::classify::reason_of;
use crate::convert::{gap, known, text};

/// Reads topics and queues.
#[derive(Clone, Debug)]
pub struct Listeners {
    sns: aws_sdk_sns::Client,
    sqs: aws_sdk_sqs::Client,
}

impl Listeners {
    /// Reads with this configuration.
    pub fn new(config: &aws_config::SdkConfig) -> Self {
        Self { sns: aws_sdk_sns::Client::new(config), sqs: aws_sdk_sqs::Client::new(config) }
    }
}

/// Account and Region of an object; nothing is asked for without both.
fn place(object: &Arn) -> Option<(AccountId, Region)> {
    Some((object.account()?, object.region()?))
}

fn failed<E, R>(action: &str, place: &(AccountId, Region), error: &aws_smithy_runtime_api::client::result::SdkError<E, R>) -> Gap
where
    E: aws_smithy_types::error::metadata::ProvideErrorMetadata,
{
    let (reason, detail) = reason_of(error);
    gap(action, &place.0, &place.1, reason, detail)
}

impl TopicReader for Listeners {
    async fn settings(&self, topic: &Arn) -> Fact<TopicSettings> {
        const ACTION: &str = "sns:GetTopicAttributes";
        let Some(place) = place(topic) else { return Fact::NotAsked };
        let answer = match self.sns.get_topic_attributes().topic_arn(topic.as_str()).send().await {
            Ok(answer) => answer,
            Err(error) => return Fact::Gap(failed(ACTION, &place, &error)),
        };
        let attribute = |name: &str| text(answer.attributes().and_then(|all| all.get(name)).map(String::as_str));
        let policy = match attribute("Policy").map(|policy| serde_json::from_str(&policy)) {
            None => None,
            Some(Ok(policy)) => Some(policy),
            Some(Err(_)) => return Fact::Gap(gap(ACTION, &place.0, &place.1, GapReason::Unreadable, "the policy is not JSON".to_owned())),
        };
        known(TopicSettings { policy, key: attribute("KmsMasterKeyId") }, ACTION)
    }

    async fn subscriptions(&self, topic: &Arn) -> Fact<Vec<Subscription>> {
        const ACTION: &str = "sns:ListSubscriptionsByTopic";
        let Some(place) = place(topic) else { return Fact::NotAsked };
        let mut found = Vec::new();
        let mut pages = self.sns.list_subscriptions_by_topic().topic_arn(topic.as_str()).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => return Fact::Gap(failed(ACTION, &place, &error)),
            };
            // In the place of its ARN a subscription has `PendingConfirmation`, or `Deleted` for a while after it was given up.
            let here = page.subscriptions().iter().filter(|one| one.subscription_arn() != Some("Deleted"));
            found.extend(here.map(|one| Subscription {
                protocol: one.protocol().unwrap_or_default().to_owned(),
                endpoint: one.endpoint().unwrap_or_default().to_owned(),
                confirmed: one.subscription_arn().is_some_and(|arn| arn.starts_with("arn:")),
            }));
        }
        known(found, ACTION)
    }

    async fn sms(&self, topic: &Arn) -> Fact<SmsAccount> {
        const ATTRIBUTES: &str = "sns:GetSMSAttributes";
        const SANDBOX: &str = "sns:GetSMSSandboxAccountStatus";
        let Some(place) = place(topic) else { return Fact::NotAsked };
        let limit = match self.sns.get_sms_attributes().attributes("MonthlySpendLimit").send().await {
            Ok(answer) => answer.attributes().and_then(|all| all.get("MonthlySpendLimit")).and_then(|limit| limit.parse().ok()),
            Err(error) => return Fact::Gap(failed(ATTRIBUTES, &place, &error)),
        };
        match self.sns.get_sms_sandbox_account_status().send().await {
            Ok(answer) => known(SmsAccount { in_sandbox: Some(answer.is_in_sandbox()), monthly_spend_limit: limit }, SANDBOX),
            Err(error) => Fact::Gap(failed(SANDBOX, &place, &error)),
        }
    }
}

impl QueueReader for Listeners {
    async fn messages(&self, queue: &Arn) -> Fact<u64> {
        // What somebody is reading now lies there all the same.
        let wanted = [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesNotVisible];
        let number = |all: &Attributes, name| all.get(name).and_then(|number| number.parse::<u64>().ok());
        self.attributes(queue, &wanted, |all| wanted.iter().map(|name| number(all, name)).sum::<Option<u64>>(), "answer without a number")
            .await
    }

    async fn policy(&self, queue: &Arn) -> Fact<Option<Value>> {
        let read = |all: &Attributes| match all.get(&QueueAttributeName::Policy) {
            Some(policy) if !policy.is_empty() => serde_json::from_str(policy).ok().map(Some),
            _ => Some(None),
        };
        self.attributes(queue, &[QueueAttributeName::Policy], read, "a policy that is no JSON").await
    }
}

type Attributes = HashMap<QueueAttributeName, String>;

impl Listeners {
    async fn attributes<T>(
        &self,
        queue: &Arn,
        wanted: &[QueueAttributeName],
        read: impl FnOnce(&Attributes) -> Option<T>,
        otherwise: &str,
    ) -> Fact<T> {
        const ACTION: &str = "sqs:GetQueueAttributes";
        let Some(place) = place(queue) else { return Fact::NotAsked };
        let suffix = if queue.partition() == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        let url = format!("https://sqs.{}.{suffix}/{}/{}", place.1, place.0, queue.resource());
        let request = self.sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(wanted.to_vec()));
        match request.send().await {
            // A queue without any of them has no attributes in the answer.
            Ok(answer) => match read(answer.attributes().unwrap_or(&HashMap::new())) {
                Some(value) => known(value, ACTION),
                None => Fact::Gap(gap(ACTION, &place.0, &place.1, GapReason::Unreadable, otherwise.to_owned())),
            },
            Err(error) => Fact::Gap(failed(ACTION, &place, &error)),
        }
    }
}
