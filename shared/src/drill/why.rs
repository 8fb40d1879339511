//! Why something is not copied.

use jiff::Timestamp;

use crate::arn::Arn;
use crate::copy::Obstacle;
use crate::event::JobId;
use crate::evidence::Gap;

/// Why a recovery point is left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its copy is in the destination.
    Landed(JobId),
    /// A copy is on its way.
    UnderWay(JobId),
    /// The job was to make a recovery point, not to copy one.
    NoCopy,
    /// It is a part of a composite recovery point, and is copied with it.
    PartOfComposite,
    /// The destination is not on the list of vaults into which copies may be started.
    OutsideAllowList(Arn),
    /// It is deleted.
    Gone,
    /// Its retention is over.
    Expired(Timestamp),
    /// It is not whole. Its status as AWS has it, untrusted.
    NotComplete(String),
    /// A continuous backup is not copied on demand.
    Continuous,
    /// It lies in cold storage.
    Cold,
    /// AWS Backup makes no such copies.
    Cannot(Obstacle),
    /// Neither plan nor job says when the copy ends.
    NoLifecycle,
    /// Its plan is there, and which of its rules asked for the copy cannot be told any more.
    NoRule,
    /// The lock of the destination refuses copies that are kept so long.
    OutsideLock {
        /// Days of the plan, or those asked for.
        days: i64,
        /// Least that the vault takes.
        min: Option<i64>,
        /// Most that it takes.
        max: Option<i64>,
    },
    /// As many copies as AWS takes at a time are on their way.
    Later,
    /// Its type, or where it lies, is not restored as a test.
    NotRestored {
        /// The type. Untrusted.
        resource_type: String,
        /// Why not.
        reason: &'static str,
    },
    /// It is larger than may be restored, or of unknown size.
    TooLarge {
        /// Its bytes, where AWS says them.
        bytes: Option<u64>,
        /// Most that may be restored.
        most: u64,
    },
    /// Its role is of another account, and cannot restore here.
    ForeignRole(Arn),
    /// The account lets nobody restore for drills.
    NotSwitchedOn(Box<Gap>),
    /// In which Availability Zone a volume is to be made is not known.
    NoZone,
    /// What decides it could not be read.
    NotSeen(Box<Gap>),
}

impl Why {
    /// A word for machines. Words are forever.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Landed(_) => "landed",
            Self::UnderWay(_) => "under-way",
            Self::NoCopy => "no-copy",
            Self::PartOfComposite => "part-of-composite",
            Self::OutsideAllowList(_) => "outside-allow-list",
            Self::Gone => "gone",
            Self::Expired(_) => "expired",
            Self::NotComplete(_) => "not-complete",
            Self::Continuous => "continuous",
            Self::Cold => "cold",
            Self::Cannot(_) => "cannot-be-copied",
            Self::NoLifecycle => "no-lifecycle",
            Self::NoRule => "no-rule",
            Self::OutsideLock { .. } => "outside-lock",
            Self::Later => "later",
            Self::NotRestored { .. } => "cannot-be-restored",
            Self::TooLarge { .. } => "too-large",
            Self::ForeignRole(_) => "foreign-role",
            Self::NotSwitchedOn(_) => "not-switched-on",
            Self::NoZone => "no-zone",
            Self::NotSeen(_) => "not-seen",
        }
    }

    /// Whether nothing is missing: the copy is there, or on its way.
    pub fn is_well(&self) -> bool {
        matches!(self, Self::Landed(_) | Self::UnderWay(_))
    }

    /// Whether a copy is on its way.
    pub fn is_under_way(&self) -> bool {
        matches!(self, Self::UnderWay(_))
    }

    /// A sentence for people, without a full stop. It may carry text of AWS, so it is untrusted.
    pub fn text(&self) -> String {
        match self {
            Self::Landed(job) => format!("its copy landed already (copy job {})", job.as_str()),
            Self::UnderWay(job) => format!("a copy of it is on its way (copy job {})", job.as_str()),
            Self::NoCopy => "the job made no recovery point that could be copied: the next run of its plan makes one".to_owned(),
            Self::PartOfComposite => "it is a part of a composite recovery point: copy that one, and it comes along".to_owned(),
            Self::OutsideAllowList(vault) => {
                format!("its vault {vault} is not on the list of vaults for drills (GUARDIAN_DRILL_VAULTS)")
            }
            Self::Gone => "the recovery point is gone: it cannot be copied any more".to_owned(),
            Self::Expired(at) => {
                format!("the recovery point expired at {}: it cannot be copied any more", at.strftime("%Y-%m-%d %H:%M UTC"))
            }
            Self::NotComplete(status) => format!("the recovery point is {status}, not complete"),
            Self::Continuous => "it is a continuous backup, which AWS does not copy on demand: its plan copies a snapshot of it".to_owned(),
            Self::Cold => "it lies in cold storage, and AWS copies nothing from there".to_owned(),
            Self::Cannot(obstacle) => obstacle.reason().to_owned(),
            Self::NoLifecycle => {
                "the copy action of its plan says nothing of how long copies are kept, so that this one would be kept for ever: \
                 give the plan a lifecycle, or say --retention-days"
                    .to_owned()
            }
            Self::NoRule => "which rule of its plan asks for this copy cannot be told any more, because the plan was written again since, so that how \
                 long it is to be kept is not known: say --retention-days, or retention_days in the message"
                .to_owned(),
            Self::OutsideLock { days, min, max } => {
                let bound = |days: &Option<i64>, none: &str| days.map_or(none.to_owned(), |days| days.to_string());
                format!(
                    "the lock of the destination takes copies that are kept {} to {} days, and this one would be kept {days}",
                    bound(min, "1"),
                    bound(max, "any number of")
                )
            }
            Self::Later => "as many copies as AWS takes at a time are on their way: ask again when they have landed".to_owned(),
            Self::NotRestored { resource_type, reason } => format!(
                "recovery points of {resource_type} are not restored by a drill: {reason}; a restore testing plan of AWS Backup tests it and \
                 cleans up, where AWS offers one for it (docs/restore.md)"
            ),
            Self::TooLarge { bytes: Some(bytes), most } => {
                format!("it has {bytes} bytes, and at most {most} are restored: say --most-gib, or most_bytes in the message")
            }
            Self::TooLarge { bytes: None, most } => {
                format!("AWS does not say how large it is, and at most {most} bytes are restored")
            }
            Self::ForeignRole(role) => {
                format!("its role {role} is of another account and cannot restore here: name one with --role, or role_arn in the message")
            }
            Self::NotSwitchedOn(gap) => format!(
                "account {} lets nobody restore for drills ({} failed: {}): switch it on there (EnableDrills and EnableRestoreDrills of \
                 deploy/agent-global.yaml)",
                gap.account_id,
                gap.action,
                gap.detail.as_deref().unwrap_or_else(|| gap.reason.as_str())
            ),
            Self::NoZone => {
                "in which Availability Zone the volume is to be made is not known: say --availability-zone, or availability_zone in the message"
                    .to_owned()
            }
            Self::NotSeen(gap) => format!(
                "{} in account {} failed ({}{}): whether it can be done is not known",
                gap.action,
                gap.account_id,
                gap.reason.as_str(),
                gap.detail.as_ref().map_or(String::new(), |detail| format!(", {detail}"))
            ),
        }
    }
}
