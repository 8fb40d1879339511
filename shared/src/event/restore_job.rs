//! `Restore Job State Change`. The state is `status`, but `state` in CREATED; vault, recovery point and resource come with COMPLETED only;
//! in AWS' sample `resources` and `recoveryPointArn` differ, and the field is the more specific one.

use super::envelope::Envelope;
use super::field::Fields;
use super::job::Job;

pub(super) fn read(job: &mut Job, envelope: &Envelope, detail: &mut Fields<'_>) {
    job.read_id(detail, "restoreJobId");
    job.read_state(detail, "status");
    job.vault_arn = detail.arn("backupVaultArn");
    job.resource_arn = detail.arn("sourceResourceArn").or_else(|| detail.arn("resourceArn"));
    job.recovery_point_arn = detail.arn("recoveryPointArn").or_else(|| envelope.resource());
}
