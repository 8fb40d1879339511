//! Reads of IAM. IAM answers in XML, so its answers are written down again as JSON, by the same member names.

use guardian_core::arn::Region;
use guardian_core::evidence::GapReason;
use serde_json::{Value, json};

use super::capture::{failure, pages};
use super::{Failure, Question, Turn, refused};
use crate::session::Cloud;

/// IAM sends documents percent-encoded (RFC 3986). What is not JSON stays the text it is.
fn document(encoded: &str) -> Value {
    let text = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy();
    serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned()))
}

pub(super) async fn ask(cloud: &Cloud, question: &Question, turn: &mut Turn<'_, '_>) -> Result<Value, Failure> {
    // IAM is global: any Region of the partition leads to it.
    let region = cloud.base().region().and_then(|region| Region::parse(region.as_ref()).ok());
    let region = region.ok_or_else(|| Failure::new(GapReason::NotConfigured, "AWS_REGION is not set"))?;
    let iam = cloud.clients(&question.account, &region).await?.iam;
    let role = || question.parameter("RoleName");
    let arn = || question.parameter("PolicyArn");
    match question.operation {
        "GetRole" => {
            let answer = iam.get_role().set_role_name(role()).send().await.map_err(|error| failure(&error))?;
            let Some(role) = answer.role() else { return Err(Failure::new(GapReason::Unreadable, "answer without a role")) };
            let boundary = role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn());
            let members = [
                ("Arn", Some(json!(role.arn()))),
                ("Path", Some(json!(role.path()))),
                ("RoleName", Some(json!(role.role_name()))),
                ("AssumeRolePolicyDocument", role.assume_role_policy_document().map(document)),
                ("PermissionsBoundary", boundary.map(|boundary| json!({"PermissionsBoundaryArn": boundary}))),
            ];
            let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Ok(json!({"Role": members.collect::<serde_json::Map<_, _>>()}))
        }
        "ListRoles" => pages!(turn, "Roles", "Marker", |next| {
            let request = iam.list_roles().set_path_prefix(question.parameter("PathPrefix")).max_items(1000).set_marker(next);
            request.send().await.map_err(|error| failure(&error)).map(|page| {
                let roles = page
                    .roles()
                    .iter()
                    .map(|role| json!({"Arn": role.arn(), "AssumeRolePolicyDocument": role.assume_role_policy_document().map(document)}));
                json!({"Roles": roles.collect::<Vec<_>>(), "Marker": page.marker()})
            })
        }),
        "ListRolePolicies" => {
            let mut names = Vec::new();
            let mut pages = iam.list_role_policies().set_role_name(role()).into_paginator().send();
            while let Some(page) = pages.next().await {
                names.extend(page.map_err(|error| failure(&error))?.policy_names().to_vec());
            }
            Ok(json!({"PolicyNames": names}))
        }
        "GetRolePolicy" => {
            let request = iam.get_role_policy().set_role_name(role()).set_policy_name(question.parameter("PolicyName"));
            let answer = request.send().await.map_err(|error| failure(&error))?;
            Ok(json!({
                "RoleName": answer.role_name(),
                "PolicyName": answer.policy_name(),
                "PolicyDocument": document(answer.policy_document()),
            }))
        }
        "ListAttachedRolePolicies" => {
            let mut policies = Vec::new();
            let mut pages = iam.list_attached_role_policies().set_role_name(role()).into_paginator().send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| failure(&error))?;
                policies.extend(
                    page.attached_policies()
                        .iter()
                        .map(|policy| json!({"PolicyName": policy.policy_name(), "PolicyArn": policy.policy_arn()})),
                );
            }
            Ok(json!({"AttachedPolicies": policies}))
        }
        "GetPolicy" => {
            let answer = iam.get_policy().set_policy_arn(arn()).send().await.map_err(|error| failure(&error))?;
            let Some(policy) = answer.policy() else { return Err(Failure::new(GapReason::Unreadable, "answer without a policy")) };
            Ok(json!({"Policy": {
                "Arn": policy.arn(),
                "PolicyName": policy.policy_name(),
                "DefaultVersionId": policy.default_version_id(),
            }}))
        }
        "GetPolicyVersion" => {
            let request = iam.get_policy_version().set_policy_arn(arn()).set_version_id(question.parameter("VersionId"));
            let answer = request.send().await.map_err(|error| failure(&error))?;
            let version = answer.policy_version();
            let version = version.ok_or_else(|| Failure::new(GapReason::Unreadable, "answer without a version"))?;
            Ok(json!({"PolicyVersion": {
                "VersionId": version.version_id(),
                "IsDefaultVersion": version.is_default_version(),
                "Document": version.document().map(document),
            }}))
        }
        _ => Err(refused(question)),
    }
}
