//! From a record to the calls that were refused.

use super::key::{Side, of_call, of_other_call};
use super::message::{self, Refusal};
use super::{Record, message::read};
use crate::arn::Arn;
use crate::evidence::{Denial, DenialKind};

const KMS: &str = "kms.amazonaws.com";

/// The refused or failed calls of a record, one per IAM action.
pub(super) fn of(record: &Record) -> Vec<Denial> {
    let Some(code) = record.error_code.as_deref() else { return Vec::new() };
    let refusal = record.error_message.as_deref().map(read).unwrap_or_default();
    let kind = kind_of(code, record.error_message.as_deref());
    if record.event_source != KMS {
        let resource = of_other_call(record, refusal.resource.as_ref());
        return vec![denial(record, code, kind, &refusal, action_of(record, &refusal), resource, Side::Only)];
    }
    if record.event_name != "ReEncrypt" {
        let resource = of_call(record, Side::Only, refusal.resource.as_ref());
        return vec![denial(record, code, kind, &refusal, action_of(record, &refusal), resource, Side::Only)];
    }
    re_encrypt(record, code, kind, &refusal)
}

/// One event name stands for two IAM actions on two keys. Where the message names the action or the key, it was that one; else both are given.
fn re_encrypt(record: &Record, code: &str, kind: DenialKind, refusal: &Refusal<'_>) -> Vec<Denial> {
    let keys = [Side::Source, Side::Destination].map(|side| (side, of_call(record, side, None)));
    let told = refusal.resource.as_ref().filter(|arn| arn.is_kms_key());
    let named = match refusal.action {
        Some("kms:ReEncryptFrom") => Some(Side::Source),
        Some("kms:ReEncryptTo") => Some(Side::Destination),
        _ => {
            let mut matching = keys.iter().filter(|(_, key)| key.is_some() && key.as_ref() == told).map(|(side, _)| *side);
            // The same key on both sides names neither.
            matching.next().filter(|_| matching.next().is_none())
        }
    };
    keys.into_iter()
        .filter(|(side, _)| named.is_none_or(|named| named == *side))
        .map(|(side, key)| {
            let action = if side == Side::Source { "kms:ReEncryptFrom" } else { "kms:ReEncryptTo" };
            let told = told.filter(|_| named.is_some()).cloned();
            denial(record, code, kind, refusal, Some(action.to_owned()), key.or(told), side)
        })
        .collect()
}

fn denial(
    record: &Record,
    code: &str,
    kind: DenialKind,
    refusal: &Refusal<'_>,
    action: Option<String>,
    resource: Option<Arn>,
    side: Side,
) -> Denial {
    let context = if side == Side::Destination { &record.destination_encryption_context } else { &record.encryption_context };
    Denial {
        event_time: record.event_time,
        event_id: record.event_id.clone(),
        recorded_in: record.recorded_in.clone(),
        region: record.region.clone(),
        event_source: record.event_source.clone(),
        event_name: record.event_name.clone(),
        error_code: code.to_owned(),
        kind,
        principal: record.identity.arn.as_deref().or(refusal.principal).or(record.identity.name()).map(str::to_owned),
        issuer_arn: record.identity.issuer_arn.clone(),
        action,
        resource,
        policy_type: refusal.policy_type,
        policy_arn: refusal.policy_arn.clone(),
        effect: refusal.effect,
        encryption_context: context.clone(),
        invoked_by: record.identity.invoked_by.clone(),
        message: record.error_message.clone(),
    }
}

/// The IAM action: from the message, else from source and event name.
fn action_of(record: &Record, refusal: &Refusal<'_>) -> Option<String> {
    if let Some(action) = refusal.action {
        return Some(action.to_owned());
    }
    let service = record.event_source.strip_suffix(".amazonaws.com")?;
    Some(format!("{service}:{}", record.event_name))
}

/// The class of an error code. Services write the same code with and without `Exception`, `Fault` and `Client.`.
fn kind_of(code: &str, message: Option<&str>) -> DenialKind {
    let bare = code.strip_prefix("Client.").unwrap_or(code);
    let bare = bare.strip_suffix("Exception").or_else(|| bare.strip_suffix("Fault")).unwrap_or(bare);
    match bare {
        "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized" | "AuthorizationError" | "Unauthorized" => DenialKind::AccessDenied,
        "Disabled" => DenialKind::KeyDisabled,
        "KMSInvalidState" | "KMSKeyDisabled" | "InvalidKmsKey.InvalidState" => DenialKind::KeyInvalidState,
        "NotFound" | "IncorrectKey" | "KMSNotFound" | "InvalidKmsKey.NotFound" => DenialKind::NotFound,
        "KMSKeyNotAccessible" => DenialKind::KeyNotAccessible,
        "InvalidGrantToken" | "InvalidGrantId" => DenialKind::GrantLost,
        // A service that relays the refusal of another under a code of its own.
        _ if message.is_some_and(|text| message::read(text).action.is_some()) => DenialKind::AccessDenied,
        _ => DenialKind::Other,
    }
}
