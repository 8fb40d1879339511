//! What AWS documents of single services: whom RCPs reach, which KMS operations cross accounts, which need no key.

/// Services whose resources RCPs reach
/// (<https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html>). AWS Backup and IAM are not among them.
const RCP_SERVICES: &[&str] = &["aoss", "cognito-identity", "cognito-idp", "ecr", "kms", "logs", "s3", "secretsmanager", "sqs", "sts"];

/// KMS operations that work on a key of another account; every other fails whatever the policies say
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html>).
const KMS_ACROSS_ACCOUNTS: &[&str] = &[
    "CreateGrant",
    "Decrypt",
    "DeriveSharedSecret",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GetKeyRotationStatus",
    "GetPublicKey",
    "ListGrants",
    "ReEncryptFrom",
    "ReEncryptTo",
    "RetireGrant",
    "RevokeGrant",
    "Sign",
    "Verify",
    "VerifyMac",
];

/// Operations without a key: there is no key policy then, and identity policies decide alone
/// (<https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html>).
const KMS_ACCOUNT_WIDE: &[&str] = &["CreateKey", "GenerateRandom", "ListAliases", "ListKeys", "ListRetirableGrants"];

fn listed(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether RCPs reach resources of the service with this action prefix.
pub(super) fn rcps_reach(prefix: &str) -> bool {
    listed(RCP_SERVICES, prefix)
}

/// Whether a KMS operation works on a key of another account.
pub(super) fn kms_crosses_accounts(operation: &str) -> bool {
    listed(KMS_ACROSS_ACCOUNTS, operation)
}

/// Whether a KMS request is about no key.
pub(super) fn kms_without_key(operation: &str, resource: &str) -> bool {
    let ends_with = |end: &str| operation.len() >= end.len() && operation.to_ascii_lowercase().ends_with(end);
    resource == "*" && (listed(KMS_ACCOUNT_WIDE, operation) || operation.to_ascii_lowercase().contains("customkeystore"))
        || resource.contains(":alias/") && ends_with("alias")
}
