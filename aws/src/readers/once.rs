//! Each question once: the key of a hundred routes is read a single time, and whoever asks meanwhile waits for that answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::answers::{Answer, Answers, Question};
use guardian_core::arn::AccountId;
use tokio::sync::OnceCell;

/// Asks `S` and remembers.
#[derive(Debug)]
pub struct Once<S> {
    source: S,
    answers: Mutex<BTreeMap<String, Arc<OnceCell<Answer>>>>,
}

impl<S> Once<S> {
    /// Over a source.
    pub fn over(source: S) -> Self {
        Self { source, answers: Mutex::default() }
    }

    /// The source.
    pub fn source(&self) -> &S {
        &self.source
    }
}

impl<S: Answers> Answers for Once<S> {
    async fn ask(&self, question: &Question) -> Answer {
        let region = question.region.as_ref().map_or("global", |region| region.as_str());
        let name = format!("{} {region} {} {}", question.account, question.action(), question.request);
        let cell = Arc::clone(self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default());
        cell.get_or_init(|| Box::pin(self.source.ask(question))).await.clone()
    }

    fn organization_account(&self) -> Option<AccountId> {
        self.source.organization_account()
    }
}
