//! Which denials are of *this* job.
//!
//! In a busy backup account every copy of everybody runs under the same session name, so being near is not enough: a denial is tied by session
//! issuer, window, Region, action, key and encryption context. A record that names another key, resource or snapshot is of another job. A record
//! that names none is weaker and can never prove anything: two copies that fail in the same minute would both claim it.
//!
//! Roles follow the direction of the job, not the names of accounts: the copy is performed by the service-linked role of the account that receives
//! it and shared by the job role of the account that gives it (<https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html>).

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::Certainty;
use crate::arn::{AccountId, Arn, Region};
use crate::event::JobType;
use crate::evidence::{Denial, DenialKind, Effect, Evidence};

/// Name of the role with which AWS Backup performs a copy.
pub const SERVICE_LINKED_ROLE: &str = "AWSServiceRoleForBackup";
/// The window opens before the creation of the job and closes after its completion: clocks differ, and CloudTrail has whole seconds.
const SLACK: SignedDuration = SignedDuration::from_mins(5);
/// How long a job may have run whose creation is unknown.
const UNKNOWN_LENGTH: SignedDuration = SignedDuration::from_hours(6);

/// How firmly a denial is tied to the job. Ordered: a later one is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tie {
    /// Of another job, or of none.
    None,
    /// Principal, window, Region and action fit; the record does not name an object that would tell this job from another.
    Likely,
    /// The record also names the key, the snapshot or another object of this job.
    Exact,
}

/// Whose call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// The service-linked role of the account that receives the copy.
    Receiver,
    /// The job role of the account that owns the job.
    JobRole,
    /// The record does not say who called: the reduced form that the owner of a key sees.
    Unnamed,
}

/// What the refused call was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The key that protects the recovery point.
    SourceKey,
    /// The key of the destination vault.
    DestinationKey,
    /// The destination vault.
    DestinationVault,
    /// The recovery point, the resource or the source vault.
    Source,
    /// The record names no object that would tell one job from another.
    Unnamed,
    /// The record names something that cannot be compared, because that part of the job is not known.
    Uncertain,
}

/// A denial that is tied to the job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tied<'a> {
    /// The denial.
    pub denial: &'a Denial,
    /// How firmly.
    pub tie: Tie,
    /// Who was refused.
    pub actor: Actor,
    /// What was refused.
    pub target: Target,
}

impl Tied<'_> {
    /// How sure the denial makes a cause that it fits, given whether the text of AWS agrees. `None`: it explains nothing by itself.
    ///
    /// INVARIANT: never `proven`, and a denial that could be excluded if more were known of the job never counts for more than the text alone.
    pub fn certainty(&self, text_agrees: bool) -> Option<Certainty> {
        match (self.tie, self.target, text_agrees) {
            (Tie::Exact, _, _) => Some(Certainty::Supported),
            (Tie::Likely, Target::Uncertain, agrees) => agrees.then_some(Certainty::Suspected),
            (Tie::Likely, _, true) => Some(Certainty::Supported),
            (Tie::Likely, _, false) => Some(Certainty::Suspected),
            (Tie::None, _, _) => None,
        }
    }

    /// The refused IAM action; empty where the record is too odd to tell.
    pub fn action(&self) -> &str {
        self.denial.action.as_deref().unwrap_or_default()
    }

    /// Whether KMS refused.
    pub fn is_kms(&self) -> bool {
        self.denial.event_source == "kms.amazonaws.com" || self.action().starts_with("kms:")
    }

    /// Whether a policy decided, as opposed to the state of a key.
    pub fn is_authorization(&self) -> bool {
        self.denial.kind == DenialKind::AccessDenied
    }

    /// Whether a Deny statement decided.
    pub fn is_explicit(&self) -> bool {
        self.denial.effect == Some(Effect::ExplicitDeny)
    }
}

/// The denials of this job, the most telling first. Neither the order nor duplicates of the evidence matter.
pub fn ties(evidence: &Evidence) -> Vec<Tied<'_>> {
    let job = JobObjects::of(evidence);
    // The same call may have come by push and by lookup.
    let distinct = evidence.denials.iter().collect::<BTreeSet<_>>();
    let mut ties = distinct.into_iter().filter_map(|denial| job.tie(denial)).collect::<Vec<_>>();
    ties.sort_by(|a, b| {
        (b.tie, a.actor, a.target, needed(a.action()), a.denial).cmp(&(a.tie, b.actor, b.target, needed(b.action()), b.denial))
    });
    ties
}

/// The actions a copy cannot do without, first: `kms:ListGrants` refused is a symptom, `kms:CreateGrant` refused the reason.
fn needed(action: &str) -> usize {
    const MOST_TELLING: [&str; 4] = ["kms:CreateGrant", "kms:ReEncryptFrom", "kms:GenerateDataKeyWithoutPlaintext", "kms:Decrypt"];
    MOST_TELLING.iter().position(|telling| *telling == action).unwrap_or(MOST_TELLING.len())
}

