//! Copies that are started on demand, through a role of their own, and what is kept of them.
//!
//! Item: `pk` = `drills`, `sk` = the id of the drill, `v`, `record` (JSON), `revision`, `ttl` (s).

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_backup::types::Lifecycle;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use guardian_core::drill::CopyOrder;
use guardian_core::drill::record::Record;
use guardian_core::event::JobId;
use guardian_core::evidence::{Gap, GapReason};
use guardian_core::ports::{CopyStarter, DrillStore, PortError};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::classify::{port_error, reason_of};
use crate::convert::{gap, text};
use crate::item::{Item, SCHEMA_VERSION, number, read_str, string};
use crate::pace::Pace;
use crate::session::{Cloud, ReaderRole};

/// Name of the role that starts copies, where drills were switched on (`deploy/agent-global.yaml`).
pub const DRILL_ROLE: &str = "backup-guardian-drill";

const START: &str = "backup:StartCopyJob";
const PARTITION: &str = "drills";
/// Drills are kept for as long as somebody may ask about one.
const KEPT_SECONDS: i64 = 400 * 24 * 3600;
/// AWS publishes no limit for `StartCopyJob`; of the neighbouring calls 5 per second are allowed
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

impl CopyStarter for Drills {
    async fn start(&self, order: &CopyOrder, token: &str) -> Result<JobId, Gap> {
        let (account, region) = (&order.account, &order.region);
        let client = self.cloud.clients(account, region).await?.backup;
        if !self.pace.turn(account, region, Instant::now() + PATIENCE).await {
            return Err(gap(START, account, region, GapReason::BudgetSpent, "no turn came".to_owned()));
        }
        let lifecycle = Lifecycle::builder()
            .delete_after_days(order.retention.days())
            .set_move_to_cold_storage_after_days(order.retention.cold_after_days())
            .build();
        let answer = client
            .start_copy_job()
            .recovery_point_arn(order.point.as_str())
            .source_backup_vault_name(order.source_vault.resource_name())
            .destination_backup_vault_arn(order.destination_vault.as_str())
            .iam_role_arn(order.role.as_str())
            .idempotency_token(token)
            .lifecycle(lifecycle)
            .send()
            .await
            .map_err(|error| {
                let (reason, code) = reason_of(&error);
                // Whoever asked for the copy must know what AWS says of it; reads have their own words.
                let said = match &error {
                    SdkError::ServiceError(service) => service.err().message().map(str::to_owned),
                    _ => None,
                };
                gap(START, account, region, reason, said.map_or(code.clone(), |said| format!("{code}: {said}")))
            })?;
        let unnamed = || gap(START, account, region, GapReason::Unreadable, "answer without a job".to_owned());
        text(answer.copy_job_id()).map(JobId::from).ok_or_else(unnamed)
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
