//! The table of what a copy needs.

use super::Route;
use crate::arn::{AccountId, Arn, Region};
use crate::policy::Context;

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// The key that protects the recovery point.
    SourceKey,
    /// The key of the destination vault.
    DestinationKey,
    /// The recovery point, guarded by the policy of the source vault.
    RecoveryPoint,
    /// The destination vault.
    DestinationVault,
}

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// The job role, in the source account.
    JobRole,
    /// AWSServiceRoleForBackup, in the destination account.
    Copier,
}

/// One thing that must be allowed, in every one of its contexts.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// Who.
    pub actor: Actor,
    /// ARN of the role.
    pub principal: String,
    /// `kms:CreateGrant`, …
    pub action: &'static str,
    /// To what.
    pub object: Object,
    /// Its ARN.
    pub resource: Arn,
    /// The account that owns it.
    pub resource_account: AccountId,
    /// The request contexts in which AWS makes the call. Where AWS does not document which of several it is, all of them are here.
    pub contexts: Vec<Context>,
    /// Where AWS says so.
    pub source: &'static str,
}

const CROSS_ACCOUNT: &str = "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html";
const ENCRYPTION: &str = "https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html";
const SERVICE_LINKED: &str =
    "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSBackupServiceLinkedRolePolicyForBackup.html";

/// Everything a copy on this route needs, in the order in which AWS asks for it.
pub fn requirements(route: &Route) -> Vec<Requirement> {
    let mut needs = vec![
        job_role(route, "backup:CopyFromBackupVault", Object::RecoveryPoint, &route.recovery_point_arn, &route.source_account),
        job_role(route, "backup:CopyIntoBackupVault", Object::DestinationVault, &route.destination_vault_arn, &route.destination_account),
    ];
    if !route.crosses_accounts() {
        return needs;
    }
    // An AWS managed key or an unencrypted point needs nothing from a key policy; whether it may be copied at all is another question.
    if let Some(key) = &route.source_key_arn {
        let actions: &[(&str, &str)] = if route.fully_managed {
            &[("kms:DescribeKey", ENCRYPTION), ("kms:Decrypt", ENCRYPTION), ("kms:CreateGrant", ENCRYPTION)]
        } else {
            &[
                ("kms:DescribeKey", ENCRYPTION),
                ("kms:ReEncryptFrom", SERVICE_LINKED),
                ("kms:GenerateDataKeyWithoutPlaintext", SERVICE_LINKED),
                ("kms:CreateGrant", ENCRYPTION),
            ]
        };
        for (action, source) in actions {
            needs.push(copier(route, action, Object::SourceKey, key, source));
        }
    }
    if let Some(key) = &route.destination_key_arn {
        for action in ["kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"] {
            needs.push(copier(route, action, Object::DestinationKey, key, SERVICE_LINKED));
        }
    }
    needs
}

fn job_role(route: &Route, action: &'static str, object: Object, resource: &Arn, owner: &AccountId) -> Requirement {
    let mut context = principal_context(route, route.job_role_arn.as_str(), &route.source_account, &route.source_region, owner);
    if object == Object::RecoveryPoint {
        context.set_many("backup:CopyTargets", vec![route.destination_vault_arn.as_str().to_owned()]);
    }
    Requirement {
        actor: Actor::JobRole,
        principal: route.job_role_arn.as_str().to_owned(),
        action,
        object,
        resource: resource.clone(),
        resource_account: owner.clone(),
        contexts: vec![context],
        source: CROSS_ACCOUNT,
    }
}

fn copier(route: &Route, action: &'static str, object: Object, key: &Arn, source: &'static str) -> Requirement {
    let owner = key.account().unwrap_or_else(|| route.source_account.clone());
    let principal = route.copier();
    let base = principal_context(route, &principal, &route.destination_account, &route.destination_region, &owner);
    let via = |region: &Region| {
        let mut context = base.clone();
        context.set("kms:ViaService", format!("{}.{region}.amazonaws.com", route.service()));
        context.set("kms:CallerAccount", route.destination_account.as_str());
        context.set_absent("kms:GrantIsForAWSResource");
        if action == "kms:CreateGrant" {
            context.set("kms:GrantIsForAWSResource", "true");
        }
        context
    };
    // Which Region's endpoint a cross-Region copy calls the key through is not documented: both count.
    let mut contexts = vec![via(&route.destination_region)];
    if object == Object::SourceKey && route.source_region != route.destination_region {
        contexts.push(via(&route.source_region));
    }
    Requirement { actor: Actor::Copier, principal, action, object, resource: key.clone(), resource_account: owner, contexts, source }
}

/// What is known of every request of a role of AWS Backup. What is not set and not said to be absent is unknown.
fn principal_context(route: &Route, role_arn: &str, account: &AccountId, region: &Region, owner: &AccountId) -> Context {
    let mut context = Context::open();
    context.set("aws:PrincipalArn", role_arn);
    context.set("aws:PrincipalAccount", account.as_str());
    context.set("aws:PrincipalType", "AssumedRole");
    context.set("aws:PrincipalIsAWSService", "false");
    context.set("aws:ResourceAccount", owner.as_str());
    context.set("aws:RequestedRegion", region.as_str());
    context.set("aws:SecureTransport", "true");
    if let Some(organization) = &route.organization_id {
        context.set("aws:PrincipalOrgID", organization.as_str());
        context.set("aws:ResourceOrgID", organization.as_str());
    }
    // These exist only on calls that a service principal makes.
    for key in ["aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID", "aws:SourceOrgPaths", "aws:PrincipalServiceName"] {
        context.set_absent(key);
    }
    context
}
