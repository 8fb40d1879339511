//! Which rules select one resource, and what is open about that.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::holdings::Held;
use super::landed::SelectingRule;
use super::place::{Chooser, Place, Plan};
use super::promise::Promise;
use super::resource_type::ResourceType;
use super::selection::{Because, Selected};
use crate::arn::Arn;
use crate::evidence::Gap;

/// A rule that selects the resource, or may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'p, 'a> {
    pub(super) plan: &'p Plan<'a>,
    pub(super) promise: &'p Promise<'a>,
    pub(super) certain: bool,
    /// When the first backup must be there.
    pub(super) first_due: Option<Timestamp>,
}

/// What all selections of a Region say of a resource.
#[derive(Debug, Default)]
pub(super) struct Choice<'p, 'a> {
    pub(super) claims: Vec<Claim<'p, 'a>>,
    pub(super) rules: Vec<SelectingRule>,
    /// A selection would certainly select it, and the opt-in setting keeps it out.
    pub(super) blocked: bool,
    /// What is open.
    pub(super) open: BTreeSet<&'static str>,
    pub(super) gaps: Vec<&'a Gap>,
    /// A plan selects it whose rules were not read.
    pub(super) rules_unread: bool,
    out: Out,
}

/// Selections that leave the resource out, by why.
#[derive(Debug, Default)]
struct Out {
    other: usize,
    excluded: usize,
    tags: usize,
}

/// A selection that selects the resource, or may.
struct Choosing<'p, 'a> {
    chooser: &'p Chooser<'a>,
    certain: bool,
    /// Whether everything was seen that it depends on, so that only AWS' documents leave it open.
    seen: bool,
    because: String,
}

/// A resource, as far as selections look at it.
pub(super) struct Looked<'r> {
    pub(super) arn: &'r Arn,
    pub(super) types: &'r [&'static ResourceType],
    pub(super) tags: Option<&'r BTreeMap<String, String>>,
    pub(super) held: &'r [Held<'r>],
}

/// Asks every selection of every plan.
pub(super) fn choose<'p, 'a>(place: &'p Place<'a>, resource: &Looked<'_>, now: Timestamp) -> Choice<'p, 'a> {
    let mut choice = Choice::default();
    for plan in &place.plans {
        choice.ask(plan, resource, now);
    }
    choice.rules.sort();
    choice.rules.dedup();
    choice
}

impl<'p, 'a> Choice<'p, 'a> {
    fn ask(&mut self, plan: &'p Plan<'a>, resource: &Looked<'_>, now: Timestamp) {
        let mut choosing = Vec::new();
        for chooser in &plan.choosers {
            let chosen = chooser.choose(plan, resource.arn, resource.types, resource.tags);
            match chosen.selected() {
                Selected::No => self.left_out(&chosen.weighed.because, chosen.blocked(), chosen.weighed.selected),
                selected => {
                    self.open.extend(chosen.weighed.because.open());
                    if chosen.opted_in == Selected::Perhaps {
                        self.open.insert("the opt-in setting that counts was not seen, or does not tell of its type");
                        self.gaps.extend(plan.settings_gap());
                    }
                    // Tags and settings that were not seen may have changed since the plan made a backup; AWS' documents have not.
                    let seen = resource.tags.is_some() && (chosen.opted_in == Selected::Yes || plan.settings_seen());
                    choosing.push(Choosing { chooser, certain: selected == Selected::Yes, seen, because: chosen.because() });
                }
            }
        }
        if choosing.is_empty() {
            return;
        }
        let Some(promises) = plan.promises.as_ref().filter(|promises| !promises.is_empty()) else {
            self.rules_unread = true;
            return;
        };
        let settled = choosing.iter().any(|one| one.seen && !one.certain) && made_lately(plan.id, promises, resource.held, now);
        let certain = |one: &Choosing<'_, '_>| one.certain || (settled && one.seen);
        let any_certain = choosing.iter().any(certain);
        for (number, promise) in promises.iter().enumerate() {
            let due = |one: &Choosing<'_, '_>| one.chooser.first_due.get(number).copied().flatten();
            let first_due = choosing.iter().filter(|one| certain(one) || !any_certain).map(due).min().flatten();
            self.claims.push(Claim { plan, promise, certain: any_certain, first_due });
            self.rules.extend(choosing.iter().map(|one| SelectingRule {
                plan_id: plan.id.to_owned(),
                plan_name: plan.name.to_owned(),
                selection_name: one.chooser.selection.name.clone(),
                rule_name: promise.rule.name.clone(),
                // Of several selections that are open, nobody knows which chose it.
                certain: one.certain || (certain(one) && choosing.len() == 1),
                because: one.because.clone(),
                longest_pause_hours: promise.pause.map(|pause| pause.as_hours()),
            }));
        }
    }

    fn left_out(&mut self, because: &Because<'_>, blocked: bool, selected: Selected) {
        if blocked {
            self.blocked = true;
        } else if selected == Selected::Perhaps {
            self.open.extend(because.open());
        } else {
            match because {
                Because::Excluded(_) => self.out.excluded += 1,
                Because::NoPattern => self.out.other += 1,
                _ => self.out.tags += 1,
            }
        }
    }

    /// Why nothing selects it.
    pub(super) fn out(&self) -> String {
        let Out { other, excluded, tags } = self.out;
        let reasons = [(other, "name other resources"), (excluded, "exclude it"), (tags, "ask for tags that it does not have")];
        let told = reasons.iter().filter(|(count, _)| *count > 0).map(|(count, reason)| format!("{count} {reason}")).collect::<Vec<_>>();
        match other + excluded + tags {
            0 => "there is no selection in its Region".to_owned(),
            all => format!("of the {all} selections in its Region none selects it: {}", told.join(", ")),
        }
    }
}

/// Whether a plan backed the resource up of late: then it selects it, where only AWS' documents leave it open.
fn made_lately(plan_id: &str, promises: &[Promise<'_>], held: &[Held<'_>], now: Timestamp) -> bool {
    let Some(within) = promises.iter().filter_map(Promise::backup_within).max() else { return false };
    let mut points = held.iter().flat_map(|held| &held.points.newest);
    points.any(|point| point.plan_id.as_deref() == Some(plan_id) && now.duration_since(point.created_at) <= within)
}
