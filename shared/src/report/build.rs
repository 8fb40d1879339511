//! From evidence and verdict to the machine form of an alert.
//!
//! Takes over what was seen and decides nothing about the cause. What is unknown stays absent: no field gets a value that nobody observed.

use std::collections::BTreeMap;

use super::alert::{ActIn, Alert, AlertJob, Changed, EvidenceLine, Impact, NextStep, Route, SCHEMA};
use super::{Kind, headline, inert};
use crate::arn::{AccountId, Arn, Region};
use crate::diagnosis::{Cause, Grade, Severity, Verdict, facts, steps};
use crate::event::{Job, JobState, JobType};
use crate::evidence::{Denial, Evidence, Fact, Search, SearchEnd};
use crate::incident::IncidentId;

/// Human names, as far as they are known. May be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Account names of AWS Organizations. Untrusted text.
    pub account: BTreeMap<AccountId, String>,
    /// Names of resources by ARN, such as the `Name` tag. Untrusted text.
    pub resource: BTreeMap<String, String>,
}

/// Builds the machine form. Its texts are inert already.
pub fn build(evidence: &Evidence, verdict: &Verdict, kind: Kind, incident: &IncidentId, jobs_total: u64, names: &Names) -> Alert {
    let job = job_of(evidence, names);
    let account_name = names.account.get(&job.account_id).map(|name| inert::text(name)).filter(|name| !name.is_empty());
    let title_job = AlertJob {
        resource_name: job.resource_name.as_deref().map(inert::text).filter(|name| !name.is_empty()),
        resource_type: job.resource_type.as_deref().map(inert::text).filter(|kind| !kind.is_empty()),
        state: inert::text(&job.state),
        ..job.clone()
    };
    let alert = Alert {
        schema: SCHEMA.to_owned(),
        kind,
        incident_id: incident.clone(),
        at: Some(evidence.now),
        opened_at: None,
        severity: verdict.severity,
        title: headline::title(kind, false, verdict.cause, &title_job, account_name.as_deref()),
        cause: verdict.cause,
        rule: Some(verdict.rule.clone()).filter(|rule| !rule.is_empty() && verdict.cause != Cause::Unexplained),
        certainty: verdict.certainty,
        summary: verdict.summary.clone(),
        act_in: ActIn {
            account_id: verdict.act_in.account_id.clone(),
            account_name: names.account.get(&verdict.act_in.account_id).cloned(),
            region: verdict.act_in.region.clone(),
            resource_arn: verdict.act_in.resource_arn.clone(),
            side: Some(verdict.act_in.side),
        },
        denied: verdict.denied.clone(),
        evaluation: verdict.evaluation.clone(),
        patch: verdict.patch.clone(),
        changed: changed(evidence, verdict),
        incidents: Vec::new(),
        report_uri: None,
        proved_by: (kind == Kind::Resolved).then(|| job.clone()),
        closed: None,
        actor: None,
        changes: Vec::new(),
        timeline: None,
        jobs: vec![job],
        jobs_total: jobs_total.max(1),
        account_names: names
            .account
            .iter()
            .filter(|(id, _)| mentions(evidence, verdict, id))
            .map(|(id, name)| (id.clone(), name.clone()))
            .collect(),
        route: route(evidence),
        impact: impact(evidence, verdict, kind),
        evidence: evidence_lines(evidence, verdict),
        gaps: gaps(evidence, verdict),
        unread: evidence.job.problems.clone(),
        candidates: verdict.candidates.iter().filter(|candidate| candidate.cause != verdict.cause).cloned().collect(),
        next_steps: verdict
            .next_steps
            .iter()
            .map(|step| NextStep { text: step.text.clone(), command: step.command.clone(), grade: step.grade })
            .collect(),
        confirm: confirm(evidence, verdict),
        links: links(verdict),
        fingerprint: Some(verdict.fingerprint.clone()).filter(|fingerprint| !fingerprint.is_empty()),
        truncated: Vec::new(),
        foretold: None,
    };
    inert::alert(&alert)
}

/// Whether the alert speaks of an account: only those names are carried along.
fn mentions(evidence: &Evidence, verdict: &Verdict, id: &AccountId) -> bool {
    id == evidence.source_account()
        || id == &verdict.act_in.account_id
        || evidence.destination_account().as_ref() == Some(id)
        || evidence.source_key_account().as_ref() == Some(id)
        || verdict.denied.as_ref().is_some_and(|denied| &denied.recorded_in == id)
        || verdict.gaps.iter().any(|gap| &gap.account_id == id)
        || evidence.searches.iter().any(|search| &search.account_id == id)
}

