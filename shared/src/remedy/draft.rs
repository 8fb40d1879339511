//! A draft: statements for one policy, not yet proven.

use serde_json::Value;

use super::call::{Call, Change, Target};
use super::statement::{Form, Purpose, empty, of_identity, of_resource, with};
use crate::policy::Document;

/// Statements for one policy.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) target: Target,
    /// How it names callers; `None` for a policy of the caller itself.
    pub(super) form: Option<Form>,
    pub(super) statements: Vec<Value>,
    /// The document before; a new policy of the caller has none.
    pub(super) stored: Value,
    /// The document with the statements.
    pub(super) document: Value,
    /// The same, read.
    read: Document,
    /// Which calls it is for.
    pub(super) calls: Vec<usize>,
}

impl Draft {
    /// For the policy of an object. The calls at these indices are to that object.
    pub(super) fn for_object(all: &[Call], calls: Vec<usize>, stored: &Value, form: Form, purpose: Purpose) -> Option<Self> {
        let chosen = calls.iter().filter_map(|index| all.get(*index)).collect::<Vec<_>>();
        let target = Target::Object(chosen.first()?.resource.clone());
        let statements = of_resource(&chosen, &form, purpose, stored);
        Some(Self::new(target, Some(form), statements, stored.clone(), calls))
    }

    /// For a policy of the caller. The calls at these indices are by that caller.
    pub(super) fn for_caller(all: &[Call], calls: Vec<usize>, purpose: Purpose) -> Option<Self> {
        let chosen = calls.iter().filter_map(|index| all.get(*index)).collect::<Vec<_>>();
        let target = Target::Caller(chosen.first()?.named.clone());
        let statements = of_identity(&chosen, purpose);
        Some(Self::new(target, None, statements, empty(), calls))
    }

    pub(super) fn new(target: Target, form: Option<Form>, statements: Vec<Value>, stored: Value, calls: Vec<usize>) -> Self {
        let document = with(&stored, &statements);
        let read = Document::read(&document);
        Self { target, form, statements, stored, document, read, calls }
    }

    pub(super) fn change(&self) -> Change<'_> {
        Change { target: &self.target, document: &self.read }
    }
}
