//! Runs every rule and weighs the answers.
//!
//! Certainty goes before everything, then what the text of AWS makes likely, then the order of the list of rules, which is from specific to general.
//! What no rule explains is a verdict too: the raw text with its fingerprint, so that it becomes the next rule.

use super::facts::{self, Voice};
use super::matching::{Target, ties};
use super::mend::{self, Mend};
use super::notice;
use super::rules::ALL;
use super::text::Reading;
use super::{Answer, Assessment, Candidate, Cause, Certainty, Evaluation, Finding, Meta, Severity, Verdict, assess, steps};
use crate::event::{JobState, JobType};
use crate::evidence::{Evidence, Gap};

/// At most so many other causes are named.
const RUNNERS_UP: usize = 4;
/// Weight of a finding of which the text says nothing.
const UNSPOKEN: f64 = 0.05;

/// The verdict on a job. The same evidence gives the same verdict; order and duplicates of denials, searches and changes never matter.
pub fn diagnose(evidence: &Evidence) -> Verdict {
    let reading = facts::reading(evidence);
    let assessment = Assessment::of(evidence);
    let mut findings = Vec::new();
    let mut wanted = Vec::new();
    for (place, rule) in ALL.iter().enumerate() {
        match (rule.judge)(evidence) {
            Answer::Explains(mut finding) => {
                let evaluation = assessment.as_ref().and_then(|assessment| assess::weigh(evidence, assessment, &mut finding));
                if another_cause(evidence, &finding) {
                    finding.certainty = finding.certainty.min(Certainty::Suspected);
                }
                findings.push(Weighed { place, meta: &rule.meta, finding: *finding, evaluation });
            }
            Answer::CannotTell { needs } => wanted.extend(needs),
            Answer::RuledOut { .. } => {}
        }
    }
    findings.sort_by(|a, b| {
        let likelihood = |weighed: &Weighed<'_>| reading.likelihood(weighed.finding.cause);
        let told = |weighed: &Weighed<'_>| notice::CAUSES.contains(&weighed.finding.cause);
        // What AWS itself told is no guess at a text: the text is the reason beneath.
        (told(b).cmp(&told(a)))
            .then(b.finding.certainty.cmp(&a.finding.certainty))
            .then(likelihood(b).total_cmp(&likelihood(a)))
            .then(a.place.cmp(&b.place))
    });
    let candidates = runners_up(&findings, &reading);
    match findings.into_iter().next() {
        Some(best) => {
            let mend = assessment.map(|assessment| mend::mend(evidence, &assessment, &best.finding, best.evaluation.as_ref()));
            explained(evidence, best, mend.unwrap_or_default(), candidates, reading.fingerprint)
        }
        None => unexplained(evidence, &reading, wanted),
    }
}

/// Whether AWS' text decides for another cause, and nothing ties the finding to this very job.
///
/// Keys, vaults and roles are shared: a call that was refused at one of them may be that of another job of the same minutes, and its state or
/// policy may be what stops the next copy without having stopped this one.
fn another_cause(evidence: &Evidence, finding: &Finding) -> bool {
    if notice::CAUSES.contains(&finding.cause) {
        return false;
    }
    let own =
        |denied: &super::Denied| ties(evidence).iter().any(|tied| tied.denial.event_id == denied.event_id && tied.target == Target::Source);
    // Where access was refused AWS' texts are too vague to tell the one reason from the other.
    let alike = if facts::REFUSALS.contains(&finding.cause) { facts::REFUSALS } else { &[finding.cause] };
    facts::voice(evidence, alike) == Voice::Against && !finding.denied.as_ref().is_some_and(own)
}

/// A finding, its rule with the place in the list, and what the policies say to it.
struct Weighed<'a> {
    place: usize,
    meta: &'a Meta,
    finding: Finding,
    evaluation: Option<Evaluation>,
}

fn explained(evidence: &Evidence, best: Weighed<'_>, mend: Mend, candidates: Vec<Candidate>, fingerprint: String) -> Verdict {
    let Weighed { meta, finding, evaluation, .. } = best;
    let mut used = finding.used;
    used.sort();
    used.dedup();
    let next_steps = mend.steps(finding.next_steps);
    Verdict {
        cause: finding.cause,
        rule: meta.code.to_owned(),
        certainty: finding.certainty,
        severity: finding.severity.unwrap_or_else(|| meta.severity.min(worst(evidence))),
        act_in: finding.act_in,
        object: finding.object,
        denied: finding.denied,
        evaluation,
        summary: finding.summary,
        patch: mend.patch,
        next_steps,
        used,
        gaps: gaps(evidence, finding.certainty, meta),
        candidates,
        fingerprint,
    }
}

/// The gaps that could change the verdict: a proven one depends on the evidence of its own rule only.
fn gaps(evidence: &Evidence, certainty: Certainty, meta: &Meta) -> Vec<Gap> {
    let mut gaps = evidence.gaps();
    if certainty == Certainty::Proven {
        gaps.retain(|gap| meta.needs.contains(&gap.action.as_str()));
    }
    gaps
}

