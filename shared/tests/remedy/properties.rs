//! Whatever the route and its policies: a patch keeps what it promises.

use std::collections::BTreeSet;

use guardian_core::copy::{BACKUP_ROLE, Object, Outlook, Route, RoutePolicies, judge, predict, requirements};
use guardian_core::policy::{Decision, Document, Grant};
use guardian_core::remedy::{NoPatch, Patch, Stored, patch, plan};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::routes::{self, TYPES, VAULTS};
use super::{JOB_ROLE, SLR};

const OBJECTS: [Object; 4] = [Object::SourceKey, Object::DestinationKey, Object::RecoveryPoint, Object::DestinationVault];

/// Statements as one finds them in key policies: right, nearly right, wrong, forbidding, odd.
fn key_statements() -> Vec<Value> {
    let allow = |principal: Value, action: Value| json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"});
    let with = |mut statement: Value, condition: Value| {
        statement["Condition"] = condition;
        statement
    };
    let root = |account: &str| json!({"AWS": format!("arn:aws:iam::{account}:root")});
    let uses = json!(["kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]);
    vec![
        allow(root("111111111111"), json!("kms:*")),
        allow(root("222222222222"), json!("kms:*")),
        allow(root("222222222222"), uses.clone()),
        allow(json!({"AWS": SLR}), uses.clone()),
        allow(json!({"AWS": [SLR, JOB_ROLE]}), json!(["kms:DescribeKey"])),
        with(allow(json!({"AWS": SLR}), json!("kms:CreateGrant")), json!({"Bool": {"kms:GrantIsForAWSResource": "true"}})),
        with(allow(json!({"AWS": SLR}), json!("kms:*")), json!({"StringEquals": {"kms:ViaService": "backup.eu-central-1.amazonaws.com"}})),
        with(allow(json!({"AWS": SLR}), json!("kms:*")), json!({"StringLike": {"kms:ViaService": "ec2.*.amazonaws.com"}})),
        with(allow(json!("*"), uses), json!({"StringEquals": {"aws:PrincipalOrgID": "o-another00000"}})),
        allow(json!({"AWS": "AROAEXAMPLEEXAMPLE123"}), json!("kms:*")),
        json!({"Sid": "AllowUseForBackupCopies", "Effect": "Allow", "Principal": {"AWS": SLR}, "Action": "kms:ListAliases", "Resource": "*"}),
        json!({"Sid": "No", "Effect": "Deny", "Principal": "*", "Action": "kms:ScheduleKeyDeletion", "Resource": "*"}),
        json!({"Sid": "Never", "Effect": "Deny", "Principal": "*", "Action": "kms:CreateGrant", "Resource": "*",
            "Condition": {"Bool": {"kms:GrantIsForAWSResource": "false"}}}),
        json!({"Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "kms:Decrypt", "Resource": "*"}),
    ]
}

fn vault_statements() -> Vec<Value> {
    let allow =
        |principal: Value| json!({"Effect": "Allow", "Principal": principal, "Action": "backup:CopyIntoBackupVault", "Resource": "*"});
    let mut organization = allow(json!("*"));
    organization["Condition"] = json!({"StringEquals": {"aws:PrincipalOrgID": ["o-exampelorgid"]}});
    vec![
        allow(json!({"AWS": "arn:aws:iam::333333333333:root"})),
        allow(json!({"AWS": JOB_ROLE})),
        organization,
        json!({"Effect": "Deny", "Principal": "*", "Action": "backup:DeleteRecoveryPoint", "Resource": "*"}),
    ]
}

fn role_policies() -> Vec<Value> {
    let allow = |actions: Value, resource: &str| json!({"Statement": [{"Effect": "Allow", "Action": actions, "Resource": resource}]});
    vec![
        BACKUP_ROLE.document(),
        allow(json!(["backup:Copy*"]), "*"),
        allow(json!(["ec2:Modify*", "rds:Modify*", "ec2:Copy*"]), "arn:aws:*:eu-central-1:*:*"),
        allow(json!("backup:CopyIntoBackupVault"), "arn:aws:backup:*:222222222222:backup-vault:*"),
        allow(json!(["kms:DescribeKey", "kms:CreateGrant"]), "arn:aws:kms:*:111111111111:key/*"),
        json!({"Statement": [{"Effect": "Deny", "Action": "backup:DeleteBackupVault", "Resource": "*"}]}),
    ]
}

fn document(statements: Vec<Value>) -> Value {
    json!({"Version": "2012-10-17", "Statement": statements})
}

#[derive(Clone)]
struct Situation {
    route: Route,
    policies: RoutePolicies,
    stored: Stored,
    /// As written, to be read when something fails.
    written: Value,
}

impl std::fmt::Debug for Situation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.written)
    }
}

fn situations() -> impl Strategy<Value = Situation> {
    let route = (select(TYPES), any::<bool>(), any::<bool>(), select(VAULTS), any::<bool>()).prop_map(
        |((kind, ..), across, region, vaults, known)| {
            let mut route = routes::route(kind, across, region, vaults);
            route.organization_id = known.then(|| "o-exampleorgid".to_owned());
            route
        },
    );
    let key = || subsequence(key_statements(), 0..6).prop_map(document);
    let vault = proptest::option::of(subsequence(vault_statements(), 0..=4).prop_map(document));
    let role = subsequence(role_policies(), 0..=6);
    let scps = select(vec![
        json!([]),
        json!([[{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}]]),
        json!([[{"Statement": [{"Effect": "Allow", "Action": "backup:*", "Resource": "*"}]}]]),
        json!([[{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "kms:CreateGrant", "Resource": "*"}]}]]),
    ]);
    let boundary = select(vec![None, Some(json!({"Statement": [{"Effect": "Allow", "Action": ["kms:*", "backup:*"], "Resource": "*"}]}))]);
    (route, key(), key(), vault, role, scps, boundary, any::<bool>()).prop_map(
        |(route, source, destination, vault, role, scps, boundary, granted)| {
            let levels =
                scps.as_array().unwrap().iter().map(|level| level.as_array().unwrap().iter().map(Document::read).collect()).collect();
            let grant = Grant { grantee: SLR.to_owned(), operations: vec!["DescribeKey".to_owned()], ..Grant::default() };
            let policies = RoutePolicies {
                job_role: Some(role.iter().map(Document::read).collect()),
                job_role_boundary: Some(boundary.as_ref().map(Document::read)),
                source_scps: Some(levels),
                source_vault: Some(None),
                destination_vault: Some(vault.as_ref().map(Document::read)),
                source_key: Some(Document::read(&source)),
                source_key_grants: Some(if granted { vec![grant] } else { Vec::new() }),
                destination_key: Some(Document::read(&destination)),
                destination_key_grants: Some(Vec::new()),
                source_key_rcps: Some(Vec::new()),
                destination_key_rcps: Some(Vec::new()),
            };
            let stored = Stored { source_key: Some(source), destination_key: Some(destination), destination_vault: Some(vault) };
            let written = json!({"route": route, "source_key": stored.source_key, "destination_key": stored.destination_key,
            "vault": stored.destination_vault, "role": role, "scps": scps, "boundary": boundary, "granted": granted});
            Situation { route, policies, stored, written }
        },
    )
}

