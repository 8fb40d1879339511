//! Accounts, plans, selections and recovery points, from answers.

use guardian_aws::answers::{Answers, Question};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{BackupPlan, CopyAction, Gap, PlanRule, Selection, StoredPoint};
use serde_json::{Value, json};

use super::read::{arn, text, time};
use super::readers::{Readers, in_place};

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn strings(value: &Value, name: &str) -> Vec<String> {
    items(value, name).filter_map(Value::as_str).map(str::to_owned).collect()
}

impl<A: Answers> Readers<A> {
    /// The accounts of the organization that are active.
    pub(crate) async fn accounts(&self) -> Result<Vec<AccountId>, Gap> {
        let Some(account) = self.answers().organization_account() else { return Ok(Vec::new()) };
        let question = Question { account, region: None, service: "organizations", operation: "ListAccounts", request: json!({}) };
        let (mut accounts, _) = self
            .read(&question, |response| {
                let active =
                    |account: &&Value| !matches!(account.get("Status").and_then(Value::as_str), Some("SUSPENDED" | "PENDING_CLOSURE"));
                let ids = items(response, "Accounts").filter(active).filter_map(|account| text(account, "Id"));
                ids.map(|id| AccountId::parse(&id).ok()).collect::<Option<Vec<_>>>()
            })
            .await?;
        accounts.sort();
        Ok(accounts)
    }

    /// The plans of an account and Region that copy something, each with its selections. What could not be read is among the gaps.
    pub(crate) async fn copying_plans(&self, account: &AccountId, region: &Region) -> (Vec<(BackupPlan, Vec<Selection>)>, Vec<Gap>) {
        let (mut plans, mut gaps) = (Vec::new(), Vec::new());
        let list = in_place(account, region, "ListBackupPlans", json!({}));
        let ids = match self.read(&list, |response| ids(response, "BackupPlansList", "BackupPlanId")).await {
            Ok((ids, _)) => ids,
            Err(gap) => return (plans, vec![gap]),
        };
        for id in ids {
            let get = in_place(account, region, "GetBackupPlan", json!({"BackupPlanId": id}));
            match self.read(&get, |response| plan(account, region, &id, response)).await {
                Ok((plan, _)) if plan.copies() => {
                    let selections = self.selections(account, region, &id, &mut gaps).await;
                    plans.push((plan, selections));
                }
                Ok(_) => {}
                Err(gap) => gaps.push(gap),
            }
        }
        (plans, gaps)
    }

    async fn selections(&self, account: &AccountId, region: &Region, plan: &str, gaps: &mut Vec<Gap>) -> Vec<Selection> {
        let list = in_place(account, region, "ListBackupSelections", json!({"BackupPlanId": plan}));
        let ids = match self.read(&list, |response| ids(response, "BackupSelectionsList", "SelectionId")).await {
            Ok((ids, _)) => ids,
            Err(gap) => {
                gaps.push(gap);
                return Vec::new();
            }
        };
        let mut selections = Vec::new();
        for id in ids {
            let get = in_place(account, region, "GetBackupSelection", json!({"BackupPlanId": plan, "SelectionId": id}));
            match self.read(&get, selection).await {
                Ok((selection, _)) => selections.push(selection),
                Err(gap) => gaps.push(gap),
            }
        }
        selections
    }

    /// The recovery points of a vault.
    pub(crate) async fn stored_points(&self, vault: &Arn) -> Result<Vec<StoredPoint>, Option<Gap>> {
        let (Some(account), Some(region)) = (vault.account(), vault.region()) else { return Err(None) };
        let request = json!({"BackupVaultName": vault.resource_name()});
        let list = in_place(&account, &region, "ListRecoveryPointsByBackupVault", request);
        let read = |response: &Value| {
            let points = items(response, "RecoveryPoints").filter(lasting).map(point);
            points.collect::<Option<Vec<_>>>()
        };
        self.read(&list, read).await.map(|(points, _)| points).map_err(Some)
    }
}

/// The ids of a list, sorted; `None` where one of them has none.
fn ids(response: &Value, list: &str, id: &str) -> Option<Vec<String>> {
    let mut ids = items(response, list).map(|item| text(item, id)).collect::<Option<Vec<_>>>()?;
    ids.sort();
    Some(ids)
}

fn plan(account: &AccountId, region: &Region, id: &str, response: &Value) -> Option<BackupPlan> {
    let plan = response.get("BackupPlan")?;
    let rules = items(plan, "Rules").map(|rule| {
        let actions = items(rule, "CopyActions").map(|action| {
            Some(CopyAction {
                destination_vault_arn: arn(action, "DestinationBackupVaultArn")?,
                delete_after_days: action.pointer("/Lifecycle/DeleteAfterDays").and_then(Value::as_i64).filter(|days| *days > 0),
            })
        });
        Some(PlanRule {
            name: text(rule, "RuleName").unwrap_or_default(),
            target_vault: text(rule, "TargetBackupVaultName")?,
            copy_actions: actions.collect::<Option<Vec<_>>>()?,
        })
    });
    Some(BackupPlan {
        account_id: account.clone(),
        region: region.clone(),
        id: id.to_owned(),
        name: text(plan, "BackupPlanName").unwrap_or_default(),
        rules: rules.collect::<Option<Vec<_>>>()?,
    })
}

fn selection(response: &Value) -> Option<Selection> {
    let selection = response.get("BackupSelection")?;
    let tags = items(selection, "ListOfTags").next().is_some();
    Some(Selection {
        name: text(selection, "SelectionName").unwrap_or_default(),
        role_arn: arn(selection, "IamRoleArn")?,
        resources: strings(selection, "Resources"),
        not_resources: strings(selection, "NotResources"),
        by_tags: tags,
    })
}

/// A recovery point that is gone or going, or not there yet, says nothing of the next.
fn lasting(point: &&Value) -> bool {
    !matches!(point.get("Status").and_then(Value::as_str), Some("EXPIRED" | "DELETING" | "CREATING"))
}

fn point(point: &Value) -> Option<StoredPoint> {
    Some(StoredPoint {
        arn: arn(point, "RecoveryPointArn")?,
        resource_arn: arn(point, "ResourceArn"),
        resource_type: text(point, "ResourceType")?,
        encryption_key_arn: arn(point, "EncryptionKeyArn"),
        created_at: point.get("CreationDate").and_then(time),
        plan_id: point.pointer("/CreatedBy/BackupPlanId").and_then(Value::as_str).map(str::to_owned),
        copied_from: arn(point, "SourceBackupVaultArn"),
    })
}
