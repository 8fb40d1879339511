//! An organization in which many things fail for many reasons, as the events tell it.

use std::collections::BTreeMap;

use guardian_core::arn::Arn;
use guardian_core::event::{self, Job, Parsed};
use guardian_core::evidence::{Key, KeyManager, RecoveryPoint};
use guardian_tests::{World, event};
use serde_json::{Value, json};

use crate::setting::arn;

/// Pairs of vaults.
pub(crate) const ROUTES: usize = 120;
/// Jobs of one resource are proved one by one, those under a key that can be read together.
const RESOURCES: usize = 3;

/// A pair of vaults of one account.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    number: usize,
    /// Whether its recovery points and their key can be read.
    known: bool,
}

impl Route {
    pub(crate) fn new(world: &World, number: usize) -> Self {
        let route = Self { number, known: number.is_multiple_of(2) };
        if route.known {
            route.exists_in(world);
        }
        route
    }

    fn account(&self) -> String {
        format!("5{:011}", self.number / 3)
    }

    fn key(&self) -> Arn {
        arn(&format!("arn:aws:kms:eu-central-1:{}:key/1234abcd-12ab-34cd-56ef-{:012}", self.account(), self.number))
    }

    fn point(&self, resource: usize) -> String {
        format!("arn:aws:ec2:eu-central-1::snapshot/snap-{:010}{resource:07}", self.number)
    }

    fn exists_in(&self, world: &World) {
        let key = self.key();
        world.set(|state| {
            state.keys.insert(
                key.as_str().to_owned(),
                Key { arn: key.clone(), manager: Some(KeyManager::Customer), state: Some("Enabled".to_owned()), deletion_at: None },
            );
            for resource in 0..=RESOURCES {
                let point = self.point(resource);
                state.points.insert(
                    point.clone(),
                    RecoveryPoint {
                        arn: arn(&point),
                        status: Some("COMPLETED".to_owned()),
                        status_message: None,
                        is_encrypted: Some(true),
                        encryption_key_arn: Some(key.clone()),
                        resource_arn: None,
                        resource_type: Some("EBS".to_owned()),
                        resource_name: None,
                        vault_type: None,
                        delete_at: None,
                        storage_class: None,
                    },
                );
            }
        });
    }

    /// A copy of this route; `name` is the recorded event.
    fn copy(&self, name: &str, resource: usize, id: usize) -> Value {
        let mut event = event(name);
        let account = self.account();
        event["account"] = json!(account);
        event["resources"] = json!([self.point(resource)]);
        event["detail"]["copyJobId"] = json!(format!("47C8EF56-0000-0000-0000-{id:012}"));
        event["detail"]["sourceBackupVaultArn"] =
            json!(format!("arn:aws:backup:eu-central-1:{account}:backup-vault:local-{}", self.number));
        event["detail"]["destinationBackupVaultArn"] =
            json!(format!("arn:aws:backup:eu-central-1:222222222222:backup-vault:central-{}", self.number));
        event["detail"]["iamRoleArn"] = json!(format!("arn:aws:iam::{account}:role/service-role/AWSBackupDefaultServiceRole"));
        event["detail"]["resourceArn"] = json!(format!("arn:aws:ec2:eu-central-1:{account}:volume/vol-{:08}{resource:09}", self.number));
        event
    }

    pub(crate) fn failure(&self, id: usize) -> Value {
        self.copy("copy-job/failed", id / ROUTES % RESOURCES, id)
    }

    /// The copies that prove that the route works again: of another resource under the same key, or of every resource.
    pub(crate) fn proofs(&self, first_id: usize) -> Vec<Value> {
        let resources = if self.known { RESOURCES..RESOURCES + 1 } else { 0..RESOURCES };
        resources.enumerate().map(|(n, resource)| self.success(resource, first_id + n)).collect()
    }

    /// The copy of one resource that was not copied before.
    pub(crate) fn part(&self, id: usize) -> Value {
        self.success(0, id)
    }

    pub(crate) fn is_known(&self) -> bool {
        self.known
    }

    fn success(&self, resource: usize, id: usize) -> Value {
        let mut event = self.copy("copy-job/completed", resource, id);
        event["detail"]["creationDate"] = json!("2026-11-02T07:05:00.000Z");
        event["detail"]["completionDate"] = json!("2026-11-02T07:20:00.000Z");
        event["time"] = json!("2026-11-02T07:20:10Z");
        event
    }

    /// The refused call behind the failures of the route, as CloudTrail sends it.
    pub(crate) fn denial(&self) -> Value {
        let text = event("cloudtrail/create-grant-denied").to_string();
        let text = text.replace("arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab", self.key().as_str());
        let mut event = serde_json::from_str::<Value>(&text).unwrap();
        event["id"] = json!(format!("denial-{}", self.number));
        event["detail"]["eventID"] = json!(format!("5d529779-2d27-42b5-92da-{:012}", self.number));
        event
    }
}

/// A problem of another kind: a backup, a restore or a scan, or an event that tells next to nothing. Several share one cause.
pub(crate) fn other(kind: usize, id: usize) -> Value {
    let account = format!("6{:011}", id % 40);
    let number = format!("{id:012}");
    let (name, field) = [
        ("backup-job/failed", "backupJobId"),
        ("restore-job/failed", "restoreJobId"),
        ("scan-job/completed-threats-found", "scanJobId"),
        ("copy-job/odd-no-detail", ""),
    ][kind % 4];
    let mut event = event(name);
    event["account"] = json!(account);
    event["id"] = json!(format!("4660bc92-a44d-c939-4542-{number}"));
    if !field.is_empty() {
        event["detail"][field] = json!(format!("4d5fc12e-7e33-4336-a981-{number}"));
    }
    event["time"] = json!("2026-11-02T05:36:10Z");
    for (field, at) in [("creationDate", "2026-11-02T05:00:00Z"), ("completionDate", "2026-11-02T05:36:00Z")] {
        if event["detail"].get(field).is_some() {
            event["detail"][field] = json!(at);
        }
    }
    if name.starts_with("scan") {
        event["detail"]["accountId"] = json!(account);
    }
    event
}

/// The job that an event is about.
pub(crate) fn job_of(event: &Value) -> Job {
    match event::parse(event.to_string().as_bytes()) {
        Parsed::Job(job) => *job,
        Parsed::Degraded(degraded) => degraded.as_job(),
        other => panic!("no job: {other:?}"),
    }
}

/// How often each is there.
pub(crate) fn tally<T: Ord>(all: impl IntoIterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for one in all {
        *counts.entry(one).or_insert(0) += 1;
    }
    counts
}
