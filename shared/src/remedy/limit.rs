//! Sizes and fingerprints of documents.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Operation;

impl Operation {
    /// How many bytes AWS accepts: 32 KiB of a key policy (<https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>), 10,240 for
    /// all inline policies of a role together (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>). For vault access
    /// policies AWS publishes no limit.
    pub fn size_limit(self) -> Option<usize> {
        match self {
            Self::PutKeyPolicy => Some(32_768),
            Self::PutRolePolicy => Some(10_240),
            Self::PutVaultPolicy => None,
        }
    }
}

/// Bytes of a document as it is sent: without spaces.
pub(super) fn size(document: &Value) -> usize {
    document.to_string().len()
}

/// SHA-256 of a document without spaces, in hexadecimal digits: shows whether it is still the one that a patch was made for.
pub fn document_sha256(document: &Value) -> String {
    let digest = Sha256::digest(document.to_string().as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
