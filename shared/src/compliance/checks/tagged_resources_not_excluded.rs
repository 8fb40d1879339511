//! No resource that is tagged for backup is excluded by a selection.

use crate::compliance::say::{count, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::coverage::{Selected, selects};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::Selection;

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-069",
        name: "tagged-resources-not-excluded",
        title: "No resource that is tagged for backup is excluded by a selection",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["tag:GetResources", "backup:GetBackupSelection"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/assigning-resources.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupSelection.html",
        ],
        page: include_str!("tagged-resources-not-excluded.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_regions(|place, region| {
        let Some(resources) = region.resources.known() else {
            return vec![Outcome::unseen(place.here(), "the resources of the Region", &region.resources)];
        };
        let Some(plans) = region.plans.known() else { return vec![Outcome::unseen(place.here(), "the plans", &region.plans)] };
        let mut selections = Vec::new();
        let mut gaps = Vec::new();
        let mut open = false;
        for plan in plans {
            match plan.selections.known() {
                None => {
                    open = true;
                    gaps.extend(plan.selections.gap().cloned());
                }
                Some(list) => {
                    for selection in list {
                        open |= selection.known().is_none();
                        gaps.extend(selection.gap().cloned());
                        selections.extend(selection.known());
                    }
                }
            }
        }
        // What would be selected, were it not for an exclusion.
        let by_tags = selections.iter().map(|selection| bare(selection)).filter(|bare| !bare.tags.is_empty()).collect::<Vec<_>>();
        let mut excluded = Vec::new();
        let mut tagged = 0_usize;
        for resource in resources {
            let tags = Some(&resource.tags);
            if !by_tags.iter().any(|bare| selects(bare, &resource.arn, tags) == Selected::Yes) {
                continue;
            }
            tagged = tagged.saturating_add(1);
            if selections.iter().all(|selection| selects(selection, &resource.arn, tags) == Selected::No) {
                excluded.push(&resource.arn);
            }
        }
        excluded.sort_unstable();
        if open {
            // A selection that was not read may select it.
            return vec![Outcome::unknown(place.here(), "not seen: all selections", gaps)];
        }
        if excluded.is_empty() {
            return vec![match tagged {
                0 => Outcome::not_applicable(place.here(), "no resource carries a tag that a selection asks for"),
                number => {
                    Outcome::pass(place.here(), format!("with the tag of a selection, and not excluded: {}", count(number, "resource")))
                }
            }];
        }
        let outcomes = excluded.into_iter().map(|arn| {
            let seen = format!(
                "the resource {} carries the tag of a selection, and the selection excludes it by its ARN or by a condition",
                quoted(arn.as_str())
            );
            let remedy =
                format!("{} take the resource out of `NotResources` or the conditions of the selection, or its tag away", place.words());
            Outcome::fail(place.of(arn), seen, remedy)
        });
        outcomes.collect()
    })
}

/// The tags of a selection alone.
fn bare(selection: &Selection) -> Selection {
    Selection { resources: Vec::new(), not_resources: Vec::new(), conditions: Vec::new(), ..selection.clone() }
}
