//! Wiring.

use std::sync::Arc;

use guardian_aws::lambda;
use guardian_core::compliance::Baseline;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use plan_sweep::config::{Sweeps, our_account};
use plan_sweep::{Config, Item, PlanError};
use serde_json::Value;
use sweep_account::read;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda::log_as_json();
    let config = Config::from_env().inspect_err(|error| tracing::error!(%error, "configuration refused"))?;
    let sweeps = Sweeps::from_env(config).await;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let sweeps = sweeps.clone();
        async move {
            let ours = our_account(&event.context.invoked_function_arn)?;
            let item = serde_json::from_value::<Item>(event.payload).map_err(PlanError::from)?;
            let id = item.sweep.clone();
            let sweep = Arc::new(sweeps.sweep(&ours, &id, Baseline::default(), jiff::Timestamp::now()));
            let answer = read(sweep, &sweeps.parts(&ours, &id), item).await;
            let answer = answer.inspect_err(|error| tracing::error!(sweep = %id, %error, "a batch is not whole"))?;
            tracing::info!(sweep = %id, read = answer.read, closed = answer.closed, "read");
            Ok::<_, Error>(answer)
        }
    }))
    .await
}
