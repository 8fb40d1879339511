//! Small pieces of prose that several sinks share: times, accounts, certainty, gaps.

use jiff::{SignedDuration, Timestamp};

use super::alert::{Alert, AlertJob};
use crate::arn::AccountId;
use crate::diagnosis::{Certainty, Grade, Severity, Side, Stand};
use crate::evidence::{Effect, Gap, GapReason, PolicyType};

/// `2026-11-02 05:37 UTC`.
pub(super) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `2026-11-02 05:37:28 UTC`.
pub(super) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `24 hours`, `7 days`, `90 minutes`.
pub(super) fn duration(length: SignedDuration) -> String {
    let minutes = length.as_mins().max(0).unsigned_abs();
    match (minutes / 60, minutes % 60) {
        (hours, 0) if hours >= 48 && hours % 24 == 0 => count(hours / 24, "day"),
        (hours, 0) => count(hours, "hour"),
        _ => count(minutes, "minute"),
    }
}

/// At most `most` characters; what is longer ends in `...`.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept = text.chars().take(most.saturating_sub(3)).collect::<String>();
    format!("{}...", kept.trim_end())
}

/// At most `most` bytes, cut at a character; says how long it was.
pub(super) fn cut_bytes(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let note = format!(" [cut, {} bytes in all]", text.len());
    let mut kept = String::new();
    for c in text.chars() {
        if kept.len() + c.len_utf8() + note.len() > most {
            break;
        }
        kept.push(c);
    }
    kept.truncate(kept.trim_end().len());
    kept.push_str(&note);
    kept
}

/// `account payroll (111111111111)`, or `account 111111111111` where the name is unknown.
pub(super) fn account(alert: &Alert, id: &AccountId) -> String {
    named_account(id, alert.account_names.get(id).map(String::as_str))
}

/// The same from a name at hand.
pub(super) fn named_account(id: &AccountId, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("account {} ({id})", cut(name, 48)),
        None => format!("account {id}"),
    }
}

/// Whether nobody has to do anything: an outcome that is told for information.
pub(super) fn is_for_information(alert: &Alert) -> bool {
    alert.severity == Severity::Info && alert.next_steps.is_empty()
}

/// Whether the management account must act and its id is not known: a member cannot always learn it.
pub(super) fn is_unknown_management(alert: &Alert) -> bool {
    alert.act_in.side == Some(Side::Management) && alert.jobs.first().is_some_and(|job| job.account_id == alert.act_in.account_id)
}

/// The account that must act.
pub(super) fn acting_account(alert: &Alert) -> String {
    let act_in = &alert.act_in;
    if is_for_information(alert) {
        return format!("nobody: this is for information ({})", account(alert, &act_in.account_id));
    }
    if is_unknown_management(alert) {
        return format!("the management account of the organization that {} belongs to", account(alert, &act_in.account_id));
    }
    let named = named_account(&act_in.account_id, act_in.account_name.as_deref());
    if act_in.side == Some(Side::Management) { format!("management {named}") } else { named }
}

/// What AWS says of a job, unless the cause quotes all of it anyway.
pub(super) fn said<'a>(alert: &Alert, job: &'a AlertJob) -> Option<&'a str> {
    let message = job.status_message.as_deref()?;
    let quoted = alert.summary.split_once("AWS says: ").is_some_and(|(_, quote)| quote.trim_start().starts_with(message.trim()));
    (!quoted).then_some(message)
}

/// Who closed it and why, where somebody did.
pub(super) fn closed(alert: &Alert) -> Option<String> {
    let closed = alert.closed.as_ref()?;
    let (owner, reason) = (cut(&closed.owner, 100), cut(&closed.reason, 600));
    let again = if alert.actor.is_some() { "A new deed opens it again" } else { "No job proves it; a new failure opens it again" };
    Some(format!("Closed by {owner}: {reason} ({}). {again}.", minute(closed.at)))
}

/// How sure, in words of a person; the first word is the one of the machine form.
pub(super) fn certainty(alert: &Alert) -> String {
    let meaning = match alert.certainty {
        Certainty::Proven if alert.denied.is_some() && alert.evaluation.is_some() => {
            "AWS recorded the refused call of this job, and the policies, evaluated, refuse it"
        }
        Certainty::Proven => "what was seen leaves no other cause",
        Certainty::Suspected
            if alert.denied.is_some() && alert.evaluation.as_ref().is_some_and(|evaluation| evaluation.stand == Stand::Contradicts) =>
        {
            "AWS recorded the refused call of this job, but the policies that were read say otherwise: a contradiction"
        }
        Certainty::Supported if alert.kind == super::Kind::Prediction => "everything that decides these copies was read and evaluated",
        Certainty::Supported if alert.denied.is_some() => "AWS recorded the refused call of this job; it may not be the whole cause",
        Certainty::Supported => "what was seen agrees with it, but does not prove it",
        Certainty::Suspected if alert.kind == super::Kind::Prediction && alert.gaps.is_empty() => {
            "everything that decides these copies was read and evaluated, but whether they worked before is not known"
        }
        Certainty::Suspected if alert.kind == super::Kind::Prediction => {
            "only the event tells what was changed: the object itself could not be read"
        }
        Certainty::Suspected => "only the text of AWS and the facts of the job speak for it",
        Certainty::Unexplained => "no known cause fits",
    };
    format!("{} - {meaning}", alert.certainty.as_str())
}