/// A job as alerts tell it. Its texts are not inert yet.
pub fn job_of(evidence: &Evidence, names: &Names) -> AlertJob {
    let job = &evidence.job;
    let description = evidence.description.known();
    let resource_arn = job.resource_arn.as_ref().or_else(|| description.and_then(|d| d.resource_arn.as_ref()));
    let point = evidence.recovery_point.known();
    let resource_name = resource_arn
        .and_then(|arn| names.resource.get(arn.as_str()).cloned())
        .or_else(|| description.and_then(|d| d.resource_name.clone()))
        .or_else(|| point.and_then(|point| point.resource_name.clone()))
        .or_else(|| job.missed.as_ref().map(|run| format!("plan {}, rule {}", run.plan_name, run.rule_name)))
        // Where no job was made the plan stands for what it would have backed up.
        .or_else(|| job.notice.as_ref().and_then(|notice| notice.plan_name.clone()));
    AlertJob {
        account_id: job.account.clone(),
        region: job.region.clone(),
        // AWS made no job of a run that was missed: what stands for it among ourselves leads nowhere.
        job_id: job.job_id.as_ref().filter(|_| job.missed.is_none()).map(|id| id.as_str().to_owned()),
        job_type: job.job_type.as_str().to_owned(),
        state: job.state.as_str().to_owned(),
        resource_arn: resource_arn.map(|arn| arn.as_str().to_owned()),
        resource_name,
        resource_type: evidence.resource_type().map(str::to_owned),
        status_message: evidence.status_message().or(job.raw_event.as_deref()).map(str::to_owned),
        at: ended_at(job),
    }
}

fn ended_at(job: &Job) -> Option<jiff::Timestamp> {
    // A run that made no job ended with its start window.
    job.completed_at.or(job.start_by.filter(|_| job.missed.is_some())).or(job.event_time)
}

fn route(evidence: &Evidence) -> Option<Route> {
    let job = &evidence.job;
    (job.job_type == JobType::Copy).then(|| Route {
        source_account: Some(job.account.as_str().to_owned()),
        source_region: Some(job.region.as_str().to_owned()),
        source_vault: job
            .vault_arn
            .as_ref()
            .or_else(|| evidence.description.known()?.vault_arn.as_ref())
            .map(|arn| arn.as_str().to_owned()),
        resource_type: evidence.resource_type().map(str::to_owned),
        key: evidence.source_key_arn().map(|arn| arn.as_str().to_owned()),
        destination_vault: evidence.destination_vault_arn().map(|arn| arn.as_str().to_owned()),
    })
}

/// What is unprotected: the state that this backup or copy should have kept. Harmless outcomes, lost tags and found threats leave no such hole.
fn impact(evidence: &Evidence, verdict: &Verdict, kind: Kind) -> Option<Impact> {
    let job = &evidence.job;
    let hole = matches!(job.job_type, JobType::Backup | JobType::Copy)
        && verdict.severity > Severity::Low
        && !matches!(verdict.cause, Cause::ThreatsFound | Cause::TagOrMetadataPartial)
        && !matches!(job.state, JobState::Other(ref state) if state.is_empty())
        && kind != Kind::Resolved;
    let since = job.created_at.or_else(|| evidence.description.known()?.created_at).or(ended_at(job));
    since.filter(|_| hole).map(|since| Impact { unprotected_since: Some(since), ..Impact::default() })
}

/// The last write on the object that must change, before the failure.
fn changed(evidence: &Evidence, verdict: &Verdict) -> Option<Changed> {
    let object = Arn::parse(verdict.act_in.resource_arn.as_deref()?).ok()?;
    facts::last_change(evidence, &object, |_| true).map(|change| Changed {
        actor: change.actor.clone(),
        action: change.action.clone(),
        event_id: change.event_id.clone(),
        at: change.at,
        source_ip: change.source_ip.clone(),
    })
}

fn gaps(evidence: &Evidence, verdict: &Verdict) -> Vec<crate::evidence::Gap> {
    let mut gaps = verdict.gaps.clone();
    gaps.extend(evidence.gaps());
    gaps.sort();
    gaps.dedup();
    gaps
}

