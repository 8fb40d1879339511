//! How fast a failure is read, diagnosed and told, up to the largest event of EventBridge and the largest key policy of KMS. `make bench`.
//!
//! The cost must grow with the size and no faster, also where a sender wants it to.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "a bench may stop at the first surprise")]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use guardian_core::diagnosis::{diagnose, explain};
use guardian_core::event::parse;
use guardian_core::evidence::Evidence;
use guardian_core::incident::IncidentId;
use guardian_core::report::{Kind, Message, Names, build, render};
use serde_json::{Value, json};

const MESSAGES: &str = include_str!("../../tests/facts/failure-messages.jsonl");
const EVIDENCE: &str = include_str!("../../tests/facts/evidence/copy-ebs-cross-account.json");
/// EventBridge: 256 KiB of an event (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>).
const EVENTS: [usize; 4] = [4 << 10, 16 << 10, 64 << 10, 255 << 10];
/// KMS: 32 KiB of a key policy (<https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>).
const POLICIES: [usize; 4] = [2 << 10, 8 << 10, 16 << 10, 32 << 10];

fn main() {
    divan::main();
}

/// The known messages of AWS, from text to text.
#[divan::bench]
fn known_messages(bencher: Bencher<'_, '_>) {
    let messages = MESSAGES.lines().collect::<Vec<_>>();
    bencher.counter(ItemsCount::new(messages.len())).bench(|| {
        for (number, line) in (1..).zip(&messages) {
            black_box(explain::line(number, line));
        }
    });
}

fn event(detail: &Value) -> Vec<u8> {
    let event = json!({
        "version": "0",
        "id": "a4b5c6d7-0000-4000-8000-000000000001",
        "detail-type": "Copy Job State Change",
        "source": "aws.backup",
        "account": "111111111111",
        "time": "2026-11-02T05:37:30Z",
        "region": "eu-central-1",
        "resources": [],
        "detail": detail,
    });
    serde_json::to_vec(&event).unwrap()
}

fn read(bencher: Bencher<'_, '_>, event: &[u8]) {
    bencher.counter(BytesCount::of_slice(event)).bench(|| parse(black_box(event)));
}

/// A message that goes on and on.
#[divan::bench(args = EVENTS)]
fn event_with_a_long_message(bencher: Bencher<'_, '_>, size: usize) {
    let message = "Access denied: \u{202e}kms:Decrypt ".repeat(size / 32);
    read(bencher, &event(&json!({"copyJobId": "3f6e2a3c", "state": "FAILED", "statusMessage": message})));
}

/// Fields that nobody knows.
#[divan::bench(args = EVENTS)]
fn event_with_unknown_fields(bencher: Bencher<'_, '_>, size: usize) {
    let mut detail = json!({"copyJobId": "3f6e2a3c", "state": "FAILED"});
    for number in 0..size / 64 {
        detail[format!("unknownFieldOfTheSender{number:06}")] = json!(["a", {"b": number}, null]);
    }
    read(bencher, &event(&detail));
}

/// A text made of what the rules listen for.
#[divan::bench(args = EVENTS)]
fn message_full_of_signals(bencher: Bencher<'_, '_>, size: usize) {
    let message = "Given key ID is not accessible; is not authorized to perform: kms:CreateGrant arn:aws:kms:*:1:key/ ".repeat(size / 98);
    let line = json!({"message": message}).to_string();
    bencher.counter(BytesCount::of_str(&line)).bench(|| explain::line(1, black_box(&line)));
}

/// From the evidence of a copy that a key policy of `size` bytes denies to the text of the alert.
fn told(evidence: &Evidence) -> Message {
    let verdict = diagnose(evidence);
    let incident = IncidentId::of_actor("bench");
    render(&build(evidence, &verdict, Kind::Failure, &incident, 1, &Names::default()))
}

#[divan::bench(args = POLICIES)]
fn key_policy_of_many_statements(bencher: Bencher<'_, '_>, size: usize) {
    let mut evidence = serde_json::from_str::<Value>(EVIDENCE).unwrap();
    let statements = evidence["source_key_policy"]["value"]["document"]["Statement"].as_array_mut().unwrap();
    let mut length = 0;
    while length < size {
        let next = json!({
            "Sid": format!("Statement{}", statements.len()),
            "Effect": "Allow",
            "Principal": {"AWS": ["arn:aws:iam::333333333333:root", "arn:aws:iam::444444444444:role/Team"]},
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:ViaService": "ec2.eu-central-1.amazonaws.com"}},
        });
        length += next.to_string().len() + 1;
        statements.push(next);
    }
    let evidence = serde_json::from_value::<Evidence>(evidence).unwrap();
    bencher.counter(BytesCount::new(size)).bench(|| told(black_box(&evidence)));
}