/// Why a read gave nothing.
pub(super) fn reason(reason: GapReason) -> &'static str {
    match reason {
        GapReason::AccessDenied => "access was denied",
        GapReason::RoleNotAssumable => "the reader role of that account could not be assumed",
        GapReason::NotFound => "it was not found there",
        GapReason::Throttled => "AWS throttled the calls",
        GapReason::TimedOut => "no answer came within the evidence window",
        GapReason::Unavailable => "the service failed or could not be reached",
        GapReason::BudgetSpent => "the budget of calls was used up",
        GapReason::Unreadable => "the answer could not be understood",
        GapReason::NotConfigured => "the guardian was not told how to read it",
    }
}

/// `not seen: kms:GetKeyPolicy in account 1, eu-central-1, because access was denied (AccessDeniedException)`.
pub(super) fn gap(alert: &Alert, gap: &Gap) -> String {
    let region = gap.region.as_ref().map(|region| format!(", {region}")).unwrap_or_default();
    let detail = gap.detail.as_ref().map(|detail| format!(" ({})", cut(detail, 160))).unwrap_or_default();
    format!("not seen: {} in {}{region}, because {}{detail}", cut(&gap.action, 100), account(alert, &gap.account_id), reason(gap.reason))
}

/// Who may do a step.
pub(super) fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::Safe => "safe",
        Grade::NeedsApproval => "needs approval",
        Grade::HumanOnly => "needs judgement",
    }
}

/// The policy type in words of AWS.
pub(super) fn policy_type(policy: PolicyType) -> &'static str {
    match policy {
        PolicyType::ServiceControlPolicy => "a service control policy",
        PolicyType::ResourceControlPolicy => "a resource control policy",
        PolicyType::PermissionsBoundary => "a permissions boundary",
        PolicyType::SessionPolicy => "a session policy",
        PolicyType::ResourceBasedPolicy => "a resource-based policy",
        PolicyType::IdentityBasedPolicy => "an identity-based policy",
        PolicyType::VpcEndpointPolicy => "a VPC endpoint policy",
        PolicyType::RoleTrustPolicy => "a role trust policy",
    }
}

/// What the record says about the refusal.
pub(super) fn refusal(policy: Option<PolicyType>, effect: Option<Effect>) -> Option<String> {
    match (policy, effect) {
        (Some(policy), Some(Effect::ExplicitDeny)) => Some(format!("an explicit deny in {}", policy_type(policy))),
        (Some(policy), Some(Effect::ImplicitDeny)) => {
            Some(format!("no allow in {}", policy_type(policy).trim_start_matches("an ").trim_start_matches("a ")))
        }
        (Some(policy), None) => Some(policy_type(policy).to_owned()),
        (None, Some(Effect::ExplicitDeny)) => Some("an explicit deny".to_owned()),
        (None, Some(Effect::ImplicitDeny)) => Some("no statement that allows it".to_owned()),
        (None, None) => None,
    }
}

/// What a person calls the resource of a job: its name, else its id, else that AWS named none.
pub(super) fn resource(job: &AlertJob, most: usize) -> String {
    let id = job.resource_arn.as_deref().map(resource_id);
    match (job.resource_name.as_deref().or(id), job.resource_type.as_deref()) {
        (Some(name), Some(kind)) => format!("{} ({})", cut(name, most), cut(kind, 32)),
        (Some(name), None) => cut(name, most),
        (None, Some(kind)) => format!("{} resource without a name", cut(kind, 32)),
        (None, None) => "resource not named by AWS".to_owned(),
    }
}

/// The last part of an ARN: `vol-1` of `...:volume/vol-1`.
pub(super) fn resource_id(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().filter(|id| !id.is_empty()).unwrap_or(arn)
}

/// `1 job`, `7 jobs`.
pub(super) fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// The text with a capital first letter.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| format!("{}{}", first.to_ascii_uppercase(), chars.as_str())).unwrap_or_default()
}
