//! Findings in the AWS Security Finding Format: one `BatchImportFindings` input of at most 100 findings per line.
//!
//! Lengths: <https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_AwsSecurityFinding.html>. With the default product ARN the account of a
//! finding must be the one that imports it (<https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html>): that of the
//! product; whose the thing is, its resource says.

use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::identity::identities;
use super::words::{self, cut};
use super::{Inert, SweepWriter};
use crate::arn::{AccountId, Arn, Region};
use crate::compliance::{AccountResult, CheckOutcome, OrganizationResult, Status, SweepHead, Totals};
use crate::diagnosis::Severity;
use crate::evidence::GapReason;

/// Findings of one call.
pub const MOST_IN_BATCH: usize = 100;

const LONGEST_TITLE: usize = 256;
const LONGEST_DESCRIPTION: usize = 1024;
const LONGEST_RECOMMENDATION: usize = 512;
const LONGEST_ID: usize = 512;
const LONGEST_REASON: usize = 1024;
const LONGEST_FIELD: usize = 1024;
const MOST_REASONS: usize = 20;

/// The product in whose name findings are imported: `arn:aws:securityhub:<region>:<account>:product/<account>/default`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    arn: Arn,
    account_id: AccountId,
    region: Region,
}

/// The ARN names no product.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the ARN of a product of Security Hub such as `arn:aws:securityhub:eu-central-1:111111111111:product/111111111111/default`"
)]
pub struct NotAProduct(String);

impl Product {
    /// The Region in which its findings are imported.
    pub fn region(&self) -> &Region {
        &self.region
    }
}

impl TryFrom<Arn> for Product {
    type Error = NotAProduct;
    fn try_from(arn: Arn) -> Result<Self, Self::Error> {
        let is_product = arn.service() == "securityhub" && arn.resource().starts_with("product/");
        match (arn.account(), arn.region()) {
            (Some(account_id), Some(region)) if is_product => Ok(Self { arn, account_id, region }),
            _ => Err(NotAProduct(arn.as_str().chars().take(128).collect())),
        }
    }
}

/// Writes `BatchImportFindings` inputs, one per line.
#[derive(Debug)]
pub struct Asff<W> {
    out: W,
    product: Product,
    at: Timestamp,
    version: String,
    batch: Vec<Value>,
}

impl<W: Write> Asff<W> {
    /// To `out`, which should be buffered.
    pub fn to(out: W, product: Product) -> Inert<Self> {
        Inert(Self { out, product, at: Timestamp::UNIX_EPOCH, version: String::new(), batch: Vec::new() })
    }

