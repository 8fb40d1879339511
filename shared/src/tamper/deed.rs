//! A deed: a write that endangers backups, in words that people can act on.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Before, Write};
use crate::arn::{AccountId, Arn, Region};
use crate::diagnosis::Severity;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $label:literal,)+) => {
        /// What was done. The labels are a contract: new ones may be added, none is ever renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum DeedKind {
            $($(#[doc = $doc])+ #[serde(rename = $label)] $variant,)+
        }

        impl DeedKind {
            /// Every kind, in a fixed order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The label, as printed in alerts.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }
        }
    };
}

kinds! {
    /// A recovery point was deleted by hand.
    PointDeleted = "recovery-point-deleted",
    /// A recovery point was taken from its resource.
    PointDisassociated = "recovery-point-disassociated",
    /// A recovery point will be deleted earlier.
    RetentionShortened = "retention-shortened",
    /// A vault was deleted.
    VaultDeleted = "vault-deleted",
    /// A vault lost what protects it or what lets copies in.
    VaultPolicyWeakened = "vault-policy-weakened",
    /// A vault admits somebody outside.
    VaultOpened = "vault-opened",
    /// The lock of a vault was removed.
    VaultLockRemoved = "vault-lock-removed",
    /// The lock of a vault keeps less than before.
    VaultLockLoosened = "vault-lock-loosened",
    /// The lock of a vault refuses more, or will be final.
    VaultLockSharpened = "vault-lock-sharpened",
    /// A legal hold keeps its recovery points no more.
    LegalHoldCancelled = "legal-hold-cancelled",
    /// A vault needs no approval of several people any more.
    ApprovalRemoved = "approval-removed",
    /// Notifications, frameworks, reports or restore tests were removed.
    MonitoringRemoved = "monitoring-removed",
    /// A plan or a selection of it was deleted.
    PlanDeleted = "plan-deleted",
    /// A plan backs up, copies or keeps less than before.
    PlanWeakened = "plan-weakened",
    /// A resource type is no longer backed up in a Region.
    OptedOut = "opted-out",
    /// A setting of the whole organization was switched off.
    GlobalSettingOff = "global-setting-off",
    /// A running backup job was stopped.
    JobStopped = "job-stopped",
    /// A key was disabled.
    KeyDisabled = "key-disabled",
    /// A key will be deleted, or lost its material.
    KeyDeletionScheduled = "key-deletion-scheduled",
    /// The policy of a key lets backups use it less.
    KeyPolicyNarrowed = "key-policy-narrowed",
    /// The policy of a key lost what kept the key from being deleted, disabled or changed.
    KeyUnprotected = "key-unprotected",
    /// A key may be used by somebody outside.
    KeyOpened = "key-opened",
    /// A grant on a key was taken away.
    GrantRevoked = "grant-revoked",
    /// New volumes are not encrypted, or under another key.
    EbsDefaultChanged = "ebs-default-changed",
    /// A role of backups can do less, or was deleted.
    RoleWeakened = "role-weakened",
    /// A role of backups may be assumed by somebody outside.
    RoleOpened = "role-opened",
    /// A policy of the organization protects or backs up less.
    OrganizationPolicyWeakened = "organization-policy-weakened",
    /// AWS Backup lost its administrator or its access to the organization.
    AdministratorRemoved = "administrator-removed",
    /// An account left the organization, or its place in it.
    AccountMoved = "account-moved",
    /// Calls are recorded less.
    TrailStopped = "trail-stopped",
}

/// The file that the output of `guardian incidents before` is sent to, and from which a command puts the document back.
pub const BEFORE_FILE: &str = "before.json";

/// What undoes a deed, or limits what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// In words.
    pub text: String,
    /// The command, built of values that need no quoting; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The command puts back a document, which is kept with the incident and has to be in a file first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub document_kept: bool,
}

/// Something that was done and endangers backups. Texts that others chose are in it as they came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// What was done.
    pub kind: DeedKind,
    /// How bad it is by itself.
    pub severity: Severity,
    /// The account it was done in, from the envelope.
    pub account: AccountId,
    /// The Region, from the envelope.
    pub region: Region,
    /// What it was done to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Arn>,
    /// The call, as IAM names it; for what AWS Backup announced its own words.
    pub action: String,
    /// Its event id in CloudTrail, else that of the announcement.
    pub event_id: String,
    /// When.
    pub at: Timestamp,
    /// Who. Absent where only AWS Backup announced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// From where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// It was tried and refused, with this code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What was done, as a sentence without its subject: `deleted the vault central`.
    pub what: String,
    /// What it was before, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// What it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The whole document that it was before, where a command puts it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_document: Option<Value>,
    /// What it endangers.
    pub endangers: String,
    /// How to undo it.
    pub undo: Undo,
}

