//! What AWS tells of backups beside the events of its jobs: that no job was made, or what went wrong in one that ends as if nothing had.

use serde::{Deserialize, Serialize};

use crate::arn::Arn;
use crate::evidence::Denial;

/// What was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// A plan ran, and AWS Backup could not process one of its selections: CloudTrail, `ProcessBackupPlanSelection` with an error.
    SelectionNotProcessed,
    /// A selection was deleted because its service-linked role was: CloudTrail, `BackupSelectionDeletedDueToSLRDeletion`.
    SelectionDeleted,
    /// The effective backup policy of the organization makes no plan: CloudTrail, `InvalidOrganizationBackupPlan`.
    OrganizationPolicyInvalid,
    /// Vault notification `CONTINUOUS_BACKUP_INTERRUPTED`.
    ContinuousBackupInterrupted,
    /// Vault notifications `S3_…_OBJECT_FAILED` and `EKS_…_OBJECT_FAILED`.
    ObjectsFailed,
    /// Vault notification `EKS_RESTORE_OBJECT_SKIPPED`.
    ObjectsSkipped,
}

impl NoticeKind {
    /// Whether it is about a plan: no job was made, and the plan stands for what it would have backed up.
    pub fn is_of_plan(self) -> bool {
        matches!(self, Self::SelectionNotProcessed | Self::SelectionDeleted | Self::OrganizationPolicyInvalid)
    }

    /// Whether it is about a job, which can be read and which made calls.
    pub fn is_of_job(self) -> bool {
        matches!(self, Self::ObjectsFailed | Self::ObjectsSkipped)
    }

    /// The name, as it is kept.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelectionNotProcessed => "selection-not-processed",
            Self::SelectionDeleted => "selection-deleted",
            Self::OrganizationPolicyInvalid => "organization-policy-invalid",
            Self::ContinuousBackupInterrupted => "continuous-backup-interrupted",
            Self::ObjectsFailed => "objects-failed",
            Self::ObjectsSkipped => "objects-skipped",
        }
    }
}

/// A notice. Its texts are those of AWS, and names in them were chosen by people: untrusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What was told.
    pub kind: NoticeKind,
    /// Id of the CloudTrail event or of the SNS message: the same in every delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When AWS recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<jiff::Timestamp>,
    /// `errorCode` of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Name of the plan, or of the plan in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_name: Option<String>,
    /// Id of the effective policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_id: Option<String>,
    /// Names of the selections, else their ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selections: Vec<String>,
    /// The refused call that the error names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denial: Option<Box<Denial>>,
}

impl Notice {
    /// A notice of which only the kind is known.
    pub(super) fn new(kind: NoticeKind) -> Self {
        Self { kind, id: None, recorded_at: None, error_code: None, plan_name: None, policy_id: None, selections: Vec::new(), denial: None }
    }

    /// Which selection of a plan, as far as the error tells one from another: the role that was refused and what it was refused, else the
    /// selection. A plan with two broken selections has two things to mend, and may have two owners.
    pub fn subject(&self) -> String {
        let refused = self.denial.as_ref().and_then(|denial| {
            let role = if self.refused_role() { denial.resource.clone() } else { Arn::parse(denial.principal.as_deref()?).ok() }?;
            Some(format!("{} of {}", denial.action.as_deref()?, role.role_name()?))
        });
        refused.unwrap_or_else(|| self.selections.join(","))
    }

    /// Whether AWS Backup could not assume the role of the selection.
    pub fn refused_role(&self) -> bool {
        self.denial.as_ref().is_some_and(|denial| denial.action.as_deref() == Some("sts:AssumeRole"))
    }
}
