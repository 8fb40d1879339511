//! Reads of Organizations, through the role that was named for them.

use serde_json::Value;

use super::json::{Api, Paged};
use super::signed::Service;
use super::{Failure, Question, Turn, refused};
use crate::session::Cloud;

const ORGANIZATIONS: Api = Api { service: Service::global("organizations", "Organizations"), prefix: "AWSOrganizationsV20161128" };

const fn paged(list: &'static str) -> Paged {
    Paged { list, token: ("NextToken", "NextToken"), with: &[] }
}

pub(super) async fn ask(cloud: &Cloud, question: &Question, turn: &mut Turn<'_, '_>) -> Result<Value, Failure> {
    let list = match question.operation {
        "DescribeOrganization" | "ListParents" | "DescribePolicy" | "DescribeEffectivePolicy" => {
            return ORGANIZATIONS.one(cloud, question).await;
        }
        "ListAccounts" => "Accounts",
        "ListPoliciesForTarget" | "ListPolicies" => "Policies",
        "ListTargetsForPolicy" => "Targets",
        "ListRoots" => "Roots",
        "ListAWSServiceAccessForOrganization" => "EnabledServicePrincipals",
        "ListDelegatedAdministrators" => "DelegatedAdministrators",
        _ => return Err(refused(question)),
    };
    ORGANIZATIONS.all(cloud, question, turn, &paged(list)).await
}
