//! What decides a kind of copy, read afresh: all of it, or one of its objects.

use crate::answers::Answers;
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::copy::{Leg, LegFacts};
use guardian_core::evidence::{Bound, Fact, Gap, Key, KeyGrants, KeyPolicy};
use guardian_core::ports::{BackupReader as _, KeyReader as _, OrganizationReader as _, RoleReader as _, RouteReader};
use guardian_core::prediction::{Held, ObjectId};

use super::Readers;

impl<A: Answers> RouteReader for Readers<A> {
    async fn members(&self) -> Result<Vec<AccountId>, Gap> {
        self.accounts().await
    }

    async fn leg_facts(&self, leg: &Leg) -> LegFacts {
        let (source, destination) = (&leg.source_vault_arn, &leg.destination_vault_arn);
        let (source_vault, source_vault_policy, destination_vault, destination_vault_policy) =
            tokio::join!(self.vault(source), self.vault_policy(source), self.vault(destination), self.vault_policy(destination));
        let source_key = leg.source_key_arn(&source_vault);
        let destination_key = destination_vault.known().and_then(|vault| vault.encryption_key_arn.clone());
        let destination_account = destination.account().filter(|account| *account != leg.account_id);
        let (source_keys, destination_keys, job_role, organization, source_scps, source_rcps, destination_rcps) = tokio::join!(
            self.key_facts(source_key.as_ref()),
            self.key_facts(destination_key.as_ref()),
            self.role(&leg.job_role_arn, &leg.region),
            self.organization(&leg.account_id),
            self.bounds(&leg.account_id, Bound::Scp),
            self.bounds(&leg.account_id, Bound::Rcp),
            async {
                match &destination_account {
                    Some(account) => self.bounds(account, Bound::Rcp).await,
                    None => Fact::NotAsked,
                }
            },
        );
        // Copies within an account need no leave of the organization.
        let global_settings = match &destination_account {
            Some(_) => self.global_settings(&organization, &leg.region).await,
            None => Fact::NotAsked,
        };
        let (source_key, source_key_policy, source_key_grants) = source_keys;
        let (destination_key, destination_key_policy, destination_key_grants) = destination_keys;
        LegFacts {
            organization,
            global_settings,
            job_role,
            source_scps,
            source_rcps,
            destination_rcps,
            source_vault,
            source_vault_policy,
            destination_vault,
            destination_vault_policy,
            source_key,
            source_key_policy,
            source_key_grants,
            destination_key,
            destination_key_policy,
            destination_key_grants,
        }
    }

    async fn held(&self, id: &ObjectId, member: &AccountId, region: &Region) -> Held {
        match id {
            ObjectId::Key(arn) => {
                let (key, policy, grants) = self.key_facts(Some(arn)).await;
                Held::Key { key, policy, grants }
            }
            ObjectId::Vault(arn) => {
                let (vault, policy) = tokio::join!(self.vault(arn), self.vault_policy(arn));
                Held::Vault { vault, policy }
            }
            ObjectId::Role(arn) => Held::Role { role: self.role(arn, region).await },
            ObjectId::Account(account) => {
                let (scps, rcps) = tokio::join!(self.bounds(account, Bound::Scp), self.bounds(account, Bound::Rcp));
                Held::Account { scps, rcps }
            }
            ObjectId::Organization => {
                let organization = self.organization(member).await;
                let global_settings = self.global_settings(&organization, region).await;
                Held::Organization { organization, global_settings }
            }
        }
    }
}

impl<A: Answers> Readers<A> {
    async fn key_facts(&self, key: Option<&Arn>) -> (Fact<Key>, Fact<KeyPolicy>, Fact<KeyGrants>) {
        match key.filter(|key| key.is_kms_key()) {
            Some(key) => tokio::join!(self.key(key), self.key_policy(key), self.grants(key)),
            None => (Fact::NotAsked, Fact::NotAsked, Fact::NotAsked),
        }
    }
}
