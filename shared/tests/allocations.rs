//! What a failure may cost in memory, counted and not timed: the same at every run, so more of it is a change of the code.
//! The budgets are about 5 % above what it is; one that is passed for a good reason is raised together with `docs/performance.md`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a fixture that cannot be read must stop the test")]

use allocation_counter::{AllocationInfo, measure};
use guardian_core::diagnosis::diagnose;
use guardian_core::event::parse;
use guardian_core::evidence::Evidence;
use guardian_core::incident::IncidentId;
use guardian_core::report::{Kind, Names, build, render};
use serde_json::{Value, json};

const EVENT: &[u8] = include_bytes!("../../tests/events/copy-job/failed.json");
const EVIDENCE: &str = include_str!("../../tests/facts/evidence/copy-ebs-cross-account.json");

/// The second time: what is made once and kept is no cost of a failure.
fn counted(work: impl Fn()) -> AllocationInfo {
    work();
    measure(work)
}

fn check(what: &str, found: AllocationInfo, most: u64, most_bytes: u64) {
    assert!(found.count_total <= most, "{what}: {} allocations, at most {most} are the budget", found.count_total);
    assert!(found.bytes_total <= most_bytes, "{what}: {} bytes, at most {most_bytes} are the budget", found.bytes_total);
}

#[test]
fn a_failed_copy_is_read_within_its_budget() {
    check("read", counted(|| drop(parse(EVENT))), 200, 15_000);
}

#[test]
fn a_failed_copy_is_diagnosed_and_told_within_its_budget() {
    let evidence = serde_json::from_str::<Evidence>(EVIDENCE).unwrap();
    check("diagnosed", counted(|| drop(diagnose(&evidence))), 12_300, 860_000);
    let verdict = diagnose(&evidence);
    let incident = IncidentId::of_actor("budget");
    let told = counted(|| drop(render(&build(&evidence, &verdict, Kind::Failure, &incident, 1, &Names::default()))));
    check("told", told, 4_220, 413_000);
}

/// An event of 16 and of 240 KiB, near the 256 KiB of EventBridge: what is allocated for a byte of it is the same.
fn grows_with_the_event(what: &str, event: impl Fn(usize) -> Value) {
    let for_each_byte = [16 << 10, 240 << 10].map(|size| {
        let bytes = serde_json::to_vec(&event(size)).unwrap();
        let found = counted(|| drop(parse(&bytes)));
        (found.count_total * 1000 / bytes.len() as u64, found.bytes_total * 1000 / bytes.len() as u64)
    });
    let [small, large] = for_each_byte;
    assert!(large.0 <= small.0 + small.0 / 10, "{what}: allocations for a thousand bytes grow from {} to {}", small.0, large.0);
    assert!(large.1 <= small.1 + small.1 / 10, "{what}: bytes for a thousand bytes grow from {} to {}", small.1, large.1);
}

fn event_with(detail: Value) -> Value {
    let mut event = serde_json::from_slice::<Value>(EVENT).unwrap();
    event["detail"].as_object_mut().unwrap().extend(detail.as_object().unwrap().clone());
    event
}

#[test]
fn what_is_allocated_grows_with_the_event_and_no_faster() {
    grows_with_the_event("a long message", |size| event_with(json!({"statusMessage": "Access denied: kms:Decrypt ".repeat(size / 27)})));
    grows_with_the_event("unknown fields", |size| {
        let fields = (0..size / 64).map(|number| (format!("unknownFieldOfTheSender{number:06}"), json!(["a", {"b": number}, null])));
        event_with(Value::Object(fields.collect()))
    });
}
