//! Roles, grants and the policies of the organization, from a folder of recorded answers.

use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{Bound, Fact, Gap, GapReason, NamedPolicy, Organization, PolicyLevels, Role};
use guardian_core::policy::Grant;
use guardian_core::ports::{OrganizationReader, RoleReader};
use jiff::Timestamp;
use serde_json::Value;

use super::{Folder, Place, read};

/// More levels than this mean a recording that runs in circles.
const DEEPEST: usize = 8;

/// A question to a global service.
struct Asked<'a> {
    folder: &'a Folder,
    account: &'a AccountId,
    service: &'static str,
}

impl Asked<'_> {
    /// One answer, as it was recorded.
    fn answer(&self, operation: &'static str, parameters: &[(&str, &str)]) -> Result<(Value, Timestamp), Gap> {
        let place = Place { account: self.account, region: None, service: self.service, operation };
        match self.folder.ask(&place, parameters, |response| Some(response.clone())) {
            Fact::Known { value, at, .. } => Ok((value, at)),
            Fact::Gap(gap) => Err(gap),
            Fact::NotAsked => Err(self.unreadable(operation)),
        }
    }

    fn unreadable(&self, operation: &'static str) -> Gap {
        let place = Place { account: self.account, region: None, service: self.service, operation };
        place.gap(GapReason::Unreadable, "the recording cannot be read")
    }

    /// The default version of a managed policy.
    fn managed(&self, arn: &str) -> Result<NamedPolicy, Gap> {
        let (policy, _) = self.answer("GetPolicy", &[("PolicyArn", arn)])?;
        let version = policy.pointer("/Policy/DefaultVersionId").and_then(Value::as_str).unwrap_or("v1").to_owned();
        let (answer, _) = self.answer("GetPolicyVersion", &[("PolicyArn", arn), ("VersionId", &version)])?;
        let document = answer.pointer("/PolicyVersion/Document").and_then(read::document);
        let arn = Arn::parse(arn).ok();
        Ok(NamedPolicy {
            name: arn.as_ref().map(|arn| arn.resource_name().to_owned()).unwrap_or_default(),
            document: document.ok_or_else(|| self.unreadable("GetPolicyVersion"))?,
            arn,
        })
    }

    fn role(&self, role: &Arn, name: &str) -> Result<(Role, Timestamp), Gap> {
        let (answer, at) = self.answer("GetRole", &[("RoleName", name)])?;
        let described = answer.get("Role").ok_or_else(|| self.unreadable("GetRole"))?;
        let boundary = described.pointer("/PermissionsBoundary/PermissionsBoundaryArn").and_then(Value::as_str);
        let mut policies = Vec::new();
        let (inline, _) = self.answer("ListRolePolicies", &[("RoleName", name)])?;
        for inline in strings(&inline, "PolicyNames") {
            let (answer, _) = self.answer("GetRolePolicy", &[("RoleName", name), ("PolicyName", &inline)])?;
            let document = answer.get("PolicyDocument").and_then(read::document);
            policies.push(NamedPolicy { name: inline, arn: None, document: document.ok_or_else(|| self.unreadable("GetRolePolicy"))? });
        }
        let (attached, _) = self.answer("ListAttachedRolePolicies", &[("RoleName", name)])?;
        for policy in items(&attached, "AttachedPolicies") {
            policies.push(self.managed(policy.get("PolicyArn").and_then(Value::as_str).unwrap_or_default())?);
        }
        policies.sort_by(|a, b| (&a.name, &a.arn).cmp(&(&b.name, &b.arn)));
        let boundary = boundary.map(|arn| self.managed(arn)).transpose()?;
        let trust = described.get("AssumeRolePolicyDocument").and_then(read::document);
        Ok((Role { arn: role.clone(), trust, policies, boundary }, at))
    }

    fn levels(&self, account: &AccountId, kind: Bound) -> Result<(PolicyLevels, Timestamp), Gap> {
        let mut targets = vec![account.as_str().to_owned()];
        while let Some(child) = targets.last().filter(|target| !target.starts_with("r-")).cloned() {
            let (answer, _) = self.answer("ListParents", &[("ChildId", &child)])?;
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
            let (answer, at) = self.answer("ListPoliciesForTarget", &[("TargetId", target), ("Filter", filter)])?;
            newest = newest.max(at);
            let mut level = Vec::new();
            for policy in items(&answer, "Policies") {
                let id = policy.get("Id").and_then(Value::as_str).unwrap_or_default();
                let (answer, _) = self.answer("DescribePolicy", &[("PolicyId", id)])?;
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

fn fact<T>(answer: Result<(T, Timestamp), Gap>, source: &str) -> Fact<T> {
    match answer {
        Ok((value, at)) => Fact::Known { value, source: source.to_owned(), at },
        Err(gap) => Fact::Gap(gap),
    }
}

fn items<'a>(answer: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    answer.get(name).and_then(Value::as_array).into_iter().flatten()
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

impl RoleReader for Folder {
    async fn role(&self, role: &Arn, _region: &Region) -> Fact<Role> {
        let (Some(account), Some(name)) = (role.account(), role.role_name()) else { return Fact::NotAsked };
        fact(Asked { folder: self, account: &account, service: "iam" }.role(role, name), "iam:GetRole")
    }
}

impl Folder {
    /// Whoever collected asked in one account of the organization; its members are spoken of in the requests.
    fn organization_account(&self) -> Option<AccountId> {
        let recorded = self.answers.iter().find(|answer| answer.service == "organizations")?;
        AccountId::parse(&recorded.account).ok()
    }
}

impl OrganizationReader for Folder {
    async fn organization(&self, account: &AccountId) -> Fact<Organization> {
        let owner = self.organization_account().unwrap_or_else(|| account.clone());
        let asked = Asked { folder: self, account: &owner, service: "organizations" };
        let answer = asked.answer("DescribeOrganization", &[]).and_then(|(answer, at)| {
            let id = answer.pointer("/Organization/Id").and_then(Value::as_str);
            let managing = answer.pointer("/Organization/MasterAccountId").and_then(Value::as_str);
            match (id, managing.and_then(|account| AccountId::parse(account).ok())) {
                (Some(id), Some(management_account)) => Ok((Organization { id: id.to_owned(), management_account }, at)),
                _ => Err(asked.unreadable("DescribeOrganization")),
            }
        });
        fact(answer, "organizations:DescribeOrganization")
    }

    async fn bounds(&self, account: &AccountId, kind: Bound) -> Fact<PolicyLevels> {
        let owner = self.organization_account().unwrap_or_else(|| account.clone());
        let asked = Asked { folder: self, account: &owner, service: "organizations" };
        fact(asked.levels(account, kind), "organizations:ListPoliciesForTarget")
    }
}
