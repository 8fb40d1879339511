//! Support for the test suite: a cloud in memory that implements every port, and the recorded events.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test support fails loudly")]

pub mod claims;
pub mod fate;
pub mod incidents;
pub mod world;

pub use world::{Mode, World};

/// A recorded event, by its path below `tests/events` without ending.
pub fn event(name: &str) -> serde_json::Value {
    let path = format!("{}/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

/// A batch of SQS as Lambda hands it over; the bodies as they are.
pub fn batch_of_texts(bodies: &[String]) -> serde_json::Value {
    let records = bodies.iter().enumerate().map(|(n, body)| {
        serde_json::json!({
            "messageId": format!("m-{n}"),
            "receiptHandle": "r",
            "body": body,
            "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {},
            "md5OfBody": "",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:444444444444:problem-events",
            "awsRegion": "eu-central-1",
        })
    });
    serde_json::json!({"Records": records.collect::<Vec<_>>()})
}

/// A batch of SQS of events.
pub fn batch(events: &[serde_json::Value]) -> serde_json::Value {
    batch_of_texts(&events.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// The message ids that an answer reports as failed.
pub fn failures(response: &serde_json::Value) -> Vec<String> {
    let items = response.get("batchItemFailures").and_then(|items| items.as_array()).cloned().unwrap_or_default();
    items.iter().map(|item| item.get("itemIdentifier").unwrap().as_str().unwrap().to_owned()).collect()
}