/// The other findings, one line per cause, as shares of everything that was found.
fn runners_up(findings: &[Weighed<'_>], reading: &Reading) -> Vec<Candidate> {
    let weight = |finding: &Finding| {
        let trust = match finding.certainty {
            Certainty::Proven => 16.0,
            Certainty::Supported => 4.0,
            Certainty::Suspected | Certainty::Unexplained => 1.0,
        };
        trust * reading.likelihood(finding.cause).max(UNSPOKEN)
    };
    let total = findings.iter().map(|weighed| weight(&weighed.finding)).sum::<f64>();
    let mut seen = Vec::new();
    let mut candidates = Vec::new();
    for weighed in findings {
        if !seen.contains(&weighed.finding.cause) {
            seen.push(weighed.finding.cause);
            candidates.push(Candidate { cause: weighed.finding.cause, likelihood: weight(&weighed.finding) / total });
        }
    }
    candidates.into_iter().skip(1).take(RUNNERS_UP).collect()
}

/// How bad the outcome of the job can be at most.
fn worst(evidence: &Evidence) -> Severity {
    match (&evidence.job.state, evidence.job.job_type) {
        // It has not ended: it may still succeed, unless it no longer moves.
        (JobState::Created | JobState::Pending | JobState::Running | JobState::Completing, _) if evidence.job.stuck_since.is_none() => {
            Severity::Low
        }
        (JobState::Aborted | JobState::Aborting | JobState::Canceled, _) => Severity::Medium,
        // Nothing becomes unprotected by a restore or a scan.
        (_, JobType::Restore | JobType::Scan) => Severity::Medium,
        (_, JobType::Backup | JobType::Copy) => Severity::Critical,
    }
}

fn unexplained(evidence: &Evidence, reading: &Reading, mut wanted: Vec<String>) -> Verdict {
    wanted.sort();
    wanted.dedup();
    let job = &evidence.job;
    let kind = job.job_type.as_str();
    let state = job.state.as_str();
    let said = match evidence.status_message().map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => format!("AWS says: {}", facts::cut(text, 600)),
        None => match &job.raw_event {
            Some(raw) => format!("Its event could not be read: {}", facts::cut(raw, 600)),
            None => "AWS gives no message".to_owned(),
        },
    };
    let state = if state.is_empty() { "of unknown state".to_owned() } else { format!("of state {state}") };
    let severity = match job.state {
        JobState::Failed | JobState::Expired | JobState::Partial => Severity::High,
        _ => Severity::Medium,
    };
    let guesses = reading.candidates.iter().filter(|candidate| candidate.cause != Cause::Unexplained).cloned().collect::<Vec<_>>();
    let mut next_steps = vec![steps::judge(format!(
        "Read the job in account {}, and the calls with an error around it in CloudTrail of {}.",
        job.account,
        match evidence.destination_account().filter(|account| account != &job.account) {
            Some(destination) => format!("accounts {destination} and {}", job.account),
            None => format!("account {}", job.account),
        }
    ))];
    if let Some(step) = describe_job(evidence) {
        next_steps.insert(0, step);
    }
    if !wanted.is_empty() {
        let wanted = wanted.iter().map(|fact| in_words(fact)).collect::<Vec<_>>();
        next_steps.push(steps::judge(format!("These facts would help to tell the cause: {}.", wanted.join(", "))));
    }
    Verdict {
        cause: Cause::Unexplained,
        rule: String::new(),
        certainty: Certainty::Unexplained,
        severity: severity.min(worst(evidence)),
        act_in: facts::in_source(evidence),
        object: facts::provisional_object(evidence),
        denied: None,
        evaluation: None,
        patch: None,
        summary: format!("No known cause explains the {kind} job {state} in account {}. {said}", job.account),
        next_steps,
        used: Vec::new(),
        gaps: evidence.gaps(),
        candidates: guesses,
        fingerprint: reading.fingerprint.clone(),
    }
}

/// A fact that is wanted, for people; calls of AWS are names that they know.
fn in_words(fact: &str) -> &str {
    match fact {
        "crosses_accounts" => "whether the copy leaves its account",
        "crosses_regions" => "whether the copy leaves its Region",
        "fully_managed" => "whether AWS Backup manages the resource type fully",
        "message" => "the text that the service behind the resource gives",
        call => call,
    }
}

/// Reads the job in its own account.
pub(super) fn describe_job(evidence: &Evidence) -> Option<super::Step> {
    let job = &evidence.job;
    // Of a missed run there is no job to read.
    let id = job.job_id.as_ref().filter(|_| job.missed.is_none())?.as_str();
    let (operation, option) = match job.job_type {
        JobType::Backup => ("describe-backup-job", "backup-job-id"),
        JobType::Copy => ("describe-copy-job", "copy-job-id"),
        JobType::Restore => ("describe-restore-job", "restore-job-id"),
        JobType::Scan => ("describe-scan-job", "scan-job-id"),
    };
    let command = steps::command(&format!("aws backup {operation}"), &[(option, id), ("region", job.region.as_str())]);
    Some(steps::look(format!("Read the job in account {}.", job.account), Some(command)))
}
