//! All the patches of a route at once.

use guardian_core::copy::{Object, Outlook, Route, RoutePolicies, SeenCall, VaultKind, predict};
use guardian_core::policy::Document;
use guardian_core::remedy::{NoPatch, Operation, Plan, Stored, plan, plan_seen};
use serde_json::{Value, json};

use super::routes::{self, Vaults::Standard};
use super::{JOB_ROLE, document, grants, owner, route, uses, vault};

fn stored(source_key: &Value, destination_key: &Value, vault: Option<&Value>) -> Stored {
    Stored { source_key: Some(source_key.clone()), destination_key: Some(destination_key.clone()), destination_vault: Some(vault.cloned()) }
}

fn policies(route: &Route, stored: &Stored) -> RoutePolicies {
    RoutePolicies {
        source_key: stored.source_key.as_ref().map(Document::read),
        destination_key: stored.destination_key.as_ref().map(Document::read),
        destination_vault: stored.destination_vault.as_ref().map(|vault| vault.as_ref().map(Document::read)),
        ..routes::documented(route)
    }
}

fn outcomes(plan: &Plan) -> Vec<(String, Object, Result<Operation, NoPatch>)> {
    let account = |id: &Option<guardian_core::arn::AccountId>| id.as_ref().map_or("organization".to_owned(), ToString::to_string);
    plan.steps
        .iter()
        .map(|step| (account(&step.account_id), step.object, step.outcome.as_ref().map(|patch| patch.operation).map_err(Clone::clone)))
        .collect()
}

#[test]
fn everything_that_is_wrong_is_mended_at_once_by_account() {
    let (source, destination) = (document(&[owner("111111111111"), uses()]), document(&[]));
    let stored = stored(&source, &destination, None);
    let policies = RoutePolicies { job_role: Some(Vec::new()), ..policies(&route(), &stored) };
    let plan = plan(&route(), &policies, &stored);
    assert_eq!(
        outcomes(&plan),
        [
            ("111111111111".to_owned(), Object::RecoveryPoint, Ok(Operation::PutRolePolicy)),
            ("111111111111".to_owned(), Object::SourceKey, Ok(Operation::PutKeyPolicy)),
            ("222222222222".to_owned(), Object::DestinationVault, Ok(Operation::PutVaultPolicy)),
            ("222222222222".to_owned(), Object::DestinationKey, Ok(Operation::PutKeyPolicy)),
        ]
    );
    assert!(plan.complete);
    assert_eq!(plan.by_account().iter().map(|(_, steps)| steps.len()).collect::<Vec<_>>(), [2, 2]);
    let mut mended = policies;
    for patch in plan.patches() {
        assert!(patch.proof.holds(), "{:?}", patch.object);
        assert_ne!(predict(&route(), &mended).unwrap().outlook, Outlook::Works, "the others do not do without {:?}", patch.object);
        mended = patch.applied_to(&route(), &mended);
    }
    assert_eq!(predict(&route(), &mended).unwrap().denied, []);
}

#[test]
fn a_right_route_has_an_empty_plan() {
    let key = |account| document(&[owner(account), uses(), grants()]);
    let stored = stored(&key("111111111111"), &key("222222222222"), Some(&vault()));
    let plan = plan(&route(), &policies(&route(), &stored), &stored);
    assert_eq!((plan.steps.len(), plan.complete), (0, true));
}

#[test]
fn what_statements_cannot_give_stands_beside_what_they_can() {
    let stored = stored(&document(&[owner("111111111111"), uses()]), &document(&[owner("222222222222")]), None);
    let mut policies = policies(&route(), &stored);
    let allow = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let deny = json!({"Sid": "Perimeter", "Effect": "Deny", "Action": "backup:CopyFromBackupVault", "Resource": "*"});
    policies.source_scps = Some(vec![vec![routes::document(std::slice::from_ref(&allow))], vec![routes::document(&[allow, deny])]]);
    let plan = plan(&route(), &policies, &stored);
    let [(_, _, Err(denied)), (key, ..), (vault, ..)] = &outcomes(&plan)[..] else { panic!("{:?}", outcomes(&plan)) };
    assert_eq!((key.as_str(), vault.as_str()), ("222222222222", "111111111111"), "in the order in which AWS stumbles over them");
    assert_eq!(plan.steps[0].account_id, None, "whoever manages the organization");
    assert!(denied.reason().starts_with("scp[2]#2 (`Perimeter`)"), "{}", denied.reason());
    assert!(!plan.complete);
}

