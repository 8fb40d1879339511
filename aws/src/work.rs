//! Claims and incidents of one table, as the one port a handler asks.

use guardian_core::event::{Job, JobKey};
use guardian_core::incident::IncidentId;
use guardian_core::ports::{Claim, Claims, Incidents, Joined, PortError};
use jiff::Timestamp;

use crate::{ClaimTable, IncidentTable};

/// Claims and incidents.
#[derive(Clone, Debug)]
pub struct WorkTable {
    /// Claims.
    pub claims: ClaimTable,
    /// Incidents.
    pub incidents: IncidentTable,
}

impl Claims for WorkTable {
    async fn claim(&self, key: &JobKey, now: Timestamp, lease_until: Timestamp) -> Result<Claim, PortError> {
        self.claims.claim(key, now, lease_until).await
    }

    async fn done(&self, key: &JobKey, now: Timestamp) -> Result<(), PortError> {
        self.claims.done(key, now).await
    }

    async fn release(&self, key: &JobKey, lease_until: Timestamp) -> Result<(), PortError> {
        self.claims.release(key, lease_until).await
    }
}

impl Incidents for WorkTable {
    async fn join(&self, id: &IncidentId, job: &Job, now: Timestamp, lease_until: Timestamp) -> Result<Joined, PortError> {
        self.incidents.join(id, job, now, lease_until).await
    }

    async fn announced(&self, id: &IncidentId, now: Timestamp) -> Result<(), PortError> {
        self.incidents.announced(id, now).await
    }

    async fn release(&self, id: &IncidentId, lease_until: Timestamp) -> Result<(), PortError> {
        self.incidents.release(id, lease_until).await
    }
}