/// When the calls of the job can have been made. Tolerates missing dates, and dates in the wrong order.
pub fn window(evidence: &Evidence) -> (Timestamp, Timestamp) {
    let job = &evidence.job;
    let description = evidence.description.known();
    let ended = job.completed_at.or_else(|| description?.completed_at).or(job.event_time).unwrap_or(evidence.now);
    let unknown = ended.checked_sub(UNKNOWN_LENGTH).unwrap_or(ended);
    let began = job.created_at.or_else(|| description?.created_at).unwrap_or(unknown).min(ended);
    (began.checked_sub(SLACK).unwrap_or(began), ended.checked_add(SLACK).unwrap_or(ended))
}

/// Everything of the job that a record can be compared with.
struct JobObjects<'a> {
    evidence: &'a Evidence,
    window: (Timestamp, Timestamp),
    regions: Vec<Region>,
    receiver: Option<AccountId>,
    source_keys: Vec<&'a Arn>,
    destination_keys: Vec<&'a Arn>,
    destination_vault: Option<&'a Arn>,
    sources: Vec<&'a Arn>,
}

impl<'a> JobObjects<'a> {
    fn of(evidence: &'a Evidence) -> Self {
        let job = &evidence.job;
        let description = evidence.description.known();
        let destination = evidence.destination_vault_arn();
        let receiver = match job.job_type {
            // The recovery point that arrives needs the service-linked role of the account it arrives in.
            JobType::Copy => evidence.destination_account(),
            JobType::Backup | JobType::Restore | JobType::Scan => Some(job.account.clone()),
        };
        let vault_key = evidence.vault.known().and_then(|vault| vault.encryption_key_arn.as_ref());
        let point = evidence.recovery_point.known();
        let destination_vault = evidence.destination_vault.known();
        let source_keys = [
            point.and_then(|point| point.encryption_key_arn.as_ref()),
            evidence.source_key.known().map(|key| &key.arn),
            vault_key.filter(|_| evidence.fully_managed() == Some(true)),
        ];
        let destination_keys =
            [destination_vault.and_then(|vault| vault.encryption_key_arn.as_ref()), evidence.destination_key.known().map(|key| &key.arn)];
        let sources = [
            evidence.recovery_point_arn(),
            job.resource_arn.as_ref(),
            description.and_then(|job| job.resource_arn.as_ref()),
            point.and_then(|point| point.resource_arn.as_ref()),
            job.vault_arn.as_ref(),
            description.and_then(|job| job.vault_arn.as_ref()),
            job.destination_recovery_point_arn.as_ref(),
            evidence.role_arn(),
        ];
        let regions = [Some(job.region.clone()), evidence.destination_region()];
        Self {
            evidence,
            window: window(evidence),
            regions: regions.into_iter().flatten().collect(),
            receiver,
            source_keys: source_keys.into_iter().flatten().filter(|arn| arn.is_kms_key()).collect(),
            destination_keys: destination_keys.into_iter().flatten().filter(|arn| arn.is_kms_key()).collect(),
            destination_vault: destination,
            sources: sources.into_iter().flatten().collect(),
        }
    }

