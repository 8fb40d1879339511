//! Plans and their selections, read in the account that owns them. A plan that a backup policy of the organization made is in the same lists.

use aws_sdk_backup::types::{BackupRule, ConditionParameter, ConditionType};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use guardian_core::arn::{AccountId, Region};
use guardian_core::evidence::{BackupPlan, CopyAction, Gap, GapReason, Lifecycle, PlanRule, RuleTimes, Selection, TagOperator, TagTest};
use guardian_core::ports::{PlanLists, PlanReader};
use jiff::Timestamp;

use crate::classify::reason_of;
use crate::convert::{arn, gap, text, timestamp};
use crate::session::Cloud;

const LIST: &str = "backup:ListBackupPlans";
const GET: &str = "backup:GetBackupPlan";
const VERSIONS: &str = "backup:ListBackupPlanVersions";
const LIST_SELECTIONS: &str = "backup:ListBackupSelections";
const GET_SELECTION: &str = "backup:GetBackupSelection";

/// Where a question is asked.
struct Place<'a> {
    account: &'a AccountId,
    region: &'a Region,
}

impl Place<'_> {
    fn failed<E: ProvideErrorMetadata, R>(&self, action: &str, error: &SdkError<E, R>) -> Gap {
        let (reason, detail) = reason_of(error);
        gap(action, self.account, self.region, reason, detail)
    }

    /// Whose answer has not the form that AWS documents.
    fn unreadable(&self, action: &str, what: &str) -> Gap {
        gap(action, self.account, self.region, GapReason::Unreadable, what.to_owned())
    }
}

/// The answer; `None` where there is no such plan any more.
fn there<T>(answer: Result<T, Gap>) -> Result<Option<T>, Gap> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(gap) if gap.reason == GapReason::NotFound => Ok(None),
        Err(gap) => Err(gap),
    }
}

/// All pages of a list, each through `$items`.
macro_rules! pages {
    ($place:expr, $action:expr, $request:expr, |$page:ident| $items:expr) => {{
        let mut found = Vec::new();
        let mut pages = $request.into_paginator().send();
        loop {
            match pages.next().await {
                Some(Ok($page)) => found.extend($items),
                Some(Err(error)) => break Err($place.failed($action, &error)),
                None => break Ok(found),
            }
        }
    }};
}

fn rule(rule: &BackupRule) -> Option<PlanRule> {
    let actions = rule.copy_actions().iter().map(|action| {
        Some(CopyAction {
            destination_vault_arn: arn(Some(action.destination_backup_vault_arn()))?,
            delete_after_days: action.lifecycle().and_then(|lifecycle| lifecycle.delete_after_days()).filter(|days| *days > 0),
            move_to_cold_storage_after_days: action
                .lifecycle()
                .and_then(|lifecycle| lifecycle.move_to_cold_storage_after_days())
                .filter(|days| *days > 0),
        })
    });
    Some(PlanRule {
        name: rule.rule_name().to_owned(),
        target_vault: rule.target_backup_vault_name().to_owned(),
        copy_actions: actions.collect::<Option<Vec<_>>>()?,
        times: RuleTimes {
            rule_id: text(rule.rule_id()),
            schedule: text(rule.schedule_expression()),
            zone: text(rule.schedule_expression_timezone()),
            start_window_minutes: rule.start_window_minutes(),
            continuous: rule.enable_continuous_backup().unwrap_or_default(),
        },
        lifecycle: rule.lifecycle().map_or_else(Lifecycle::default, |lifecycle| Lifecycle {
            move_to_cold_storage_after_days: lifecycle.move_to_cold_storage_after_days().filter(|days| *days > 0),
            delete_after_days: lifecycle.delete_after_days().filter(|days| *days > 0),
        }),
    })
}

