//! Access: who was refused, and by what.

use crate::diagnosis::Cause::{
    AccessDeniedUnspecified, BackupRoleMissingPermission, BackupRoleNotAssumable, DestinationVaultPolicy, ExplicitDenyPolicy,
    InvalidParameter, NotFound, PassroleMissing, SharingRevokedByAutomation, UnsupportedResourceOrOperation,
};
use crate::diagnosis::text::signal::Clue::{Action, All, Any, Heading, Job, No, Type};
use crate::diagnosis::text::signal::{Clue, Signal, Tier};
use crate::event::JobType::{Backup, Copy, Restore, Scan};

/// Services whose resources AWS Backup protects, or that it needs for them: their actions are the job role's.
const SERVICES: &[&str] = &[
    "backup-gateway:",
    "cloudformation:",
    "dsql:",
    "dynamodb:",
    "ebs:",
    "ec2:",
    "eks:",
    "elasticfilesystem:",
    "elasticfilesystem-",
    "fsx:",
    "iam:list",
    "iam:get",
    "neptune",
    "rds:",
    "redshift",
    "s3:",
    "ssm",
    "storagegateway:",
    "tag:",
    "timestream:",
    "events:",
    "cloudwatch:",
    "docdb",
    "backup-storage:",
];
const REFUSED: Clue = Any(&["not auth*", "unauthorized", "access denied", "denied", "permission*", "not allowed"]);
const KEYS: &[&str] = &["kms", "key id", "<key>", "encryption key"];

