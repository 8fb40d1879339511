//! `Backup Job State Change`. The recovery point is named in `resources` only, and only by COMPLETED; sizes are texts; messages are quoted
//! twice; a CREATED event has nothing but id, state and date.

use super::envelope::Envelope;
use super::field::Fields;
use super::job::Job;

pub(super) fn read(job: &mut Job, envelope: &Envelope, detail: &mut Fields<'_>) {
    job.read_id(detail, "backupJobId");
    job.read_state(detail, "state");
    job.vault_arn = detail.arn("backupVaultArn");
    job.resource_arn = detail.arn("resourceArn");
    job.start_by = detail.timestamp("startBy");
    job.recovery_point_arn = detail.arn("recoveryPointArn").or_else(|| envelope.resource());
}
