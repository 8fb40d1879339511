//! Claims, gaps that were told, and what the people who run the guardian hear, in memory.

use std::time::Duration;

use guardian_core::event::JobKey;
use guardian_core::evidence::Gap;
use guardian_core::ports::{Claim, ClaimLookup, Claims, GapMemory, Heart, Operations, PortError};
use jiff::Timestamp;

use crate::World;

impl Claims for World {
    async fn claim(&self, key: &JobKey, now: Timestamp, lease_until: Timestamp) -> Result<Claim, PortError> {
        let effect = async {
            self.table().await?;
            let mut state = self.lock();
            Ok(match state.claims.get(key) {
                Some((true, _)) => Claim::Done,
                Some((false, until)) if *until > now => Claim::Held,
                _ => {
                    state.claims.insert(key.clone(), (false, lease_until));
                    Claim::Mine
                }
            })
        };
        self.change("claim", effect).await
    }

    async fn done(&self, key: &JobKey, now: Timestamp) -> Result<(), PortError> {
        let effect = async {
            self.table().await?;
            self.set(|state| {
                state.claims.insert(key.clone(), (true, now));
            });
            Ok(())
        };
        self.change("done", effect).await
    }

    async fn release(&self, key: &JobKey, lease_until: Timestamp) -> Result<(), PortError> {
        let effect = async {
            self.table().await?;
            self.set(|state| {
                if state.claims.get(key) == Some(&(false, lease_until)) {
                    state.claims.remove(key);
                }
            });
            Ok(())
        };
        self.change("release", effect).await
    }
}

impl ClaimLookup for World {
    async fn claimed(&self, keys: &[JobKey], now: Timestamp) -> Result<Vec<JobKey>, PortError> {
        self.ask("claimed").await?;
        self.table().await?;
        let state = self.lock();
        let taken = |key: &&JobKey| state.claims.get(*key).is_some_and(|(done, until)| *done || *until > now);
        Ok(keys.iter().filter(taken).cloned().collect())
    }
}

impl GapMemory for World {
    async fn is_new(&self, gap: &Gap, _: Timestamp, _: Duration) -> Result<bool, PortError> {
        let effect = async {
            self.table().await?;
            let name = format!("{} {} {:?}", gap.account_id, gap.action, gap.region);
            Ok(self.lock().gaps_told.insert(name))
        };
        self.change("is_new", effect).await
    }
}

/// Nobody looks at the heartbeats here.
impl Heart for World {
    async fn beat(&self, _: &'static str, _: Timestamp) -> Result<(), PortError> {
        self.change("beat", self.table()).await
    }
}

impl Operations for World {
    async fn tell(&self, _: &str, body: &str) -> Result<(), PortError> {
        let effect = async {
            self.set(|state| state.operations.push(body.to_owned()));
            Ok(())
        };
        self.change("tell", effect).await
    }
}
