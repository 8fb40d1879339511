//! Keys, read in the account that owns them.

use aws_sdk_kms::types::KeyManagerType;
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{Fact, GapReason, Key, KeyGrants, KeyManager, KeyPolicy};
use guardian_core::policy::Grant;
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

    async fn grants(&self, key: &Arn) -> Fact<KeyGrants> {
        const ACTION: &str = "kms:ListGrants";
        let Some((account, region)) = place(key) else { return Fact::NotAsked };
        let clients = match self.clients(&account, &region).await {
            Ok(clients) => clients,
            Err(gap) => return Fact::Gap(gap),
        };
        let mut grants = Vec::new();
        let mut pages = clients.kms.list_grants().key_id(key.as_str()).into_paginator().send();
        while let Some(page) = pages.next().await {
            match page {
                Ok(page) => grants.extend(page.grants().iter().map(grant)),
                Err(error) => {
                    let (reason, detail) = reason_of(&error);
                    return Fact::Gap(gap(ACTION, &account, &region, reason, detail));
                }
            }
        }
        grants.sort_by(|a, b| (&a.grantee, &a.operations).cmp(&(&b.grantee, &b.operations)));
        known(KeyGrants { key_arn: key.clone(), grants }, ACTION)
    }
}

fn grant(entry: &aws_sdk_kms::types::GrantListEntry) -> Grant {
    let pairs = |map: Option<&std::collections::HashMap<String, String>>| map.map(|map| map.clone().into_iter().collect());
    let constraints = entry.constraints();
    Grant {
        grantee: entry.grantee_principal().unwrap_or_default().to_owned(),
        operations: entry.operations().iter().map(|operation| operation.as_str().to_owned()).collect(),
        context_equals: pairs(constraints.and_then(|constraints| constraints.encryption_context_equals())),
        context_subset: pairs(constraints.and_then(|constraints| constraints.encryption_context_subset())),
    }
}