pub(super) const SIGNALS: &[Signal] = &[
    // A Deny wins, or an organization policy does not allow.
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["explicit deny in", "explicit deny", "explicitly denied by", "explicitly denied in"])],
        gives: &[(ExplicitDenyPolicy, 11)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&[
            "service control polic*",
            "resource control polic*",
            "permissions boundary",
            "permission boundary",
            "session polic*",
            "endpoint policy",
            "scp",
            "rcp",
        ])],
        gives: &[(ExplicitDenyPolicy, 9)],
    },
    // The refused action is spelt out.
    Signal { tier: Tier::Specific, clues: &[Action(&["iam:passrole"])], gives: &[(PassroleMissing, 11)] },
    Signal {
        tier: Tier::Specific,
        clues: &[All(&["pass"]), Any(&["role", "roles", "instance profile"]), REFUSED],
        gives: &[(PassroleMissing, 8)],
    },
    Signal { tier: Tier::Specific, clues: &[Any(&["passrole"])], gives: &[(PassroleMissing, 9)] },
    Signal { tier: Tier::Specific, clues: &[Action(&["sts:assume"])], gives: &[(BackupRoleNotAssumable, 9)] },
    Signal {
        tier: Tier::Specific,
        clues: &[Action(&["backup:copyinto", "backup:copyfrom", "backup:*"]), Job(&[Copy])],
        gives: &[(DestinationVaultPolicy, 8), (BackupRoleMissingPermission, 7), (ExplicitDenyPolicy, 4)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Action(&["backup:copyinto", "backup:copyfrom"]), Any(&["no identity*"])],
        gives: &[(BackupRoleMissingPermission, 3)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Action(&["backup:copyinto", "backup:copyfrom"]), Any(&["no resource*"])],
        gives: &[(DestinationVaultPolicy, 4)],
    },
    // Calls by which people start or read jobs: refused before a job role plays any part.
    Signal {
        tier: Tier::Specific,
        clues: &[Action(&[
            "backup:start",
            "backup:list",
            "backup:describe",
            "backup:get",
            "backup:create",
            "backup:update",
            "backup:delete",
        ])],
        gives: &[(AccessDeniedUnspecified, 4)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Action(SERVICES), REFUSED],
        gives: &[(BackupRoleMissingPermission, 6), (ExplicitDenyPolicy, 2)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Action(SERVICES), REFUSED, Any(&["no identity*"])],
        gives: &[(BackupRoleMissingPermission, 3)],
    },
    // The role itself.
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&[
            "be assumed",
            "not assume",
            "unable to assume",
            "to assume",
            "assume role",
            "assume the",
            "assume your",
            "assuming",
            "not assumable",
            "not assumed",
        ])],
        gives: &[(BackupRoleNotAssumable, 9)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["trust policy", "trust relationship*", "trusted entit*", "trust"]), Any(&["role", "roles"])],
        gives: &[(BackupRoleNotAssumable, 8)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&["service linked role", "servicelinkedrole", "linked role"]),
            Any(&["not", "missing", "create*", "unable", "deleted"]),
        ],
        gives: &[(BackupRoleNotAssumable, 9)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&["iam role", "role <arn>", "role <id>", "the role", "provided role", "backup role", "execution role"]),
            Any(&["not exist*", "not found", "not valid", "inval*", "no longer", "deleted"]),
        ],
        gives: &[(BackupRoleNotAssumable, 8)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&["iam role", "the role", "backup role", "role <arn>"]),
            Any(&["sufficient permission*", "sufficient privilege*", "insufficient permission*"]),
            Any(&["execute", "perform", "backup", "restore", "copy"]),
        ],
        gives: &[(BackupRoleMissingPermission, 6), (BackupRoleNotAssumable, 5), (ExplicitDenyPolicy, 4)],
    },
    // AWS Backup refuses itself: the vault, the role or the organization.
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["access denied"]), Any(&["aws backup service", "call aws backup", "calling aws backup"])],
        gives: &[(DestinationVaultPolicy, 7), (BackupRoleMissingPermission, 6), (ExplicitDenyPolicy, 5)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&["vault access policy", "vault policy", "access policy", "resource policy"]),
            Any(&["vault", "vaults"]),
            Any(&["not", "deny", "denied", "denies"]),
        ],
        gives: &[(DestinationVaultPolicy, 8), (ExplicitDenyPolicy, 5)],
    },
    // Sharing that went away.
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&["permission*", "not auth*", "denied", "not access"]),
            Any(&["storage"]),
            Any(&["ami", "image", "snapshot*", "images"]),
        ],
        gives: &[(SharingRevokedByAutomation, 6), (BackupRoleMissingPermission, 5), (AccessDeniedUnspecified, 4)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&["sharing", "shared", "unshare*", "launch permission*", "createvolumepermission"]),
            Any(&["revoked", "removed", "no longer", "reset", "not shared", "modified"]),
        ],
        gives: &[(SharingRevokedByAutomation, 7), (AccessDeniedUnspecified, 3)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["unshare", "unsharing"])],
        gives: &[(BackupRoleNotAssumable, 5), (BackupRoleMissingPermission, 5), (SharingRevokedByAutomation, 4)],
    },
    // A right is named in plain words: the job role's.
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&["permission*", "privilege*", "access denied"]),
            Any(&[
                "to describe",
                "to list",
                "to get",
                "to read",
                "to create",
                "to restore",
                "to tag",
                "to put",
                "to write",
                "to delete",
                "to copy",
                "to backup",
                "to modify",
                "to start",
                "to enable",
            ]),
            No(&["kms", "key id", "<key>", "encryption key", "storage", "invalid state"]),
        ],
        gives: &[(BackupRoleMissingPermission, 8), (ExplicitDenyPolicy, 3)],
    },
    Signal {
        tier: Tier::Specific,
        clues: &[
            Any(&[
                "customer credential*",
                "iam permission*",
                "missing permission*",
                "miss permission*",
                "lack* permission*",
                "required permission*",
                "necessary permission*",
                "managed policy",
            ]),
            No(KEYS),
        ],
        gives: &[(BackupRoleMissingPermission, 7), (ExplicitDenyPolicy, 2)],
    },
    // Texts that only refuse.
    Signal {
        tier: Tier::Specific,
        clues: &[Any(&["insufficient privilege*", "not sufficient privilege*"])],
        gives: &[(BackupRoleMissingPermission, 6), (NotFound, 5), (InvalidParameter, 5), (ExplicitDenyPolicy, 5)],
    },
    Signal {
        tier: Tier::General,
        clues: &[Any(&["not auth*", "unauthorized"]), Job(&[Restore]), Type(&["ec2", "windowsvss", "vss"])],
        gives: &[(PassroleMissing, 7), (BackupRoleMissingPermission, 5)],
    },
    Signal {
        tier: Tier::General,
        clues: &[Any(&["not auth*", "unauthorized", "access denied", "forbidden", "access is denied"])],
        gives: &[(AccessDeniedUnspecified, 6), (BackupRoleMissingPermission, 5), (ExplicitDenyPolicy, 4)],
    },
    Signal { tier: Tier::General, clues: &[Any(&["access denied", "not auth*"]), Job(&[Copy])], gives: &[(DestinationVaultPolicy, 4)] },
    Signal {
        tier: Tier::General,
        clues: &[Any(&[
            "not have perm*",
            "missing permission*",
            "miss permission*",
            "lack* permission*",
            "insufficient permission*",
            "sufficient permission*",
            "permission* denied",
            "not permission*",
            "no permission*",
            "permissions required",
            "not have the required",
            "not have required",
            "not have the necessary",
            "not have access",
            "check permission*",
            "permission*",
        ])],
        gives: &[(BackupRoleMissingPermission, 6), (AccessDeniedUnspecified, 5), (ExplicitDenyPolicy, 3)],
    },
    Signal {
        tier: Tier::General,
        clues: &[Any(&["permission*"]), Job(&[Copy]), Any(&["image", "ami", "snapshot"])],
        gives: &[(SharingRevokedByAutomation, 4)],
    },
    Signal {
        tier: Tier::Context,
        clues: &[Heading("access denied")],
        gives: &[(AccessDeniedUnspecified, 5), (BackupRoleMissingPermission, 4)],
    },
    Signal {
        tier: Tier::General,
        clues: &[Any(&["auth failure", "credentials", "credential"]), Job(&[Backup, Copy, Restore, Scan])],
        gives: &[(BackupRoleMissingPermission, 4), (UnsupportedResourceOrOperation, 1)],
    },
];
