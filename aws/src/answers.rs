//! Answers of the AWS APIs as AWS gave them: JSON by the member names of the API, all pages in one.
//!
//! This is how evidence is recorded and read again: one question, one answer. What an answer means is the reader's affair; which role asked, and
//! why there is no answer, is part of it. Only reads can be asked: each operation is named here, and what is not named is refused.

mod backup;
mod iam;
mod images;
mod json;
mod keys;
mod organizations;
mod pages;
mod sender;
mod signed;
mod topics;
mod trail;

use std::future::Future;

use guardian_core::arn::{AccountId, Region};
use guardian_core::evidence::{Gap, GapReason};
use jiff::Timestamp;
use serde_json::Value;

use crate::patience::{Patience, once_more};
use crate::readers::{Fold, unreadable};
use crate::session::Cloud;
use pages::Pages;
pub(crate) use pages::{MOST_PAGES, circle};
pub(crate) use sender::{Senders, look_in};
pub(crate) use signed::{Service, always_enabled, endpoint, import_findings, volume_is_there};

/// One read of an AWS API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The account that is asked.
    pub account: AccountId,
    /// The Region; `None` for a global service.
    pub region: Option<Region>,
    /// As IAM names it: `backup`, `kms`, `iam`, `organizations`.
    pub service: &'static str,
    /// `DescribeKey`, …
    pub operation: &'static str,
    /// The parameters by the member names of the API; pages are not the asker's affair.
    pub request: Value,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The answer by the member names of the API, or why there is none.
    pub outcome: Result<Value, Failure>,
    /// When.
    pub at: Timestamp,
    /// ARN of the role that asked.
    pub principal: Option<String>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The call that failed, where it was not the question itself: `sts:AssumeRole`.
    pub action: Option<String>,
    /// In a word of ours.
    pub reason: GapReason,
    /// In a word of AWS, such as `AccessDeniedException`.
    pub code: String,
}

impl Question {
    /// The question as IAM names its action.
    pub fn action(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }

    /// A parameter of the request.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.request.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// The gap that a failure leaves.
    pub fn gap(&self, failure: &Failure) -> Gap {
        Gap {
            action: failure.action.clone().unwrap_or_else(|| self.action()),
            account_id: self.account.clone(),
            // A role is assumed once for all Regions.
            region: self.region.clone().filter(|_| failure.action.is_none()),
            reason: failure.reason,
            detail: Some(failure.code.clone()),
        }
    }
}

impl Failure {
    /// A failure of the question itself.
    pub fn new(reason: GapReason, code: impl Into<String>) -> Self {
        Self { action: None, reason, code: code.into() }
    }
}

impl From<Gap> for Failure {
    fn from(gap: Gap) -> Self {
        Self { action: Some(gap.action), reason: gap.reason, code: gap.detail.unwrap_or_default() }
    }
}

/// What is done with a page; all of it or nothing.
pub type Page<'a> = dyn FnMut(&Value) -> Option<()> + Send + Sync + 'a;

/// Whoever answers questions: AWS, or a recording.
pub trait Answers: Send + Sync {
    /// Asks one question.
    fn ask(&self, question: &Question) -> impl Future<Output = Answer> + Send;

    /// Asks for a list of which there may be thousands of pages, and hands each on as it comes; `None`: it cannot be read, and is asked for again.
    /// Whoever has whole answers gives all of it as one page.
    fn ask_each(&self, question: &Question, page: &mut Page<'_>) -> impl Future<Output = Result<Timestamp, Failure>> + Send {
        async {
            let Answer { outcome, at, .. } = self.ask(question).await;
            page(&outcome?).map(|()| at).ok_or_else(unreadable)
        }
    }

    /// Reads one page of the recovery points of a vault, of which there may be thousands, and tells where the next one begins and when it was asked.
    /// Whoever has whole answers gives all of it as one page.
    fn recovery_points(
        &self,
        question: &Question,
        from: Option<&str>,
        fold: &mut Fold,
    ) -> impl Future<Output = Result<(Option<String>, Timestamp), Failure>> + Send {
        let _ = from;
        async {
            let Answer { outcome, at, .. } = self.ask(question).await;
            fold.add_answer(&outcome?).map(|()| (None, at)).ok_or_else(unreadable)
        }
    }

    /// The account in which the organization is read, where it is known.
    fn organization_account(&self) -> Option<AccountId>;
}

