//! Reads of Organizations, through the role that was named for them.

use aws_sdk_organizations::types::{EffectivePolicyType, PolicyType};
use guardian_core::evidence::GapReason;
use serde_json::Value;

use super::capture::{raw, raw_pages};
use super::{Failure, Question, Turn, refused};
use crate::session::Cloud;

pub(super) async fn ask(cloud: &Cloud, question: &Question, turn: &mut Turn<'_, '_>) -> Result<Value, Failure> {
    let config = match cloud.organization_config().await {
        Some(config) => config?,
        None => return Err(Failure::new(GapReason::NotConfigured, crate::session::NO_ORGANIZATION_ROLE)),
    };
    let organizations = aws_sdk_organizations::Client::new(&config);
    let parameter = |name: &str| question.parameter(name);
    match question.operation {
        "DescribeOrganization" => raw!(organizations.describe_organization()),
        "ListAccounts" => raw_pages!(turn, "Accounts", "NextToken", |next| organizations.list_accounts().set_next_token(next)),
        "ListParents" => raw!(organizations.list_parents().set_child_id(parameter("ChildId"))),
        "ListPoliciesForTarget" => raw_pages!(turn, "Policies", "NextToken", |next| {
            let request = organizations.list_policies_for_target().set_target_id(parameter("TargetId"));
            request.set_filter(parameter("Filter").as_deref().map(PolicyType::from)).set_next_token(next)
        }),
        "ListPolicies" => raw_pages!(turn, "Policies", "NextToken", |next| {
            organizations.list_policies().set_filter(parameter("Filter").as_deref().map(PolicyType::from)).set_next_token(next)
        }),
        "ListTargetsForPolicy" => raw_pages!(turn, "Targets", "NextToken", |next| {
            organizations.list_targets_for_policy().set_policy_id(parameter("PolicyId")).set_next_token(next)
        }),
        "ListRoots" => raw_pages!(turn, "Roots", "NextToken", |next| organizations.list_roots().set_next_token(next)),
        "ListAWSServiceAccessForOrganization" => raw_pages!(turn, "EnabledServicePrincipals", "NextToken", |next| {
            organizations.list_aws_service_access_for_organization().set_next_token(next)
        }),
        "ListDelegatedAdministrators" => raw_pages!(turn, "DelegatedAdministrators", "NextToken", |next| {
            let request = organizations.list_delegated_administrators().set_service_principal(parameter("ServicePrincipal"));
            request.set_next_token(next)
        }),
        "DescribePolicy" => raw!(organizations.describe_policy().set_policy_id(parameter("PolicyId"))),
        "DescribeEffectivePolicy" => {
            let kind = parameter("PolicyType").as_deref().map(EffectivePolicyType::from);
            raw!(organizations.describe_effective_policy().set_policy_type(kind).set_target_id(parameter("TargetId")))
        }
        _ => Err(refused(question)),
    }
}
