//! Keys that protect backups are rotated.

use crate::compliance::say::quoted;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{Fact, KeyManager};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-033",
        name: "key-rotation-enabled",
        title: "Keys that protect backups are rotated",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["kms:GetKeyRotationStatus", "kms:DescribeKey"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html",
            "https://docs.aws.amazon.com/securityhub/latest/userguide/kms-controls.html",
        ],
        page: include_str!("key-rotation-enabled.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.keys(|subject, arn, inventory| {
        let Some(key) = inventory.key.known() else { return Outcome::unseen(subject, "who manages the key", &inventory.key) };
        if key.manager == Some(KeyManager::Aws) {
            return Outcome::not_applicable(subject, "AWS rotates the keys that it manages");
        }
        match &inventory.rotation {
            Fact::NotAsked => Outcome::not_applicable(subject, "AWS rotates no such keys"),
            Fact::Known { value: true, .. } => Outcome::pass(subject, "its material is renewed by itself"),
            Fact::Known { value: false, .. } => {
                let region = arn.region().map(|region| region.as_str().to_owned()).unwrap_or_default();
                let remedy = quoted(&command("aws kms enable-key-rotation", &[("region", &region), ("key-id", arn.as_str())]));
                let remedy = format!("in account {}: {remedy}", subject.account_id);
                Outcome::fail(subject, "its material is never renewed", remedy)
            }
            Fact::Gap(_) => Outcome::unseen(subject, "whether the key is rotated", &inventory.rotation),
        }
    })
}
