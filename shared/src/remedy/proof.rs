//! The proof of a patch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Call, Change, Target};
use super::draft::Draft;
use super::grid::Grid;
use super::statement::with;
use crate::policy::Document;

/// What was shown of a patch by evaluating the documents again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Everything that it is for is allowed with the patch, in every context.
    pub allowed_after: bool,
    /// Without it not all of that was provably allowed.
    pub denied_before: bool,
    /// Without any one of its statements, actions, principals or resources something is denied again.
    pub minimal: bool,
    /// No other principal, action, object or context of the probe grid became allowed.
    pub grants_nothing_else: bool,
}

impl Proof {
    /// Whether all of it was shown.
    pub fn holds(&self) -> bool {
        self.allowed_after && self.denied_before && self.minimal && self.grants_nothing_else
    }
}

/// Proves a draft. `others` are changes of other policies that are made as well.
pub(super) fn prove(calls: &[Call], others: &[Change<'_>], draft: &Draft, grid: &Grid) -> Proof {
    let its_calls = draft.calls.iter().filter_map(|index| calls.get(*index)).collect::<Vec<_>>();
    let all_allowed = |document: &Value| {
        let document = Document::read(document);
        let changes = changes(others, &draft.target, &document);
        its_calls.iter().all(|call| call.allowed(&changes))
    };
    let stored = Document::read(&draft.stored);
    let before = changes(others, &draft.target, &stored);
    Proof {
        allowed_after: all_allowed(&draft.document),
        denied_before: !its_calls.iter().all(|call| call.allowed(&before)),
        minimal: !draft.statements.is_empty() && one_less(&draft.statements).iter().all(|less| !all_allowed(&with(&draft.stored, less))),
        grants_nothing_else: grid.opens_nothing_else(draft),
    }
}

fn changes<'a>(others: &[Change<'a>], target: &'a Target, document: &'a Document) -> Vec<Change<'a>> {
    others.iter().copied().chain([Change { target, document }]).collect()
}

/// Every list of statements that lacks one statement, or one action, principal or resource of a statement.
fn one_less(statements: &[Value]) -> Vec<Vec<Value>> {
    let mut smaller = Vec::new();
    for (index, statement) in statements.iter().enumerate() {
        let replaced = |by: Option<Value>| {
            let kept = |(n, old): (usize, &Value)| if n == index { by.clone() } else { Some(old.clone()) };
            statements.iter().enumerate().filter_map(kept).collect::<Vec<_>>()
        };
        smaller.push(replaced(None));
        for list in ["/Action", "/Resource", "/Principal/AWS"] {
            let items = statement.pointer(list).and_then(Value::as_array).cloned().unwrap_or_default();
            for item in items.iter().filter(|_| items.len() > 1) {
                let mut less = statement.clone();
                if let Some(list) = less.pointer_mut(list).and_then(Value::as_array_mut) {
                    list.retain(|listed| listed != item);
                }
                smaller.push(replaced(Some(less)));
            }
        }
    }
    smaller
}
