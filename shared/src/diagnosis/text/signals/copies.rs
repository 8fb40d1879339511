//! What only copies, vaults and organizations meet, and what is not supported at all.

use crate::diagnosis::Cause::{
    ContinuousBackupConflict, CrossAccountFeatureDisabled, InvalidParameter, OrganizationMismatch, UnsupportedCrossAccountCrossRegion,
    UnsupportedResourceOrOperation, VaultLockRetention,
};
use crate::diagnosis::text::signal::Clue::{All, Any, Job, No};
use crate::diagnosis::text::signal::{Clue, Signal, Tier};
use crate::event::JobType::{Backup, Copy};

const UNSUPPORTED: Clue = Any(&[
    "not support*",
    "unsupported",
    "not be supported",
    "not currently support*",
    "not yet support*",
    "no support",
    "not available in",
    "not offered",
]);

pub(super) const SIGNALS: &[Signal] = &[
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&["organization", "organizations", "organisation"]),
            Any(&["same", "member", "members", "belong*", "different", "part of", "outside", "left", "not in"]),
            No(&["tag policy", "tag policies", "control policy", "control policies"]),
        ],
        gives: &[(OrganizationMismatch, 9)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&["cross account", "crossaccount"]),
            Any(&[
                "not enabled",
                "disabled",
                "not been enabled",
                "not turned on",
                "turned off",
                "enable",
                "turn on",
                "not opted",
                "opt in",
            ]),
        ],
        gives: &[(CrossAccountFeatureDisabled, 10)],
    },
    // One step for two borders.
    Signal {
        tier: Tier::Specific,
        clues: &[
            UNSUPPORTED,
            Any(&["initiated", "<region>"]),
            Any(&["copy", "copies"]),
            Any(&["from", "cross"]),
            Job(&[Copy]),
            No(&["air gapped"]),
        ],
        gives: &[(UnsupportedCrossAccountCrossRegion, 8), (UnsupportedResourceOrOperation, 5)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[All(&["cross account", "cross region"]), Any(&["not", "unsupported", "single", "both"])],
        gives: &[(UnsupportedCrossAccountCrossRegion, 9), (UnsupportedResourceOrOperation, 4)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[UNSUPPORTED, Any(&["cross account", "cross region"]), Job(&[Copy])],
        gives: &[(UnsupportedResourceOrOperation, 6), (UnsupportedCrossAccountCrossRegion, 6)],
    },
    // Licences, option groups, types, Regions, services.
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["marketplace", "billing", "billingproduct*", "product code*", "paid ami"])],
        gives: &[(UnsupportedResourceOrOperation, 9)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["option group", "option groups", "custom option", "tde"])],
        gives: &[(UnsupportedResourceOrOperation, 8)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["opted in", "opt in", "opted into", "opted out", "opt in required"]), No(&["cross account"])],
        gives: &[(UnsupportedResourceOrOperation, 9)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["subscription", "not subscribed", "subscribe"])],
        gives: &[(UnsupportedResourceOrOperation, 8)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            UNSUPPORTED,
            Any(&[
                "resource type",
                "resource types",
                "type",
                "engine",
                "engine version",
                "instance class",
                "region",
                "storage class",
                "air gapped",
                "feature",
                "vault type",
            ]),
            No(&["initiated", "cross account", "cross region"]),
        ],
        gives: &[(UnsupportedResourceOrOperation, 8)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["advanced feature*", "advanced backup", "advanced dynamodb"]), Any(&["not", "disabled", "enable*"])],
        gives: &[(UnsupportedResourceOrOperation, 8)],
    },
    Signal { tier: Tier::General, clues: &[UNSUPPORTED], gives: &[(UnsupportedResourceOrOperation, 7), (InvalidParameter, 3)] },
    Signal {
        tier: Tier::General,
        clues: &[Any(&[
            "not be copied",
            "not be backed up",
            "not be restored",
            "not eligible",
            "not compatible",
            "incompatible",
            "not be protected",
            "not applicable",
        ])],
        gives: &[(UnsupportedResourceOrOperation, 6), (InvalidParameter, 3)],
    },
    Signal {
        tier: Tier::General,
        clues: &[Any(&["not enabled", "not activated", "not registered", "not onboarded"])],
        gives: &[(UnsupportedResourceOrOperation, 6), (InvalidParameter, 3)],
    },
    // Retention against the lock.
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&["retention", "lifecycle", "deleteafterdays", "retain*", "delete after"]),
            Any(&[
                "range",
                "minimum",
                "maximum",
                "min",
                "max",
                "outside",
                "within",
                "less than",
                "greater than",
                "longer",
                "shorter",
                "exceed*",
                "lock",
                "locked",
                "at least",
                "at most",
                "below",
                "above",
            ]),
            Any(&["vault", "vaults", "lock", "range"]),
            No(&["cold storage", "movetocoldstorageafterdays"]),
        ],
        gives: &[(VaultLockRetention, 10)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["vault lock", "locked vault", "vault is locked", "compliance mode"])],
        gives: &[(VaultLockRetention, 6)],
    },
    Signal { tier: Tier::Specific, clues: &[Any(&["minretentiondays", "maxretentiondays"])], gives: &[(VaultLockRetention, 8)] },
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["cold storage", "movetocoldstorageafterdays"]), Any(&["lifecycle", "days", "must", "less than"])],
        gives: &[(InvalidParameter, 8)],
    },
    // One continuous recovery point per resource.
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&["continuous", "pitr", "point in time"]),
            Any(&["already", "another", "only one", "other vault", "different vault", "conflict*", "existing", "multiple"]),
            Job(&[Backup, Copy]),
        ],
        gives: &[(ContinuousBackupConflict, 10)],
    },
];
