//! Copies and restores that are started on demand, through a role of their own, what restores made, and what is kept of them.
//!
//! Item: `pk` = `drills`, `sk` = the id of the drill, `v`, `record` (JSON), `revision`, `ttl` (s).

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_backup::types::Lifecycle;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::drill::record::Record;
use guardian_core::drill::restore::{Removal, metadata};
use guardian_core::drill::{CopyOrder, Order, RestoreOrder};
use guardian_core::event::JobId;
use guardian_core::evidence::{Gap, GapReason};
use guardian_core::ports::{DrillStarter, DrillStore, PortError, Remains, Remover, RestoreSettings};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::answers::volume_is_there;
use crate::classify::{port_error, reason_of};
use crate::convert::{gap, text};
use crate::item::{Item, SCHEMA_VERSION, number, read_str, string};
use crate::pace::Pace;
use crate::session::{Cloud, ReaderRole};

/// Name of the role that starts the jobs of drills, where drills were switched on (`deploy/agent-global.yaml`).
pub const DRILL_ROLE: &str = "backup-guardian-drill";

const COPY: &str = "backup:StartCopyJob";
const RESTORE: &str = "backup:StartRestoreJob";
const SETTINGS: &str = "backup:GetRecoveryPointRestoreMetadata";
const DELETE_TABLE: &str = "dynamodb:DeleteTable";
const VOLUMES: &str = "ec2:DescribeVolumes";
const PARTITION: &str = "drills";
/// Drills are kept for as long as somebody may ask about one.
const KEPT_SECONDS: i64 = 400 * 24 * 3600;
/// AWS publishes no limit for `StartCopyJob`; of `StartRestoreJob` and the neighbouring calls 5 per second are allowed
/// (<https://docs.aws.amazon.com/general/latest/gr/bk.html>).
const STARTS: usize = 2;
const WINDOW: Duration = Duration::from_millis(1_020);
/// Nobody waits longer for a turn.
const PATIENCE: Duration = Duration::from_secs(600);

/// The accounts as the role for drills sees them.
pub struct Drills {
    cloud: Cloud,
    pace: Pace,
}

impl Drills {
    /// Through this role of every account.
    pub fn new(base: SdkConfig, role: ReaderRole) -> Self {
        Self { cloud: Cloud::new(base, role), pace: Pace::new(STARTS, WINDOW) }
    }
}

/// What AWS says of a call that it refused: whoever asked for the job must know it; reads have their own words.
fn refused<E, R>(action: &str, account: &AccountId, region: &Region, error: &SdkError<E, R>) -> Gap
where
    E: ProvideErrorMetadata,
{
    let (reason, code) = reason_of(error);
    let said = match error {
        SdkError::ServiceError(service) => service.err().message().map(str::to_owned),
        _ => None,
    };
    gap(action, account, region, reason, said.map_or(code.clone(), |said| format!("{code}: {said}")))
}

impl Drills {
    async fn client(&self, action: &str, account: &AccountId, region: &Region) -> Result<aws_sdk_backup::Client, Gap> {
        let client = self.cloud.clients(account, region).await?.backup;
        if self.pace.turn(account, region, Instant::now() + PATIENCE).await {
            return Ok(client);
        }
        Err(gap(action, account, region, GapReason::BudgetSpent, "no turn came".to_owned()))
    }

    async fn copy(&self, order: &CopyOrder, token: String) -> Result<Option<String>, Gap> {
        let (account, region) = (&order.account, &order.region);
        let lifecycle = Lifecycle::builder()
            .delete_after_days(order.retention.days())
            .set_move_to_cold_storage_after_days(order.retention.cold_after_days())
            .build();
        let call = self.client(COPY, account, region).await?.start_copy_job();
        let answer = call
            .recovery_point_arn(order.point.as_str())
            .source_backup_vault_name(order.source_vault.resource_name())
            .destination_backup_vault_arn(order.destination_vault.as_str())
            .iam_role_arn(order.role.as_str())
            .idempotency_token(token)
            .lifecycle(lifecycle)
            .send()
            .await
            .map_err(|error| refused(COPY, account, region, &error))?;
        Ok(text(answer.copy_job_id()))
    }

    async fn restore(&self, order: &RestoreOrder, settings: BTreeMap<String, String>, token: String) -> Result<Option<String>, Gap> {
        let (account, region) = (&order.account, &order.region);
        let call = self.client(RESTORE, account, region).await?.start_restore_job();
        let answer = call
            .recovery_point_arn(order.point.as_str())
            .iam_role_arn(order.role.as_str())
            .idempotency_token(token)
            .set_metadata(Some(settings.into_iter().collect()))
            .send()
            .await
            .map_err(|error| refused(RESTORE, account, region, &error))?;
        Ok(text(answer.restore_job_id()))
    }
}

impl DrillStarter for Drills {
    async fn start(&self, record: &Record) -> Result<JobId, Gap> {
        let (named, action) = match &record.order {
            Order::Copy(order) => (self.copy(order, record.token()).await?, COPY),
            Order::Restore(order) => (self.restore(order, metadata(record, order), record.token()).await?, RESTORE),
        };
        let unnamed = || {
            let (account, region) = (record.order.account(), record.order.region());
            gap(action, account, region, GapReason::Unreadable, "answer without a job".to_owned())
        };
        named.map(JobId::from).ok_or_else(unnamed)
    }
}

