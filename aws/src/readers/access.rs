//! Roles, grants and the policies of the organization.

use crate::answers::{Answers, Question};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{Bound, Fact, Gap, NamedPolicy, Organization, PolicyLevels, Role};
use guardian_core::policy::Grant;
use guardian_core::ports::{OrganizationReader, RoleReader};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::read;
use super::{Readers, fact, items, unreadable};

/// More levels than this mean answers that run in circles.
const DEEPEST: usize = 8;

/// Questions to a global service.
struct Asked<'a, A> {
    readers: &'a Readers<A>,
    account: &'a AccountId,
    service: &'static str,
}

impl<A: Answers> Asked<'_, A> {
    fn question(&self, operation: &'static str, request: Value) -> Question {
        Question { account: self.account.clone(), region: None, service: self.service, operation, request }
    }

    /// One answer, as it came.
    async fn answer(&self, operation: &'static str, request: Value) -> Result<(Value, Timestamp), Gap> {
        self.readers.read(&self.question(operation, request), |response| Some(response.clone())).await
    }

    fn unreadable(&self, operation: &'static str) -> Gap {
        self.question(operation, Value::Null).gap(&unreadable())
    }

    /// The default version of a managed policy.
    async fn managed(&self, arn: &str) -> Result<NamedPolicy, Gap> {
        let (policy, _) = self.answer("GetPolicy", json!({"PolicyArn": arn})).await?;
        let version = policy.pointer("/Policy/DefaultVersionId").and_then(Value::as_str).unwrap_or("v1").to_owned();
        let (answer, _) = self.answer("GetPolicyVersion", json!({"PolicyArn": arn, "VersionId": version})).await?;
        let document = answer.pointer("/PolicyVersion/Document").and_then(read::document);
        let arn = Arn::parse(arn).ok();
        Ok(NamedPolicy {
            name: arn.as_ref().map(|arn| arn.resource_name().to_owned()).unwrap_or_default(),
            document: document.ok_or_else(|| self.unreadable("GetPolicyVersion"))?,
            arn,
        })
    }

    async fn role(&self, role: &Arn, name: &str) -> Result<(Role, Timestamp), Gap> {
        let (answer, at) = self.answer("GetRole", json!({"RoleName": name})).await?;
        let described = answer.get("Role").ok_or_else(|| self.unreadable("GetRole"))?;
        let boundary = described.pointer("/PermissionsBoundary/PermissionsBoundaryArn").and_then(Value::as_str);
        let mut policies = Vec::new();
        let (inline, _) = self.answer("ListRolePolicies", json!({"RoleName": name})).await?;
        for inline in strings(&inline, "PolicyNames") {
            let (answer, _) = self.answer("GetRolePolicy", json!({"RoleName": name, "PolicyName": inline})).await?;
            let document = answer.get("PolicyDocument").and_then(read::document);
            policies.push(NamedPolicy { name: inline, arn: None, document: document.ok_or_else(|| self.unreadable("GetRolePolicy"))? });
        }
        let (attached, _) = self.answer("ListAttachedRolePolicies", json!({"RoleName": name})).await?;
        for policy in items(&attached, "AttachedPolicies") {
            policies.push(self.managed(policy.get("PolicyArn").and_then(Value::as_str).unwrap_or_default()).await?);
        }
        policies.sort_by(|a, b| (&a.name, &a.arn).cmp(&(&b.name, &b.arn)));
        let boundary = match boundary {
            Some(arn) => Some(self.managed(arn).await?),
            None => None,
        };
        let trust = described.get("AssumeRolePolicyDocument").and_then(read::document);
        Ok((Role { arn: role.clone(), trust, policies, boundary }, at))
    }

    async fn levels(&self, account: &AccountId, kind: Bound) -> Result<(PolicyLevels, Timestamp), Gap> {
        let mut targets = vec![account.as_str().to_owned()];
        while let Some(child) = targets.last().filter(|target| !target.starts_with("r-")).cloned() {
            let (answer, _) = self.answer("ListParents", json!({"ChildId": child})).await?;
            match answer.pointer("/Parents/0/Id").and_then(Value::as_str) {
                Some(parent) if targets.len() <= DEEPEST => targets.push(parent.to_owned()),
                Some(_) | None => return Err(self.unreadable("ListParents")),
            }
        }
        let filter = match kind {
            Bound::Scp => "SERVICE_CONTROL_POLICY",
            Bound::Rcp => "RESOURCE_CONTROL_POLICY",
        };
        let mut newest = Timestamp::UNIX_EPOCH;
        let mut levels = Vec::new();
        for target in targets.iter().rev() {
            let (answer, at) = self.answer("ListPoliciesForTarget", json!({"TargetId": target, "Filter": filter})).await?;
            newest = newest.max(at);
            let mut level = Vec::new();
            for policy in items(&answer, "Policies") {
                let id = policy.get("Id").and_then(Value::as_str).unwrap_or_default();
                let (answer, _) = self.answer("DescribePolicy", json!({"PolicyId": id})).await?;
                let summary = |name: &str| answer.pointer(&format!("/Policy/PolicySummary/{name}")).and_then(Value::as_str);
                level.push(NamedPolicy {
                    name: summary("Name").unwrap_or(id).to_owned(),
                    arn: summary("Arn").and_then(|arn| Arn::parse(arn).ok()),
                    document: answer
                        .pointer("/Policy/Content")
                        .and_then(read::document)
                        .ok_or_else(|| self.unreadable("DescribePolicy"))?,
                });
            }
            levels.push(level);
        }
        Ok((PolicyLevels { account_id: account.clone(), levels }, newest))
    }
}

