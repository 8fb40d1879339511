//! Pages put together.

use guardian_core::evidence::GapReason;
use serde_json::Value;

use super::{Failure, Page};
use crate::readers::unreadable;

/// More pages than this are an answer that runs in circles.
pub(crate) const MOST_PAGES: usize = 10_000;

/// Pages that never end.
pub(crate) fn circle() -> Failure {
    Failure::new(GapReason::Unreadable, "the pages run in circles")
}

/// One body from pages: `$list` is what grows, `$token` says where the next page begins, `$page` gives one. Pages that are there stay in `$turn`
/// when one fails, so that asking again begins with that one.
macro_rules! pages {
    ($turn:expr, $list:expr, $token:expr, |$next:ident| $page:expr) => {{
        let turn: &mut $crate::answers::Turn<'_, '_> = $turn;
        turn.begin($list, $token);
        loop {
            let $next = turn.next();
            let page = $page?;
            if turn.add(page)? {
                break Ok(turn.merged());
            }
            turn.wait().await;
        }
    }};
}

pub(super) use pages;

/// Pages on their way to one answer.
pub(super) struct Pages {
    list: &'static str,
    token: &'static str,
    merged: Option<Value>,
    next: Option<String>,
    count: usize,
}

impl Pages {
    pub(super) fn new(list: &'static str, token: &'static str) -> Self {
        Self { list, token, merged: None, next: None, count: 0 }
    }

    /// Where the next page begins.
    pub(super) fn next(&self) -> Option<String> {
        self.next.clone()
    }

    /// Adds a page; whether it was the last.
    pub(super) fn add(&mut self, mut page: Value) -> Result<bool, Failure> {
        let next = self.after(&page)?;
        match &mut self.merged {
            None => self.merged = Some(page),
            Some(merged) => {
                let more = page.get_mut(self.list).and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
                let Some(members) = merged.as_object_mut() else {
                    return Err(Failure::new(GapReason::Unreadable, "a page is not an object"));
                };
                if let Some(list) = members.entry(self.list).or_insert_with(|| Value::Array(Vec::new())).as_array_mut() {
                    list.extend(more);
                }
            }
        }
        Ok(self.then(next))
    }

    /// Hands a page on and keeps nothing of it; whether it was the last.
    pub(super) fn pass(&mut self, page: &Value, to: &mut Page<'_>) -> Result<bool, Failure> {
        let next = self.after(page)?;
        to(page).ok_or_else(unreadable)?;
        Ok(self.then(next))
    }

    /// Where the page after this one begins.
    fn after(&self, page: &Value) -> Result<Option<String>, Failure> {
        let next = page.get(self.token).and_then(Value::as_str).filter(|token| !token.is_empty()).map(str::to_owned);
        if self.count >= MOST_PAGES || next.is_some() && next == self.next { Err(circle()) } else { Ok(next) }
    }

    fn then(&mut self, next: Option<String>) -> bool {
        self.count += 1;
        self.next = next;
        self.next.is_none()
    }

    /// How many pages there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The one answer, without the marks of paging.
    pub(super) fn merged(self) -> Value {
        let mut merged = self.merged.unwrap_or_default();
        if let Some(members) = merged.as_object_mut() {
            for mark in [self.token, "Truncated", "IsTruncated"] {
                members.remove(mark);
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pages_become_one_answer_and_an_answer_that_repeats_its_token_is_none() {
        let mut pages = Pages::new("Grants", "NextMarker");
        assert!(!pages.add(json!({"Grants": [1], "NextMarker": "a", "Truncated": true})).unwrap());
        assert_eq!(pages.next().as_deref(), Some("a"));
        assert!(pages.add(json!({"Grants": [2], "Truncated": false})).unwrap());
        assert_eq!(pages.merged(), json!({"Grants": [1, 2]}));
        let mut circle = Pages::new("Grants", "NextMarker");
        assert!(!circle.add(json!({"Grants": [], "NextMarker": "a"})).unwrap());
        assert_eq!(circle.add(json!({"Grants": [], "NextMarker": "a"})).unwrap_err().reason, GapReason::Unreadable);
    }
}