impl Answers for Cloud {
    async fn ask(&self, question: &Question) -> Answer {
        let mut turn = Turn { patience: self.patience(), question, pages: None, each: None };
        let outcome = turn.outcome(self).await;
        let principal = match question.service {
            "organizations" => self.organization_role().map(|role| role.as_str().to_owned()),
            _ => Some(self.reader_arn(&question.account, question.region.as_ref())),
        };
        Answer { outcome, at: Timestamp::now(), principal }
    }

    async fn ask_each(&self, question: &Question, page: &mut Page<'_>) -> Result<Timestamp, Failure> {
        let mut turn = Turn { patience: self.patience(), question, pages: None, each: Some(page) };
        turn.outcome(self).await.map(|_| Timestamp::now())
    }

    async fn recovery_points(
        &self,
        question: &Question,
        from: Option<&str>,
        fold: &mut Fold,
    ) -> Result<(Option<String>, Timestamp), Failure> {
        let turn = Turn { patience: self.patience(), question, pages: None, each: None };
        let mut failures = 0;
        loop {
            turn.wait().await;
            let mut page = fold.page();
            let read = Box::pin(backup::recovery_points(self, question, from, &mut |piece| page.add(piece))).await;
            match read.and_then(|()| fold.close(page).ok_or_else(unreadable)) {
                Ok(next) => return Ok((next, Timestamp::now())),
                Err(failure) => {
                    failures += 1;
                    if !turn.again(&failure, failures).await {
                        return Err(failure);
                    }
                }
            }
        }
    }

    fn organization_account(&self) -> Option<AccountId> {
        self.organization_role().and_then(|role| role.account())
    }
}

/// A question on its way: the pages that are there, and how patiently it is asked.
struct Turn<'a, 'p> {
    patience: Option<&'a Patience>,
    question: &'a Question,
    pages: Option<Pages>,
    /// Where pages go, if they are not put together.
    each: Option<&'a mut Page<'p>>,
}

impl Turn<'_, '_> {
    async fn outcome(&mut self, cloud: &Cloud) -> Result<Value, Failure> {
        let mut failures = 0;
        loop {
            self.wait().await;
            let there = self.there();
            let failure = match self.once(cloud).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            failures = if self.there() > there { 1 } else { failures + 1 };
            if !self.again(&failure, failures).await {
                return Err(failure);
            }
        }
    }

    /// Waits after a failure; `false` where it is the answer.
    async fn again(&self, failure: &Failure, in_a_row: u32) -> bool {
        match self.patience {
            Some(patience) => patience.once_more(self.question, failure, in_a_row).await,
            None => once_more(failure, in_a_row).await,
        }
    }

    async fn once(&mut self, cloud: &Cloud) -> Result<Value, Failure> {
        // Boxed, because each of them is the sum of all its operations.
        match self.question.service {
            "account" | "ec2" | "sns" | "tag" => Box::pin(signed::ask(cloud, self.question, self)).await,
            "backup" => Box::pin(backup::ask(cloud, self.question, self)).await,
            "cloudtrail" => Box::pin(trail::ask(cloud, self.question)).await,
            "iam" => Box::pin(iam::ask(cloud, self.question, self)).await,
            "kms" => Box::pin(keys::ask(cloud, self.question, self)).await,
            "organizations" => Box::pin(organizations::ask(cloud, self.question, self)).await,
            _ => Err(refused(self.question)),
        }
    }

    /// Waits until a call is due.
    async fn wait(&self) {
        if let Some(patience) = self.patience {
            patience.turn(self.question).await;
        }
    }

    /// Begins with the first page, unless there are pages already.
    fn begin(&mut self, list: &'static str, token: &'static str) {
        self.pages.get_or_insert_with(|| Pages::new(list, token));
    }

    fn there(&self) -> usize {
        self.pages.as_ref().map_or(0, Pages::count)
    }

    fn next(&self) -> Option<String> {
        self.pages.as_ref().and_then(Pages::next)
    }

    /// Adds a page; whether it was the last.
    fn add(&mut self, page: Value) -> Result<bool, Failure> {
        match (&mut self.pages, &mut self.each) {
            (Some(pages), Some(each)) => pages.pass(&page, each),
            (Some(pages), None) => pages.add(page),
            (None, _) => Ok(true),
        }
    }

    fn merged(&mut self) -> Value {
        self.pages.take().map(Pages::merged).unwrap_or_default()
    }
}

/// An operation that is not among the reads.
fn refused(question: &Question) -> Failure {
    Failure::new(GapReason::NotConfigured, format!("`{}` is not a read that the guardian makes", question.action()))
}

/// The Region of a question that needs one.
fn region(question: &Question) -> Result<&Region, Failure> {
    question.region.as_ref().ok_or_else(|| Failure::new(GapReason::NotConfigured, "the question names no Region"))
}
