//! The backup account runs no workloads.

use crate::arn::Arn;
use crate::compliance::say::{count, listed};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-013",
        name: "backup-account-without-workloads",
        title: "The backup account runs no workloads",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["tag:GetResources"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing.html",
        ],
        page: include_str!("backup-account-without-workloads.md"),
    },
    judge: Judge::Account(judge),
};

/// What people run, by service and kind of resource. Buckets, tables and functions are left out: logs, reports and the guardian itself need them.
const WORKLOADS: &[(&str, &str)] = &[
    ("ec2", "instance"),
    ("ec2", "volume"),
    ("rds", "db"),
    ("rds", "cluster"),
    ("elasticfilesystem", "file-system"),
    ("fsx", "file-system"),
    ("fsx", "volume"),
    ("redshift", "cluster"),
    ("eks", "cluster"),
    ("ecs", "cluster"),
    ("elasticache", "cluster"),
    ("storagegateway", "gateway"),
];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_backup_account(|| {
        view.in_regions(|place, region| {
            let Some(resources) = region.resources.known() else {
                return vec![Outcome::unseen(place.here(), "the resources of the account", &region.resources)];
            };
            // What a restore test makes is tagged, and removed again.
            let theirs =
                resources.iter().filter(|resource| is_workload(&resource.arn) && !resource.tags.contains_key("awsbackup-restore-test"));
            let mut found = theirs.map(|resource| resource.arn.as_str()).collect::<Vec<_>>();
            found.sort_unstable();
            if found.is_empty() {
                return vec![Outcome::pass(place.here(), "nothing was found there that people run")];
            }
            let seen = format!("{} runs here: {}", count(found.len(), "resource"), listed(&found));
            let remedy =
                format!("move them out of account {}, or take responsibility for them in the baseline, by their ARNs", place.account);
            vec![Outcome::fail(place.here(), seen, remedy).from(found)]
        })
    })
}

fn is_workload(arn: &Arn) -> bool {
    let kind = arn.resource().split(['/', ':']).next().unwrap_or_default();
    WORKLOADS.contains(&(arn.service(), kind))
}
