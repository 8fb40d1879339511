//! Keys that protect backups can be used.

use crate::compliance::say::quoted;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-032",
        name: "key-enabled",
        title: "Keys that protect backups can be used",
        severity: Severity::Critical,
        since: "0.1.0",
        needs: &["kms:DescribeKey"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html",
            "https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html",
        ],
        page: include_str!("key-enabled.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.keys(|subject, arn, inventory| {
        let Some(key) = inventory.key.known() else { return Outcome::unseen(subject, "the state of the key", &inventory.key) };
        let Some(state) = key.state.as_deref() else { return Outcome::unknown(subject, "not seen: the state of the key", Vec::new()) };
        if state == "Enabled" {
            return Outcome::pass(subject, "the key is enabled");
        }
        let region = arn.region().map(|region| region.as_str().to_owned()).unwrap_or_default();
        let options = [("region", region.as_str()), ("key-id", arn.as_str())];
        let (seen, remedy) = match state {
            "PendingDeletion" => {
                let when = key.deletion_at.map(|at| format!(" on {at}")).unwrap_or_default();
                (
                    format!("the key is going to be deleted{when}; what it protects is lost then"),
                    format!(
                        "{}; then {}",
                        quoted(&command("aws kms cancel-key-deletion", &options)),
                        quoted(&command("aws kms enable-key", &options))
                    ),
                )
            }
            "Disabled" => (
                "the key is disabled: nothing that it protects can be copied or restored".to_owned(),
                quoted(&command("aws kms enable-key", &options)),
            ),
            other => (
                format!("the key is in state {}: nothing that it protects can be copied or restored", quoted(other)),
                "look at the key store or the imported material of the key".to_owned(),
            ),
        };
        let account = &subject.account_id;
        let remedy = format!("in account {account}: {remedy}");
        Outcome::fail(subject, seen, remedy).from([arn.as_str()])
    })
}
