//! Many callers, roles that do not exist yet, and documents that are too large.

use guardian_core::arn::AccountId;
use guardian_core::copy::{Object, Route, RoutePolicies};
use guardian_core::policy::Decision;
use guardian_core::remedy::{Admit, NoPatch, patch_shared};
use serde_json::{Value, json};

use super::routes::{self, Vaults::Standard};
use super::{document, owner};

/// Copies back from the backup account into so many accounts: their service-linked roles use one key.
fn ways_back(accounts: usize, organization: Option<&str>) -> Vec<(Route, RoutePolicies)> {
    let role = "arn:aws:iam::222222222222:role/service-role/AWSBackupDefaultServiceRole";
    let ways = (0..accounts).map(|n| {
        let mut route = routes::route("EBS", true, false, Standard);
        let account = format!("3{n:011}");
        route.source_account = AccountId::parse(&account).unwrap();
        route.source_vault_arn = routes::arn(&format!("arn:aws:backup:eu-central-1:{account}:backup-vault:local"));
        route.source_vault_key_arn = Some(routes::arn(&format!("arn:aws:kms:eu-central-1:{account}:key/1")));
        route.organization_id = organization.map(str::to_owned);
        let back = route.back(routes::arn(role));
        let policies = RoutePolicies { source_key: Some(routes::document(&[owner("222222222222")])), ..routes::documented(&back) };
        (back, policies)
    });
    ways.collect()
}

fn shared(ways: &[(Route, RoutePolicies)], stored: &Value, admit: Admit) -> Result<guardian_core::remedy::Patch, NoPatch> {
    let ways = ways.iter().map(|(route, policies)| (route, policies)).collect::<Vec<_>>();
    patch_shared(&ways, Object::SourceKey, Some(stored), admit)
}

fn allowed_after(ways: &[(Route, RoutePolicies)], patch: &guardian_core::remedy::Patch) {
    for (route, policies) in ways {
        for judged in guardian_core::copy::judge(route, &patch.applied_to(route, policies)).unwrap() {
            let on_key = judged.requirement.object == Object::SourceKey;
            assert!(!on_key || judged.decision == Decision::Allowed, "{} {}", route.destination_account, judged.requirement.action);
        }
    }
}

#[test]
fn few_roles_are_named_and_many_are_admitted_by_their_organization() {
    let stored = document(&[owner("222222222222")]);
    for (accounts, organization, everybody) in [(1, true, false), (5, true, false), (6, true, true), (40, true, true), (6, false, false)] {
        let ways = ways_back(accounts, organization.then_some("o-exampleorgid"));
        let patch = shared(&ways, &stored, Admit::Fitting).unwrap();
        assert!(patch.proof.holds());
        assert_eq!(patch.account_id.as_str(), "222222222222");
        assert_eq!(patch.named_roles.len(), if everybody { 0 } else { accounts });
        for statement in &patch.statements {
            let principal = &statement["Principal"]["AWS"];
            if everybody {
                assert_eq!(principal, "*");
                assert_eq!(statement["Condition"]["StringEquals"], json!({"aws:PrincipalOrgID": "o-exampleorgid"}));
                assert_eq!(
                    statement["Condition"]["ArnLike"]["aws:PrincipalArn"],
                    "arn:aws:iam::*:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup"
                );
            } else {
                assert_eq!(principal.as_array().map_or(1, Vec::len), accounts);
            }
        }
        allowed_after(&ways, &patch);
    }
}

#[test]
fn an_account_can_be_admitted_before_its_role_exists() {
    let stored = document(&[owner("222222222222")]);
    let ways = ways_back(2, Some("o-exampleorgid"));
    let patch = shared(&ways, &stored, Admit::Accounts).unwrap();
    assert!(patch.named_roles.is_empty(), "nothing that must exist is named");
    for statement in &patch.statements {
        assert_eq!(statement["Principal"]["AWS"], json!(["arn:aws:iam::300000000000:root", "arn:aws:iam::300000000001:root"]));
        assert_eq!(statement["Condition"]["ArnLike"]["aws:PrincipalArn"].as_array().unwrap().len(), 2, "held to the roles");
    }
    allowed_after(&ways, &patch);
}

#[test]
fn the_organization_must_be_known_to_be_admitted() {
    let stored = document(&[owner("222222222222")]);
    let unknown = ways_back(2, None);
    assert_eq!(shared(&unknown, &stored, Admit::Organization), Err(NoPatch::Uncertain(vec!["the id of the organization".to_owned()])));
    // Two organizations are none.
    let mut two = ways_back(1, Some("o-exampleorgid"));
    two.extend(ways_back(2, Some("o-another00000")).pop());
    assert!(matches!(shared(&two, &stored, Admit::Organization), Err(NoPatch::Uncertain(_))));
}

#[test]
fn a_document_above_the_limit_is_not_offered() {
    // Statements of others, filled up to a little below 32 KiB.
    let filled = |bytes: usize| {
        let mut statements = vec![owner("222222222222")];
        let filler = |text: &str| json!({"Sid": text, "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::222222222222:root"}, "Action": "kms:ListGrants", "Resource": "*"});
        while document(&statements).to_string().len() + 500 < bytes {
            statements.push(filler(&format!("Filler{:0100}", statements.len())));
        }
        let missing = bytes - document(&statements).to_string().len() - filler("").to_string().len() - 1;
        statements.push(filler(&"x".repeat(missing)));
        assert_eq!(document(&statements).to_string().len(), bytes);
        document(&statements)
    };
    let with_organization = ways_back(5, Some("o-exampleorgid"));
    let list = shared(&with_organization, &filled(20_000), Admit::Roles).unwrap();
    let added = list.document.to_string().len() - 20_000;
    // The list fits exactly; one byte more, and the organization, which is shorter, takes its place.
    let exact = shared(&with_organization, &filled(32_768 - added), Admit::Fitting).unwrap();
    assert_eq!((exact.document.to_string().len(), exact.named_roles.len()), (32_768, 5));
    let shorter = shared(&with_organization, &filled(32_769 - added), Admit::Fitting).unwrap();
    assert!(shorter.named_roles.is_empty() && shorter.document.to_string().len() <= 32_768);
    // Without an organization there is nothing to offer, and the figures say why.
    let without = ways_back(5, None);
    assert_eq!(shared(&without, &filled(32_769 - added), Admit::Fitting), Err(NoPatch::TooLarge { size: 32_769, limit: 32_768 }));
}
