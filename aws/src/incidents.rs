//! Incidents over DynamoDB: a head item, and one item per job, because an item holds 400 KB and an incident may hold any number of jobs.
//!
//! Head: `pk` = `incident#<id>`, `sk` = `head`, `v`, `opened_at`, `announced_at`, `announcing_until` (ms), `jobs_total`.
//! Member: same `pk`, `sk` = `job#<account>#<region>#<type>#<job id>`, `v`, `state`, `at` (ms).

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValue, TransactWriteItem, Update};
use guardian_core::event::Job;
use guardian_core::incident::IncidentId;
use guardian_core::ports::{Incidents, Joined, PortError};
use jiff::Timestamp;

use crate::classify::port_error;
use crate::item::{Item, SCHEMA_VERSION, millis, number, read_number, read_time, string};

/// Incidents in the guardian's table.
#[derive(Clone, Debug)]
pub struct IncidentTable {
    client: aws_sdk_dynamodb::Client,
    table: String,
    repeat_after: Duration,
}

fn head_key(id: &IncidentId) -> [(String, AttributeValue); 2] {
    [("pk".to_owned(), string(format!("incident#{id}"))), ("sk".to_owned(), string("head"))]
}

impl IncidentTable {
    /// Incidents in a table with string keys `pk` and `sk`; a reminder is due `repeat_after` the last message.
    pub fn new(config: &aws_config::SdkConfig, table: impl Into<String>, repeat_after: Duration) -> Self {
        Self { client: aws_sdk_dynamodb::Client::new(config), table: table.into(), repeat_after }
    }

    /// Adds the job and counts it, both or neither. A job that is a member already changes nothing.
    async fn add_member(&self, id: &IncidentId, job: &Job, now: Timestamp) -> Result<(), PortError> {
        const OPERATION: &str = "dynamodb:TransactWriteItems";
        let key = job.key();
        let member = format!("job#{}#{}#{}#{}", key.account, key.region, key.job_type.as_str(), key.job_id.as_str());
        let put = Put::builder()
            .table_name(&self.table)
            .item("pk", string(format!("incident#{id}")))
            .item("sk", string(member))
            .item("v", number(SCHEMA_VERSION))
            .item("state", string(job.state.as_str()))
            .item("at", millis(now))
            .condition_expression("attribute_not_exists(pk)")
            .build();
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(head_key(id).into()))
            .update_expression("SET opened_at = if_not_exists(opened_at, :now), #v = :v ADD jobs_total :one")
            .expression_attribute_names("#v", "v")
            .expression_attribute_values(":now", millis(now))
            .expression_attribute_values(":v", number(SCHEMA_VERSION))
            .expression_attribute_values(":one", number(1))
            .build();
        let (Ok(put), Ok(update)) = (put, update) else {
            return Err(PortError { operation: OPERATION, code: "incomplete request".to_owned(), retryable: false });
        };
        // Two jobs of one incident meet on the head item: a conflict is normal there and passes.
        for attempt in 0u32..4 {
            let answer = self
                .client
                .transact_write_items()
                .transact_items(TransactWriteItem::builder().put(put.clone()).build())
                .transact_items(TransactWriteItem::builder().update(update.clone()).build())
                .send()
                .await;
            let error = match answer {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            let reasons = match &error {
                SdkError::ServiceError(service) => match service.err() {
                    aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                        cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code()).collect::<Vec<_>>()
                    }
                    _ => return Err(port_error(OPERATION, &error)),
                },
                _ => return Err(port_error(OPERATION, &error)),
            };
            if reasons.contains(&"ConditionalCheckFailed") {
                return Ok(());
            }
            if !reasons.contains(&"TransactionConflict") || attempt == 3 {
                return Err(port_error(OPERATION, &error));
            }
            tokio::time::sleep(Duration::from_millis(40 << attempt)).await;
        }
        Ok(())
    }

    async fn head(&self, id: &IncidentId) -> Result<Item, PortError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(head_key(id).into()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error("dynamodb:GetItem", &error))?;
        Ok(answer.item.unwrap_or_default())
    }
}

fn jobs_total(head: &Item) -> u64 {
    read_number(head, "jobs_total").and_then(|total| u64::try_from(total).ok()).unwrap_or(1).max(1)
}

impl Incidents for IncidentTable {
    async fn join(&self, id: &IncidentId, job: &Job, now: Timestamp, lease_until: Timestamp) -> Result<Joined, PortError> {
        self.add_member(id, job, now).await?;
        let due = now - jiff::SignedDuration::try_from(self.repeat_after).unwrap_or(jiff::SignedDuration::MAX);
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(head_key(id).into()))
            .update_expression("SET announcing_until = :lease")
            .condition_expression(
                "(attribute_not_exists(announcing_until) OR announcing_until <= :now) AND (attribute_not_exists(announced_at) OR announced_at <= :due)",
            )
            .expression_attribute_values(":lease", millis(lease_until))
            .expression_attribute_values(":now", millis(now))
            .expression_attribute_values(":due", millis(due))
            .return_values(ReturnValue::AllNew)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                let head = answer.attributes.unwrap_or_default();
                Ok(match read_time(&head, "announced_at") {
                    None => Joined::First,
                    Some(_) => Joined::Remind { jobs_total: jobs_total(&head), opened_at: read_time(&head, "opened_at").unwrap_or(now) },
                })
            }
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                let head = self.head(id).await?;
                Ok(match read_time(&head, "announced_at") {
                    Some(announced) if announced > due => Joined::Silent { jobs_total: jobs_total(&head) },
                    _ => Joined::Held,
                })
            }
            Err(error) => Err(port_error("dynamodb:UpdateItem", &error)),
        }
    }

    async fn announced(&self, id: &IncidentId, now: Timestamp) -> Result<(), PortError> {
        self.client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(head_key(id).into()))
            .update_expression("SET announced_at = :now REMOVE announcing_until")
            .expression_attribute_values(":now", millis(now))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| port_error("dynamodb:UpdateItem", &error))
    }

    async fn release(&self, id: &IncidentId, lease_until: Timestamp) -> Result<(), PortError> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(head_key(id).into()))
            .update_expression("REMOVE announcing_until")
            .condition_expression("announcing_until = :ours")
            .expression_attribute_values(":ours", millis(lease_until))
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => Ok(()),
            Err(error) => Err(port_error("dynamodb:UpdateItem", &error)),
        }
    }
}