#[test]
fn a_key_that_serves_both_sides_gets_one_patch() {
    let mut route = routes::route("EBS", false, false, Standard);
    route.destination_key_arn = route.source_key_arn.clone();
    let key = document(&[]);
    let stored = stored(&key, &key, None);
    let plan = plan(&route, &policies(&route, &stored), &stored);
    let patches = plan.patches().collect::<Vec<_>>();
    assert_eq!((patches.len(), plan.complete), (1, true), "{:?}", outcomes(&plan));
    let actions = &patches[0].statements[0]["Action"];
    for action in ["kms:DescribeKey", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKeyWithoutPlaintext"] {
        assert!(actions.as_array().unwrap().contains(&json!(action)), "{actions}");
    }
}

#[test]
fn between_air_gapped_vaults_of_two_accounts_the_copy_role_is_admitted_on_both_sides() {
    let mut route = routes::route("EBS", true, false, routes::Vaults::BetweenAirGapped);
    route.organization_id = None;
    assert_eq!(route.destination_vault_kind, VaultKind::AirGapped);
    let stored = stored(&document(&[owner("111111111111")]), &document(&[owner("222222222222")]), None);
    let policies = RoutePolicies { job_role: Some(Vec::new()), ..policies(&route, &stored) };
    let plan = plan(&route, &policies, &stored);
    assert!(plan.complete, "{:?}", outcomes(&plan));
    let of = |operation, account: &str| {
        let fits = |patch: &&guardian_core::remedy::Patch| patch.operation == operation && patch.account_id.as_str() == account;
        plan.patches().find(fits).unwrap()
    };
    assert_eq!(of(Operation::PutKeyPolicy, "222222222222").statements[0]["Principal"], json!({"AWS": JOB_ROLE}));
    let role = of(Operation::PutRolePolicy, "111111111111");
    let grants = role.statements.iter().find(|statement| statement["Action"] == json!(["kms:CreateGrant"])).unwrap();
    assert_eq!(grants["Resource"].as_array().unwrap().len(), 2);
}

#[test]
fn a_refused_call_that_no_document_names_is_mended_too() {
    let key = |account| document(&[owner(account), uses(), grants()]);
    let stored = stored(&key("111111111111"), &key("222222222222"), Some(&vault()));
    let only = json!({"Effect": "Allow", "Action": ["backup:*", "ec2:*"], "Resource": "*"});
    let policies = RoutePolicies { job_role: Some(vec![routes::document(&[only])]), ..policies(&route(), &stored) };
    assert_eq!(plan(&route(), &policies, &stored).steps, []);
    let seen = SeenCall { principal: JOB_ROLE.to_owned(), action: "kms:ReEncryptFrom".to_owned() };
    let plan = plan_seen(&route(), &policies, &stored, &[seen]);
    let [patch] = plan.patches().collect::<Vec<_>>()[..] else { panic!("{:?}", outcomes(&plan)) };
    assert_eq!((patch.operation, &patch.statements[0]["Action"]), (Operation::PutRolePolicy, &json!(["kms:ReEncryptFrom"])));
    assert!(plan.complete);
}

#[test]
fn a_document_that_was_not_seen_is_not_replaced() {
    let known = stored(&document(&[owner("111111111111")]), &document(&[owner("222222222222")]), Some(&vault()));
    let policies = policies(&route(), &known);
    let plan = plan(&route(), &policies, &Stored { source_key: None, ..known });
    assert_eq!(outcomes(&plan), [("111111111111".to_owned(), Object::SourceKey, Err(NoPatch::PolicyUnseen))]);
    assert!(!plan.complete);
}

#[test]
fn an_aws_managed_key_comes_first_and_makes_the_plan_incomplete() {
    let route = Route { source_key_aws_managed: true, ..route() };
    let stored = stored(&document(&[]), &document(&[owner("222222222222")]), None);
    let plan = plan(&route, &policies(&route, &stored), &stored);
    assert!(matches!(plan.steps.iter().find(|step| step.object == Object::SourceKey).unwrap().outcome, Err(NoPatch::Obstacle(_))));
    assert_eq!(plan.patches().count(), 1, "the vault is to be opened all the same");
    assert!(!plan.complete);
}
