//! What the job alone makes likely, heard only where the text says nothing. Guesses, and marked as such: `unexplained` goes before them.

use crate::diagnosis::Cause::{
    BackupRoleMissingPermission, ConcurrentJob, InvalidParameter, KmsKeyPolicyMissingDestination, ResourceInvalidState,
    ServiceInternalOrTransient, TagOrMetadataPartial, UnsupportedResourceOrOperation, UserAborted, VmwareInfrastructure, VssPrerequisite,
    WindowExpired,
};
use crate::diagnosis::text::signal::Clue::{Job, State, Type};
use crate::diagnosis::text::signal::{Signal, Tier};
use crate::event::JobType::{Backup, Copy, Restore};

const FAILED: &[&str] = &["FAILED", "PARTIAL", "FAILING"];

pub(super) const SIGNALS: &[Signal] = &[
    Signal { tier: Tier::Context, clues: &[State(&["EXPIRED"])], gives: &[(WindowExpired, 6), (ConcurrentJob, 5)] },
    Signal { tier: Tier::Context, clues: &[State(&["ABORTED", "ABORTING", "CANCELED"])], gives: &[(UserAborted, 6), (WindowExpired, 5)] },
    Signal {
        tier: Tier::Context,
        clues: &[State(&["COMPLETED", "COMPLETED_WITH_ISSUES"])],
        gives: &[(TagOrMetadataPartial, 3), (UnsupportedResourceOrOperation, 3)],
    },
    Signal {
        tier: Tier::Context,
        clues: &[State(&["COMPLETED", "COMPLETED_WITH_ISSUES"]), Type(&["ec2"])],
        gives: &[(VssPrerequisite, 4)],
    },
    Signal { tier: Tier::Context, clues: &[State(FAILED), Type(&["virtualmachine"])], gives: &[(VmwareInfrastructure, 5)] },
    Signal {
        tier: Tier::Context,
        clues: &[State(FAILED), Job(&[Backup])],
        gives: &[(BackupRoleMissingPermission, 3), (ResourceInvalidState, 3), (ServiceInternalOrTransient, 3)],
    },
    Signal {
        tier: Tier::Context,
        clues: &[State(FAILED), Job(&[Copy])],
        gives: &[(KmsKeyPolicyMissingDestination, 3), (UnsupportedResourceOrOperation, 3), (ServiceInternalOrTransient, 3)],
    },
    Signal {
        tier: Tier::Context,
        clues: &[State(FAILED), Job(&[Restore])],
        gives: &[(InvalidParameter, 4), (BackupRoleMissingPermission, 3), (ServiceInternalOrTransient, 3)],
    },
];
