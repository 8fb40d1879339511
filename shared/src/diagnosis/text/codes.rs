//! What an error code says: the codes AWS puts in front of a relayed message, into a Java SDK tail or into brackets.

use super::signal::Tier;
use crate::diagnosis::Cause;

/// A family of codes. Codes are compared by their stems, because services spell the same thing each in its own way
/// (`DBSnapshotNotFound`, `InvalidVolume.NotFound`, `NoSuchBucket`).
struct Family {
    /// All stems of one entry must be in the code.
    stems: &'static [&'static [&'static str]],
    tier: Tier,
    gives: &'static [(Cause, i32)],
}

/// First match counts. A code that names a state of a thing beats the sentence (specific); one that only names a class of trouble
/// (denied, invalid, unsupported) yields to it (general).
const FAMILIES: &[Family] = &[
    Family {
        stems: &[&["throttl"], &["requestlimit"], &["toomanyrequest"], &["slowdown"]],
        tier: Tier::General,
        gives: &[(Cause::ServiceInternalOrTransient, 7), (Cause::QuotaOrLimit, 5)],
    },
    Family {
        stems: &[&["quotaexceed"], &["limitexceed"], &["quotareached"], &["limitreached"]],
        tier: Tier::Specific,
        gives: &[(Cause::QuotaOrLimit, 8)],
    },
    Family {
        stems: &[&["kms", "notaccessible"], &["kms", "disabled"], &["kms", "invalidstate"], &["kms", "notfound"]],
        tier: Tier::Specific,
        gives: &[(Cause::KmsKeyUnusable, 6), (Cause::KmsRolePermissionMissing, 5), (Cause::KmsKeyPolicyMissingDestination, 5)],
    },
    Family {
        stems: &[&["inuse"], &["incorrect", "state"], &["inval", "state"], &["inprogress"], &["notavailable"]],
        tier: Tier::Specific,
        gives: &[(Cause::ResourceInvalidState, 8)],
    },
    Family { stems: &[&["alreadyexist"], &["duplicate"]], tier: Tier::Specific, gives: &[(Cause::InvalidParameter, 7)] },
    Family { stems: &[&["notfound"], &["nosuch"]], tier: Tier::Specific, gives: &[(Cause::NotFound, 7)] },
    Family { stems: &[&["optin"], &["subscriptionrequired"]], tier: Tier::Specific, gives: &[(Cause::UnsupportedResourceOrOperation, 7)] },
    Family { stems: &[&["unsupported"], &["notsupported"]], tier: Tier::General, gives: &[(Cause::UnsupportedResourceOrOperation, 5)] },
    Family {
        stems: &[&["accessdenied"], &["unauthorized"], &["notauthorized"], &["authfailure"], &["forbidden"], &["operationnotpermitted"]],
        tier: Tier::General,
        gives: &[(Cause::AccessDeniedUnspecified, 5), (Cause::BackupRoleMissingPermission, 5), (Cause::ExplicitDenyPolicy, 3)],
    },
    Family {
        stems: &[&["invalidparam"], &["validation"], &["missingparam"], &["malformed"], &["invalidrequest"], &["invalidinput"]],
        tier: Tier::General,
        gives: &[(Cause::InvalidParameter, 5)],
    },
    Family {
        stems: &[&["expiredtoken"], &["internal"], &["unavailable"], &["dependency"], &["servererror"], &["timeout"]],
        tier: Tier::General,
        gives: &[(Cause::ServiceInternalOrTransient, 5)],
    },
];

/// What a code (lower case) says, if it is one.
pub(super) fn meaning(code: &str) -> Option<(Tier, &'static [(Cause, i32)])> {
    FAMILIES
        .iter()
        .find(|family| family.stems.iter().any(|stems| stems.iter().all(|stem| code.contains(stem))))
        .map(|family| (family.tier, family.gives))
}

/// Whether a word (lower case) has the shape of an error code: long, one word, and of a known family or with a code's ending.
pub(super) fn is_code(word: &str) -> bool {
    let shape = (8..=80).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_');
    let ending = ["exception", "fault", "error"].iter().any(|end| word.len() > end.len() + 3 && word.ends_with(end));
    let plain_word = [
        "unsupported",
        "forbidden",
        "unauthorized",
        "unavailable",
        "internal",
        "internally",
        "duplicate",
        "duplicates",
        "throttled",
        "throttling",
        "validation",
        "malformed",
        "dependency",
    ];
    shape && (ending || (meaning(word).is_some() && !plain_word.contains(&word)))
}
