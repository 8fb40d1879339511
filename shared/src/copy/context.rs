//! The request contexts in which AWS makes the calls of a copy or a restore.

use crate::arn::{AccountId, Region};
use crate::policy::Context;

/// What a call has in common with every other call of its caller.
pub(super) struct Caller<'a> {
    pub(super) role_arn: &'a str,
    pub(super) account: &'a AccountId,
    pub(super) organization_id: Option<&'a str>,
}

impl Caller<'_> {
    /// A call that the role makes itself. What is not set and not said to be absent is unknown.
    pub(super) fn calls(&self, owner: &AccountId, region: &Region) -> Context {
        let mut context = Context::open();
        context.set("aws:PrincipalArn", self.role_arn);
        context.set("aws:PrincipalAccount", self.account.as_str());
        context.set("aws:PrincipalType", "AssumedRole");
        context.set("aws:PrincipalIsAWSService", "false");
        context.set("aws:ResourceAccount", owner.as_str());
        context.set("aws:RequestedRegion", region.as_str());
        context.set("aws:SecureTransport", "true");
        if let Some(organization) = self.organization_id {
            context.set("aws:PrincipalOrgID", organization);
            context.set("aws:ResourceOrgID", organization);
        }
        // These exist only on calls that a service principal or a user makes.
        for key in
            ["aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID", "aws:SourceOrgPaths", "aws:PrincipalServiceName", "aws:username"]
        {
            context.set_absent(key);
        }
        context
    }

    /// A call on a key, by the role itself: no service stands between.
    pub(super) fn calls_key(&self, action: &str, owner: &AccountId, key_region: &Region) -> Context {
        // A key can be called in its own Region only.
        let mut context = self.calls(owner, key_region);
        context.set("kms:CallerAccount", self.account.as_str());
        context.set_absent("kms:ViaService");
        context.set_absent("kms:GrantIsForAWSResource");
        if action == "kms:DescribeKey" {
            context.set_absent("kms:EncryptionContextKeys");
        }
        context
    }

    /// A call on a key that a service makes for the role, and that service's name.
    pub(super) fn calls_key_through(
        &self,
        service: &str,
        region: &Region,
        action: &str,
        owner: &AccountId,
        key_region: &Region,
    ) -> (String, Context) {
        let mut context = self.calls_key(action, owner, key_region);
        let via = format!("{service}.{region}.amazonaws.com");
        context.set("kms:ViaService", via.as_str());
        context.set("aws:ViaAWSService", "true");
        if action == "kms:CreateGrant" {
            context.set("kms:GrantIsForAWSResource", "true");
        }
        // <https://docs.aws.amazon.com/kms/latest/developerguide/services-ebs.html>; what RDS and FSx put there is not documented for copies.
        if service == "ec2" && !matches!(action, "kms:DescribeKey" | "kms:CreateGrant") {
            context.set_many("kms:EncryptionContextKeys", vec!["aws:ebs:id".to_owned()]);
        }
        (via, context)
    }
}
