//! Wiring.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use collect_denials::Handler;
use guardian_aws::{DenialTable, lambda};
use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::log_as_json();
    let table =
        std::env::var("GUARDIAN_DENIALS_TABLE").ok().filter(|name| !name.trim().is_empty()).ok_or("`GUARDIAN_DENIALS_TABLE` is not set")?;
    let config = guardian_aws::session::our_account().await;
    let store = DenialTable::new(&config, table);
    let handler = Arc::new(Handler { store, now: Box::new(jiff::Timestamp::now), metrics: Box::new(lambda::emit) });
    lambda_runtime::run(service_fn(move |event: LambdaEvent<serde_json::Value>| {
        let handler = Arc::clone(&handler);
        async move {
            let deadline = lambda::deadline(SystemTime::UNIX_EPOCH + Duration::from_millis(event.context.deadline));
            handler.handle(event.payload, deadline).await.map_err(Error::from)
        }
    }))
    .await
}
