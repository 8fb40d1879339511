//! The proof of a patch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Call, Change, Target};
use super::draft::Draft;
use super::grid::Grid;
use super::statement::with;
use crate::policy::Document;

/// What was shown of a patch by evaluating the documents again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Everything that it is for is allowed with the patch, in every context.
    pub allowed_after: bool,
    /// Without it not all of that was provably allowed.
    pub denied_before: bool,
    /// Without any one of its statements, actions, principals or resources something is denied again.
    pub minimal: bool,
    /// No other principal, action, object or context of the probe grid became allowed.
    pub grants_nothing_else: bool,
}

impl Proof {
    /// Whether all of it was shown.
    pub fn holds(&self) -> bool {
        self.allowed_after && self.denied_before && self.minimal && self.grants_nothing_else
    }
}

/// Proves a draft. `others` are changes of other policies that are made as well.
pub(super) fn prove(calls: &[Call], others: &[Change<'_>], draft: &Draft, grid: &Grid) -> Proof {
    let its_calls = draft.calls.iter().filter_map(|index| calls.get(*index)).collect::<Vec<_>>();
    let all_allowed = |document: &Value| {
        let document = Document::read(document);
        let changes = changes(others, &draft.target, &document);
        its_calls.iter().all(|call| call.allowed(&changes))
    };
    let stored = Document::read(&draft.stored);
    let before = changes(others, &draft.target, &stored);
    Proof {
        allowed_after: all_allowed(&draft.document),
        denied_before: !its_calls.iter().all(|call| call.allowed(&before)),
        minimal: !draft.statements.is_empty() && one_less(&draft.statements).iter().all(|less| !all_allowed(&with(&draft.stored, less))),
        grants_nothing_else: grid.opens_nothing_else(draft),
    }
}

fn changes<'a>(others: &[Change<'a>], target: &'a Target, document: &'a Document) -> Vec<Change<'a>> {
    others.iter().copied().chain([Change { target, document }]).collect()
}

