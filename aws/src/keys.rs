//! Keys, read in the account that owns them.

use aws_sdk_kms::types::KeyManagerType;
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{Fact, GapReason, Key, KeyManager, KeyPolicy};
use guardian_core::ports::KeyReader;

use crate::classify::reason_of;
use crate::convert::{arn, gap, known, text, timestamp};
use crate::session::Cloud;

/// Account and Region of a key; a key is never asked for without both.
fn place(key: &Arn) -> Option<(AccountId, Region)> {
    Some((key.account()?, key.region()?))
}

impl KeyReader for Cloud {
    async fn key(&self, key: &Arn) -> Fact<Key> {
        const ACTION: &str = "kms:DescribeKey";
        let Some((account, region)) = place(key) else { return Fact::NotAsked };
        let clients = match self.clients(&account, &region).await {
            Ok(clients) => clients,
            Err(gap) => return Fact::Gap(gap),
        };
        match clients.kms.describe_key().key_id(key.as_str()).send().await {
            Ok(answer) => match answer.key_metadata() {
                Some(metadata) => known(
                    Key {
                        arn: arn(metadata.arn()).unwrap_or_else(|| key.clone()),
                        manager: metadata.key_manager().and_then(|manager| match manager {
                            KeyManagerType::Aws => Some(KeyManager::Aws),
                            KeyManagerType::Customer => Some(KeyManager::Customer),
                            _ => None,
                        }),
                        state: text(metadata.key_state().map(|state| state.as_str())),
                        deletion_at: timestamp(metadata.deletion_date()),
                    },
                    ACTION,
                ),
                None => Fact::Gap(gap(ACTION, &account, &region, GapReason::Unreadable, "answer without a key".to_owned())),
            },
            Err(error) => {
                let (reason, detail) = reason_of(&error);
                Fact::Gap(gap(ACTION, &account, &region, reason, detail))
            }
        }
    }

    async fn key_policy(&self, key: &Arn) -> Fact<KeyPolicy> {
        const ACTION: &str = "kms:GetKeyPolicy";
        let Some((account, region)) = place(key) else { return Fact::NotAsked };
        let clients = match self.clients(&account, &region).await {
            Ok(clients) => clients,
            Err(gap) => return Fact::Gap(gap),
        };
        match clients.kms.get_key_policy().key_id(key.as_str()).policy_name("default").send().await {
            Ok(answer) => match answer.policy().map(serde_json::from_str) {
                Some(Ok(document)) => known(KeyPolicy { key_arn: key.clone(), document }, ACTION),
                Some(Err(_)) | None => {
                    Fact::Gap(gap(ACTION, &account, &region, GapReason::Unreadable, "the policy is not JSON".to_owned()))
                }
            },
            Err(error) => {
                let (reason, detail) = reason_of(&error);
                Fact::Gap(gap(ACTION, &account, &region, reason, detail))
            }
        }
    }
}