/// What the verdict rests on: its own list, with what was seen there, and how far the searches went.
fn evidence_lines(evidence: &Evidence, verdict: &Verdict) -> Vec<EvidenceLine> {
    let mut used = verdict.used.clone();
    used.sort();
    used.dedup();
    let mut lines = used.iter().flat_map(|used| used_lines(evidence, used)).collect::<Vec<_>>();
    let mut searches = evidence.searches.iter().map(|search| search_line(search, evidence.now)).collect::<Vec<_>>();
    searches.sort_by(|a, b| (&a.account_id, &a.region, &a.text).cmp(&(&b.account_id, &b.region, &b.text)));
    searches.dedup();
    lines.extend(searches);
    lines
}

fn used_lines(evidence: &Evidence, used: &str) -> Vec<EvidenceLine> {
    if let Some(denial) =
        used.strip_prefix("cloudtrail:").and_then(|id| evidence.denials.iter().filter(|denial| denial.event_id == id).min())
    {
        return vec![denial_line(denial)];
    }
    let job = &evidence.job;
    let seen = seen(evidence, used);
    if seen.is_empty() {
        return vec![EvidenceLine {
            kind: "fact".to_owned(),
            id: None,
            account_id: job.account.clone(),
            region: Some(job.region.clone()),
            at: None,
            text: used.to_owned(),
        }];
    }
    let line = |seen: Seen| EvidenceLine {
        kind: "read".to_owned(),
        id: Some(used.to_owned()),
        account_id: seen.account.unwrap_or_else(|| job.account.clone()),
        region: seen.region.or_else(|| Some(job.region.clone())),
        at: Some(seen.at),
        text: seen.text,
    };
    seen.into_iter().map(line).collect()
}

fn denial_line(denial: &Denial) -> EvidenceLine {
    let principal = denial.issuer_arn.as_ref().map(|arn| arn.as_str().to_owned()).or_else(|| denial.principal.clone());
    let action = denial.action.clone().unwrap_or_else(|| denial.event_name.clone());
    let by = principal.map(|principal| format!(" by {principal}")).unwrap_or_default();
    let on = denial.resource.as_ref().map(|arn| format!(" on {arn}")).unwrap_or_default();
    EvidenceLine {
        kind: "cloudtrail".to_owned(),
        id: Some(denial.event_id.clone()),
        account_id: denial.recorded_in.clone(),
        region: Some(denial.region.clone()),
        at: Some(denial.event_time),
        text: format!("{action}{by}{on}: {}", denial.error_code),
    }
}

/// What one read found.
struct Seen {
    account: Option<AccountId>,
    region: Option<Region>,
    at: jiff::Timestamp,
    text: String,
}

/// The facts that came from a call. Two may come from calls of one name (both keys, both vaults): each has its own account and moment.
fn seen(evidence: &Evidence, source: &str) -> Vec<Seen> {
    fn line<T>(fact: &Fact<T>, wanted: &str, tell: impl Fn(&T) -> (&Arn, String)) -> Option<Seen> {
        match fact {
            Fact::Known { value, source, at } if source == wanted => {
                let (arn, text) = tell(value);
                Some(Seen { account: arn.account(), region: arn.region(), at: *at, text })
            }
            Fact::Known { .. } | Fact::Gap(_) | Fact::NotAsked => None,
        }
    }
    let job = &evidence.job;
    let described = match &evidence.description {
        Fact::Known { value, source: call, at } if call == source => {
            let state = value.state.as_ref().map_or("not given", |state| state.as_str());
            let text = format!("the job is in state {state}");
            Some(Seen { account: Some(job.account.clone()), region: Some(job.region.clone()), at: *at, text })
        }
        Fact::Known { .. } | Fact::Gap(_) | Fact::NotAsked => None,
    };
    let facts = [
        described,
        line(&evidence.recovery_point, source, |point| {
            let key = point.encryption_key_arn.as_ref().map(|key| format!(", under {key}")).unwrap_or_default();
            (&point.arn, format!("recovery point {}{key}", point.arn))
        }),
        line(&evidence.vault, source, |vault| (&vault.arn, vault_text(vault))),
        line(&evidence.destination_vault, source, |vault| (&vault.arn, vault_text(vault))),
        line(&evidence.destination_vault_policy, source, |policy| {
            let has = if policy.document.is_some() { "has an access policy" } else { "has no access policy" };
            (&policy.vault_arn, format!("vault {} {has}", policy.vault_arn))
        }),
        line(&evidence.source_key, source, |key| (&key.arn, key_text(key))),
        line(&evidence.source_key_policy, source, |policy| (&policy.key_arn, format!("the policy of {} was read", policy.key_arn))),
        line(&evidence.destination_key, source, |key| (&key.arn, key_text(key))),
    ];
    facts.into_iter().flatten().collect()
}

