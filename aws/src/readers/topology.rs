//! Accounts, plans, selections and recovery points, from answers.

use crate::answers::{Answers, Question};
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{
    BackupPlan, CopyAction, Fact, Gap, GapReason, GlobalSettings, Lifecycle, Organization, PlanRule, RuleTimes, Selection, StoredPoint,
    TagOperator, TagTest, WantedPlan, WantedRule,
};
use serde_json::{Value, json};

use super::read::{arn, document, text, time};
use super::{Readers, fact, in_place, items};

fn strings(value: &Value, name: &str) -> Vec<String> {
    items(value, name).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The plans of an account and Region.
#[derive(Debug, Default)]
pub struct Plans {
    /// How many were read.
    pub read: usize,
    /// Those that copy something, each with its selections.
    pub copying: Vec<(BackupPlan, Vec<Selection>)>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

impl<A: Answers> Readers<A> {
    /// The accounts of the organization that are active.
    pub async fn accounts(&self) -> Result<Vec<AccountId>, Gap> {
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

    /// What the organization allows AWS Backup. Only its management account is sure to know.
    pub async fn global_settings(&self, organization: &Fact<Organization>, region: &Region) -> Fact<GlobalSettings> {
        let management_account = match organization {
            Fact::Known { value, .. } => value.management_account.clone(),
            Fact::Gap(gap) => return Fact::Gap(gap.clone()),
            Fact::NotAsked => return Fact::NotAsked,
        };
        let question = in_place(&management_account, region, "DescribeGlobalSettings", json!({}));
        let read = |response: &Value| {
            let setting = response.pointer("/GlobalSettings/isCrossAccountBackupEnabled").and_then(Value::as_str)?;
            let cross_account_backup = setting.eq_ignore_ascii_case("true");
            Some(GlobalSettings { management_account: management_account.clone(), cross_account_backup })
        };
        fact(self.read(&question, read).await, &question.action())
    }

    /// The plans that the organization wants an account to have; none where the organization cannot be read at all, for what AWS Backup carries out is
    /// in the account as plans.
    pub async fn wanted_plans(&self, account: &AccountId) -> Result<Vec<WantedPlan>, Gap> {
        let Some(owner) = self.answers().organization_account() else { return Ok(Vec::new()) };
        let request = json!({"TargetId": account.as_str(), "PolicyType": "BACKUP_POLICY"});
        let question = Question { account: owner, region: None, service: "organizations", operation: "DescribeEffectivePolicy", request };
        let read = |response: &Value| response.pointer("/EffectivePolicy/PolicyContent").and_then(document).and_then(|it| wanted(&it));
        match self.read(&question, read).await {
            Ok((plans, _)) => Ok(plans),
            // The policy type is not switched on, or the account is in no organization.
            Err(gap) if gap.reason == GapReason::NotFound => Ok(Vec::new()),
            Err(gap) => Err(gap),
        }
    }

    /// The plans of an account and Region that copy something, each with its selections, and how many plans there are. What could not be read is among
    /// the gaps.
    pub async fn copying_plans(&self, account: &AccountId, region: &Region) -> Plans {
        let mut plans = Plans::default();
        let list = in_place(account, region, "ListBackupPlans", json!({}));
        let ids = match self.read(&list, |response| ids(response, "BackupPlansList", "BackupPlanId")).await {
            Ok((ids, _)) => ids,
            Err(gap) => {
                plans.gaps.push(gap);
                return plans;
            }
        };
        for id in ids {
            let get = in_place(account, region, "GetBackupPlan", json!({"BackupPlanId": id}));
            match self.read(&get, |response| plan(account, region, &id, response)).await {
                Ok((plan, _)) => {
                    plans.read += 1;
                    if plan.copies() {
                        let selections = self.selections(account, region, &id, &mut plans.gaps).await;
                        plans.copying.push((plan, selections));
                    }
                }
                Err(gap) => plans.gaps.push(gap),
            }
        }
        plans
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
    pub async fn stored_points(&self, vault: &Arn) -> Result<Vec<StoredPoint>, Option<Gap>> {
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
pub(super) fn ids(response: &Value, list: &str, id: &str) -> Option<Vec<String>> {
    let mut ids = items(response, list).map(|item| text(item, id)).collect::<Option<Vec<_>>>()?;
    ids.sort();
    Some(ids)
}

pub(super) fn plan(account: &AccountId, region: &Region, id: &str, response: &Value) -> Option<BackupPlan> {
    let plan = response.get("BackupPlan")?;
    let rules = items(plan, "Rules").map(|rule| {
        let actions = items(rule, "CopyActions").map(|action| {
            Some(CopyAction {
                destination_vault_arn: arn(action, "DestinationBackupVaultArn")?,
                delete_after_days: days(action, "DeleteAfterDays"),
                move_to_cold_storage_after_days: days(action, "MoveToColdStorageAfterDays"),
            })
        });
        Some(PlanRule {
            name: text(rule, "RuleName").unwrap_or_default(),
            target_vault: text(rule, "TargetBackupVaultName")?,
            copy_actions: actions.collect::<Option<Vec<_>>>()?,
            times: RuleTimes {
                rule_id: text(rule, "RuleId"),
                schedule: text(rule, "ScheduleExpression"),
                zone: text(rule, "ScheduleExpressionTimezone"),
                start_window_minutes: rule.get("StartWindowMinutes").and_then(Value::as_i64),
                continuous: rule.get("EnableContinuousBackup").and_then(Value::as_bool).unwrap_or_default(),
            },
            lifecycle: Lifecycle {
                move_to_cold_storage_after_days: days(rule, "MoveToColdStorageAfterDays"),
                delete_after_days: days(rule, "DeleteAfterDays"),
            },
        })
    });
    Some(BackupPlan {
        account_id: account.clone(),
        region: region.clone(),
        id: id.to_owned(),
        name: text(plan, "BackupPlanName").unwrap_or_default(),
        created_at: response.get("CreationDate").and_then(time),
        rules: rules.collect::<Option<Vec<_>>>()?,
    })
}

/// A number of days of a lifecycle. What is switched off, AWS tells as a number below one.
fn days(owner: &Value, name: &str) -> Option<i64> {
    owner.get("Lifecycle").and_then(|lifecycle| lifecycle.get(name)).and_then(Value::as_i64).filter(|days| *days > 0)
}

pub(super) fn selection(response: &Value) -> Option<Selection> {
    let selection = response.get("BackupSelection")?;
    let tags = items(selection, "ListOfTags").map(|test| tag_test(test, TagOperator::Equals));
    let conditions = OPERATORS.iter().flat_map(|(name, operator)| {
        let tests = selection.get("Conditions").map(|conditions| items(conditions, name));
        tests.into_iter().flatten().map(|test| tag_test(test, *operator))
    });
    Some(Selection {
        name: text(selection, "SelectionName").unwrap_or_default(),
        role_arn: arn(selection, "IamRoleArn")?,
        resources: strings(selection, "Resources"),
        not_resources: strings(selection, "NotResources"),
        tags: tags.collect::<Option<Vec<_>>>()?,
        conditions: conditions.collect::<Option<Vec<_>>>()?,
        created_at: response.get("CreationDate").and_then(time),
    })
}

/// The operators of `Conditions`.
const OPERATORS: &[(&str, TagOperator)] = &[
    ("StringEquals", TagOperator::Equals),
    ("StringNotEquals", TagOperator::NotEquals),
    ("StringLike", TagOperator::Like),
    ("StringNotLike", TagOperator::NotLike),
];

fn tag_test(test: &Value, operator: TagOperator) -> Option<TagTest> {
    Some(TagTest {
        operator,
        key: text(test, "ConditionKey")?,
        value: test.get("ConditionValue").and_then(Value::as_str).unwrap_or_default().to_owned(),
    })
}

/// The plans of an effective backup policy; `None` where it has another form than AWS documents
/// (<https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_backup_syntax.html>).
fn wanted(policy: &Value) -> Option<Vec<WantedPlan>> {
    let Some(plans) = policy.get("plans") else { return Some(Vec::new()) };
    let plans = plans.as_object()?.iter().map(|(name, plan)| {
        let rules = plan.get("rules").and_then(Value::as_object)?.values().map(|rule| {
            let copies = rule.get("copy_actions").and_then(Value::as_object);
            // The vault is the name of the copy action, and told inside again.
            let destination = |(name, action): (&String, &Value)| text(action, "target_backup_vault_arn").unwrap_or_else(|| name.clone());
            Some(WantedRule {
                target_vault: text(rule, "target_backup_vault_name")?,
                destinations: copies.into_iter().flatten().map(destination).collect(),
            })
        });
        Some(WantedPlan {
            name: name.clone(),
            regions: strings(plan, "regions"),
            rules: rules.collect::<Option<Vec<_>>>()?,
            content: plan.clone(),
        })
    });
    plans.collect()
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