fn strings(answer: &Value, name: &str) -> Vec<String> {
    items(answer, name).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The grants of an answer of `ListGrants`.
pub(super) fn grants(response: &Value) -> Option<Vec<Grant>> {
    let pairs = |grant: &Value, name: &str| {
        let pairs = grant.get("Constraints")?.get(name)?.as_object()?;
        Some(pairs.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect())
    };
    let grants = response.get("Grants")?.as_array()?.iter();
    Some(
        grants
            .map(|grant| Grant {
                grantee: grant.get("GranteePrincipal").and_then(Value::as_str).unwrap_or_default().to_owned(),
                operations: strings(grant, "Operations"),
                context_equals: pairs(grant, "EncryptionContextEquals"),
                context_subset: pairs(grant, "EncryptionContextSubset"),
            })
            .collect(),
    )
}

/// The organization of an answer of `DescribeOrganization`.
pub(super) fn organization(answer: &Value) -> Option<Organization> {
    let id = answer.pointer("/Organization/Id").and_then(Value::as_str)?.to_owned();
    let managing = answer.pointer("/Organization/MasterAccountId").and_then(Value::as_str)?;
    Some(Organization { id, management_account: AccountId::parse(managing).ok()? })
}

impl<A: Answers> RoleReader for Readers<A> {
    async fn role(&self, role: &Arn, _region: &Region) -> Fact<Role> {
        let (Some(account), Some(name)) = (role.account(), role.role_name()) else { return Fact::NotAsked };
        fact(Asked { readers: self, account: &account, service: "iam" }.role(role, name).await, "iam:GetRole")
    }
}

impl<A: Answers> OrganizationReader for Readers<A> {
    async fn organization(&self, account: &AccountId) -> Fact<Organization> {
        let owner = self.organization_account(account);
        let asked = Asked { readers: self, account: &owner, service: "organizations" };
        let answer = asked.answer("DescribeOrganization", json!({})).await.and_then(|(answer, at)| match organization(&answer) {
            Some(organization) => Ok((organization, at)),
            None => Err(asked.unreadable("DescribeOrganization")),
        });
        fact(answer, "organizations:DescribeOrganization")
    }

    async fn bounds(&self, account: &AccountId, kind: Bound) -> Fact<PolicyLevels> {
        let owner = self.organization_account(account);
        let asked = Asked { readers: self, account: &owner, service: "organizations" };
        fact(asked.levels(account, kind).await, "organizations:ListPoliciesForTarget")
    }
}
