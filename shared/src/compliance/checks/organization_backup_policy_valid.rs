//! The plans of the organization's backup policy can be carried out as they are written.

use crate::arn::{Arn, Region};
use crate::compliance::say::quoted;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, Subject};
use crate::coverage::Schedule;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::WantedPlan;
use serde_json::Value;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-009",
        name: "organization-backup-policy-valid",
        title: "The plans of the organization's backup policy can be carried out as they are written",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["organizations:DescribeEffectivePolicy"],
        remedy: Grade::NeedsApproval,
        references: &["https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_backup_syntax.html"],
        page: include_str!("organization-backup-policy-valid.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let subject = view.place().here();
    let Some(plans) = view.account.wanted_plans.known() else {
        return vec![Outcome::unseen(subject, "the effective backup policy", &view.account.wanted_plans)];
    };
    if plans.is_empty() {
        return vec![Outcome::not_applicable(subject, "no backup policy is in force")];
    }
    plans.iter().map(|plan| one(subject.clone().part(plan.name.clone()), plan)).collect()
}

fn one(subject: Subject, plan: &WantedPlan) -> Outcome {
    let Some(content) = plan.content.as_object() else {
        return Outcome::unknown(subject, "not seen: the text of the plan", Vec::new());
    };
    let mut faults = Vec::new();
    if texts(content.get("regions")).is_none_or(|regions| regions.is_empty() || !regions.iter().all(|name| Region::parse(name).is_ok())) {
        faults.push("`regions` names no Regions".to_owned());
    }
    match content.get("rules").and_then(Value::as_object) {
        Some(rules) if !rules.is_empty() => faults.extend(rules.iter().flat_map(|(name, rule)| of_rule(name, rule))),
        _ => faults.push("there is no rule".to_owned()),
    }
    faults.extend(of_selections(content.get("selections")));
    if faults.is_empty() {
        return Outcome::pass(subject, "Regions, rules, copies and selections are as the syntax wants them");
    }
    let seen = format!("AWS Backup makes no plan of it, or another one than meant: {}", faults.join("; "));
    let remedy = format!(
        "correct the plan {} in the backup policy (`aws organizations update-policy`), in the management account or that of the delegated \
         administrator; then look for `InvalidOrganizationBackupPlan` in CloudTrail of account {}",
        quoted(&plan.name),
        subject.account_id
    );
    Outcome::fail(subject, seen, remedy)
}

/// Scalars of backup policies are strings; the effective policy has no operators.
fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

fn texts(value: Option<&Value>) -> Option<Vec<&str>> {
    value?.as_array()?.iter().map(Value::as_str).collect()
}

/// A number of a member: `Ok(None)` where there is none.
fn number(object: &Value, name: &str) -> Result<Option<i64>, String> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => text.trim().parse().map(Some).map_err(|_| format!("`{name}` is no number")),
        Some(_) => Err(format!("`{name}` is no text: AWS wants numbers as texts")),
    }
}

fn of_rule(name: &str, rule: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    match text(rule, "schedule_expression") {
        None => faults.push("it has no `schedule_expression`".to_owned()),
        Some(expression) => {
            if let Err(error) = Schedule::parse(expression, text(rule, "schedule_expression_timezone")) {
                faults.push(error.to_string());
            }
        }
    }
    if text(rule, "target_backup_vault_name").is_none() {
        faults.push("it has no `target_backup_vault_name`".to_owned());
    }
    match number(rule, "start_backup_window_minutes") {
        Ok(Some(minutes)) if minutes < 60 => faults.push(format!("its start window is {minutes} minutes, and 60 is the least")),
        Ok(_) => {}
        Err(fault) => faults.push(fault),
    }
    faults.extend(of_lifecycle(rule.get("lifecycle")));
    match rule.get("copy_actions") {
        None => {}
        Some(Value::Object(actions)) => {
            for (arn, action) in actions {
                // `$account` stands for the account itself; for copies into another one the id is written out.
                let told = text(action, "target_backup_vault_arn").is_none_or(|inside| inside == arn);
                if !told || !Arn::parse(arn).is_ok_and(|arn| arn.service() == "backup" && arn.resource().starts_with("backup-vault:")) {
                    faults.push(format!("the copy action {} is not keyed by the ARN of its vault", quoted(arn)));
                }
                faults.extend(of_lifecycle(action.get("lifecycle")));
            }
        }
        Some(_) => faults.push("`copy_actions` is no object keyed by the ARNs of vaults".to_owned()),
    }
    faults.into_iter().map(|fault| format!("rule {}: {fault}", quoted(name))).collect()
}

fn of_lifecycle(lifecycle: Option<&Value>) -> Vec<String> {
    let Some(lifecycle) = lifecycle else { return Vec::new() };
    match (number(lifecycle, "move_to_cold_storage_after_days"), number(lifecycle, "delete_after_days")) {
        (Err(fault), _) | (_, Err(fault)) => vec![fault],
        (Ok(Some(cold)), Ok(Some(delete))) if delete < cold.saturating_add(90) => {
            vec![format!(
                "it deletes after {delete} days, and cold storage after {cold} days asks for at least {}",
                cold.saturating_add(90)
            )]
        }
        _ => Vec::new(),
    }
}

fn of_selections(selections: Option<&Value>) -> Vec<String> {
    let Some(selections) = selections.and_then(Value::as_object) else { return vec!["there are no selections".to_owned()] };
    let group = |name: &str| selections.get(name).and_then(Value::as_object).filter(|group| !group.is_empty());
    let mut faults = Vec::new();
    match (group("tags"), group("resources")) {
        (None, None) => faults.push("there is no selection".to_owned()),
        (Some(_), Some(_)) => faults.push("it has selections by tags and by resources, and only one of both is allowed".to_owned()),
        (Some(tags), None) => {
            for (name, selection) in tags {
                if text(selection, "tag_key").is_none() || texts(selection.get("tag_value")).is_none_or(|values| values.is_empty()) {
                    faults.push(format!("selection {}: it has no tag with its values", quoted(name)));
                }
                faults.extend(of_role(name, selection));
            }
        }
        (None, Some(resources)) => {
            for (name, selection) in resources {
                if texts(selection.get("resource_types")).is_none_or(|types| types.is_empty()) {
                    faults.push(format!("selection {}: it has no `resource_types`", quoted(name)));
                }
                faults.extend(of_role(name, selection));
            }
        }
    }
    faults
}

fn of_role(name: &str, selection: &Value) -> Option<String> {
    let role = text(selection, "iam_role_arn").and_then(|arn| Arn::parse(&arn.replace("$account", "111111111111")).ok());
    let fine = role.is_some_and(|arn| arn.service() == "iam" && arn.role_name().is_some());
    (!fine).then(|| format!("selection {}: `iam_role_arn` names no role", quoted(name)))
}
