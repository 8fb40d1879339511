//! Roles, grants and the policies of the organization.

use guardian_core::evidence::{Bound, Fact, GapReason};
use guardian_core::ports::{KeyReader, OrganizationReader, RoleReader};
use serde_json::json;

use super::reads::behind_sts;
use crate::canned::{Call, Reply, account, arn, error, ok, region};
use crate::session::{Cloud, ReaderRole};

const ROLE: &str = "arn:aws:iam::111111111111:role/service-role/CopyRole";
const BOUNDARY: &str = "arn:aws:iam::111111111111:policy/Boundary";
/// `{"Statement":[]}` as IAM sends it.
const ENCODED: &str = "%7B%22Statement%22%3A%5B%5D%7D";

fn xml(operation: &str, result: &str) -> Reply {
    ok(format!(
        "<{operation}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><{operation}Result>{result}</{operation}Result>\
         </{operation}Response>"
    ))
}

fn iam(call: &Call) -> Option<Reply> {
    let asked = call.body.as_str().unwrap_or_default();
    let policy =
        |name: &str| format!("<member><PolicyName>{name}</PolicyName><PolicyArn>arn:aws:iam::aws:policy/{name}</PolicyArn></member>");
    let result = match call.operation.as_str() {
        "GetRole" => format!(
            "<Role><Path>/service-role/</Path><RoleName>CopyRole</RoleName><RoleId>AROA</RoleId><Arn>{ROLE}</Arn>\
             <CreateDate>2026-01-01T00:00:00Z</CreateDate><AssumeRolePolicyDocument>{ENCODED}</AssumeRolePolicyDocument>\
             <PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>\
             <PermissionsBoundaryArn>{BOUNDARY}</PermissionsBoundaryArn></PermissionsBoundary></Role>"
        ),
        "ListRolePolicies" if asked.contains("Marker=") => {
            "<PolicyNames><member>second</member></PolicyNames><IsTruncated>false</IsTruncated>".to_owned()
        }
        "ListRolePolicies" => {
            "<PolicyNames><member>first</member></PolicyNames><IsTruncated>true</IsTruncated><Marker>more</Marker>".to_owned()
        }
        "GetRolePolicy" => format!("<RoleName>CopyRole</RoleName><PolicyName>x</PolicyName><PolicyDocument>{ENCODED}</PolicyDocument>"),
        "ListAttachedRolePolicies" => format!("<AttachedPolicies>{}</AttachedPolicies>", policy("AWSBackupServiceRolePolicyForBackup")),
        "GetPolicy" => "<Policy><DefaultVersionId>v7</DefaultVersionId></Policy>".to_owned(),
        "GetPolicyVersion" if asked.contains("VersionId=v7") => {
            format!("<PolicyVersion><Document>{ENCODED}</Document><VersionId>v7</VersionId></PolicyVersion>")
        }
        _ => return None,
    };
    Some(xml(&call.operation, &result))
}

#[tokio::test]
async fn a_role_is_read_with_all_pages_of_its_policies_and_its_boundary() {
    let canned = behind_sts(iam);
    let role = canned.cloud().role(&arn(ROLE), &region("eu-central-1")).await;
    let role = role.known().unwrap();
    let names = role.policies.iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>();
    assert_eq!(names, ["AWSBackupServiceRolePolicyForBackup", "first", "second"]);
    assert!(role.policies.iter().all(|policy| policy.document == json!({"Statement": []})));
    assert_eq!(role.boundary.as_ref().unwrap().arn, Some(arn(BOUNDARY)));
    assert_eq!(role.trust, Some(json!({"Statement": []})));
    assert!(canned.calls().iter().skip(1).all(|call| call.access_key == "ASIA111111111111"));
}

#[tokio::test]
async fn a_role_of_which_one_part_cannot_be_read_is_a_gap_that_names_the_part() {
    for denied in ["GetRole", "ListRolePolicies", "GetRolePolicy", "ListAttachedRolePolicies", "GetPolicy", "GetPolicyVersion"] {
        let canned = behind_sts(move |call| {
            if call.operation == denied {
                return Some((
                    403,
                    vec![],
                    "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
                        .to_owned(),
                ));
            }
            iam(call)
        });
        let role = canned.cloud().role(&arn(ROLE), &region("eu-central-1")).await;
        let gap = role.gap().unwrap();
        assert_eq!((gap.action.as_str(), gap.reason), (format!("iam:{denied}").as_str(), GapReason::AccessDenied));
        assert_eq!((gap.account_id.as_str(), &gap.region), ("111111111111", &None));
    }
}

