//! The sweep as one message: the verdict, the worst findings, what to do, and what was not evaluated.

use super::words::{self, counted, cut};
use super::{Changes, Overview, Share, Turn, verdict};
use crate::arn::AccountId;
use crate::diagnosis::{Cause, Certainty, Grade};
use crate::incident::IncidentId;
use crate::report::alert::{ActIn, Alert, EvidenceLine, Kind, NextStep, SCHEMA};

/// Findings and steps of one message; the report has the rest.
const MOST: usize = 12;

/// The message; [`render`](crate::report::render) lays it out for every sink. None before the head came, or where no account is known.
pub fn digest(overview: &Overview, changes: Option<&Changes>, report_uri: Option<&str>) -> Option<Alert> {
    let head = overview.head.as_ref()?;
    let share = Share::of(&overview.totals);
    let severity = verdict::severity(overview);
    let account_names = overview.findings.iter().filter_map(|finding| {
        let name = overview.acting(finding)?.to_owned();
        Some((finding.found.outcome.subject.account_id.clone(), name))
    });
    let alert = Alert {
        schema: SCHEMA.to_owned(),
        kind: Kind::Sweep,
        incident_id: IncidentId::of_sweep(head.organization_id.as_deref().unwrap_or_default(), head.at),
        at: Some(head.at),
        opened_at: None,
        severity,
        title: title(overview),
        cause: Cause::Unexplained,
        rule: None,
        certainty: Certainty::Proven,
        summary: format!("{} {} protected: {}. {}", verdict::sentence(overview), share.text(), verdict::share(overview), changed(changes))
            .trim_end()
            .to_owned(),
        act_in: act_in(overview)?,
        denied: None,
        evaluation: None,
        patch: None,
        changed: None,
        jobs: Vec::new(),
        jobs_total: 0,
        account_names: account_names.collect(),
        incidents: Vec::new(),
        report_uri: report_uri.map(str::to_owned),
        proved_by: None,
        closed: None,
        actor: None,
        changes: Vec::new(),
        timeline: None,
        route: None,
        impact: None,
        evidence: findings(overview),
        gaps: gaps(overview),
        unread: Vec::new(),
        candidates: Vec::new(),
        next_steps: steps(overview),
        confirm: Vec::new(),
        links: Vec::new(),
        fingerprint: None,
        truncated: Vec::new(),
        foretold: None,
    };
    Some(crate::report::inert(&alert))
}

fn title(overview: &Overview) -> String {
    let (ill, failures) = (verdict::ill(overview), verdict::failures(overview));
    let not_evaluated = overview.totals.accounts_not_evaluated;
    let mut parts = vec![format!("{} protected", Share::of(&overview.totals).text())];
    if failures > 0 {
        parts.push(format!("{} failed", counted(failures, "check")));
    }
    if ill > 0 {
        parts.push(format!("{} unprotected", words::number(ill)));
    }
    if not_evaluated > 0 {
        parts.push(counted(not_evaluated, "unread account"));
    }
    format!("Backup sweep: {}", parts.join(", "))
}

/// Who must act on the worst; where nothing is wrong, the account that keeps the copies.
fn act_in(overview: &Overview) -> Option<ActIn> {
    let of =
        |account_id: &AccountId| ActIn { account_id: account_id.clone(), account_name: None, region: None, resource_arn: None, side: None };
    if let Some(finding) = overview.findings.iter().next() {
        let subject = &finding.found.outcome.subject;
        return Some(ActIn {
            account_name: overview.acting(finding).map(str::to_owned),
            region: subject.region.clone(),
            resource_arn: subject.resource_arn.as_ref().map(|arn| arn.as_str().to_owned()),
            ..of(&subject.account_id)
        });
    }
    let resource = overview.resources.iter().next().map(|row| &row.account_id);
    let not_evaluated = overview.not_evaluated.iter().next().map(|part| &part.account_id);
    let keeps = overview.head.as_ref().and_then(|head| head.backup_accounts.first());
    let any = overview.accounts.iter().next().map(|line| &line.account_id);
    resource.or(not_evaluated).or(keeps).or(any).map(of)
}

fn findings(overview: &Overview) -> Vec<EvidenceLine> {
    let failed = overview.findings.iter().take(MOST).map(|finding| {
        let subject = &finding.found.outcome.subject;
        EvidenceLine {
            kind: "finding".to_owned(),
            id: Some(format!("{} {}", finding.found.severity.as_str().to_uppercase(), finding.found.code)),
            account_id: subject.account_id.clone(),
            region: subject.region.clone(),
            at: None,
            text: format!(
                "{} ({})",
                cut(&words::seen(&finding.found), 400),
                cut(&words::object_for(subject, finding.concerned_name.as_deref()), 300)
            ),
        }
    });
    let lacking = overview.resources.iter().take(MOST.saturating_sub(failed.len())).map(|row| EvidenceLine {
        kind: "coverage".to_owned(),
        id: Some(words::capital(words::protection(row.protection))),
        account_id: row.account_id.clone(),
        region: Some(row.region.clone()),
        at: None,
        text: format!("{}: {}", words::resource(row), words::sentence(&row.why)),
    });
    failed.chain(lacking).collect()
}

/// The remedies of the worst findings, each once: a key that fails three checks may ask for the same thing three times.
fn steps(overview: &Overview) -> Vec<NextStep> {
    let mut steps = Vec::<NextStep>::new();
    for finding in overview.findings.iter() {
        let Some(remedy) = &finding.found.outcome.remedy else { continue };
        let account = words::named_account(&finding.found.outcome.subject.account_id, overview.acting(finding));
        let text = format!("In {account}: {}", words::sentence(remedy));
        if steps.iter().all(|step| step.text != text) {
            steps.push(NextStep { text, command: None, grade: Grade::NeedsApproval });
        }
        if steps.len() >= MOST {
            break;
        }
    }
    steps
}

fn gaps(overview: &Overview) -> Vec<crate::evidence::Gap> {
    let accounts = overview.not_evaluated.iter().flat_map(|part| part.gaps.first());
    overview.organization_gaps.iter().chain(accounts).take(40).cloned().collect()
}

fn changed(changes: Option<&Changes>) -> String {
    let Some(changes) = changes else { return String::new() };
    let since = words::minute(changes.since);
    if changes.is_empty() {
        return format!("Nothing changed since {since}.");
    }
    let (new, mended) = (changes.count(Turn::Failed), changes.count(Turn::Mended));
    format!(
        "Since {since}: {}, {} mended, {} with another protection.",
        counted(new, "new failure"),
        words::number(mended),
        counted(changes.protection.total(), "resource")
    )
}