/// Every list of statements that lacks one statement, or one action, principal or resource of a statement.
fn one_less(statements: &[Value]) -> Vec<Vec<Value>> {
    let mut smaller = Vec::new();
    for (index, statement) in statements.iter().enumerate() {
        let replaced = |by: Option<Value>| {
            let kept = |(n, old): (usize, &Value)| if n == index { by.clone() } else { Some(old.clone()) };
            statements.iter().enumerate().filter_map(kept).collect::<Vec<_>>()
        };
        smaller.push(replaced(None));
        for list in ["/Action", "/Resource", "/Principal/AWS"] {
            let items = statement.pointer(list).and_then(Value::as_array).cloned().unwrap_or_default();
            for item in items.iter().filter(|_| items.len() > 1) {
                let mut less = statement.clone();
                if let Some(list) = less.pointer_mut(list).and_then(Value::as_array_mut) {
                    list.retain(|listed| listed != item);
                }
                smaller.push(replaced(Some(less)));
            }
        }
    }
    smaller
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::statement::{Form, empty};
    use super::*;
    use crate::copy::{Object, Route, RoutePolicies, requirements};

    const ROLE: &str = "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup";

    fn calls() -> Vec<Call> {
        let route = json!({
            "source_account": "111111111111",
            "source_region": "eu-central-1",
            "source_vault_arn": "arn:aws:backup:eu-central-1:111111111111:backup-vault:local",
            "destination_vault_arn": "arn:aws:backup:eu-central-1:222222222222:backup-vault:central",
            "destination_account": "222222222222",
            "destination_region": "eu-central-1",
            "resource_type": "EBS",
            "fully_managed": false,
            "recovery_point_arn": "arn:aws:ec2:eu-central-1::snapshot/snap-1",
            "source_key_arn": "arn:aws:kms:eu-central-1:111111111111:key/1",
            "job_role_arn": "arn:aws:iam::111111111111:role/R",
            "organization_id": "o-exampleorgid",
        });
        let route = serde_json::from_value::<Route>(route).unwrap();
        let needs = requirements(&route).into_iter().filter(|need| need.object == Object::SourceKey);
        let policies = RoutePolicies { source_key_grants: Some(Vec::new()), ..RoutePolicies::default() };
        needs.map(|need| Call::of(&route, &need, &policies).unwrap()).collect()
    }

    /// The proof of some statements for the key of the calls.
    fn proof(form: Form, stored: &Value, statements: &Value) -> Proof {
        let calls = calls();
        let target = Target::Object(calls[0].resource.clone());
        let draft = Draft::new(target, Some(form), statements.as_array().unwrap().clone(), stored.clone(), (0..calls.len()).collect());
        prove(&calls, &[], &draft, &Grid::around(&calls.iter().collect::<Vec<_>>(), Some("o-exampleorgid")))
    }

    fn right() -> Value {
        json!([
            {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Resource": "*",
                "Action": ["kms:DescribeKey", "kms:ReEncryptFrom", "kms:GenerateDataKeyWithoutPlaintext"]},
            {"Effect": "Allow", "Principal": {"AWS": ROLE}, "Resource": "*", "Action": ["kms:CreateGrant"],
                "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}},
        ])
    }

    #[test]
    fn what_is_right_is_proven() {
        assert!(proof(Form::Callers, &empty(), &right()).holds());
    }

    #[test]
    fn each_fault_of_a_patch_fails_its_part_of_the_proof() {
        let changed = |pointer: &str, value: Value| {
            let mut statements = right();
            *statements.pointer_mut(pointer).unwrap() = value;
            statements
        };
        let with = |more: Value| {
            let mut statements = right();
            statements.as_array_mut().unwrap().push(more);
            statements
        };
        let all = |principal: Value| {
            let mut statements = changed("/0/Principal", principal.clone());
            statements[1]["Principal"] = principal;
            statements
        };
        let everybody = |condition: &Value| {
            let mut statements = all(json!({"AWS": "*"}));
            for statement in statements.as_array_mut().unwrap() {
                let mut condition = condition.clone();
                condition
                    .as_object_mut()
                    .unwrap()
                    .extend(statement.get("Condition").and_then(Value::as_object).cloned().unwrap_or_default());
                statement["Condition"] = condition;
            }
            statements
        };
        let organization = || Form::Organization("o-exampleorgid".to_owned());
        let inside = json!({"aws:PrincipalOrgID": "o-exampleorgid"});
        let named = json!({"aws:PrincipalArn": ROLE.replace("222222222222", "*")});
        let table = [
            ("too little", Form::Callers, changed("/0/Action", json!(["kms:DescribeKey"])), "allowed_after"),
            ("an action too many", Form::Callers, changed("/1/Action", json!(["kms:CreateGrant", "kms:DescribeKey"])), "minimal"),
            (
                "a statement too many",
                Form::Callers,
                with(json!({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": ["kms:ReEncryptFrom"], "Resource": "*"})),
                "minimal",
            ),
            (
                "a principal too many",
                Form::Callers,
                changed("/0/Principal", json!({"AWS": [ROLE, "arn:aws:iam::111111111111:role/R"]})),
                "minimal",
            ),
            ("every action", Form::Callers, changed("/0/Action", json!("kms:*")), "grants_nothing_else"),
            ("a wildcard", Form::Callers, changed("/0/Action/1", json!("kms:ReEncrypt*")), "grants_nothing_else"),
            ("grants for anybody", Form::Callers, changed("/1/Condition", json!({})), "grants_nothing_else"),
            ("the whole account", Form::Callers, all(json!({"AWS": "222222222222"})), "grants_nothing_else"),
            ("everybody", organization(), all(json!({"AWS": "*"})), "grants_nothing_else"),
            ("the roles of everybody", organization(), everybody(&json!({"ArnLike": named})), "grants_nothing_else"),
            ("everybody of the organization", organization(), everybody(&json!({"StringEquals": inside})), "grants_nothing_else"),
            (
                "another organization",
                organization(),
                everybody(&json!({"StringEquals": {"aws:PrincipalOrgID": "o-another00000"}})),
                "allowed_after",
            ),
            ("these roles of the organization", organization(), everybody(&json!({"StringEquals": inside, "ArnLike": named})), ""),
        ];
        for (name, form, statements, fails) in table {
            let proof = serde_json::to_value(proof(form, &empty(), &statements)).unwrap();
            assert!(fails.is_empty() || proof[fails] == false, "{name}: {proof}");
            assert!(!fails.is_empty() || proof.as_object().unwrap().values().all(|shown| shown == true), "{name}: {proof}");
        }
        // What was allowed before needs no patch.
        assert!(!proof(Form::Callers, &with_statements(right()), &right()).denied_before);
    }

    fn with_statements(statements: Value) -> Value {
        json!({"Version": "2012-10-17", "Statement": statements})
    }
}