    fn outcomes(&mut self, outcomes: &[CheckOutcome]) -> io::Result<()> {
        for (found, id) in outcomes.iter().zip(identities(outcomes)) {
            self.batch.push(self.finding(found, &bounded(&id)));
            if self.batch.len() >= MOST_IN_BATCH {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = json!({ "Findings": std::mem::take(&mut self.batch) });
        serde_json::to_writer(&mut self.out, &batch)?;
        self.out.write_all(b"\n")
    }

    fn finding(&self, found: &CheckOutcome, id: &str) -> Value {
        let (outcome, subject) = (&found.outcome, &found.outcome.subject);
        let at = self.at.to_string();
        let severity = json!({ "Label": label(found.severity, outcome.status), "Original": found.severity.as_str() });
        let types = json!(["Software and Configuration Checks/AWS Security Best Practices"]);
        let mut finding = json!({
            "SchemaVersion": "2018-10-08",
            "Id": id,
            "ProductArn": self.product.arn,
            "ProductName": "Backup Guardian",
            "GeneratorId": cut(&format!("backup-guardian/{}", found.code), LONGEST_ID),
            "AwsAccountId": self.product.account_id,
            "Region": self.product.region,
            "Types": types,
            "CreatedAt": at,
            "UpdatedAt": at,
            "Severity": severity,
            "FindingProviderFields": { "Severity": severity, "Types": types },
            "Title": cut(&format!("{} {}", found.code, words::check(&found.check)), LONGEST_TITLE),
            "Description": cut(&words::seen(found), LONGEST_DESCRIPTION),
            "Resources": [resource(found, self.product.arn.partition())],
            "Compliance": compliance(found),
            "ProductFields": fields(found, &self.version),
            "RecordState": if outcome.status == Status::NotApplicable { "ARCHIVED" } else { "ACTIVE" },
        });
        if let (Some(object), Some(remedy)) = (finding.as_object_mut(), outcome.remedy.as_ref()) {
            let text = cut(&format!("{} Account {}.", words::sentence(remedy), subject.account_id), LONGEST_RECOMMENDATION);
            object.insert("Remediation".to_owned(), json!({ "Recommendation": { "Text": text } }));
        }
        // Only a new finding takes it; people's own later word stands.
        if let (Some(object), Status::Excepted) = (finding.as_object_mut(), outcome.status) {
            object.insert("Workflow".to_owned(), json!({ "Status": "SUPPRESSED" }));
        }
        finding
    }
}

/// An id that is too long ends in its hash.
fn bounded(id: &str) -> String {
    if id.len() <= LONGEST_ID && id.is_ascii() {
        return id.to_owned();
    }
    let hash = super::json::hex(Sha256::new_with_prefix(id));
    let kept = id.chars().filter(char::is_ascii).take(LONGEST_ID - hash.len() - 1).collect::<String>();
    format!("{kept}~{hash}")
}

fn label(severity: Severity, status: Status) -> &'static str {
    match (status, severity) {
        // What is well or does not concern the thing has no severity.
        (Status::Pass | Status::NotApplicable, _) | (_, Severity::Info) => "INFORMATIONAL",
        (_, Severity::Low) => "LOW",
        (_, Severity::Medium) => "MEDIUM",
        (_, Severity::High) => "HIGH",
        (_, Severity::Critical) => "CRITICAL",
    }
}

fn compliance(found: &CheckOutcome) -> Value {
    let gaps = &found.outcome.gaps;
    let status = match found.outcome.status {
        Status::Pass => "PASSED",
        Status::Fail | Status::Excepted => "FAILED",
        // The calls failed, or it does not apply.
        Status::NotApplicable => "NOT_AVAILABLE",
        Status::Unknown if gaps.iter().any(|gap| gap.reason.may_pass() || gap.reason == GapReason::BudgetSpent) => "NOT_AVAILABLE",
        // A permission or a setting is missing.
        Status::Unknown => "WARNING",
    };
    let reasons = gaps
        .iter()
        .take(MOST_REASONS)
        .map(|gap| json!({ "ReasonCode": gap.reason.as_str().to_uppercase().replace('-', "_"), "Description": cut(&words::gap(gap), LONGEST_REASON) }))
        .collect::<Vec<_>>();
    match reasons.is_empty() {
        true => json!({ "Status": status, "SecurityControlId": cut(&found.code, 64) }),
        false => json!({ "Status": status, "SecurityControlId": cut(&found.code, 64), "StatusReasons": reasons }),
    }
}

fn resource(found: &CheckOutcome, partition: &str) -> Value {
    let subject = &found.outcome.subject;
    let (kind, id) = match &subject.resource_arn {
        Some(arn) => (kind(arn), cut(arn.as_str(), LONGEST_ID)),
        None => ("AwsAccount", format!("AWS::::Account:{}", subject.account_id)),
    };
    let mut resource = json!({ "Type": kind, "Id": id, "Partition": partition });
    if let (Some(object), Some(region)) = (resource.as_object_mut(), &subject.region) {
        object.insert("Region".to_owned(), json!(region));
    }
    resource
}

/// The resource type of the format, where it has one (<https://docs.aws.amazon.com/securityhub/latest/userguide/asff-resources.html>).
fn kind(arn: &Arn) -> &'static str {
    let kind = arn.resource().split([':', '/']).next().unwrap_or_default();
    match (arn.service(), kind) {
        ("backup", "backup-vault") => "AwsBackupBackupVault",
        ("backup", "backup-plan") => "AwsBackupBackupPlan",
        ("backup", "recovery-point") => "AwsBackupRecoveryPoint",
        ("kms", "key") => "AwsKmsKey",
        ("iam", "role") => "AwsIamRole",
        ("ec2", "volume") => "AwsEc2Volume",
        ("ec2", "instance") => "AwsEc2Instance",
        ("rds", "db") => "AwsRdsDbInstance",
        ("rds", "cluster") => "AwsRdsDbCluster",
        ("dynamodb", "table") => "AwsDynamoDbTable",
        ("elasticfilesystem", "file-system") => "AwsEfsFileSystem",
        ("s3", _) => "AwsS3Bucket",
        ("cloudtrail", "trail") => "AwsCloudTrailTrail",
        ("sns", _) => "AwsSnsTopic",
        _ => "Other",
    }
}

/// What people filter by.
fn fields(found: &CheckOutcome, version: &str) -> Map<String, Value> {
    let (outcome, subject) = (&found.outcome, &found.outcome.subject);
    let evidence = outcome.evidence.iter().take(20).cloned().collect::<Vec<_>>().join(" ");
    [
        ("account", Some(subject.account_id.as_str().to_owned())),
        ("region", subject.region.as_ref().map(|region| region.as_str().to_owned())),
        ("check", Some(found.check.clone())),
        ("status", Some(words::status(outcome.status).to_owned())),
        ("part", subject.part.clone()),
        ("evidence", Some(evidence)),
        ("version", Some(version.to_owned())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
    .map(|(name, value)| (format!("backup-guardian/{name}"), json!(cut(&value, LONGEST_FIELD))))
    .collect()
}

impl<W: Write> SweepWriter for Asff<W> {
    fn head(&mut self, head: &SweepHead) -> io::Result<()> {
        (self.at, self.version) = (head.at, head.version.clone());
        Ok(())
    }

    fn organization(&mut self, organization: &OrganizationResult) -> io::Result<()> {
        self.outcomes(&organization.outcomes)
    }

    fn account(&mut self, account: &AccountResult) -> io::Result<()> {
        self.outcomes(&account.outcomes)
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        self.flush()?;
        self.out.flush()
    }
}
