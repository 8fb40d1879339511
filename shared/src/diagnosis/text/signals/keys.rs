//! Keys. Most texts about keys are printed for several causes: whose key, who manages it and its state decide, not the words.

use crate::diagnosis::Cause::{
    AccessDeniedUnspecified, BackupRoleNotAssumable, DestinationVaultKeyAwsManaged, ExplicitDenyPolicy, KmsKeyPolicyMissingDestination,
    KmsKeyUnusable, KmsRolePermissionMissing, SourceKeyAwsManaged,
};
use crate::diagnosis::text::signal::Clue::{Action, All, Any, Job, No};
use crate::diagnosis::text::signal::{Clue, Signal, Tier};
use crate::event::JobType::{Backup, Copy, Restore, Scan};

/// The text speaks of a key.
const KEY: Clue = Any(&["kms", "key id", "keyid", "<key>", "encryption key", "master key", "managed key"]);
/// … and something is wrong with it.
const TROUBLE: Clue = Any(&[
    "not accessible",
    "inaccessible",
    "not access",
    "not exist*",
    "not enabled",
    "not usable",
    "not use",
    "not found",
    "not valid",
    "not available",
    "unavailable",
    "disabled",
    "deleted",
    "pending deletion",
    "pending import",
    "denied",
    "not auth*",
    "permission*",
    "inval*",
    "unable",
    "no longer",
]);
/// An AWS managed key.
const AWS_MANAGED: Clue = Any(&[
    "aws managed",
    "managed by aws",
    "service managed",
    "default key",
    "default kms",
    "default encryption key",
    "default aws",
    "default ebs",
    "default rds",
    "default backup",
    "ebs default",
    "rds default",
]);
const AIR_GAPPED: &[&str] = &["air gapped", "airgapped"];
/// What an AWS managed key forbids.
const SHARING: Clue = Any(&[
    "not be shared",
    "not share*",
    "not be copied",
    "not copy",
    "not support*",
    "unsupported",
    "not allowed",
    "not be used",
    "not possible",
    "not eligible",
    "can not be",
    "unable to share",
    "unable to copy",
]);

pub(super) const SIGNALS: &[Signal] = &[
    // Without a word on whose key it is: the copy's own reading, and the one of jobs inside an account.
    Signal {
        tier: Tier::Specific,
        clues: &[KEY, TROUBLE, Job(&[Copy])],
        gives: &[(KmsKeyPolicyMissingDestination, 6), (SourceKeyAwsManaged, 4), (KmsKeyUnusable, 4), (KmsRolePermissionMissing, 4)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[KEY, TROUBLE, Job(&[Backup, Restore, Scan])],
        gives: &[(KmsRolePermissionMissing, 6), (KmsKeyUnusable, 5), (SourceKeyAwsManaged, 3), (ExplicitDenyPolicy, 2)],
    },
    // The words name a state, and no permission besides.
    Signal {
        tier: Tier::Specific,
        clues: &[KEY, Any(&["disabled", "pending deletion", "pending import", "unavailable", "scheduled for deletion"])],
        gives: &[(KmsKeyUnusable, 3)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            KEY,
            Any(&[
                "disabled",
                "pending deletion",
                "pending import",
                "deleted",
                "not exist*",
                "not found",
                "not enabled",
                "invalid state",
                "no longer",
                "scheduled for deletion",
            ]),
            No(&["permission*", "access*", "denied", "not auth*", "allow*"]),
        ],
        gives: &[(KmsKeyUnusable, 5)],
    },
    Signal { tier: Tier::Specific, clues: &[KEY, TROUBLE, All(&["none"])], gives: &[(KmsKeyUnusable, 2), (SourceKeyAwsManaged, 2)] },
    Signal {
        tier: Tier::Specific,
        clues: &[KEY, TROUBLE, Any(&["target", "destination"])],
        gives: &[(KmsKeyUnusable, 1), (KmsKeyPolicyMissingDestination, 1)],
    },
    // The refused action is spelt out.
    Signal { tier: Tier::Specific, clues: &[Action(&["kms:"]), Any(&["no identity*"])], gives: &[(KmsRolePermissionMissing, 3)] },
    Signal {
        tier: Tier::Specific,
        clues: &[Action(&["kms:"]), Any(&["not auth*", "denied", "permission*"]), No(&["kms", "<key>", "key id"])],
        gives: &[(KmsRolePermissionMissing, 6), (KmsKeyPolicyMissingDestination, 5), (ExplicitDenyPolicy, 3), (KmsKeyUnusable, 3)],
    },
    // AWS managed keys can be shared with nobody.
    Signal {
        tier: Tier::Specific,
        clues: &[AWS_MANAGED, SHARING, Any(&["key", "keys", "encrypt*"]), No(&["destination", "target key", "vault is encrypted"])],
        gives: &[(SourceKeyAwsManaged, 10)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[AWS_MANAGED, Any(AIR_GAPPED), Any(&["key", "keys", "encrypt*"])],
        gives: &[(SourceKeyAwsManaged, 8)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            AWS_MANAGED,
            Any(&["vault", "vaults"]),
            Any(&["destination", "target"]),
            Any(&["key", "keys", "encrypt*"]),
            No(AIR_GAPPED),
        ],
        gives: &[(DestinationVaultKeyAwsManaged, 10)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&["user created", "customer managed", "customer created", "non default", "own key", "customer master"]),
            Any(&["vault", "vaults"]),
            Any(&["destination", "target"]),
            Any(&["key", "keys", "encrypt*"]),
            No(AIR_GAPPED),
        ],
        gives: &[(DestinationVaultKeyAwsManaged, 9)],
    },
    // A policy cannot name a role that does not exist.
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["invalid principal*", "principals"]), Any(&["policy", "polic*"])],
        gives: &[(BackupRoleNotAssumable, 8)],
    },
    // A key and no more.
    Signal {
        tier: Tier::General,
        clues: &[KEY, Job(&[Copy])],
        gives: &[(AccessDeniedUnspecified, 5), (KmsKeyPolicyMissingDestination, 5), (KmsRolePermissionMissing, 4), (KmsKeyUnusable, 4)],
    },
    Signal {
        tier: Tier::General,
        clues: &[KEY, Job(&[Backup, Restore, Scan])],
        gives: &[(KmsRolePermissionMissing, 5), (AccessDeniedUnspecified, 4), (KmsKeyUnusable, 4)],
    },
];
