//! What every function does around its work: open the envelope, run item by item, answer with the failed ones, count, log.
//!
//! A batch of SQS and one bare EventBridge event are handled alike. An item that fails or panics fails alone: the queue brings it again, and in
//! the end to the dead-letter queue.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, SystemTime};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Namespace of the metrics in CloudWatch.
pub const NAMESPACE: &str = "BackupGuardian";

/// An invocation that failed as a whole.
#[derive(Debug, thiserror::Error)]
pub enum InvocationError {
    /// The payload has `Records` that are not a batch of SQS.
    #[error("the batch cannot be read: {0}")]
    Batch(String),
    /// A message without an id can be reported only by failing the invocation.
    #[error("a message of the batch has no `messageId`")]
    NoMessageId,
    /// A bare event that failed.
    #[error("{0}")]
    Event(String),
}

/// Runs `work` on every item of a payload.
///
/// No new item is begun with less than `needed` left before `deadline`; such items are reported as failed and come again.
pub async fn each<F, W, O, E>(payload: Value, deadline: Instant, needed: Duration, work: F) -> Result<Value, InvocationError>
where
    F: Fn(Vec<u8>) -> W,
    W: Future<Output = Result<O, E>> + Send + 'static,
    O: Display + Send + 'static,
    E: Display + Send + 'static,
{
    each_of(payload, deadline, needed, |item| work(item.body)).await
}

/// One item of a payload.
pub struct Item {
    /// What the message holds, or the bare event.
    pub body: Vec<u8>,
    /// Name of the queue, as SQS wrote it into the batch; nothing in a message can change it. Absent for a bare event.
    pub queue: Option<String>,
    /// Id of the message, the same however often SQS brings it. Absent for a bare event.
    pub message_id: Option<String>,
}

/// The same for a function that hears several queues, whose senders are not to be trusted with the same things.
pub async fn each_of<F, W, O, E>(payload: Value, deadline: Instant, needed: Duration, work: F) -> Result<Value, InvocationError>
where
    F: Fn(Item) -> W,
    W: Future<Output = Result<O, E>> + Send + 'static,
    O: Display + Send + 'static,
    E: Display + Send + 'static,
{
    let batch = payload.get("Records").is_some_and(Value::is_array);
    if !batch {
        let item = Item { body: payload.to_string().into_bytes(), queue: None, message_id: None };
        let outcome = run(item, &work).await.map_err(InvocationError::Event)?;
        return Ok(json!({"outcome": outcome}));
    }
    let event = serde_json::from_value::<SqsEvent>(payload).map_err(|error| InvocationError::Batch(error.to_string()))?;
    let mut response = SqsBatchResponse::default();
    for message in event.records {
        let id = message.message_id.ok_or(InvocationError::NoMessageId)?;
        let outcome = if deadline.saturating_duration_since(Instant::now()) < needed {
            Err("no time left in this invocation".to_owned())
        } else {
            let queue = message.event_source_arn.as_deref().and_then(|arn| arn.rsplit(':').next()).map(str::to_owned);
            let item = Item { body: message.body.unwrap_or_default().into_bytes(), queue, message_id: Some(id.clone()) };
            run(item, &work).await
        };
        match outcome {
            Ok(outcome) => tracing::info!(message_id = %id, outcome, "message done"),
            Err(error) => {
                tracing::error!(message_id = %id, error, "message failed; it comes again");
                response.batch_item_failures.push(failure(id));
            }
        }
    }
    serde_json::to_value(response).map_err(|error| InvocationError::Batch(error.to_string()))
}

fn failure(id: String) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = id;
    failure
}

/// One item, in a task of its own: a panic ends this item only.
async fn run<F, W, O, E>(item: Item, work: &F) -> Result<String, String>
where
    F: Fn(Item) -> W,
    W: Future<Output = Result<O, E>> + Send + 'static,
    O: Display + Send + 'static,
    E: Display + Send + 'static,
{
    match tokio::spawn(work(item)).await {
        Ok(Ok(outcome)) => Ok(outcome.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(join) if join.is_panic() => Err("the handler panicked".to_owned()),
        Err(_) => Err("the handler was cancelled".to_owned()),
    }
}

/// The deadline of the invocation as the runtime's clock knows it, from the wall-clock time that Lambda gives.
pub fn deadline(at: SystemTime) -> Instant {
    Instant::now() + at.duration_since(SystemTime::now()).unwrap_or_default()
}

/// One count in the embedded metric format of CloudWatch: a log line that becomes a metric
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
/// `reason` must come from a bounded set: every value is a metric of its own.
pub fn count(function: &str, metric: &str, reason: &str, at: jiff::Timestamp) -> String {
    json!({
        "_aws": {
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["function", "reason"], ["function"]],
                "Metrics": [{"Name": metric, "Unit": "Count"}],
            }],
        },
        "function": function,
        "reason": reason,
        metric: 1,
    })
    .to_string()
}

/// Writes a line of metrics where CloudWatch reads it.
pub fn emit(line: &str) {
    use std::io::Write as _;
    // A closed standard output is no reason to lose an alert.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Logs as JSON on standard output. `GUARDIAN_LOG` takes the directives of tracing's `EnvFilter`; the default is `info`.
pub fn log_as_json() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("GUARDIAN_LOG").unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // Lambda stamps every line itself.
    let subscriber = tracing_subscriber::fmt().json().flatten_event(true).with_current_span(false).with_span_list(false);
    let _ = subscriber.with_env_filter(filter).with_ansi(false).without_time().try_init();
}
