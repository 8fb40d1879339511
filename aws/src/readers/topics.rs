//! The topics that vaults announce to, with what decides whether AWS Backup may publish there.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};
use guardian_core::alarm_path::facts::TopicSettings;
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{Fact, KeyManager, TopicInventory, VaultInventory};
use guardian_core::ports::KeyReader as _;
use serde_json::{Value, json};

use super::account::AT_ONCE;
use super::read::text;
use super::{Readers, in_place};
use crate::answers::{Answers, Question};

impl<A: Answers> Readers<A> {
    /// The topics of the place that its vaults announce to: AWS Backup takes those of the vault's own account and Region only.
    pub(super) async fn topics(
        &self,
        account: &AccountId,
        region: &Region,
        vaults: &Fact<Vec<VaultInventory>>,
    ) -> BTreeMap<Arn, TopicInventory> {
        let announced = vaults.known().into_iter().flatten().filter_map(|vault| vault.notifications.known()?.as_ref());
        let topics = announced.map(|notifications| notifications.topic_arn.clone());
        let ours = topics.filter(|topic| topic.account().as_ref() == Some(account) && topic.region().as_ref() == Some(region));
        let topics = stream::iter(ours.collect::<BTreeSet<_>>()).map(async |topic| {
            let inventory = self.topic_inventory(account, region, &topic).await;
            (topic, inventory)
        });
        topics.buffered(AT_ONCE).collect().await
    }

    async fn topic_inventory(&self, account: &AccountId, region: &Region, topic: &Arn) -> TopicInventory {
        let question = in_place(account, region, "GetTopicAttributes", json!({"TopicArn": topic.as_str()}));
        let settings = self.ask(&Question { service: "sns", ..question }, topic_settings).await;
        let named = settings.known().and_then(|settings| settings.key_arn(topic)).filter(|key| key.account().as_ref() == Some(account));
        let Some(named) = named else { return TopicInventory { settings, ..TopicInventory::default() } };
        let key = self.key(&named).await;
        let key_policy = match key.known().filter(|key| key.manager != Some(KeyManager::Aws)) {
            Some(key) => self.key_policy(&key.arn).await,
            None => Fact::NotAsked,
        };
        TopicInventory { settings, key, key_policy }
    }
}

/// A topic that has a policy that cannot be read is not one without a policy.
fn topic_settings(answer: &Value) -> Option<TopicSettings> {
    let attributes = answer.get("Attributes")?;
    let policy = match text(attributes, "Policy") {
        Some(policy) => Some(serde_json::from_str(&policy).ok()?),
        None => None,
    };
    Some(TopicSettings { policy, key: text(attributes, "KmsMasterKeyId") })
}

#[cfg(test)]
mod tests {
    use guardian_core::evidence::{GapReason, VaultNotifications};

    use super::*;
    use crate::answers::{Answer, Failure};

    /// Answers of an account by the operation.
    struct Told(fn(&Question) -> Option<Value>);

    impl Answers for Told {
        async fn ask(&self, question: &Question) -> Answer {
            let outcome = (self.0)(question).ok_or_else(|| Failure::new(GapReason::AccessDenied, "no"));
            Answer { outcome, at: jiff::Timestamp::UNIX_EPOCH, principal: None }
        }

        fn organization_account(&self) -> Option<AccountId> {
            None
        }
    }

    fn vaults(topics: &[&str]) -> Fact<Vec<VaultInventory>> {
        let vault = |topic: &&str| {
            let notifications = VaultNotifications { topic_arn: Arn::parse(topic).unwrap(), events: Vec::new() };
            let vault = json!({"vault": {"arn": "arn:aws:backup:eu-central-1:111111111111:backup-vault:v"}});
            let notifications = Fact::Known { value: Some(notifications), source: "x".to_owned(), at: jiff::Timestamp::UNIX_EPOCH };
            VaultInventory { notifications, ..serde_json::from_value(vault).unwrap() }
        };
        Fact::Known { value: topics.iter().map(vault).collect(), source: "x".to_owned(), at: jiff::Timestamp::UNIX_EPOCH }
    }

    async fn read(told: fn(&Question) -> Option<Value>, topics: &[&str]) -> BTreeMap<Arn, TopicInventory> {
        let (account, region) = (AccountId::parse("111111111111").unwrap(), Region::parse("eu-central-1").unwrap());
        Readers::over(Told(told)).topics(&account, &region, &vaults(topics)).await
    }

    const TOPIC: &str = "arn:aws:sns:eu-central-1:111111111111:events";
    const KEY: &str = "arn:aws:kms:eu-central-1:111111111111:key/1";

    #[tokio::test]
    async fn a_topic_is_read_once_with_the_policy_of_the_key_behind_its_alias() {
        let told = |question: &Question| match question.operation {
            "GetTopicAttributes" => Some(json!({"Attributes": {"Policy": "{\"Statement\":[]}", "KmsMasterKeyId": "alias/events"}})),
            "DescribeKey" if question.request == json!({"KeyId": "arn:aws:kms:eu-central-1:111111111111:alias/events"}) => {
                Some(json!({"KeyMetadata": {"Arn": KEY, "KeyManager": "CUSTOMER", "KeyState": "Enabled"}}))
            }
            // By its ARN: no policy is told by an alias.
            "GetKeyPolicy" if question.request == json!({"KeyId": KEY}) => Some(json!({"Policy": "{}"})),
            _ => None,
        };
        let others = ["arn:aws:sns:eu-central-1:222222222222:events", "arn:aws:sns:eu-west-1:111111111111:events"];
        let read = read(told, &[TOPIC, TOPIC, others[0], others[1]]).await;
        assert_eq!(read.keys().map(Arn::as_str).collect::<Vec<_>>(), [TOPIC]);
        let topic = read.values().next().unwrap();
        assert_eq!(topic.settings.known().unwrap().policy, Some(json!({"Statement": []})));
        assert_eq!((topic.key.known().unwrap().arn.as_str(), &topic.key_policy.known().unwrap().document), (KEY, &json!({})));
    }

    #[tokio::test]
    async fn of_a_key_that_aws_manages_and_of_a_topic_without_one_nothing_more_is_asked() {
        let told = |question: &Question| match question.operation {
            "GetTopicAttributes" => Some(json!({"Attributes": {"KmsMasterKeyId": "alias/aws/sns"}})),
            "DescribeKey" => Some(json!({"KeyMetadata": {"Arn": KEY, "KeyManager": "AWS"}})),
            _ => None,
        };
        assert_eq!(read(told, &[TOPIC]).await.values().next().unwrap().key_policy, Fact::NotAsked);
        let without = |question: &Question| (question.operation == "GetTopicAttributes").then(|| json!({"Attributes": {}}));
        let read = read(without, &[TOPIC]).await;
        let topic = read.values().next().unwrap();
        assert_eq!((topic.settings.known(), &topic.key), (Some(&TopicSettings::default()), &Fact::NotAsked));
    }

    #[tokio::test]
    async fn a_topic_that_is_refused_or_has_a_policy_that_is_no_json_is_a_gap() {
        let broken = |_: &Question| Some(json!({"Attributes": {"Policy": "{"}}));
        for (told, reason) in [(broken as fn(&Question) -> Option<Value>, GapReason::Unreadable), (|_| None, GapReason::AccessDenied)] {
            let read = read(told, &[TOPIC]).await;
            let gap = read.values().next().unwrap().settings.gap().cloned().unwrap();
            assert_eq!((gap.action.as_str(), gap.reason), ("sns:GetTopicAttributes", reason));
        }
    }
}
