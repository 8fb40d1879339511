//! Restores of every type of backup were tested lately.

use crate::compliance::say::{Place, days_between, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-061",
        name: "restore-test-recent",
        title: "Restores of every type of backup were tested lately",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:ListRestoreTestingPlans", "backup:ListRestoreJobs", "backup:ListRecoveryPointsByBackupVault"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html",
        ],
        page: include_str!("restore-test-recent.md"),
    },
    judge: Judge::Account(judge),
};

/// The types that AWS Backup can test.
const TESTED: &[&str] = &["Aurora", "DocumentDB", "DynamoDB", "EBS", "EC2", "EFS", "FSx", "Neptune", "RDS", "S3"];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let limit = view.scope.baseline.restore_test_days;
    view.in_regions(|place, region| {
        let Some(testing) = region.restore_testing.known() else {
            return vec![Outcome::unseen(place.here(), "the restores that were made as tests", &region.restore_testing)];
        };
        if testing.plans.is_empty() {
            return vec![Outcome::not_applicable(place.here(), "no plan tests restores")];
        }
        let Some(vaults) = region.vaults.known() else { return vec![Outcome::unseen(place.here(), "the vaults", &region.vaults)] };
        let points = vaults.iter().filter_map(|vault| vault.points.known()).flatten();
        let own = points.filter(|points| points.completed > 0).map(|points| points.resource_type.as_str());
        let copied = vaults.iter().flat_map(|vault| &vault.copies.resource_types).map(String::as_str);
        let kinds = own.chain(copied);
        let kinds = kinds.filter(|kind| TESTED.iter().any(|tested| tested.eq_ignore_ascii_case(kind))).collect::<BTreeSet<_>>();
        let mut outcomes = kinds.iter().map(|kind| of(view, place, kind, testing.restored.get(*kind), limit)).collect::<Vec<_>>();
        let unread = vaults.iter().filter(|vault| vault.points.known().is_none()).collect::<Vec<_>>();
        if !unread.is_empty() {
            let gaps = unread.iter().filter_map(|vault| vault.points.gap().cloned()).collect();
            outcomes.push(Outcome::unknown(place.here(), "not seen: all recovery points, which tell the types", gaps));
        } else if outcomes.is_empty() {
            outcomes.push(Outcome::not_applicable(place.here(), "there are no recovery points of a type that can be tested"));
        }
        outcomes
    })
}

fn of(view: &AccountView<'_>, place: Place<'_>, kind: &str, last: Option<&Timestamp>, limit: i64) -> Outcome {
    let subject = place.here().part(kind);
    let remedy =
        || format!("{}: look at the restore testing plan and its selection for {}, and at its last jobs", place.words(), quoted(kind));
    match last {
        None => Outcome::fail(subject, format!("no restore of {} was ever tested with success", quoted(kind)), remedy()),
        Some(at) => {
            let ago = days_between(*at, view.now);
            if ago <= limit {
                Outcome::pass(subject, format!("a restore of {} was tested {ago} days ago, and {limit} are agreed on", quoted(kind)))
            } else {
                Outcome::fail(
                    subject,
                    format!("the last good test of a restore of {} was {ago} days ago, and {limit} are agreed on", quoted(kind)),
                    remedy(),
                )
            }
        }
    }
}
