//! Reads of services that speak JSON and name the operation in a header: a question is the body of its request.

use serde_json::Value;

use super::pages::pages;
use super::signed::{JSON_1_1, Service, json_of, post};
use super::{Failure, Question, Turn};
use crate::session::Cloud;

/// A service, and what its operations are named after.
pub(super) struct Api {
    pub(super) service: Service,
    pub(super) prefix: &'static str,
}

/// An answer that comes in pages.
pub(super) struct Paged {
    /// What grows.
    pub(super) list: &'static str,
    /// What tells where the next page begins, in a request and in an answer.
    pub(super) token: (&'static str, &'static str),
    /// What a request asks for besides, such as the most members of a page.
    pub(super) with: &'static [(&'static str, u32)],
}

impl Api {
    /// A whole answer.
    pub(super) async fn one(&self, cloud: &Cloud, question: &Question) -> Result<Value, Failure> {
        self.send(cloud, question, question.request.clone()).await
    }

    /// All pages in one.
    pub(super) async fn all(&self, cloud: &Cloud, question: &Question, turn: &mut Turn<'_, '_>, paged: &Paged) -> Result<Value, Failure> {
        pages!(turn, paged.list, paged.token.1, |next| {
            let mut body = question.request.clone();
            if let Some(members) = body.as_object_mut() {
                members.extend(paged.with.iter().map(|(name, most)| ((*name).to_owned(), (*most).into())));
                members.extend(next.map(|next| (paged.token.0.to_owned(), next.into())));
            }
            self.send(cloud, question, body).await
        })
    }

    async fn send(&self, cloud: &Cloud, question: &Question, body: Value) -> Result<Value, Failure> {
        let target = format!("{}.{}", self.prefix, question.operation);
        let headers = [JSON_1_1, ("x-amz-target", target.as_str())];
        json_of(&post(cloud, question, &self.service, "/", &headers, body.to_string()).await?)
    }
}
