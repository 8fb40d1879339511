//! The organization, read through a role of its management account or of a delegated administrator.

use aws_sdk_organizations::types::PolicyType;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use guardian_core::arn::AccountId;
use guardian_core::evidence::{Bound, Fact, Gap, GapReason, NamedPolicy, Organization, PolicyLevels};
use guardian_core::ports::OrganizationReader;

use crate::classify::reason_of;
use crate::convert::{arn, known, text};
use crate::session::Cloud;

/// AWS allows five levels of units below the root
/// (<https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html>); more means an answer that runs in circles.
const DEEPEST: usize = 8;

fn gap(action: &str, account: &AccountId, reason: GapReason, detail: String) -> Gap {
    // Organizations is global: the gap names no Region.
    Gap { action: action.to_owned(), account_id: account.clone(), region: None, reason, detail: Some(detail) }
}

fn failed<E: ProvideErrorMetadata, R>(action: &str, account: &AccountId, error: &SdkError<E, R>) -> Gap {
    let (reason, detail) = reason_of(error);
    gap(action, account, reason, detail)
}

impl Cloud {
    async fn organizations(&self, action: &str, account: &AccountId) -> Result<aws_sdk_organizations::Client, Gap> {
        match self.organization_config().await {
            Some(Ok(config)) => Ok(aws_sdk_organizations::Client::new(&config)),
            Some(Err(gap)) => Err(gap),
            None => Err(gap(action, account, GapReason::NotConfigured, crate::session::NO_ORGANIZATION_ROLE.to_owned())),
        }
    }
}

impl Cloud {
    /// The accounts of the organization that are active, sorted.
    pub(crate) async fn active_accounts(&self, asked_in: &AccountId) -> Result<Vec<AccountId>, Gap> {
        const ACTION: &str = "organizations:ListAccounts";
        let client = self.organizations(ACTION, asked_in).await?;
        let mut accounts = Vec::new();
        let mut pages = client.list_accounts().into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failed(ACTION, asked_in, &error))?;
            let gone = |account: &&aws_sdk_organizations::types::Account| {
                account.status().is_some_and(|status| matches!(status.as_str(), "SUSPENDED" | "PENDING_CLOSURE" | "CLOSED"))
            };
            let active = page.accounts().iter().filter(|account| !gone(account));
            accounts.extend(active.filter_map(|account| AccountId::parse(account.id()?).ok()));
        }
        accounts.sort();
        Ok(accounts)
    }
}

impl OrganizationReader for Cloud {
    async fn organization(&self, account: &AccountId) -> Fact<Organization> {
        const ACTION: &str = "organizations:DescribeOrganization";
        let client = match self.organizations(ACTION, account).await {
            Ok(client) => client,
            Err(gap) => return Fact::Gap(gap),
        };
        match client.describe_organization().send().await {
            Ok(answer) => {
                let organization = answer.organization();
                let id = text(organization.and_then(|organization| organization.id()));
                let owner = organization.and_then(|organization| organization.master_account_id());
                match (id, owner.and_then(|owner| AccountId::parse(owner).ok())) {
                    (Some(id), Some(management_account)) => known(Organization { id, management_account }, ACTION),
                    _ => Fact::Gap(gap(ACTION, account, GapReason::Unreadable, "answer without an organization".to_owned())),
                }
            }
            Err(error) => Fact::Gap(failed(ACTION, account, &error)),
        }
    }

    async fn bounds(&self, account: &AccountId, kind: Bound) -> Fact<PolicyLevels> {
        const ACTION: &str = "organizations:ListPoliciesForTarget";
        let client = match self.organizations(ACTION, account).await {
            Ok(client) => client,
            Err(gap) => return Fact::Gap(gap),
        };
        match levels(&client, account, kind).await {
            Ok(levels) => known(PolicyLevels { account_id: account.clone(), levels }, ACTION),
            Err(gap) => Fact::Gap(gap),
        }
    }
}

/// The root, the units on the way, and the account, each with its policies.
async fn levels(client: &aws_sdk_organizations::Client, account: &AccountId, kind: Bound) -> Result<Vec<Vec<NamedPolicy>>, Gap> {
    const ACTION: &str = "organizations:ListParents";
    let mut targets = vec![account.as_str().to_owned()];
    while let Some(child) = targets.last().filter(|target| !target.starts_with("r-")).cloned() {
        let answer = client.list_parents().child_id(child).send().await.map_err(|error| failed(ACTION, account, &error))?;
        match answer.parents().first().and_then(|parent| parent.id()) {
            Some(parent) if targets.len() <= DEEPEST => targets.push(parent.to_owned()),
            _ => return Err(gap(ACTION, account, GapReason::Unreadable, "the units above the account do not end at a root".to_owned())),
        }
    }
    targets.reverse();
    let mut levels = Vec::with_capacity(targets.len());
    for target in targets {
        levels.push(attached(client, account, &target, kind).await?);
    }
    Ok(levels)
}

async fn attached(client: &aws_sdk_organizations::Client, account: &AccountId, target: &str, kind: Bound) -> Result<Vec<NamedPolicy>, Gap> {
    let filter = match kind {
        Bound::Scp => PolicyType::ServiceControlPolicy,
        Bound::Rcp => PolicyType::ResourceControlPolicy,
    };
    let mut ids = Vec::new();
    let mut pages = client.list_policies_for_target().target_id(target).filter(filter).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failed("organizations:ListPoliciesForTarget", account, &error))?;
        ids.extend(page.policies().iter().filter_map(|policy| text(policy.id())));
    }
    let mut policies = Vec::new();
    for id in ids {
        const ACTION: &str = "organizations:DescribePolicy";
        let answer = client.describe_policy().policy_id(&id).send().await.map_err(|error| failed(ACTION, account, &error))?;
        let policy = answer.policy();
        let summary = policy.and_then(|policy| policy.policy_summary());
        let document = serde_json::from_str(policy.and_then(|policy| policy.content()).unwrap_or_default())
            .map_err(|_| gap(ACTION, account, GapReason::Unreadable, "the policy is not JSON".to_owned()))?;
        policies.push(NamedPolicy {
            name: summary.and_then(|summary| summary.name()).unwrap_or(&id).to_owned(),
            arn: arn(summary.and_then(|summary| summary.arn())),
            document,
        });
    }
    Ok(policies)
}