#[tokio::test]
async fn grants_are_read_page_by_page_with_their_constraints() {
    let canned = behind_sts(|call| {
        let grant = |grantee: &str| {
            json!({"GranteePrincipal": grantee, "Operations": ["Decrypt", "CreateGrant"],
                   "Constraints": {"EncryptionContextSubset": {"aws:ebs:id": "vol-1"}}})
        };
        Some(ok(match call.body.get("Marker") {
            None => json!({"Grants": [grant("b")], "Truncated": true, "NextMarker": "more"}),
            Some(_) => json!({"Grants": [grant("a")], "Truncated": false}),
        }))
    });
    let key = arn("arn:aws:kms:eu-central-1:111111111111:key/1");
    let grants = canned.cloud().grants(&key).await;
    let grants = &grants.known().unwrap().grants;
    assert_eq!(grants.iter().map(|grant| grant.grantee.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(grants[0].context_subset.as_ref().unwrap().get("aws:ebs:id").map(String::as_str), Some("vol-1"));
    assert_eq!(grants[0].context_equals, None);
}

fn organizations(call: &Call) -> Option<Reply> {
    let operation = call.operation.rsplit('.').next().unwrap_or_default();
    let policy = |id: &str| json!({"Id": id, "Arn": format!("arn:aws:organizations::333333333333:policy/o-1/service_control_policy/{id}"), "Name": id});
    let answer = match operation {
        "DescribeOrganization" => json!({"Organization": {"Id": "o-exampleorgid", "MasterAccountId": "333333333333"}}),
        "ListParents" => match call.body["ChildId"].as_str().unwrap() {
            "111111111111" => json!({"Parents": [{"Id": "ou-exam-1", "Type": "ORGANIZATIONAL_UNIT"}]}),
            _ => json!({"Parents": [{"Id": "r-exam", "Type": "ROOT"}]}),
        },
        "ListPoliciesForTarget" => match call.body["TargetId"].as_str().unwrap() {
            "r-exam" => json!({"Policies": [policy("p-FullAWSAccess")]}),
            "ou-exam-1" => json!({"Policies": [policy("p-unit"), policy("p-FullAWSAccess")]}),
            _ => json!({"Policies": []}),
        },
        "DescribePolicy" => {
            let id = call.body["PolicyId"].as_str().unwrap();
            json!({"Policy": {"PolicySummary": policy(id), "Content": "{\"Statement\":[]}"}})
        }
        _ => return None,
    };
    Some(ok(answer))
}

#[tokio::test]
async fn the_policies_above_an_account_are_read_from_the_root_down_through_the_organization_role() {
    let canned = behind_sts(organizations);
    let cloud = canned.cloud();
    let member = account("111111111111");
    let organization = cloud.organization(&member).await;
    assert_eq!(organization.known().unwrap().management_account, account("333333333333"));
    let levels = cloud.bounds(&member, Bound::Scp).await;
    let names = |level: &Vec<guardian_core::evidence::NamedPolicy>| level.iter().map(|policy| policy.name.clone()).collect::<Vec<_>>();
    let levels = levels.known().unwrap().levels.iter().map(names).collect::<Vec<_>>();
    assert_eq!(levels, [vec!["p-FullAWSAccess"], vec!["p-unit", "p-FullAWSAccess"], vec![]]);
    let calls = canned.calls();
    assert!(calls[0].body.as_str().unwrap().contains("role%2Forganization-reader"));
    assert!(calls.iter().skip(1).all(|call| call.access_key == "ASIA333333333333"), "one session of the management account");
}

#[tokio::test]
async fn an_organization_that_nobody_may_read_is_a_gap_and_so_is_one_without_a_role() {
    let canned = behind_sts(|_| Some(error("AccessDeniedException")));
    let member = account("111111111111");
    let bounds = canned.cloud().bounds(&member, Bound::Rcp).await;
    assert_eq!(bounds.gap().map(|gap| (gap.action.as_str(), gap.reason)), Some(("organizations:ListParents", GapReason::AccessDenied)));
    let reader = ReaderRole { name: "backup-guardian-reader".to_owned(), external_id: None, organization_role_arn: None };
    let Fact::Gap(gap) = Cloud::new(canned.config(), reader).organization(&member).await else { panic!("known") };
    assert_eq!((gap.action.as_str(), gap.reason), ("organizations:DescribeOrganization", GapReason::NotConfigured));
}

#[tokio::test]
async fn units_that_run_in_circles_end_as_unreadable() {
    let canned = behind_sts(|call| {
        let looping = call.operation.ends_with("ListParents");
        Some(ok(if looping { json!({"Parents": [{"Id": "ou-exam-1", "Type": "ORGANIZATIONAL_UNIT"}]}) } else { json!({"Policies": []}) }))
    });
    let bounds = canned.cloud().bounds(&account("111111111111"), Bound::Scp).await;
    assert_eq!(bounds.gap().map(|gap| gap.reason), Some(GapReason::Unreadable));
    assert!(canned.calls().len() < 20);
}
