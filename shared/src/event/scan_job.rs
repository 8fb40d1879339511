//! `Scan Job State Change` (malware scan). A COMPLETED job can carry `THREATS_FOUND`; the rule id is `backupRuleId`.

use serde_json::Value;

use super::envelope::Envelope;
use super::field::Fields;
use super::job::Job;

pub(super) fn read(job: &mut Job, envelope: &Envelope, detail: &mut Fields<'_>) {
    job.read_id(detail, "scanJobId");
    job.read_state(detail, "state");
    job.vault_arn = detail.arn("backupVaultArn");
    job.resource_arn = detail.arn("resourceArn");
    job.recovery_point_arn = detail.arn("recoveryPointArn").or_else(|| envelope.resource());
    job.scan_result = match detail.get("scanResult") {
        Some(result @ Value::Object(_)) => {
            let mut fields = Fields::of("detail.scanResult", Some(result));
            let status = fields.text("scanResultStatus");
            detail.problems.append(&mut fields.problems);
            status
        }
        _ => detail.text("scanResult"),
    }
    .map(|result| result.to_uppercase());
}
