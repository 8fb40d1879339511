//! ARNs against ARN patterns: six fields, each matched for itself, so that a star in the Region cannot swallow the account.

use super::tri::Tri;
use super::wildcard::{Tok, matches};

/// The fields of a text that is an ARN.
fn fields(text: &str) -> Option<[&str; 6]> {
    let mut parts = text.splitn(6, ':');
    let fields = [parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    fields[0].eq("arn").then_some(fields)
}

/// Splits a pattern at its first five colons.
fn pattern_fields(tokens: &[Tok]) -> Vec<&[Tok]> {
    tokens.splitn(6, |token| *token == Tok::Char(':')).collect()
}

/// An ARN operator: `None` where the pattern is no ARN.
pub(crate) fn arn_matches(tokens: &[Tok], value: &str) -> Option<Tri> {
    let pattern = pattern_fields(tokens);
    if pattern.len() < 6 {
        return None;
    }
    let Some(fields) = fields(value) else { return Some(Tri::No) };
    Some(each(&pattern, &fields).into())
}

fn each(pattern: &[&[Tok]], fields: &[&str]) -> bool {
    pattern.iter().zip(fields).all(|(tokens, text)| matches(tokens, &text.chars().collect::<Vec<_>>()))
}

/// A `Resource` pattern against a resource: missing fields count as `*`.
pub(crate) fn resource_matches(tokens: &[Tok], resource: &str) -> Tri {
    if tokens == [Tok::Many] {
        return Tri::Yes;
    }
    let Some(fields) = fields(resource) else {
        return matches(tokens, &resource.chars().collect::<Vec<_>>()).into();
    };
    let pattern = pattern_fields(tokens);
    if each(&pattern, &fields) {
        return Tri::Yes;
    }
    // Undocumented: whether a star at the end of a field may run on into the next ones.
    let open = pattern.iter().rev().skip(1).any(|field| field.last() == Some(&Tok::Many));
    if open && matches(tokens, &resource.chars().collect::<Vec<_>>()) { Tri::Maybe } else { Tri::No }
}
