//! Writes of many items at once: not a transaction, and what DynamoDB leaves over is written again.

use std::time::Duration;

use aws_sdk_dynamodb::types::WriteRequest;
use guardian_core::ports::PortError;

use crate::classify::port_error;

/// Most items of one request (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>).
pub(crate) const MOST: usize = 25;
/// How often what was left over is written again.
const ATTEMPTS: u32 = 4;

/// Writes these; one call of ours may not name an item twice.
pub(crate) async fn write(client: &aws_sdk_dynamodb::Client, table: &str, requests: Vec<WriteRequest>) -> Result<(), PortError> {
    const OPERATION: &str = "dynamodb:BatchWriteItem";
    for chunk in requests.chunks(MOST) {
        let mut left = chunk.to_vec();
        let mut attempt = 0u32;
        while !left.is_empty() {
            let request = client.batch_write_item().request_items(table, left);
            let answer = request.send().await.map_err(|error| port_error(OPERATION, &error))?;
            left = answer.unprocessed_items.unwrap_or_default().remove(table).unwrap_or_default();
            if !left.is_empty() {
                if attempt == ATTEMPTS {
                    return Err(PortError { operation: OPERATION, code: "unprocessed items".to_owned(), retryable: true });
                }
                tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
                attempt += 1;
            }
        }
    }
    Ok(())
}
