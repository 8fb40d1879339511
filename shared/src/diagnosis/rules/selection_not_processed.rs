//! A plan ran, and AWS Backup could not process a selection of it: no job was made, so none can fail.
//!
//! That it is so AWS itself records. Why, the error tells: the role of the selection could not be assumed, or was refused the call that finds
//! the resources. The role and the policies over it, where they could be read, are the second witness.

use crate::arn::Arn;
use crate::diagnosis::{Answer, Certainty, Cause, Denied, Finding, Grade, Meta, Rule, Severity, Side, Step, assess, facts, notice, steps};
use crate::event::{JobState, Notice, NoticeKind};
use crate::evidence::{Denial, Effect, Evidence, GapReason, PolicyType};
use crate::policy::{Context, Decision, Document, Policies, Principal, Request, evaluate};

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-041",
        name: "selection-not-processed",
        title: "A selection could not be processed, so no job was made",
        causes: &[Cause::SelectionNotProcessed],
        severity: Severity::High,
        since: "0.1.0",
        needs: &["iam:GetRole", "organizations:ListPoliciesForTarget"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/troubleshooting.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/logging-using-cloudtrail.html",
        ],
        page: include_str!("selection-not-processed.md"),
    },
    judge,
};

const SERVICE: &str = "backup.amazonaws.com";

fn judge(evidence: &Evidence) -> Answer {
    let notice = match notice::of(evidence, &[NoticeKind::SelectionNotProcessed], &JobState::NotStarted, "the service event of AWS Backup") {
        Ok(notice) => notice,
        Err(answer) => return answer,
    };
    let (why, proven) = why(evidence, notice);
    let denial = notice.denial.as_deref();
    let account = &evidence.job.account;
    let of = notice::plan(evidence, notice);
    let role = assess::role_to_read(evidence);
    let mut act_in = match denial.and_then(|denial| denial.policy_type) {
        Some(PolicyType::ServiceControlPolicy | PolicyType::ResourceControlPolicy) => {
            facts::in_management(evidence, denial.and_then(|denial| denial.policy_arn.as_deref()))
        }
        _ => facts::in_source(evidence),
    };
    if act_in.side == Side::Source {
        // Without a path the name of a role is no ARN of it.
        act_in.resource_arn = evidence.role_arn().or(evidence.job.resource_arn.as_ref()).map(|arn| arn.as_str().to_owned());
    }
    Answer::Explains(Box::new(Finding {
        cause: Cause::SelectionNotProcessed,
        certainty: if proven { Certainty::Proven } else { Certainty::Supported },
        severity: None,
        object: notice::object(evidence, notice),
        denied: denial.map(Denied::of),
        summary: format!(
            "AWS Backup could not process {} of {of} in account {account}, {}, and made no backup job of any resource in it: {why}.{}",
            notice::selections(notice),
            evidence.job.region,
            notice::said(evidence),
        ),
        next_steps: next_steps(evidence, notice, role.as_ref(), act_in.side),
        act_in,
        used: [notice::used(notice, "cloudtrail"), facts::used(&evidence.role).into_iter().collect()].concat(),
    }))
}

/// Why, and whether what was read refuses the same.
fn why(evidence: &Evidence, notice: &Notice) -> (String, bool) {
    let Some(denial) = notice.denial.as_deref() else {
        let code = notice.error_code.as_deref().map(|code| format!(" ({})", facts::cut(code, 64))).unwrap_or_default();
        return (format!("CloudTrail records an error{code} that names no refused call"), false);
    };
    if notice.refused_role() {
        let role = denial.resource.as_ref().map(Arn::as_str).unwrap_or_default();
        let missing = evidence.role.gap().is_some_and(|gap| gap.action == "iam:GetRole" && gap.reason == GapReason::NotFound);
        return match trusts_backup(evidence) {
            _ if missing => (format!("it cannot assume the role {role}, which does not exist"), true),
            Some(false) => (format!("it cannot assume the role {role}, whose trust policy does not let {SERVICE} do so"), true),
            Some(true) => (format!("it could not assume the role {role}; as it is read now the role trusts {SERVICE}, so it was mended since, or is too new"), false),
            None => (format!("it cannot assume the role {role}"), false),
        };
    }
    let denied = Denied::of(denial);
    let refused = format!("{} was refused {}{}", denied.principal, denied.action, reason(denial));
    match refused_now(evidence, denial) {
        true => (format!("{refused}; the policies that were read, evaluated, refuse the same call"), true),
        false => (refused, false),
    }
}

