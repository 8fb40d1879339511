//! The probe grid: other principals, actions, objects and contexts, to see that a patch opens nothing that it is not for.
//!
//! It looks at the changed policy alone. Callers of an object come with policies of their own that allow everything; objects of a caller trust the
//! caller's account with everything: whatever the patch opens shows.

use serde_json::json;

use super::call::{Call, Target};
use super::draft::Draft;
use super::statement::{Form, in_any_account, root};
use crate::policy::{Context, Decision, Document, Policies, Principal, Request, evaluate, wildcard_matches};

/// Actions that nobody should get by a patch for copies.
const ACTIONS: &[&str] = &[
    "backup:CopyFromBackupVault",
    "backup:CopyIntoBackupVault",
    "backup:DeleteBackupVault",
    "backup:DeleteRecoveryPoint",
    "backup:PutBackupVaultAccessPolicy",
    "backup:StartRestoreJob",
    "iam:PassRole",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:GetKeyPolicy",
    "kms:ListGrants",
    "kms:PutKeyPolicy",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "sts:AssumeRole",
];

/// An account of the organization that has nothing to do with the patch, and one outside of it.
const COLLEAGUE: &str = "888888888888";
const STRANGER: &str = "999999999999";
const STRANGERS_ORGANIZATION: &str = "o-stranger00";

/// Callers whose names are tried in other accounts: the first and the last of each patch, however many it is for.
const SAMPLES: usize = 4;

/// Who may become allowed to do what.
pub(super) struct Grid {
    principals: Vec<Caller>,
    actions: Vec<String>,
    /// Objects and their accounts.
    objects: Vec<(String, String)>,
    /// Condition keys with values that a statement may look at: right, wrong and absent.
    marks: Vec<Vec<(String, Option<String>)>>,
    /// What the patch is for.
    meant: Vec<Meant>,
}

struct Caller {
    text: String,
    parsed: Principal,
    organization: Option<String>,
}

struct Meant {
    named: String,
    action: String,
    object: String,
    pattern: String,
    /// What must be in the context.
    marks: Vec<(String, String)>,
}

impl Grid {
    /// The grid around some calls. `organization`: of the accounts of the calls, where it is known.
    pub(super) fn around(calls: &[&Call], organization: Option<&str>) -> Self {
        let mut partition = "aws";
        let mut texts = Vec::new();
        let mut accounts = Vec::new();
        let mut regions = Vec::new();
        let mut sample = calls.to_vec();
        sample.dedup_by(|a, b| a.named == b.named);
        if sample.len() > SAMPLES {
            let last = sample.split_off(sample.len() - SAMPLES / 2);
            sample.truncate(SAMPLES / 2);
            sample.extend(last);
        }
        for call in &sample {
            texts.push(call.named.clone());
            accounts.extend([call.owner.clone(), call.principal.account().to_owned()]);
            let mut fields = call.resource.split(':').skip(1);
            partition = fields.next().filter(|partition| partition.starts_with("aws")).unwrap_or(partition);
            regions.extend(fields.nth(1).filter(|region| !region.is_empty()).map(str::to_owned));
        }
        accounts.retain(|account| !account.is_empty());
        accounts.sort();
        accounts.dedup();
        regions.sort();
        regions.dedup();
        let known = accounts.clone();
        accounts.extend([COLLEAGUE.to_owned(), STRANGER.to_owned()]);
        for account in &accounts {
            texts.push(format!("arn:{partition}:iam::{account}:role/Administrator"));
            for service in ["backup.amazonaws.com/AWSServiceRoleForBackup", "ec2.amazonaws.com/AWSServiceRoleForEC2"] {
                texts.push(format!("arn:{partition}:iam::{account}:role/aws-service-role/{service}"));
            }
            // A role of the same name elsewhere, and one that only begins with it.
            for call in &sample {
                let other = in_any_account(&call.named).replacen("::*:", &format!("::{account}:"), 1);
                texts.push(format!("{other}2"));
                texts.push(other);
            }
        }
        texts.extend(["backup.amazonaws.com".to_owned(), "ec2.amazonaws.com".to_owned()]);
        texts.sort();
        texts.dedup();
        let principals = texts.into_iter().filter_map(|text| {
            let parsed = Principal::parse(&text).ok()?;
            let organization = match parsed.account() {
                "" => None,
                STRANGER => Some(STRANGERS_ORGANIZATION.to_owned()),
                _ => organization.map(str::to_owned),
            };
            Some(Caller { text, parsed, organization })
        });
        let mut objects = calls.iter().map(|call| (call.resource.clone(), call.owner.clone())).collect::<Vec<_>>();
        for account in known.iter().map(String::as_str).chain([STRANGER]) {
            for region in &regions {
                objects
                    .push((format!("arn:{partition}:kms:{region}:{account}:key/00000000-0000-0000-0000-000000000000"), account.to_owned()));
                objects.push((format!("arn:{partition}:backup:{region}:{account}:backup-vault:another"), account.to_owned()));
                objects.push((format!("arn:{partition}:backup:{region}:{account}:recovery-point:another"), account.to_owned()));
                objects.push((format!("arn:{partition}:ec2:{region}::snapshot/snap-another"), account.to_owned()));
            }
        }
        objects.sort();
        objects.dedup();
        let mut actions =
            ACTIONS.iter().map(|action| (*action).to_owned()).chain(calls.iter().map(|call| call.action.clone())).collect::<Vec<_>>();
        actions.sort();
        actions.dedup();
        Self {
            principals: principals.collect(),
            actions,
            objects,
            marks: marks(calls),
            meant: calls.iter().map(|call| meant(call)).collect(),
        }
    }

