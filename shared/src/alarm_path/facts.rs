//! What the cloud says of the parts of the alarm path.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::arn::{Arn, Region};
use crate::evidence::{Fact, Key, KeyPolicy, Role};

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum UsedFor {
    Alerts,
    Chat,
    Operations,
}

impl UsedFor {
    /// As printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alerts => "alert",
            Self::Chat => "chat",
            Self::Operations => "operations",
        }
    }
}

/// `sns:GetTopicAttributes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TopicSettings {
    /// Its policy; absent where it has none.
    #[serde(default)]
    pub policy: Option<Value>,
    /// The key as the topic names it: an ARN, an id or an alias.
    #[serde(default)]
    pub key: Option<String>,
}

/// A subscription of a topic. Its texts are untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// `email`, `sms`, `https`, …
    pub protocol: String,
    /// Where it goes.
    pub endpoint: String,
    /// Whether somebody confirmed it.
    pub confirmed: bool,
}

/// What the account may send as SMS.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SmsAccount {
    /// Whether it may send to verified numbers only.
    pub in_sandbox: Option<bool>,
    /// US dollars a month; AWS begins with 1.
    pub monthly_spend_limit: Option<f64>,
}

/// Everything about a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicFacts {
    /// The topic.
    pub arn: Arn,
    /// What for.
    pub used_for: UsedFor,
    /// Its settings.
    pub settings: Fact<TopicSettings>,
    /// Its subscriptions.
    pub subscriptions: Fact<Vec<Subscription>>,
    /// Its key, where it has one.
    pub key: Fact<Key>,
    /// The policy of that key.
    pub key_policy: Fact<KeyPolicy>,
    /// The role of the guardian that publishes to it.
    pub publisher: Fact<Role>,
    /// Asked where somebody subscribed by SMS.
    pub sms: Fact<SmsAccount>,
}

/// A rule of EventBridge with its targets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// `ENABLED`, `DISABLED`, `ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS`: an open set.
    pub state: String,
    /// What it matches; absent for a schedule, or where it is no JSON.
    pub pattern: Option<Value>,
    /// Where it sends.
    pub targets: Vec<Target>,
}

/// A target of a rule. Its texts are untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: String,
    /// Where it sends.
    pub arn: String,
    /// With which role.
    pub role_arn: Option<String>,
    /// Where it leaves what it could not send.
    pub dead_letters: Option<String>,
}

/// A rule as it should be, beside what was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleFacts {
    /// The rule.
    pub arn: Arn,
    /// Where it must send.
    pub target: Arn,
    /// With which role, where one is needed.
    pub role: Option<String>,
    /// Where it must leave what it could not send.
    pub dead_letters: Arn,
    /// What was seen.
    pub seen: Fact<Rule>,
    /// The policies of the queues of ours that it sends to and leaves things in; of another target not asked.
    pub doors: Vec<(Arn, Fact<Option<Value>>)>,
}

/// A function that runs by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    /// The function.
    pub function: String,
    /// When it last ended its work, or when it was first asked for.
    pub last: Fact<Timestamp>,
    /// So old it may be.
    pub limit: std::time::Duration,
}

impl TopicFacts {
    /// The Region of the topic.
    pub fn region(&self) -> Option<Region> {
        self.arn.region()
    }
}

impl TopicSettings {
    /// The ARN by which the key of a topic can be asked for.
    pub fn key_arn(&self, topic: &Arn) -> Option<Arn> {
        let key = self.key.as_deref()?;
        if key.starts_with("arn:") {
            return Arn::parse(key).ok();
        }
        let (account, region) = (topic.account()?, topic.region()?);
        let resource = if key.starts_with("alias/") { key.to_owned() } else { format!("key/{key}") };
        Arn::parse(&format!("arn:{}:kms:{region}:{account}:{resource}", topic.partition())).ok()
    }
}