fn reason(denial: &Denial) -> String {
    let policy = match denial.policy_type {
        Some(PolicyType::ServiceControlPolicy) => " by a service control policy",
        Some(PolicyType::ResourceControlPolicy) => " by a resource control policy",
        Some(PolicyType::PermissionsBoundary) => " by its permissions boundary",
        Some(PolicyType::IdentityBasedPolicy) => " by its own policies",
        _ => "",
    };
    let named = denial.policy_arn.as_deref().map(|arn| format!(" ({arn})")).unwrap_or_default();
    format!("{policy}{named}")
}

/// Whether the trust policy of the role lets AWS Backup assume it; `None` where it was not read or leaves it open.
fn trusts_backup(evidence: &Evidence) -> Option<bool> {
    let role = evidence.role.known()?;
    let trust = Document::read(role.trust.as_ref()?);
    match decide(SERVICE, "sts:AssumeRole", &role.arn, &Policies { resource: Some(trust), ..Policies::default() })? {
        Decision::Allowed => Some(true),
        Decision::ImplicitlyDenied | Decision::ExplicitlyDenied => Some(false),
        Decision::Uncertain => None,
    }
}

/// Whether the policies of the role and those that bound it refuse the call as AWS recorded it.
fn refused_now(evidence: &Evidence, denial: &Denial) -> bool {
    let (Some(role), Some(action)) = (evidence.role.known(), denial.action.as_deref()) else { return false };
    let read = |policy: &crate::evidence::NamedPolicy| Document::read(&policy.document);
    let unseen = || vec![vec![Document::read_text("")]];
    let levels = evidence.scps.known().map(|scps| scps.levels.iter().map(|level| level.iter().map(read).collect()).collect());
    let policies = Policies {
        identity: role.policies.iter().map(read).collect(),
        boundary: role.boundary.as_ref().map(read),
        scps: levels.unwrap_or_else(unseen),
        ..Policies::default()
    };
    // Reads of tags name no object.
    let decision = denial.resource.as_ref().filter(|arn| arn.role_name().is_none()).map_or_else(
        || decide_on(role.arn.as_str(), action, "*", evidence.job.account.as_str(), &policies),
        |resource| decide(role.arn.as_str(), action, resource, &policies),
    );
    // Refused in another way than AWS recorded is no second witness: what AWS met may be mended, or where nobody looked.
    match (decision, denial.effect) {
        (Some(Decision::ExplicitlyDenied), effect) => effect != Some(Effect::ImplicitDeny),
        (Some(Decision::ImplicitlyDenied), effect) => effect != Some(Effect::ExplicitDeny),
        (Some(Decision::Allowed | Decision::Uncertain) | None, _) => false,
    }
}

fn decide(principal: &str, action: &str, resource: &Arn, policies: &Policies) -> Option<Decision> {
    let owner = resource.account().map(|account| account.as_str().to_owned()).unwrap_or_default();
    decide_on(principal, action, resource.as_str(), &owner, policies)
}

fn decide_on(principal: &str, action: &str, resource: &str, owner: &str, policies: &Policies) -> Option<Decision> {
    let request = Request {
        principal: Principal::parse(principal).ok()?,
        action: action.to_owned(),
        resource: resource.to_owned(),
        resource_account: owner.to_owned(),
        // With which condition keys AWS Backup comes here is documented nowhere.
        context: Context::open(),
    };
    Some(evaluate(&request, policies).decision)
}

fn next_steps(evidence: &Evidence, notice: &Notice, role: Option<&Arn>, side: Side) -> Vec<Step> {
    let account = &evidence.job.account;
    let mut list = notice::list_selections(evidence).into_iter().collect::<Vec<_>>();
    if let Some(name) = role.and_then(Arn::role_name) {
        let text = format!("In account {account}, see whether the role exists, with the same path, whom it trusts, and what it may do.");
        list.push(steps::look(text, Some(steps::command("aws iam get-role", &[("role-name", name)]))));
    }
    let action = notice.denial.as_ref().and_then(|denial| denial.action.as_deref());
    if notice.refused_role() {
        let from = if notice::is_of_organization(evidence) { "; the backup policy of the organization names it, path included" } else { "" };
        list.push(steps::change(format!("Create the role in account {account}, or let its trust policy allow sts:AssumeRole to {SERVICE}{from}."), None));
        list.push(steps::judge("The incident ends when a later backup job of this plan under this role completes; until then what the selection holds has no backup: start one by hand where that cannot wait."));
        return list;
    }
    match (side, action) {
        (Side::Management, Some(action)) => list.push(steps::judge(format!(
            "Except the role from the statement that refuses {action} (condition aws:PrincipalArn), or allow it there."
        ))),
        (_, Some(action)) => list.push(steps::change(format!("Allow the role {action}."), None)),
        (_, None) => list.extend(notice::read_record(evidence, notice)),
    }
    list.push(notice::ends_by_hand());
    list
}
