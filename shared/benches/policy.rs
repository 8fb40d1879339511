//! How fast the policy engine is: on the documented cases, and on policies up to the largest that AWS stores. `make bench`.
//!
//! The cost must grow with the size of the policy and no faster, also where its author wants it to.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench may stop at the first surprise")]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use guardian_core::policy::case::Reply;
use serde_json::{Value, json};

const CASES: &str = include_str!("../../tests/facts/iam-cases.jsonl");
const ROLE: &str = "arn:aws:iam::111122223333:role/BackupCopy";
/// IAM: 6,144 characters of a managed policy, 10,240 of all inline policies of a role; KMS: 32 KiB of a key policy
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>,
/// <https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html>).
const SIZES: [usize; 5] = [1_536, 3_072, 6_144, 10_240, 32_768];

fn main() {
    divan::main();
}

/// The documented cases, from text to text.
#[divan::bench]
fn documented_cases(bencher: Bencher<'_, '_>) {
    let cases = CASES.lines().collect::<Vec<_>>();
    bencher.counter(ItemsCount::new(cases.len())).bench(|| {
        for (number, line) in cases.iter().enumerate() {
            black_box(serde_json::to_string(&Reply::to(number, line)).unwrap());
        }
    });
}

/// A case whose resource policy has statements until it is `size` bytes long.
fn case(size: usize, statement: impl Fn(usize) -> Value) -> String {
    let mut statements = Vec::new();
    let mut length = 0;
    while length < size {
        let next = statement(statements.len());
        length += next.to_string().len() + 1;
        statements.push(next);
    }
    json!({
        "id": "largest",
        "request": {
            "principal": ROLE,
            "action": "kms:Decrypt",
            "resource": format!("arn:aws:kms:us-east-1:111122223333:key/{}", "a".repeat(200)),
            "resource_account": "111122223333",
            "context": {"aws:PrincipalArn": ROLE, "aws:PrincipalTag/team": "a".repeat(256)},
        },
        "resource_policy": {"Version": "2012-10-17", "Statement": statements},
    })
    .to_string()
}

fn judge(bencher: Bencher<'_, '_>, case: &str) {
    bencher.counter(BytesCount::of_str(case)).bench(|| Reply::to(1, black_box(case)));
}

/// Statements as people write them, all of which are looked at to the end.
#[divan::bench(args = SIZES)]
fn ordinary_statements(bencher: Bencher<'_, '_>, size: usize) {
    let case = case(size, |number| {
        json!({
            "Sid": format!("Statement{number}"),
            "Effect": "Allow",
            "Principal": {"AWS": [ROLE, "arn:aws:iam::222233334444:root"]},
            "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:ViaService": ["ec2.us-east-1.amazonaws.com", "rds.us-east-1.amazonaws.com"]}},
        })
    });
    judge(bencher, &case);
}

/// Patterns that come near for as long as they can, at every place of the text again.
#[divan::bench(args = SIZES)]
fn hostile_wildcards(bencher: Bencher<'_, '_>, size: usize) {
    let nearly = format!("*{}b", "a".repeat(100));
    let case = case(size, |_| {
        json!({
            "Effect": "Deny",
            "Principal": "*",
            "Action": "k*m*s*:*e*c*y*t",
            "NotResource": format!("arn:aws:k*:*:*:{nearly}"),
            "Condition": {"StringLike": {"aws:PrincipalTag/team": nearly}},
        })
    });
    judge(bencher, &case);
}

/// One pattern as long as the policy.
#[divan::bench(args = SIZES)]
fn one_hostile_pattern(bencher: Bencher<'_, '_>, size: usize) {
    let case = case(1, |_| {
        json!({
            "Effect": "Deny",
            "Principal": "*",
            "Action": "*",
            "Resource": "*",
            "Condition": {"StringLike": {"aws:PrincipalTag/team": format!("{}b", "*a".repeat(size / 2))}},
        })
    });
    judge(bencher, &case);
}
