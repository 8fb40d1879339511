//! ARNs against ARN patterns: six fields, each matched for itself, so that a star in the Region cannot swallow the account.

use super::tri::Tri;
use super::wildcard::{self, Tokens};

/// The fields of a text that is an ARN.
fn fields(text: &str) -> Option<[&str; 6]> {
    let mut parts = text.splitn(6, ':');
    let fields = [parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    fields[0].eq("arn").then_some(fields)
}

/// An ARN operator: `None` where the pattern is no ARN.
pub(crate) fn arn_matches(pattern: &Tokens, value: &str) -> Option<Tri> {
    if pattern.fields().count() < 6 {
        return None;
    }
    let Some(fields) = fields(value) else { return Some(Tri::No) };
    Some(each(pattern, &fields).into())
}

fn each(pattern: &Tokens, fields: &[&str; 6]) -> bool {
    pattern.fields().zip(fields).all(|(pattern, text)| wildcard::matches(pattern, text.as_bytes()))
}

/// A `Resource` pattern against a resource: missing fields count as `*`.
pub(crate) fn resource_matches(pattern: &Tokens, resource: &str) -> Tri {
    if pattern.is_star() {
        return Tri::Yes;
    }
    let Some(fields) = fields(resource) else { return pattern.matches(resource).into() };
    if each(pattern, &fields) {
        return Tri::Yes;
    }
    if runs_on(pattern, resource) { Tri::Maybe } else { Tri::No }
}

/// The other reading of a star that ends a field: that it runs on into the next ones. Which one AWS follows is undocumented.
fn runs_on(pattern: &Tokens, resource: &str) -> bool {
    let last = pattern.fields().count().saturating_sub(1);
    let open = pattern.fields().take(last).any(wildcard::ends_in_star);
    open && pattern.matches(resource) && pattern.matches_running_on(resource)
}