impl Situation {
    fn current(&self, object: Object) -> Option<&Value> {
        match object {
            Object::SourceKey => self.stored.source_key.as_ref(),
            Object::DestinationKey => self.stored.destination_key.as_ref(),
            Object::RecoveryPoint => None,
            Object::DestinationVault => self.stored.destination_vault.as_ref().unwrap().as_ref(),
        }
    }
}

/// What no patch may hold.
fn is_narrow(route: &Route, patch: &Patch) -> Result<(), TestCaseError> {
    let needed = requirements(route).iter().map(|need| need.action).collect::<BTreeSet<_>>();
    for statement in &patch.statements {
        prop_assert_eq!(&statement["Effect"], "Allow");
        for absent in ["NotPrincipal", "NotAction", "NotResource"] {
            prop_assert!(statement.get(absent).is_none());
        }
        for action in statement["Action"].as_array().unwrap() {
            prop_assert!(needed.contains(action.as_str().unwrap()), "{action} is in no row of the table");
        }
        let principal = statement.get("Principal").map(Value::to_string).unwrap_or_default();
        if principal.contains("\"*\"") {
            let organization = &statement["Condition"]["StringEquals"]["aws:PrincipalOrgID"];
            prop_assert_eq!(organization.as_str(), route.organization_id.as_deref());
            prop_assert!(organization.is_string());
        }
    }
    let stored = patch.document["Statement"].as_array().unwrap().len() - patch.statements.len();
    prop_assert_eq!(&patch.document["Statement"].as_array().unwrap()[stored..], &patch.statements[..]);
    let sids = patch.document["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one.get("Sid"))
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    prop_assert_eq!(sids.iter().collect::<BTreeSet<_>>().len(), sids.len(), "a Sid twice");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 192 } else { 1024 }))]

    #[test]
    fn a_patch_of_one_object_allows_all_that_the_route_needs_of_it(situation in situations()) {
        for object in OBJECTS {
            let (route, policies) = (&situation.route, &situation.policies);
            let before = judge(route, policies).unwrap().into_iter().filter(|one| one.requirement.object == object).collect::<Vec<_>>();
            match patch(route, policies, object, situation.current(object)) {
                Ok(patch) => {
                    prop_assert!(patch.proof.holds());
                    prop_assert!(before.iter().any(|one| one.decision != Decision::Allowed));
                    for judged in judge(route, &patch.applied_to(route, policies)).unwrap() {
                        let its = judged.requirement.object == object;
                        prop_assert!(!its || judged.decision == Decision::Allowed, "{} {:?}", judged.requirement.action, judged.answer);
                    }
                    is_narrow(route, &patch)?;
                }
                Err(NoPatch::NothingDenied) => prop_assert!(before.iter().all(|one| one.decision == Decision::Allowed)),
                Err(NoPatch::NotProven(proof)) => prop_assert!(false, "drafted and not proven: {proof:?}"),
                Err(no_patch) => prop_assert!(!no_patch.reason().is_empty() && no_patch.instead().is_some(), "{no_patch:?}"),
            }
        }
    }

    #[test]
    fn a_complete_plan_leaves_nothing_denied_and_needs_each_of_its_patches(situation in situations()) {
        let (route, policies) = (&situation.route, &situation.policies);
        let plan = plan(route, policies, &situation.stored);
        let apply = |without: Option<usize>| {
            let kept = plan.patches().enumerate().filter(|(n, _)| Some(*n) != without);
            kept.fold(policies.clone(), |policies, (_, patch)| patch.applied_to(route, &policies))
        };
        let works = |policies: &RoutePolicies| judge(route, policies).unwrap().iter().all(|one| one.decision == Decision::Allowed);
        for (n, patch) in plan.patches().enumerate() {
            prop_assert!(patch.proof.holds());
            is_narrow(route, patch)?;
            prop_assert!(!works(&apply(Some(n))), "{:?} is not needed", patch.object);
        }
        for step in &plan.steps {
            prop_assert!(!matches!(step.outcome, Err(NoPatch::NotProven(_))), "{:?}", step.outcome);
        }
        if plan.complete {
            prop_assert!(works(&apply(None)));
            prop_assert_ne!(predict(route, &apply(None)).unwrap().outlook, Outlook::Fails);
        } else {
            prop_assert!(plan.steps.iter().any(|step| step.outcome.is_err()), "incomplete and no reason given");
        }
        prop_assert_eq!(plan.steps.is_empty(), works(policies) && predict(route, policies).unwrap().obstacles.is_empty());
        // Accounts are not interleaved.
        let accounts = plan.steps.iter().map(|step| step.account_id.clone()).collect::<Vec<_>>();
        let mut runs = accounts.clone();
        runs.dedup();
        prop_assert_eq!(runs.len(), accounts.iter().collect::<BTreeSet<_>>().len());
    }
}
