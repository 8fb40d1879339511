//! Roles with all their policies, read in the account that owns them.

use guardian_core::arn::{Arn, Region};
use guardian_core::evidence::{Fact, Gap, GapReason, NamedPolicy, Role};
use guardian_core::ports::RoleReader;
use serde_json::Value;

use crate::classify::reason_of;
use crate::convert::{known, text};
use crate::session::Cloud;

/// Reads one role. Every call of it can fail on its own, and then the whole role is unknown: a part of its policies is worse than none.
struct Reader<'a> {
    iam: aws_sdk_iam::Client,
    role: &'a Arn,
    name: &'a str,
}

impl Reader<'_> {
    fn gap(&self, action: &str, reason: GapReason, detail: String) -> Option<Gap> {
        // IAM is global: the gap names no Region.
        Some(Gap { action: action.to_owned(), account_id: self.role.account()?, region: None, reason, detail: Some(detail) })
    }

    fn failed<E, R>(&self, action: &str, error: &aws_smithy_runtime_api::client::result::SdkError<E, R>) -> Option<Gap>
    where
        E: aws_smithy_types::error::metadata::ProvideErrorMetadata,
    {
        let (reason, detail) = reason_of(error);
        self.gap(action, reason, detail)
    }

    /// IAM sends documents percent-encoded (RFC 3986).
    fn document(&self, action: &str, encoded: &str) -> Result<Value, Option<Gap>> {
        let text = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy();
        serde_json::from_str(&text).map_err(|_| self.gap(action, GapReason::Unreadable, "the policy is not JSON".to_owned()))
    }

    async fn itself(&self) -> Result<(Option<Value>, Option<NamedPolicy>), Option<Gap>> {
        const ACTION: &str = "iam:GetRole";
        let answer = self.iam.get_role().role_name(self.name).send().await.map_err(|error| self.failed(ACTION, &error))?;
        let Some(role) = answer.role() else { return Err(self.gap(ACTION, GapReason::Unreadable, "answer without a role".to_owned())) };
        let trust = match text(role.assume_role_policy_document()) {
            Some(encoded) => Some(self.document(ACTION, &encoded)?),
            None => None,
        };
        let boundary = match role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn()) {
            Some(arn) => Some(self.managed(arn).await?),
            None => None,
        };
        Ok((trust, boundary))
    }

    async fn inline(&self) -> Result<Vec<NamedPolicy>, Option<Gap>> {
        let mut names = Vec::new();
        let mut pages = self.iam.list_role_policies().role_name(self.name).into_paginator().send();
        while let Some(page) = pages.next().await {
            names.extend(page.map_err(|error| self.failed("iam:ListRolePolicies", &error))?.policy_names().to_vec());
        }
        let mut policies = Vec::new();
        for name in names {
            const ACTION: &str = "iam:GetRolePolicy";
            let request = self.iam.get_role_policy().role_name(self.name).policy_name(&name);
            let answer = request.send().await.map_err(|error| self.failed(ACTION, &error))?;
            policies.push(NamedPolicy { document: self.document(ACTION, answer.policy_document())?, name, arn: None });
        }
        Ok(policies)
    }

    async fn attached(&self) -> Result<Vec<NamedPolicy>, Option<Gap>> {
        let mut arns = Vec::new();
        let mut pages = self.iam.list_attached_role_policies().role_name(self.name).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.failed("iam:ListAttachedRolePolicies", &error))?;
            arns.extend(page.attached_policies().iter().filter_map(|policy| text(policy.policy_arn())));
        }
        let mut policies = Vec::new();
        for arn in arns {
            policies.push(self.managed(&arn).await?);
        }
        Ok(policies)
    }

    /// The default version of a managed policy.
    async fn managed(&self, arn: &str) -> Result<NamedPolicy, Option<Gap>> {
        let answer = self.iam.get_policy().policy_arn(arn).send().await.map_err(|error| self.failed("iam:GetPolicy", &error))?;
        let version = answer.policy().and_then(|policy| policy.default_version_id()).unwrap_or("v1").to_owned();
        const ACTION: &str = "iam:GetPolicyVersion";
        let request = self.iam.get_policy_version().policy_arn(arn).version_id(version);
        let answer = request.send().await.map_err(|error| self.failed(ACTION, &error))?;
        let encoded = answer.policy_version().and_then(|version| version.document()).unwrap_or_default();
        let arn = Arn::parse(arn).ok();
        Ok(NamedPolicy {
            name: arn.as_ref().map(|arn| arn.resource_name().to_owned()).unwrap_or_default(),
            document: self.document(ACTION, encoded)?,
            arn,
        })
    }
}

impl RoleReader for Cloud {
    async fn role(&self, role: &Arn, region: &Region) -> Fact<Role> {
        let (Some(account), Some(name)) = (role.account(), role.role_name()) else { return Fact::NotAsked };
        let clients = match self.clients(&account, region).await {
            Ok(clients) => clients,
            Err(gap) => return Fact::Gap(gap),
        };
        let reader = Reader { iam: clients.iam, role, name };
        match tokio::try_join!(reader.itself(), reader.inline(), reader.attached()) {
            Ok(((trust, boundary), inline, attached)) => {
                let mut policies = inline;
                policies.extend(attached);
                policies.sort_by(|a, b| (&a.name, &a.arn).cmp(&(&b.name, &b.arn)));
                known(Role { arn: role.clone(), trust, policies, boundary }, "iam:GetRole")
            }
            Err(Some(gap)) => Fact::Gap(gap),
            Err(None) => Fact::NotAsked,
        }
    }
}
