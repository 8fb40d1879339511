//! `Copy Job State Change`. The source recovery point is named in `resources` only; `destinationRecoveryPointArn` is `{}` until it exists;
//! sizes are numbers; a CREATED event has no `copyJobId`.

use super::envelope::Envelope;
use super::field::Fields;
use super::job::{Job, JobState};
use super::job_fields::job_id;

pub(super) fn read(job: &mut Job, envelope: &Envelope, detail: &mut Fields<'_>) {
    job.read_state(detail, "state");
    if job.state == JobState::Created {
        job.job_id = job_id(detail, "copyJobId");
    } else {
        job.read_id(detail, "copyJobId");
    }
    job.vault_arn = detail.arn("sourceBackupVaultArn");
    job.destination_vault_arn = detail.arn("destinationBackupVaultArn");
    job.destination_recovery_point_arn = detail.arn("destinationRecoveryPointArn");
    job.resource_arn = detail.arn("resourceArn");
    job.recovery_point_arn = envelope.resource().or_else(|| detail.arn("sourceRecoveryPointArn"));
}
