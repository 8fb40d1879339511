//! What several rules ask of the evidence, asked once.

use std::cell::RefCell;

use super::text::{self, Hints, Reading};
use super::{ActIn, Cause, Side};
use crate::arn::{AccountId, Arn, Region, backup_service_linked_role};
use crate::evidence::{Change, Evidence, Fact, Key, KeyManager};
use crate::incident::Object;

thread_local! {
    /// Every rule reads the same text: the last reading is kept. A pure function of its key, so it can never show in a verdict.
    static LAST: RefCell<Option<(Option<String>, Hints, Reading)>> = const { RefCell::new(None) };
}

/// What the status message can mean, with the facts of the job.
pub fn reading(evidence: &Evidence) -> Reading {
    let (message, hints) = (evidence.status_message(), Hints::of(evidence));
    let reading = LAST.with(|last| {
        if let Some((kept, for_hints, reading)) = &*last.borrow()
            && kept.as_deref() == message
            && *for_hints == hints
        {
            return reading.clone();
        }
        let reading = text::read(message, &hints);
        *last.borrow_mut() = Some((message.map(str::to_owned), hints, reading.clone()));
        reading
    });
    match (message, &evidence.job.raw_event) {
        // An event that could not be read says nothing, and is still told apart from others that say nothing.
        (None, Some(raw)) => Reading { fingerprint: text::class_of(raw), ..reading },
        _ => reading,
    }
}

/// How a status message stands to the causes of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// No text, or one that nobody knows yet.
    Silent,
    /// One of these causes is the likeliest reading.
    First,
    /// One of these causes is a possible reading.
    Among,
    /// A reading, but of other causes, and more than one of them remains.
    Others,
    /// The text decides for another cause.
    Against,
}

impl Voice {
    /// Whether the text speaks for the causes at all.
    pub fn agrees(self) -> bool {
        matches!(self, Self::First | Self::Among)
    }
}

/// How the status message stands to these causes.
pub fn voice(evidence: &Evidence, causes: &[Cause]) -> Voice {
    let reading = reading(evidence);
    if !reading.recognised {
        return Voice::Silent;
    }
    if causes.contains(&reading.best()) {
        return Voice::First;
    }
    match causes.iter().any(|cause| reading.likelihood(*cause) > 0.0) {
        true => Voice::Among,
        false if reading.decidable => Voice::Against,
        false => Voice::Others,
    }
}

/// Causes of which the texts of AWS cannot be told apart from the state or the manager of a key.
pub const ABOUT_KEYS: &[Cause] = &[
    Cause::KmsKeyPolicyMissingDestination,
    Cause::KmsRolePermissionMissing,
    Cause::KmsKeyUnusable,
    Cause::SourceKeyAwsManaged,
    Cause::DestinationVaultKeyAwsManaged,
    Cause::AccessDeniedUnspecified,
    Cause::ServiceInternalOrTransient,
];

/// Causes that are a refused call, or read like one.
pub const REFUSALS: &[Cause] = &[
    Cause::KmsKeyPolicyMissingDestination,
    Cause::KmsRolePermissionMissing,
    Cause::KmsKeyUnusable,
    Cause::SourceKeyAwsManaged,
    Cause::DestinationVaultKeyAwsManaged,
    Cause::DestinationVaultPolicy,
    Cause::ExplicitDenyPolicy,
    Cause::BackupRoleMissingPermission,
    Cause::BackupRoleNotAssumable,
    Cause::AccessDeniedUnspecified,
    Cause::OrganizationMismatch,
    Cause::CrossAccountFeatureDisabled,
    Cause::NotFound,
    Cause::ServiceInternalOrTransient,
];

/// Whether a key is one of AWS: by what KMS says, else by the alias that AWS reserves for itself.
pub fn aws_managed(key: &Fact<Key>, arn: Option<&Arn>) -> Option<bool> {
    let by_alias = arn.and_then(|arn| arn.resource().starts_with("alias/aws/").then_some(true));
    key.known().and_then(|key| key.manager).map(|manager| manager == KeyManager::Aws).or(by_alias)
}

/// The state of a key in which no cryptographic call works, with a word for it
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>).
pub fn unusable(key: &Key) -> Option<&'static str> {
    match key.state.as_deref()?.to_ascii_lowercase().as_str() {
        "disabled" => Some("disabled"),
        "pendingdeletion" | "pendingreplicadeletion" => Some("pending deletion"),
        "pendingimport" => Some("without key material (pending import)"),
        "unavailable" => Some("unavailable (its key store cannot be reached)"),
        "creating" => Some("still being created"),
        _ => None,
    }
}

/// Account that owns the key of the recovery point; where the key is not known, the account of the job stands in.
pub fn key_owner(evidence: &Evidence) -> AccountId {
    evidence.source_key_account().unwrap_or_else(|| evidence.job.account.clone())
}

