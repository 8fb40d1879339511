//! The reader ports over answers of the AWS APIs, whoever gives them: AWS itself, or a recording.
//!
//! There is one way to read an answer, so a folder of recorded answers gives what AWS gave when it was collected.

mod access;
mod account;
mod jobs;
mod legs;
mod once;
mod organization;
mod page;
mod points;
pub mod read;
mod roles;
mod topics;
mod topology;

use std::time::Duration;

pub use account::{AccountRead, Reading, closed};
pub use once::Once;
pub use organization::Bounds;
pub use page::PointsPage;
pub use points::{Fold, Holdings};
pub use topology::Plans;

use crate::answers::{Answer, Answers, Failure, Question};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::event::Job;
use guardian_core::evidence::{
    Change, Denial, Fact, Gap, GapReason, JobDescription, Key, KeyGrants, KeyPolicy, RecoveryPoint, Search, Vault, VaultPolicy,
};
use guardian_core::ports::{BackupReader, DenialQuery, KeyReader, TrailReader};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Reads answers.
#[derive(Debug)]
pub struct Readers<A> {
    answers: A,
}

/// An answer that cannot be understood.
pub(crate) fn unreadable() -> Failure {
    Failure::new(GapReason::Unreadable, "the answer cannot be read")
}

/// The items of a list in an answer.
fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// A fact from what was read of an answer.
pub fn fact<T>(answer: Result<(T, Timestamp), Gap>, source: &str) -> Fact<T> {
    match answer {
        Ok((value, at)) => Fact::Known { value, source: source.to_owned(), at },
        Err(gap) => Fact::Gap(gap),
    }
}

/// A question about an object, in the place where the object is.
fn about(object: &Arn, service: &'static str, operation: &'static str, request: Value) -> Option<Question> {
    Some(Question { account: object.account()?, region: Some(object.region()?), service, operation, request })
}

impl<A: Answers> Readers<A> {
    /// Over a source.
    pub fn over(answers: A) -> Self {
        Self { answers }
    }

    /// The source.
    pub fn answers(&self) -> &A {
        &self.answers
    }

    /// Asks, and reads the answer.
    pub async fn read<T>(&self, question: &Question, read: impl FnOnce(&Value) -> Option<T>) -> Result<(T, Timestamp), Gap> {
        let Answer { outcome, at, .. } = self.answers.ask(question).await;
        match outcome {
            Ok(response) => read(&response).map(|value| (value, at)).ok_or_else(|| question.gap(&unreadable())),
            Err(failure) => Err(question.gap(&failure)),
        }
    }

    /// Asks for a list, and reads it page by page, so that no more than one of them lies here as it came.
    async fn each<T: Send + Sync>(
        &self,
        question: &Question,
        mut read: impl FnMut(&Value) -> Option<Vec<T>> + Send + Sync,
    ) -> Result<(Vec<T>, Timestamp), Gap> {
        let mut all = Vec::new();
        let mut page = |page: &Value| {
            all.extend(read(page)?);
            Some(())
        };
        let ended = self.answers.ask_each(question, &mut page).await;
        ended.map(|at| (all, at)).map_err(|failure| question.gap(&failure))
    }

    async fn fact<T>(&self, question: Option<Question>, read: impl FnOnce(&Value) -> Option<T>) -> Fact<T> {
        match question {
            Some(question) => fact(self.read(&question, read).await, &question.action()),
            None => Fact::NotAsked,
        }
    }

    /// Where the organization is read; else the account that the question is about.
    pub(super) fn organization_account(&self, member: &AccountId) -> AccountId {
        self.answers.organization_account().unwrap_or_else(|| member.clone())
    }
}

impl<A: Answers> BackupReader for Readers<A> {
    async fn job(&self, job: &Job) -> Fact<JobDescription> {
        let Some(id) = &job.job_id else { return Fact::NotAsked };
        let (operation, parameter) = read::describe_operation(job.job_type);
        let question = Question {
            account: job.account.clone(),
            region: Some(job.region.clone()),
            service: "backup",
            operation,
            request: json!({parameter: id.as_str()}),
        };
        self.fact(Some(question), |response| Some(read::job(job.job_type, response))).await
    }

    async fn recovery_point(&self, vault: &Arn, point: &Arn) -> Fact<RecoveryPoint> {
        let request = json!({"BackupVaultName": vault.resource_name(), "RecoveryPointArn": point.as_str()});
        let question = about(vault, "backup", "DescribeRecoveryPoint", request);
        self.fact(question, |response| Some(read::recovery_point(point, response))).await
    }

    async fn vault(&self, vault: &Arn) -> Fact<Vault> {
        let question = about(vault, "backup", "DescribeBackupVault", json!({"BackupVaultName": vault.resource_name()}));
        self.fact(question, |response| Some(read::vault(vault, response))).await
    }

    async fn vault_policy(&self, vault: &Arn) -> Fact<VaultPolicy> {
        let request = json!({"BackupVaultName": vault.resource_name()});
        let Some(question) = about(vault, "backup", "GetBackupVaultAccessPolicy", request) else { return Fact::NotAsked };
        let Answer { outcome, at, .. } = self.answers.ask(&question).await;
        let document = match outcome {
            Ok(response) => match response.get("Policy") {
                None | Some(Value::Null) => Ok(None),
                Some(policy) => read::document(policy).map(Some).ok_or_else(unreadable),
            },
            // A vault without a policy answers so. Whether the vault itself exists, `DescribeBackupVault` tells.
            Err(failure) if failure.reason == GapReason::NotFound => Ok(None),
            Err(failure) => Err(failure),
        };
        let policy = document.map(|document| (VaultPolicy { vault_arn: vault.clone(), document }, at));
        fact(policy.map_err(|failure| question.gap(&failure)), &question.action())
    }
}

impl<A: Answers> KeyReader for Readers<A> {
    async fn key(&self, key: &Arn) -> Fact<Key> {
        let question = about(key, "kms", "DescribeKey", json!({"KeyId": key.as_str()}));
        self.fact(question, |response| read::key(key, response)).await
    }

    async fn key_policy(&self, key: &Arn) -> Fact<KeyPolicy> {
        let question = about(key, "kms", "GetKeyPolicy", json!({"KeyId": key.as_str()}));
        self.fact(question, |response| Some(KeyPolicy { key_arn: key.clone(), document: read::document(response.get("Policy")?)? })).await
    }

    async fn grants(&self, key: &Arn) -> Fact<KeyGrants> {
        let question = about(key, "kms", "ListGrants", json!({"KeyId": key.as_str()}));
        self.fact(question, |response| Some(KeyGrants { key_arn: key.clone(), grants: access::grants(response)? })).await
    }
}

/// CloudTrail is not asked in questions and answers: whoever gives the answers looks there, too.
impl<A: Answers + TrailReader> TrailReader for Readers<A> {
    async fn denials(&self, query: &DenialQuery, budget: u32) -> (Vec<Denial>, Search) {
        self.answers.denials(query, budget).await
    }

    async fn changes(&self, object: &Arn, from: Timestamp, until: Timestamp, budget: u32, patience: Duration) -> Fact<Vec<Change>> {
        self.answers.changes(object, from, until, budget, patience).await
    }
}

/// A question of the place of an account and Region.
pub(super) fn in_place(account: &AccountId, region: &Region, operation: &'static str, request: Value) -> Question {
    Question { account: account.clone(), region: Some(region.clone()), service: "backup", operation, request }
}
