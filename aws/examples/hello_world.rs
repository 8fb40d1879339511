//! What a Lambda function holds that does nothing: it has as many SDK clients as `diagnose-job` after its first event, and answers hello.
//!
//! `python -m perf.cold` measures its memory beside that of the function. The clients are made as everybody makes them.

use aws_config::BehaviorVersion;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

/// Accounts that a copy concerns.
const ACCOUNTS: usize = 2;
/// Denials, incidents, claims, turns.
const TABLES: usize = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let ours = (aws_sdk_sts::Client::new(&config), aws_sdk_sns::Client::new(&config), aws_sdk_sqs::Client::new(&config));
    let tables = [(); TABLES].map(|()| aws_sdk_dynamodb::Client::new(&config));
    let others = [(); ACCOUNTS].map(|()| {
        let (backup, kms) = (aws_sdk_backup::Client::new(&config), aws_sdk_kms::Client::new(&config));
        (backup, kms, aws_sdk_iam::Client::new(&config), aws_sdk_cloudtrail::Client::new(&config))
    });
    lambda_runtime::run(service_fn(async |_: LambdaEvent<Value>| Ok::<_, Error>(json!({"hello": "world"})))).await?;
    // Held until the process ends.
    drop((ours, tables, others));
    Ok(())
}
