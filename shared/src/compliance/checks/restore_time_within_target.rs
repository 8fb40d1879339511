//! Restores take no longer than agreed on.

use crate::compliance::say::{Place, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::RestoreTesting;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-070",
        name: "restore-time-within-target",
        title: "Restores take no longer than agreed on",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["backup:ListRestoreTestingPlans", "backup:ListRestoreJobs"],
        remedy: Grade::HumanOnly,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/controls-and-remediation.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-testing.html",
        ],
        page: include_str!("restore-time-within-target.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    let Some(target) = view.scope.baseline.restore_minutes else {
        return vec![Outcome::not_applicable(view.place().here(), "the baseline names no time that a restore may take")];
    };
    view.in_regions(|place, region| {
        let Some(testing) = region.restore_testing.known() else {
            return vec![Outcome::unseen(place.here(), "the restores that were made as tests", &region.restore_testing)];
        };
        if testing.restored.is_empty() {
            // That none was made is the affair of another check.
            return vec![Outcome::not_applicable(place.here(), "no restore was made as a test with success")];
        }
        testing.restored.keys().map(|kind| of(place, testing, kind, target)).collect()
    })
}

fn of(place: Place<'_>, testing: &RestoreTesting, kind: &str, target: i64) -> Outcome {
    let subject = place.here().part(kind);
    let kind_told = quoted(kind);
    match testing.minutes.get(kind) {
        None => Outcome::unknown(subject, format!("not seen: how long the newest restore of {kind_told} took"), Vec::new()),
        Some(took) if *took <= target => {
            Outcome::pass(subject, format!("the newest restore of {kind_told} took {took} minutes, and {target} are agreed on"))
        }
        Some(took) => Outcome::fail(
            subject,
            format!("the newest restore of {kind_told} took {took} minutes, and {target} are agreed on"),
            format!(
                "{}: look at what of {kind_told} is restored and from which storage tier, or agree on a time that can be kept \
                 (`restore_minutes` of the baseline)",
                place.words()
            ),
        ),
    }
}