fn selection(selection: &aws_sdk_backup::types::BackupSelection, created_at: Option<Timestamp>) -> Option<Selection> {
    let tags = selection.list_of_tags().iter().map(|test| {
        // The only type there is; another is a test that nobody can carry out.
        (*test.condition_type() == ConditionType::Stringequals).then(|| TagTest {
            operator: TagOperator::Equals,
            key: test.condition_key().to_owned(),
            value: test.condition_value().to_owned(),
        })
    });
    let tests = |operator, tests: &[ConditionParameter]| {
        let test = |test: &ConditionParameter| TagTest {
            operator,
            key: test.condition_key().unwrap_or_default().to_owned(),
            value: test.condition_value().unwrap_or_default().to_owned(),
        };
        tests.iter().map(test).collect::<Vec<_>>()
    };
    let conditions = selection.conditions().map(|conditions| {
        [
            tests(TagOperator::Equals, conditions.string_equals()),
            tests(TagOperator::NotEquals, conditions.string_not_equals()),
            tests(TagOperator::Like, conditions.string_like()),
            tests(TagOperator::NotLike, conditions.string_not_like()),
        ]
        .concat()
    });
    Some(Selection {
        name: selection.selection_name().to_owned(),
        role_arn: arn(Some(selection.iam_role_arn()))?,
        resources: selection.resources().to_vec(),
        not_resources: selection.not_resources().to_vec(),
        tags: tags.collect::<Option<Vec<_>>>()?,
        conditions: conditions.unwrap_or_default(),
        created_at,
    })
}

impl PlanReader for Cloud {
    async fn plan(&self, account: &AccountId, region: &Region, id: &str) -> Result<Option<BackupPlan>, Gap> {
        let place = Place { account, region };
        let client = self.clients(account, region).await?.backup;
        let asked = client.get_backup_plan().backup_plan_id(id).send().await.map_err(|error| place.failed(GET, &error));
        let Some(answer) = there(asked)? else { return Ok(None) };
        let plan = answer.backup_plan().ok_or_else(|| place.unreadable(GET, "there is no plan in the answer"))?;
        let rules = plan.rules().iter().map(rule).collect::<Option<Vec<_>>>();
        Ok(Some(BackupPlan {
            account_id: account.clone(),
            region: region.clone(),
            id: id.to_owned(),
            name: plan.backup_plan_name().to_owned(),
            created_at: timestamp(answer.creation_date()),
            rules: rules.ok_or_else(|| place.unreadable(GET, "the vault of a copy action is no ARN"))?,
        }))
    }
}

impl PlanLists for Cloud {
    async fn plan_ids(&self, account: &AccountId, region: &Region) -> Result<Vec<String>, Gap> {
        let place = Place { account, region };
        let client = self.clients(account, region).await?.backup;
        let mut ids = pages!(place, LIST, client.list_backup_plans().max_results(1000), |page| page
            .backup_plans_list()
            .iter()
            .filter_map(|plan| text(plan.backup_plan_id())))?;
        ids.sort();
        Ok(ids)
    }

    async fn plan_changed_at(&self, account: &AccountId, region: &Region, id: &str) -> Result<Option<Timestamp>, Gap> {
        let place = Place { account, region };
        let client = self.clients(account, region).await?.backup;
        let request = client.list_backup_plan_versions().backup_plan_id(id).max_results(1000);
        let dates = pages!(place, VERSIONS, request, |page| page
            .backup_plan_versions_list()
            .iter()
            .filter_map(|version| timestamp(version.creation_date())));
        Ok(there(dates)?.into_iter().flatten().max())
    }

    async fn selections(&self, account: &AccountId, region: &Region, id: &str) -> Result<Option<Vec<Selection>>, Gap> {
        let place = Place { account, region };
        let client = self.clients(account, region).await?.backup;
        let request = client.list_backup_selections().backup_plan_id(id).max_results(1000);
        let ids = pages!(place, LIST_SELECTIONS, request, |page| page
            .backup_selections_list()
            .iter()
            .filter_map(|selection| text(selection.selection_id())));
        let Some(ids) = there(ids)? else { return Ok(None) };
        let mut selections = Vec::new();
        for selection_id in ids {
            let request = client.get_backup_selection().backup_plan_id(id).selection_id(selection_id);
            let asked = request.send().await.map_err(|error| place.failed(GET_SELECTION, &error));
            let Some(answer) = there(asked)? else { continue };
            let read = answer.backup_selection().and_then(|read| selection(read, timestamp(answer.creation_date())));
            selections.push(read.ok_or_else(|| place.unreadable(GET_SELECTION, "the answer is no selection"))?);
        }
        Ok(Some(selections))
    }
}
