//! Wiring.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use diagnose_job::config::Telling;
use diagnose_job::messenger::Messenger;
use guardian_aws::{Cloud, Queue, Topics, WorkTable, lambda};
use jiff::SignedDuration;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use record_success::{FUNCTION, Handler};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::log_as_json();
    let config = Telling::from_env().inspect_err(|error| tracing::error!(%error, "configuration refused"))?;
    let cloud = Cloud::from_env(config.reader).await;
    let base = cloud.base().clone();
    let work = WorkTable::new(&base, config.table);
    let alerts = Topics::new(&base, config.alert_topic_arn, config.chat_topic_arn);
    let later = Queue::new(&base, config.follow_up_queue_url);
    let (now, metrics) = (Box::new(jiff::Timestamp::now), Box::new(lambda::emit));
    let messenger = Messenger::new(FUNCTION, (work, alerts, later), now, metrics, config.repeat_after);
    let repeat_after = SignedDuration::try_from(config.repeat_after)?;
    let handler = Arc::new(Handler { readers: cloud, messenger, repeat_after });
    lambda_runtime::run(service_fn(move |event: LambdaEvent<serde_json::Value>| {
        let handler = Arc::clone(&handler);
        async move {
            let deadline = lambda::deadline(SystemTime::UNIX_EPOCH + Duration::from_millis(event.context.deadline));
            handler.handle(event.payload, deadline).await.map_err(Error::from)
        }
    }))
    .await
}
