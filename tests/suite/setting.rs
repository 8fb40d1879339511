//! A handler over a cloud in memory in which the usual copy has failed.

use std::sync::Arc;
use std::time::Duration;

use diagnose_job::config::Scope;
use diagnose_job::{Handler, Ports};
use guardian_core::arn::Arn;
use guardian_core::event::{self, Job, Parsed};
use guardian_core::evidence::{Denial, Key, KeyManager, RecoveryPoint, Vault};
use guardian_tests::World;
use guardian_tests::world::account;
use serde_json::Value;
use tokio::time::Instant;

pub(crate) const KEY: &str = "arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";
pub(crate) const CENTRAL: &str = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central-vault";
pub(crate) const LOCAL: &str = "arn:aws:backup:eu-central-1:111111111111:backup-vault:local-vault";
pub(crate) const SNAPSHOT: &str = "arn:aws:ec2:eu-central-1::snapshot/snap-03886bc8d6ef3a1f9";
/// Timeout of the function in the template.
const INVOCATION: Duration = Duration::from_secs(60);

pub(crate) fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

/// The objects of the failed copy `copy-job/failed`.
pub(crate) fn world() -> World {
    let world = World::new();
    world.set(|state| {
        state.points.insert(
            SNAPSHOT.to_owned(),
            RecoveryPoint {
                arn: arn(SNAPSHOT),
                status: Some("COMPLETED".to_owned()),
                status_message: None,
                is_encrypted: Some(true),
                encryption_key_arn: Some(arn(KEY)),
                resource_arn: None,
                resource_type: Some("EBS".to_owned()),
                resource_name: None,
                vault_type: None,
                delete_at: None,
                storage_class: None,
            },
        );
        for (name, key) in [(LOCAL, KEY), (CENTRAL, "arn:aws:kms:eu-central-1:222222222222:key/central")] {
            state.vaults.insert(
                name.to_owned(),
                Vault {
                    arn: arn(name),
                    vault_type: None,
                    state: None,
                    encryption_key_arn: Some(arn(key)),
                    locked: Some(false),
                    min_retention_days: None,
                    max_retention_days: None,
                    lock_date: None,
                    points: None,
                },
            );
            state.keys.insert(
                key.to_owned(),
                Key { arn: arn(key), manager: Some(KeyManager::Customer), state: Some("Enabled".to_owned()), deletion_at: None },
            );
        }
    });
    world
}

/// The refused CreateGrant of the backup account's service-linked role, as CloudTrail tells it.
pub(crate) fn denial() -> Denial {
    let bytes = guardian_tests::event("cloudtrail/create-grant-denied").to_string();
    let Parsed::Trail(record) = event::parse(bytes.as_bytes()) else { panic!("not a record") };
    record.denial().into_iter().next().unwrap()
}

pub(crate) fn failed_job() -> Job {
    let bytes = guardian_tests::event("copy-job/failed").to_string();
    let Parsed::Job(job) = event::parse(bytes.as_bytes()) else { panic!("not a job") };
    *job
}

pub(crate) fn scope() -> Scope {
    Scope { backup_accounts: [account("222222222222")].into(), ..Scope::default() }
}

pub(crate) type Function = Arc<Handler<World, World, World, World, World>>;

/// The world as every port.
pub(crate) fn ports(world: &World) -> Ports<World, World, World, World, World> {
    Ports {
        readers: world.clone(),
        denials: world.clone(),
        work: world.clone(),
        alerts: world.clone(),
        later: world.clone(),
        now: world.clock(),
        metrics: world.metrics(),
    }
}

/// One instance of the function over a world.
pub(crate) fn function(world: &World) -> Function {
    Arc::new(Handler::new(ports(world), scope(), Duration::from_secs(4 * 3600)))
}

/// One invocation with the full timeout ahead.
pub(crate) async fn invoke(function: &Function, payload: Value) -> Value {
    Arc::clone(function).handle(payload, Instant::now() + INVOCATION).await.unwrap()
}