/// The last write of some kind on an object before the job ended: one after it cannot have caused the failure.
///
/// Records carry whole seconds. Within one second a removal counts as the later one: what does not exist cannot be removed.
pub fn last_change<'a>(evidence: &'a Evidence, object: &Arn, wanted: impl Fn(&Change) -> bool) -> Option<&'a Change> {
    let failed_at = evidence.job.completed_at.or(evidence.job.event_time).unwrap_or(evidence.now);
    let concerns = |change: &&Change| match &change.resource_arn {
        Some(arn) => arn == object,
        // Changes are read per key, so a record that names no object is one of the source key.
        None => evidence.source_key_arn() == Some(object),
    };
    let removes =
        |change: &Change| ["Delete", "Detach", "Disable", "Retire", "Revoke", "Schedule"].iter().any(|verb| change.action.contains(verb));
    let order = |change: &&Change| (change.at, removes(change), change.event_id.clone());
    let changes = evidence.changes.known()?.iter();
    changes.filter(concerns).filter(|change| change.at <= failed_at && wanted(change)).max_by_key(order)
}

/// Who performs the copy at the receiving end, as policies name it.
pub fn receiver_role(evidence: &Evidence) -> Option<String> {
    let vault = evidence.destination_vault_arn()?;
    Some(backup_service_linked_role(vault.partition(), &vault.account()?))
}

/// The job role as people call it.
pub fn role_name(evidence: &Evidence) -> String {
    match evidence.role_arn() {
        Some(arn) => format!("the job role `{}` of account {}", arn.role_name().unwrap_or(arn.resource()), evidence.job.account),
        None => format!("the job role (not named by AWS) of account {}", evidence.job.account),
    }
}

/// The side an account is on.
pub fn side_of(evidence: &Evidence, account: &AccountId) -> Side {
    let receives = evidence.destination_account().as_ref() == Some(account) && account != &evidence.job.account;
    if receives { Side::Destination } else { Side::Source }
}

/// The account of the job must act; the object is not known.
pub fn in_source(evidence: &Evidence) -> ActIn {
    ActIn { account_id: evidence.job.account.clone(), region: Some(evidence.job.region.clone()), resource_arn: None, side: Side::Source }
}

/// The owner of an object must act on it.
pub fn on_object(evidence: &Evidence, arn: &Arn) -> ActIn {
    let account_id = arn.account().unwrap_or_else(|| evidence.job.account.clone());
    let side = side_of(evidence, &account_id);
    ActIn { account_id, region: region_of(arn), resource_arn: Some(arn.as_str().to_owned()), side }
}

fn region_of(arn: &Arn) -> Option<Region> {
    arn.region()
}

/// The organization must act. The ARN of a policy tells who owns it, or the organization itself; else the account of the job stands in.
pub fn in_management(evidence: &Evidence, policy_arn: Option<&str>) -> ActIn {
    let policy = policy_arn.and_then(|arn| Arn::parse(arn).ok()).filter(|arn| arn.service() == "organizations");
    ActIn {
        account_id: policy
            .as_ref()
            .and_then(Arn::account)
            .or_else(|| evidence.organization.known().map(|organization| organization.management_account.clone()))
            .unwrap_or_else(|| evidence.job.account.clone()),
        region: None,
        resource_arn: policy.map(|arn| arn.as_str().to_owned()),
        side: Side::Management,
    }
}

/// Names the account that must act on the organization, whether or not its id is known.
pub fn management_words(evidence: &Evidence, act_in: &ActIn) -> String {
    if act_in.account_id == evidence.job.account {
        format!("the management account of the organization that account {} belongs to", evidence.job.account)
    } else {
        format!("the management account {}", act_in.account_id)
    }
}

/// An object whose ARN was read through the reader role or from CloudTrail.
pub fn known_object(evidence: &Evidence, arn: &Arn) -> Object {
    Object::Known { arn: arn.as_str().to_owned(), account_id: arn.account().unwrap_or_else(|| evidence.job.account.clone()) }
}

/// `2026-11-02 05:37 UTC`, as alerts tell times.
pub fn minute(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// The object is not known yet: the route and the class of the text stand in, inside the account of the job.
pub fn provisional_object(evidence: &Evidence) -> Object {
    let arn = |arn: Option<&Arn>| arn.map(|arn| arn.as_str().to_owned()).unwrap_or_default();
    let vault = evidence.job.vault_arn.as_ref().or_else(|| evidence.description.known()?.vault_arn.as_ref());
    let route = [
        evidence.job.region.as_str().to_owned(),
        evidence.job.job_type.as_str().to_owned(),
        arn(vault),
        arn(evidence.destination_vault_arn()),
        evidence.resource_type().unwrap_or_default().to_owned(),
        reading(evidence).fingerprint,
    ];
    Object::Provisional { account_id: evidence.job.account.clone(), route: route.join("|") }
}

/// Adds the call behind a fact to the list of used facts, where the fact is known.
pub fn used<T>(fact: &Fact<T>) -> Option<String> {
    match fact {
        Fact::Known { source, .. } => Some(source.clone()),
        Fact::Gap(_) | Fact::NotAsked => None,
    }
}

/// A text for a sentence: at most `most` characters.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(3)).collect::<String>();
    format!("{}...", kept.trim_end())
}

/// The text with a capital first letter.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