    /// Whether whatever the draft opens is meant.
    pub(super) fn opens_nothing_else(&self, draft: &Draft) -> bool {
        let documents = (Document::read(&draft.stored), Document::read(&draft.document));
        let opens = documents.1.opens(&documents.0);
        let actions = self.actions.iter().filter(|action| opens(action)).collect::<Vec<_>>();
        let everything = Document::read(&json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}));
        for caller in &self.principals {
            let trusting = root(&caller.text).map(|root| {
                Document::read(&json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": root}, "Action": "*", "Resource": "*"}]}))
            });
            let policies = |document: &Document| match &draft.target {
                Target::Object(_) => {
                    Policies { identity: vec![everything.clone()], resource: Some(document.clone()), ..Policies::default() }
                }
                Target::Caller(_) => Policies { identity: vec![document.clone()], resource: trusting.clone(), ..Policies::default() },
            };
            let (before, after) = (policies(&documents.0), policies(&documents.1));
            let allowed = |request: &Request, policies: &Policies| evaluate(request, policies).decision == Decision::Allowed;
            for (object, owner) in &self.objects {
                match &draft.target {
                    Target::Object(target) if target != object => continue,
                    Target::Caller(target) if *target != caller.text => continue,
                    Target::Object(_) | Target::Caller(_) => {}
                }
                for action in &actions {
                    for marks in &self.marks {
                        let request = Request {
                            principal: caller.parsed.clone(),
                            action: action.to_string(),
                            resource: object.clone(),
                            resource_account: owner.clone(),
                            context: context(caller, owner, marks),
                        };
                        if !self.is_meant(draft, caller, &request) && allowed(&request, &after) && !allowed(&request, &before) {
                            return false;
                        }
                    }
                }
            }
        }
        true
    }

    fn is_meant(&self, draft: &Draft, caller: &Caller, request: &Request) -> bool {
        self.meant.iter().any(|meant| {
            let who = match &draft.form {
                None | Some(Form::Callers | Form::Accounts) => meant.named == caller.text,
                Some(Form::WholeAccounts) => Principal::parse(&meant.named).is_ok_and(|one| one.account() == caller.parsed.account()),
                Some(Form::Organization(id)) => {
                    caller.organization.as_ref() == Some(id) && in_any_account(&meant.named) == in_any_account(&caller.text)
                }
                Some(Form::WholeOrganization(id)) => caller.organization.as_ref() == Some(id),
            };
            let what = meant.object == request.resource || wildcard_matches(&meant.pattern, &request.resource);
            who && meant.action == request.action && what && meant.marks.iter().all(|(key, value)| request.context.is(key, value))
        })
    }
}

fn meant(call: &Call) -> Meant {
    let marks = call.scope.iter().filter_map(|(_, key, value)| Some((key.to_lowercase(), value.as_str()?.to_owned())));
    let (named, action) = (call.named.clone(), call.action.clone());
    Meant { named, action, object: call.resource.clone(), pattern: call.pattern.clone(), marks: marks.collect() }
}

/// Every condition key of the calls' scopes as it must be; then each of them with another value, and absent.
fn marks(calls: &[&Call]) -> Vec<Vec<(String, Option<String>)>> {
    let mut keys: Vec<(String, String)> = vec![("kms:grantisforawsresource".to_owned(), "true".to_owned())];
    for call in calls {
        for (_, key, value) in &call.scope {
            if let Some(value) = value.as_str()
                && !keys.iter().any(|(known, _)| *known == key.to_lowercase())
            {
                keys.push((key.to_lowercase(), value.to_owned()));
            }
        }
    }
    let right = keys.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect::<Vec<_>>();
    let mut all = vec![right.clone()];
    for (index, (_, value)) in keys.iter().enumerate() {
        let other = match value.as_str() {
            "true" => "false".to_owned(),
            other => format!("{other}-another"),
        };
        for wrong in [Some(other), None] {
            let mut marks = right.clone();
            if let Some(mark) = marks.get_mut(index) {
                mark.1 = wrong;
            }
            all.push(marks);
        }
    }
    all
}

fn context(caller: &Caller, owner: &str, marks: &[(String, Option<String>)]) -> Context {
    let mut context = Context::default();
    if !caller.parsed.is_service() {
        context.set("aws:PrincipalArn", caller.text.as_str());
        context.set("aws:PrincipalAccount", caller.parsed.account());
    }
    if let Some(organization) = &caller.organization {
        context.set("aws:PrincipalOrgID", organization.as_str());
    }
    context.set("aws:ResourceAccount", owner);
    for (key, value) in marks {
        if let Some(value) = value {
            context.set(key, value.as_str());
        }
    }
    context
}