    fn tie(&self, denial: &'a Denial) -> Option<Tied<'a>> {
        let (from, until) = self.window;
        if denial.event_time < from || denial.event_time > until || !self.regions.contains(&denial.region) || !self.plausible(denial) {
            return None;
        }
        let (target, by_object) = self.target(denial)?;
        let (actor, known_role) = self.actor(denial, target)?;
        let by_context = self.context(denial, target)?;
        // A foreign key, snapshot or role could be told from ours if ours were known: as long as it is not, the record stays a hint.
        let open = !known_role || by_context == Context::Unknown;
        let (target, tie) = match by_context {
            _ if open => (Target::Uncertain, Tie::Likely),
            Context::Ours => (target, Tie::Exact),
            Context::Absent | Context::Unknown => (target, by_object),
        };
        // Who is unknown cannot be told from somebody else who uses the same key.
        let tie = if actor == Actor::Unnamed { Tie::Likely } else { tie };
        Some(Tied { denial, tie, actor, target })
    }

    /// Whether AWS Backup makes such calls for a job of this kind.
    fn plausible(&self, denial: &Denial) -> bool {
        const KEY_CALLS: [&str; 10] = [
            "CreateGrant",
            "Decrypt",
            "DescribeKey",
            "Encrypt",
            "GenerateDataKey",
            "ListGrants",
            "ReEncrypt",
            "RetireGrant",
            "RevokeGrant",
            "GetPublicKey",
        ];
        const COPY_CALLS: [&str; 12] = [
            "AddTags",
            "AssumeRole",
            "Copy",
            "CreateTags",
            "DescribeBackupVault",
            "DescribeKey",
            "GetRecoveryPoint",
            "ListTags",
            "Modify",
            "Share",
            "StartCopyJob",
            "TagResource",
        ];
        let starts = |names: &[&str]| names.iter().any(|name| denial.event_name.starts_with(name));
        match (denial.event_source.as_str(), self.evidence.job.job_type) {
            ("kms.amazonaws.com", _) => starts(&KEY_CALLS),
            (_, JobType::Copy) => starts(&COPY_CALLS),
            (_, JobType::Backup | JobType::Restore | JobType::Scan) => true,
        }
    }

    /// Who called, and whether the role of the job is known to compare with.
    fn actor(&self, denial: &Denial, target: Target) -> Option<(Actor, bool)> {
        let issuer = denial.issuer_arn.clone().or_else(|| denial.principal.as_deref().and_then(|arn| Arn::parse(arn).ok()));
        let Some((account, name)) = issuer.as_ref().and_then(|arn| Some((arn.account()?, arn.role_name()?.to_owned()))) else {
            // The owner of a key sees failures of foreign callers in a reduced form without a role; refusals of a policy it never sees.
            let seen_by_owner = denial.kind != DenialKind::AccessDenied && matches!(target, Target::SourceKey | Target::DestinationKey);
            return seen_by_owner.then_some((Actor::Unnamed, true));
        };
        if name == SERVICE_LINKED_ROLE && self.receiver.as_ref() == Some(&account) {
            return Some((Actor::Receiver, true));
        }
        let own_account = account == self.evidence.job.account;
        match self.evidence.role_arn().and_then(Arn::role_name) {
            Some(role) => (own_account && role == name).then_some((Actor::JobRole, true)),
            // The role of the job is unknown: the session name is the mark that AWS Backup leaves.
            None => {
                let session = format!("/AWSBackup-{name}");
                let by_backup = denial.principal.as_deref().is_some_and(|principal| principal.ends_with(&session));
                (own_account && by_backup && name != SERVICE_LINKED_ROLE).then_some((Actor::JobRole, false))
            }
        }
    }

    /// What the record names, and how firmly that ties it. `None`: an object of another job.
    fn target(&self, denial: &Denial) -> Option<(Target, Tie)> {
        let Some(object) = denial.resource.as_ref() else { return Some((Target::Unnamed, Tie::Likely)) };
        let is = |known: &Arn| same_object(known, object);
        if self.source_keys.iter().any(|key| is(key)) {
            return Some((Target::SourceKey, Tie::Exact));
        }
        if self.destination_keys.iter().any(|key| is(key)) {
            return Some((Target::DestinationKey, Tie::Exact));
        }
        if self.destination_vault.is_some_and(is) {
            return Some((Target::DestinationVault, Tie::Exact));
        }
        if self.sources.iter().any(|source| is(source)) {
            return Some((Target::Source, Tie::Exact));
        }
        if object.service() == "kms" {
            return self.foreign_key(object);
        }
        // `snapshot/*` and roles that a restore passes on cannot be compared; a concrete other vault, snapshot or volume is another job's.
        let open = object.resource().contains('*') || object.service() == "iam";
        open.then_some((Target::Unnamed, Tie::Likely))
    }

    /// A key that is none of the known ones: of another job if the key on its side is known, else perhaps ours.
    fn foreign_key(&self, key: &Arn) -> Option<(Target, Tie)> {
        if !key.is_kms_key() {
            return Some((Target::Unnamed, Tie::Likely));
        }
        let account = key.account();
        let source_side = account.as_ref() == Some(&self.evidence.job.account);
        let destination_side = account.is_some() && account == self.evidence.destination_account();
        let source_open = source_side && self.source_keys.is_empty();
        let destination_open = destination_side && self.destination_keys.is_empty();
        (source_open || destination_open).then_some((Target::Uncertain, Tie::Likely))
    }

    /// What the encryption context says. `None`: it names the snapshot of another job.
    fn context(&self, denial: &Denial, target: Target) -> Option<Context> {
        let ours = |value: &str| self.sources.iter().any(|arn| arn.as_str() == value || arn.resource_name() == value);
        if denial.encryption_context.values().any(|value| ours(value)) {
            return Some(Context::Ours);
        }
        // Under the key of the destination the context names the new snapshot, which a failed copy never tells.
        let knows_snapshot = self.sources.iter().any(|arn| arn.service() == "ec2" && arn.resource().starts_with("snapshot/"));
        match denial.encryption_context.get("aws:ebs:id") {
            Some(other) if target != Target::DestinationKey && !other.is_empty() => (!knows_snapshot).then_some(Context::Unknown),
            Some(_) | None => Some(Context::Absent),
        }
    }
}

/// How the encryption context of a call stands to the job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// It names the snapshot or resource of the job.
    Ours,
    /// It names a snapshot, and that of the job is not known.
    Unknown,
    /// It names nothing to compare.
    Absent,
}

/// Equal ARNs, or ARNs of EC2 that differ only in the account, which AWS sometimes leaves empty.
fn same_object(a: &Arn, b: &Arn) -> bool {
    let open_account = a.service() == "ec2" && (a.account().is_none() || b.account().is_none());
    a == b || open_account && b.service() == "ec2" && a.region() == b.region() && a.resource() == b.resource()
}