fn vault_text(vault: &crate::evidence::Vault) -> String {
    let key = vault.encryption_key_arn.as_ref().map(|key| format!(", under {key}")).unwrap_or_default();
    let lock = match vault.locked {
        Some(true) => ", locked",
        Some(false) => ", not locked",
        None => "",
    };
    format!("vault {}{key}{lock}", vault.arn)
}

fn key_text(key: &crate::evidence::Key) -> String {
    let manager = match key.manager {
        Some(crate::evidence::KeyManager::Aws) => ", AWS managed",
        Some(crate::evidence::KeyManager::Customer) => ", customer managed",
        None => "",
    };
    let state = key.state.as_ref().map(|state| format!(", {state}")).unwrap_or_default();
    format!("key {}{manager}{state}", key.arn)
}

fn search_line(search: &Search, now: jiff::Timestamp) -> EvidenceLine {
    let place = if search.source == "push" { "denials that the guardian collected" } else { "event history of CloudTrail" };
    let end = match search.end {
        SearchEnd::Complete => "read completely",
        SearchEnd::Partial => "read only in part",
        SearchEnd::Failed => "could not be read",
    };
    let from = super::words::minute(search.from);
    // A search asks a little beyond the end of the job; nobody has seen what is still to come.
    let until = super::words::minute(search.until.min(now));
    EvidenceLine {
        kind: "search".to_owned(),
        id: None,
        account_id: search.account_id.clone(),
        region: Some(search.region.clone()),
        at: Some(search.until.min(now)),
        text: format!("{place} from {from} until {until}: {end}, {}", super::words::count(u64::from(search.records), "record")),
    }
}

/// Commands that show the same facts, and the one that proves a fix. Built of values that need no quoting; with any other value the command is
/// left out.
fn confirm(evidence: &Evidence, verdict: &Verdict) -> Vec<NextStep> {
    let job = &evidence.job;
    let mut confirm = Vec::new();
    // Of a missed run there is no job to read.
    let of_aws = job.job_id.as_ref().filter(|_| job.missed.is_none());
    if let Some(id) = of_aws.map(|id| id.as_str()).filter(|id| is_plain(id)) {
        let kind = job.job_type.as_str();
        let command = format!("aws backup describe-{kind}-job --{kind}-job-id {id} --region {}", job.region);
        // Whoever looks here for the success of a repetition would see the old failure.
        let text = format!("Read the job of this alert, in account {}; a repeated job has an id of its own.", job.account);
        confirm.push(NextStep { text, command: Some(command), grade: Grade::Safe });
    }
    if let Some(denied) = verdict.denied.as_ref().filter(|denied| is_plain(&denied.event_id)) {
        let command = format!(
            "aws cloudtrail lookup-events --region {} --lookup-attributes AttributeKey=EventId,AttributeValue={}",
            denied.region, denied.event_id
        );
        let text = format!("Read the refused call, in account {}.", denied.recorded_in);
        confirm.push(NextStep { text, command: Some(command), grade: Grade::Safe });
    }
    if job.job_type == JobType::Copy && verdict.severity > Severity::Low {
        confirm.extend(steps::copy_again(evidence).map(|step| NextStep { text: step.text, command: step.command, grade: step.grade }));
    }
    confirm.retain(|step| verdict.next_steps.iter().all(|next| next.command.is_none() || next.command != step.command));
    confirm
}

/// Whether a value can stand in a shell command as it is.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= 512
        && !value.starts_with('-')
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'/' | b'+' | b'=' | b'@' | b','))
}

/// Pages of the console that show the object and the refused call, and the manual of the rule.
fn links(verdict: &Verdict) -> Vec<String> {
    let console = |region: &Region| {
        let host = match region.partition() {
            "aws-cn" => "console.amazonaws.cn",
            "aws-us-gov" => "console.amazonaws-us-gov.com",
            _ => "console.aws.amazon.com",
        };
        format!("https://{region}.{host}")
    };
    let mut links = Vec::new();
    if let Some(key) = verdict.act_in.resource_arn.as_deref().and_then(|arn| Arn::parse(arn).ok()).filter(Arn::is_kms_key)
        && let Some(region) = key.region()
        && is_plain(key.resource_name())
    {
        links.push(format!("{}/kms/home?region={region}#/kms/keys/{}", console(&region), key.resource_name()));
    }
    if let Some(denied) = verdict.denied.as_ref().filter(|denied| is_plain(&denied.event_id)) {
        links.push(format!("{}/cloudtrailv2/home?region={}#/events/{}", console(&denied.region), denied.region, denied.event_id));
    }
    links
}
