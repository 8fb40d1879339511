//! Findings for Security Hub of our own account, by a signed request: its SDK crate takes a minute to compile, for one call.

use guardian_core::arn::Region;
use guardian_core::evidence::GapReason;
use guardian_core::ports::PortError;

use crate::answers::import_findings;
use crate::session::Cloud;

const OPERATION: &str = "securityhub:BatchImportFindings";

impl Cloud {
    /// Imports an input of BatchImportFindings, at most 100 findings, with our own credentials; answers how many of them were refused.
    pub async fn import_findings(&self, region: &Region, batch: String) -> Result<u64, PortError> {
        let answer = import_findings(self, region, batch).await.map_err(|failure| PortError {
            operation: OPERATION,
            retryable: failure.reason.may_pass(),
            code: if failure.code.is_empty() { failure.reason.as_str().to_owned() } else { failure.code },
        })?;
        let refused = answer.get("FailedCount").and_then(serde_json::Value::as_u64);
        refused.ok_or_else(|| PortError { operation: OPERATION, code: GapReason::Unreadable.as_str().to_owned(), retryable: true })
    }
}
