//! Vault notifications name events that AWS still sends.

use crate::compliance::say::{count, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-029",
        name: "vault-notifications-use-live-events",
        title: "Vault notifications name events that AWS still sends",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["backup:GetBackupVaultNotifications"],
        remedy: Grade::Safe,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-notifications.html"],
        page: include_str!("vault-notifications-use-live-events.md"),
    },
    judge: Judge::Account(judge),
};

/// Still accepted, and never sent.
const OUTDATED: &[&str] = &[
    "BACKUP_JOB_SUCCESSFUL",
    "BACKUP_JOB_FAILED",
    "BACKUP_JOB_EXPIRED",
    "RESTORE_JOB_SUCCESSFUL",
    "RESTORE_JOB_FAILED",
    "BACKUP_PLAN_CREATED",
    "BACKUP_PLAN_MODIFIED",
];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.vaults(|place, _, vault| {
        let subject = place.of(&vault.vault.arn);
        let notifications = match vault.notifications.known() {
            None => return Outcome::unseen(subject, "the notifications of the vault", &vault.notifications),
            Some(None) => return Outcome::not_applicable(subject, "the vault announces nothing"),
            Some(Some(notifications)) => notifications,
        };
        let mut dead = notifications.events.iter().map(String::as_str).filter(|event| OUTDATED.contains(event)).collect::<Vec<_>>();
        dead.sort_unstable();
        if dead.is_empty() {
            return Outcome::pass(subject, format!("{} that AWS sends go to {}", count(notifications.events.len(), "event"), quoted(notifications.topic_arn.as_str())));
        }
        let seen = format!("the notifications name {}, which AWS accepts and never sends", listed(&dead));
        let remedy = format!(
            "{}: {}",
            place.words(),
            quoted(&command(
                "aws backup put-backup-vault-notifications --backup-vault-events BACKUP_JOB_COMPLETED COPY_JOB_FAILED RESTORE_JOB_COMPLETED",
                &[("sns-topic-arn", notifications.topic_arn.as_str()), ("backup-vault-name", vault.vault.arn.resource_name())]
            ))
        );
        Outcome::fail(subject, seen, remedy).from([notifications.topic_arn.as_str()])
    })
}