/// Why nobody hears of a write. A bounded set: it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// No call that endangers anything.
    Harmless,
    /// AWS Backup at its own work: the end of a lifecycle, a point that is deleted after its copy, the inside of an air-gapped vault.
    AwsBackupItself,
    /// A service gives back what it needs no more.
    ServiceItself,
    /// The organization's policy as it arrives in an account.
    OrganizationItself,
    /// The same as before.
    Unchanged,
    /// Nothing is lost by it.
    OnlyWidens,
    /// It undoes a deed.
    Mends,
    /// Nothing of it belongs to backups, as far as is known. It is kept, and a diagnosis or a prediction finds it.
    NotOfBackups,
    /// What was there before is not known, and what is there now endangers nothing by itself.
    NoBefore,
    /// It was refused, and would not have been grave, or was refused for a reason that says nothing of the caller.
    Refused,
    /// A recorded call tells the same, with its actor.
    ToldByACall,
}

impl Silence {
    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Harmless => "harmless",
            Self::AwsBackupItself => "aws-backup-itself",
            Self::ServiceItself => "service-itself",
            Self::OrganizationItself => "organization-itself",
            Self::Unchanged => "unchanged",
            Self::OnlyWidens => "only-widens",
            Self::Mends => "mends",
            Self::NotOfBackups => "not-of-backups",
            Self::NoBefore => "no-before",
            Self::Refused => "refused",
            Self::ToldByACall => "told-by-a-call",
        }
    }
}

/// What a write is judged against.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The accounts that keep the copies.
    pub backup_accounts: &'a BTreeSet<AccountId>,
    /// The organization, where the guardian was told.
    pub organization_id: Option<&'a str>,
    /// Accounts of the organization, as far as they were asked for: a policy may name each by its id.
    pub members: &'a BTreeSet<AccountId>,
    /// What an older write left the object in.
    pub before: Option<&'a Before>,
    /// Whether a copy is known to hang on the object.
    pub of_a_route: bool,
}

impl Scene<'_> {
    /// Whether the account keeps copies.
    pub(super) fn keeps_copies(&self, account: &AccountId) -> bool {
        self.backup_accounts.contains(account)
    }
}

/// A deed, or why it is none.
pub type Judged = Result<Box<Deed>, Silence>;

impl Deed {
    /// The deed that a write is.
    pub(super) fn of(write: &Write, kind: DeedKind, severity: Severity, what: impl Into<String>) -> Self {
        Self {
            kind,
            severity,
            account: write.account.clone(),
            region: write.region.clone(),
            object: write.object().cloned(),
            action: write.action(),
            event_id: write.event_id.clone(),
            at: write.at,
            actor: Some(write.actor.name.clone()),
            source_ip: write.source_ip.clone(),
            refused: None,
            what: what.into(),
            before: None,
            after: None,
            before_document: None,
            endangers: String::new(),
            undo: Undo { text: String::new(), command: None, document_kept: false },
        }
    }

    pub(super) fn endangers(mut self, what: impl Into<String>) -> Self {
        self.endangers = what.into();
        self
    }

    pub(super) fn changed(mut self, before: Option<String>, after: Option<String>) -> Self {
        (self.before, self.after) = (before, after);
        self
    }

    /// How to undo it; of a command with a value that would need quoting only the words stay.
    pub(super) fn undo(mut self, text: impl Into<String>, command: Option<String>) -> Self {
        self.undo = Undo { text: text.into(), command, document_kept: false };
        self
    }

    /// Whether it hangs on who belongs to the organization: then whoever judges asks for the members and judges again.
    pub fn lets_somebody_in(&self) -> bool {
        matches!(self.kind, DeedKind::KeyOpened | DeedKind::KeyUnprotected | DeedKind::VaultOpened)
    }

    pub(super) fn judged(self) -> Judged {
        Ok(Box::new(self))
    }
}

/// Whether a value can stand in a shell command as it is.
pub(super) fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= 512
        && !value.starts_with('-')
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=' | b'@' | b','))
}

/// A command of parts, every `{}` of which is one of these values; none where a value would need quoting.
pub(super) fn command(pattern: &str, values: &[&str]) -> Option<String> {
    let mut parts = pattern.split("{}");
    let mut out = parts.next()?.to_owned();
    for (part, value) in parts.zip(values) {
        is_plain(value).then_some(())?;
        out.push_str(value);
        out.push_str(part);
    }
    Some(out)
}
