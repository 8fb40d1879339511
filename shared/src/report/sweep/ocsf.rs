//! Findings of the Open Cybersecurity Schema Framework: one Compliance Finding (class 2003) per line.
//!
//! <https://schema.ocsf.io/1.5.0/classes/compliance_finding>, with the profile `cloud`. What is unknown is absent.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::identity::identities;
use super::words;
use super::{Inert, SweepWriter};
use crate::arn::AccountId;
use crate::compliance::{AccountResult, CheckOutcome, OrganizationResult, Status, SweepHead, Totals};
use crate::diagnosis::Severity;

/// Version of the schema.
pub const OCSF_VERSION: &str = "1.5.0";

const CATEGORY_FINDINGS: u32 = 2;
const CLASS_COMPLIANCE_FINDING: u32 = 2003;
const ACTIVITY_CREATE: u32 = 1;
const ACCOUNT_OF_AWS: u32 = 10;

/// Writes Compliance Findings, one per line.
#[derive(Debug)]
pub struct Ocsf<W> {
    out: W,
    head: Option<SweepHead>,
}

impl<W: Write> Ocsf<W> {
    /// To `out`, which should be buffered.
    pub fn to(out: W) -> Inert<Self> {
        Inert(Self { out, head: None })
    }

    fn outcomes(&mut self, outcomes: &[CheckOutcome], account: Option<&AccountResult>) -> io::Result<()> {
        let Some(head) = &self.head else { return Err(io::Error::other("the head of a sweep comes before its outcomes")) };
        for (found, uid) in outcomes.iter().zip(identities(outcomes)) {
            let name = account.and_then(|account| account.name_of(&found.outcome.subject)).map(String::as_str);
            serde_json::to_writer(&mut self.out, &finding(head, found, &uid, name))?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }
}

fn finding(head: &SweepHead, found: &CheckOutcome, uid: &str, account_name: Option<&str>) -> Value {
    let outcome = &found.outcome;
    let (severity_id, severity) = severity(found.severity, outcome.status);
    let (status_id, status) = match outcome.status {
        Status::Fail => (1, "New"),
        Status::Excepted => (3, "Suppressed"),
        Status::Pass | Status::NotApplicable => (4, "Resolved"),
        Status::Unknown => (0, "Unknown"),
    };
    let name = words::check(&found.check);
    let mut event = json!({
        "category_uid": CATEGORY_FINDINGS,
        "category_name": "Findings",
        "class_uid": CLASS_COMPLIANCE_FINDING,
        "class_name": "Compliance Finding",
        "activity_id": ACTIVITY_CREATE,
        "activity_name": "Create",
        "type_uid": CLASS_COMPLIANCE_FINDING * 100 + ACTIVITY_CREATE,
        "type_name": "Compliance Finding: Create",
        "time": head.at.as_millisecond(),
        "severity_id": severity_id,
        "severity": severity,
        "status_id": status_id,
        "status": status,
        "message": words::seen(found),
        "metadata": {
            "version": OCSF_VERSION,
            "profiles": ["cloud"],
            "product": { "name": "Backup Guardian", "vendor_name": "Backup Guardian", "version": head.version },
            "event_code": found.code,
        },
        "finding_info": {
            "uid": uid,
            "title": format!("{} {name}", found.code),
            "desc": words::seen(found),
            "types": ["AWS Backup"],
        },
        "compliance": compliance(found, &name),
        "cloud": cloud(head, found, account_name),
        "resources": [resource(found)],
    });
    if let (Some(event), Some(remedy)) = (event.as_object_mut(), &outcome.remedy) {
        event.insert("remediation".to_owned(), json!({ "desc": words::sentence(remedy) }));
    }
    if let (Some(event), false) = (event.as_object_mut(), outcome.evidence.is_empty()) {
        event.insert("evidences".to_owned(), json!([{ "data": { "ids": outcome.evidence } }]));
    }
    event
}

fn severity(severity: Severity, status: Status) -> (u32, &'static str) {
    match (status, severity) {
        (Status::Pass | Status::NotApplicable, _) | (_, Severity::Info) => (1, "Informational"),
        (_, Severity::Low) => (2, "Low"),
        (_, Severity::Medium) => (3, "Medium"),
        (_, Severity::High) => (4, "High"),
        (_, Severity::Critical) => (5, "Critical"),
    }
}

fn compliance(found: &CheckOutcome, name: &str) -> Value {
    let (status_id, status) = match found.outcome.status {
        Status::Pass => (1, "Pass"),
        // Not seen is a warning: it is neither.
        Status::Unknown => (2, "Warning"),
        Status::Fail | Status::Excepted => (3, "Fail"),
        Status::NotApplicable => (99, "Not applicable"),
    };
    let details = std::iter::once(words::status(found.outcome.status).to_owned()).chain(found.outcome.gaps.iter().map(words::gap));
    json!({
        "control": found.code,
        "desc": name,
        "status_id": status_id,
        "status": status,
        "status_details": details.collect::<Vec<_>>(),
        "checks": [{ "uid": found.code, "name": found.check, "status_id": status_id, "status": status }],
    })
}

fn cloud(head: &SweepHead, found: &CheckOutcome, account_name: Option<&str>) -> Value {
    let subject = &found.outcome.subject;
    let mut cloud = Map::new();
    cloud.insert("provider".to_owned(), json!("AWS"));
    cloud.insert("account".to_owned(), account(&subject.account_id, account_name));
    if let Some(region) = &subject.region {
        cloud.insert("region".to_owned(), json!(region));
    }
    if let Some(organization) = &head.organization_id {
        cloud.insert("org".to_owned(), json!({ "uid": organization }));
    }
    Value::Object(cloud)
}

fn account(id: &AccountId, name: Option<&str>) -> Value {
    match name {
        Some(name) => json!({ "uid": id, "name": name, "type_id": ACCOUNT_OF_AWS, "type": "AWS Account" }),
        None => json!({ "uid": id, "type_id": ACCOUNT_OF_AWS, "type": "AWS Account" }),
    }
}

fn resource(found: &CheckOutcome) -> Value {
    let subject = &found.outcome.subject;
    let mut resource = Map::new();
    let uid = subject.resource_arn.as_ref().map_or_else(|| subject.account_id.as_str().to_owned(), |arn| arn.as_str().to_owned());
    resource.insert("uid".to_owned(), json!(uid));
    resource.insert("name".to_owned(), json!(words::short(subject)));
    let kind = subject.resource_arn.as_ref().map_or("AWS account", |arn| arn.service());
    resource.insert("type".to_owned(), json!(kind));
    if let Some(region) = &subject.region {
        resource.insert("region".to_owned(), json!(region));
    }
    if let Some(arn) = &subject.resource_arn {
        resource.insert("cloud_partition".to_owned(), json!(arn.partition()));
    }
    Value::Object(resource)
}

impl<W: Write> SweepWriter for Ocsf<W> {
    fn head(&mut self, head: &SweepHead) -> io::Result<()> {
        self.head = Some(head.clone());
        Ok(())
    }

    fn organization(&mut self, organization: &OrganizationResult) -> io::Result<()> {
        self.outcomes(&organization.outcomes, None)
    }

    fn account(&mut self, account: &AccountResult) -> io::Result<()> {
        self.outcomes(&account.outcomes, Some(account))
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        self.out.flush()
    }
}