impl RestoreSettings for Drills {
    async fn restore_settings(
        &self,
        account: &AccountId,
        region: &Region,
        vault: &Arn,
        point: &Arn,
    ) -> Result<BTreeMap<String, String>, Gap> {
        let call = self.cloud.clients(account, region).await?.backup.get_recovery_point_restore_metadata();
        let call = call.backup_vault_name(vault.resource_name()).recovery_point_arn(point.as_str());
        let answer = call.send().await.map_err(|error| {
            let (reason, detail) = reason_of(&error);
            gap(SETTINGS, account, region, reason, detail)
        })?;
        let settings = answer.restore_metadata().into_iter().flatten();
        Ok(settings.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

impl Remover for Drills {
    async fn remove(&self, account: &AccountId, region: &Region, removal: &Removal) -> Result<Remains, Gap> {
        match removal {
            Removal::Ours(table) => self.delete_table(account, region, table).await,
            // Only what has a command is known to be a volume.
            Removal::Person { command: None, .. } => Ok(Remains::There),
            Removal::Person { made, command: Some(_) } => match volume_is_there(&self.cloud, account, region, made.resource_name()).await {
                Ok(true) => Ok(Remains::There),
                Ok(false) => Ok(Remains::Gone),
                Err(failure) => {
                    let action = failure.action.unwrap_or_else(|| VOLUMES.to_owned());
                    Err(gap(&action, account, region, failure.reason, failure.code))
                }
            },
        }
    }
}

impl Drills {
    async fn delete_table(&self, account: &AccountId, region: &Region, table: &Arn) -> Result<Remains, Gap> {
        let (config, _) = self.cloud.config_in(account, region).await?;
        let client = aws_sdk_dynamodb::Client::new(&config);
        match client.delete_table().table_name(table.resource_name()).send().await {
            Ok(_) => Ok(Remains::OnItsWay),
            Err(SdkError::ServiceError(service)) if service.err().is_resource_not_found_exception() => Ok(Remains::Gone),
            // It is being made or deleted still.
            Err(SdkError::ServiceError(service)) if service.err().is_resource_in_use_exception() => Ok(Remains::OnItsWay),
            Err(error) => Err(refused(DELETE_TABLE, account, region, &error)),
        }
    }
}

/// Drills in the guardian's table.
#[derive(Clone, Debug)]
pub struct DrillTable {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

impl DrillTable {
    /// Drills in a table with string keys `pk` and `sk`.
    pub fn new(config: &SdkConfig, table: impl Into<String>) -> Self {
        Self { client: aws_sdk_dynamodb::Client::new(config), table: table.into() }
    }

    /// The drills of this name, or all.
    async fn query(&self, id: Option<&str>) -> Result<Vec<Record>, PortError> {
        const QUERY: &str = "dynamodb:Query";
        let query = self.client.query().table_name(&self.table).consistent_read(true).expression_attribute_values(":pk", string(PARTITION));
        let query = match id {
            Some(id) => query.key_condition_expression("pk = :pk AND sk = :id").expression_attribute_values(":id", string(id)),
            None => query.key_condition_expression("pk = :pk"),
        };
        let mut pages = query.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            for item in page.map_err(|error| port_error(QUERY, &error))?.items() {
                // One that cannot be read was perhaps started: it must not be started again.
                let record = read(item).ok_or_else(|| PortError { operation: QUERY, code: "unreadable".to_owned(), retryable: false })?;
                found.push(record);
            }
        }
        Ok(found)
    }
}

fn read(item: &Item) -> Option<Record> {
    serde_json::from_str(read_str(item, "record")?).ok()
}

impl DrillStore for DrillTable {
    async fn drill(&self, id: &str) -> Result<Option<Record>, PortError> {
        Ok(self.query(Some(id)).await?.pop())
    }

    async fn drills(&self) -> Result<Vec<Record>, PortError> {
        self.query(None).await
    }

    async fn put_drill(&self, record: &Record, now: Timestamp) -> Result<bool, PortError> {
        const PUT: &str = "dynamodb:PutItem";
        let unwritable = |_| PortError { operation: PUT, code: "unwritable".to_owned(), retryable: false };
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("pk", string(PARTITION))
            .item("sk", string(&record.id))
            .item("v", number(SCHEMA_VERSION))
            .item("record", string(serde_json::to_string(record).map_err(unwritable)?))
            .item("revision", number(record.revision))
            .item("ttl", number(now.as_second().saturating_add(KEPT_SECONDS)));
        let request = match record.revision.checked_sub(1).filter(|before| *before > 0) {
            Some(before) => request.condition_expression("revision = :before").expression_attribute_values(":before", number(before)),
            None => request.condition_expression("attribute_not_exists(pk)"),
        };
        match request.send().await {
            Ok(_) => Ok(true),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => Ok(false),
            Err(error) => Err(port_error(PUT, &error)),
        }
    }
}
