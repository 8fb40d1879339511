//! What backup plans and the backup policies of an organization lose from one version to the next.
//!
//! Both say the same in two spellings: plans have `targetBackupVaultName`, policies `target_backup_vault_name` and each value below `@@assign`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::backup::in_days;
use super::documents::sorted;
use crate::coverage::Schedule;

/// A rule that pauses longer than this does nothing for a month; the hours are those by which clocks are changed.
const MONTH: SignedDuration = SignedDuration::from_hours(31 * 24 + 3);
/// A rule that runs once a year pauses no longer.
const YEAR: SignedDuration = SignedDuration::from_hours(367 * 24);
/// What is gone within fewer days is of no use against whoever waits for a week.
pub(super) const FEW_DAYS: f64 = 7.0;
/// A rule that runs later on the same days pauses no longer, give or take a change of clocks.
const CLOCKS: SignedDuration = SignedDuration::from_hours(3);
/// The time in which pauses are looked for: three months, so that a rule of every quarter has one.
const LOOKED_AT: SignedDuration = SignedDuration::from_hours(100 * 24);
/// Runs in it that are looked at: AWS Backup runs a rule once an hour at most.
const MOST_RUNS: usize = 3000;
/// Longest text of a setting that is shown.
const LONGEST: usize = 120;

/// A difference, in words.
pub(super) struct Difference {
    /// Whether something is backed up, copied or kept less for sure; else it differs, and nobody knows whether for the worse.
    pub(super) is_loss: bool,
    /// Whether what is lost is a rule, a copy or how long copies are kept.
    pub(super) is_grave: bool,
    pub(super) what: String,
}

#[derive(Default)]
struct Plan {
    /// By name, of which AWS Backup does not promise that it is the only one.
    rules: BTreeMap<String, Vec<Rule>>,
    selections: BTreeMap<String, String>,
    regions: BTreeSet<String>,
    others: BTreeMap<String, String>,
}

#[derive(Default)]
struct Rule {
    schedule: Option<(String, Option<String>)>,
    vault: Option<String>,
    kept: Option<f64>,
    continuous: bool,
    /// By the vault: there may be two copies into one.
    copies: BTreeMap<String, Vec<Copy>>,
    others: BTreeMap<String, String>,
}

#[derive(Default)]
struct Copy {
    kept: Option<f64>,
    others: BTreeMap<String, String>,
}

/// What the value of an operator is: policies assign.
fn assigned(value: &Value) -> &Value {
    match value.as_object() {
        Some(map) if map.len() == 1 => map.get("@@assign").unwrap_or(value),
        _ => value,
    }
}

/// The members by their names without case and underscores. What is `null` is not there.
fn members(value: &Value) -> BTreeMap<String, &Value> {
    let plain = |name: &str| name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect::<String>();
    let all = assigned(value).as_object().into_iter().flatten();
    all.map(|(name, value)| (plain(name), assigned(value))).filter(|(_, value)| !value.is_null()).collect()
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

fn texts(values: BTreeMap<String, &Value>) -> BTreeMap<String, String> {
    values.into_iter().map(|(name, value)| (name, sorted(value))).filter(|(_, text)| text != "[]" && text != "{}").collect()
}

/// Days until the end, `None` for ever; what is no number stays in the map, as the rest of the lifecycle does.
fn kept(lifecycle: &mut BTreeMap<String, &Value>) -> Option<f64> {
    let days = lifecycle.get("deleteafterdays")?;
    let days: f64 = days.as_f64().or_else(|| days.as_str()?.trim().parse().ok())?;
    lifecycle.remove("deleteafterdays");
    // -1 is how the API writes "always".
    (days >= 0.0).then_some(days)
}

/// The members that have names of their own choice, and apart what a policy says of all of them (`@@operators_allowed_for_child_policies`).
fn named<'v>(of: &str, value: Option<&'v Value>, others: &mut BTreeMap<String, String>) -> Vec<(&'v String, &'v Value)> {
    let (controls, named) =
        value.and_then(Value::as_object).into_iter().flatten().partition::<Vec<_>, _>(|(name, _)| name.starts_with("@@"));
    others.extend(controls.into_iter().map(|(name, value)| (format!("{name} of {of}"), sorted(value))));
    named
}

fn lifecycle(of: &mut BTreeMap<String, &Value>) -> (Option<f64>, BTreeMap<String, String>) {
    let mut lifecycle = of.remove("lifecycle").map(members).unwrap_or_default();
    let kept = kept(&mut lifecycle);
    (kept, texts(lifecycle))
}

fn copy(mut of: BTreeMap<String, &Value>) -> Copy {
    let (kept, mut others) = lifecycle(&mut of);
    others.extend(texts(of));
    Copy { kept, others }
}

fn rule(body: &Value) -> Rule {
    let mut of = members(body);
    let (kept, mut others) = lifecycle(&mut of);
    let mut copies = BTreeMap::<_, Vec<_>>::new();
    match of.remove("copyactions") {
        Some(Value::Array(list)) => {
            for body in list {
                let mut of = members(body);
                copies.entry(text(of.remove("destinationbackupvaultarn")).unwrap_or_default()).or_default().push(copy(of));
            }
        }
        map => {
            for (vault, body) in named("copy_actions", map, &mut others) {
                let mut of = members(body);
                let vault = text(of.remove("targetbackupvaultarn")).unwrap_or_else(|| vault.clone());
                copies.entry(vault).or_default().push(copy(of));
            }
        }
    }
    // The air-gapped vault of the same account is another place of the backup.
    if let Some(vault) = text(of.remove("targetlogicallyairgappedbackupvaultarn")) {
        copies.entry(vault).or_default().push(Copy { kept, others: BTreeMap::new() });
    }
    let zone = text(of.remove("scheduleexpressiontimezone"));
    let schedule = text(of.remove("scheduleexpression")).map(|expression| (expression, zone));
    let is_on = |value: &Value| value.as_bool() == Some(true) || value.as_str() == Some("true");
    let continuous = of.remove("enablecontinuousbackup").is_some_and(is_on);
    let vault = text(of.remove("targetbackupvaultname"));
    // The one is made by AWS, the other is the key in our map.
    of.retain(|name, _| name != "ruleid" && name != "rulename");
    others.extend(texts(of));
    Rule { schedule, vault, kept, continuous, copies, others }
}

fn plan(body: &Value) -> Plan {
    let mut of = members(body);
    let mut others = BTreeMap::new();
    let mut rules = BTreeMap::<_, Vec<_>>::new();
    match of.remove("rules") {
        Some(Value::Array(list)) => {
            for body in list {
                rules.entry(text(members(body).get("rulename").copied()).unwrap_or_default()).or_default().push(rule(body));
            }
        }
        map => {
            named("rules", map, &mut others).into_iter().for_each(|(name, body)| rules.entry(name.clone()).or_default().push(rule(body)))
        }
    }
    // By tags or by resources, and each by its name.
    let mut selections = BTreeMap::new();
    for (kind, value) in named("selections", of.remove("selections"), &mut others) {
        let each = named(kind, Some(value), &mut others);
        selections.extend(each.into_iter().map(|(name, body)| (format!("{name} by {kind}"), sorted(body))));
    }
    let mut regions = BTreeSet::new();
    // What is appended to the list of another policy is no list.
    if let Some(list) = of.get("regions").and_then(|value| value.as_array()) {
        regions = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        of.remove("regions");
    }
    of.retain(|name, _| name != "backupplanname");
    others.extend(texts(of));
    Plan { rules, selections, regions, others }
}

/// The longest time without a run from `at` on; `None` where the schedule is not understood.
fn longest_pause(schedule: &(String, Option<String>), at: Timestamp) -> Option<SignedDuration> {
    let schedule = Schedule::parse(&schedule.0, schedule.1.as_deref()).ok()?;
    if let Some(pace) = schedule.pace() {
        return Some(pace);
    }
    let end = at.checked_add(LOOKED_AT).ok()?;
    let (mut last, mut longest) = (at, SignedDuration::ZERO);
    for _ in 0..MOST_RUNS {
        let Some(next) = schedule.next_after(last) else { return Some(SignedDuration::MAX) };
        longest = longest.max(next.duration_since(last));
        if next >= end {
            return Some(longest);
        }
        last = next;
    }
    None
}

fn shown(text: &str) -> String {
    crate::event::field::clip_marked(text, LONGEST)
}

/// For each of the older ones the place of the newer one that it became: the one that differs least and is nobody else's. What is the same goes first.
fn pairs<T>(was: &[T], now: &[T], between: impl Fn(&T, &T) -> Vec<Difference>) -> Vec<Option<usize>> {
    // So it nearly always is.
    if let ([_], [_]) = (was, now) {
        return vec![Some(0)];
    }
    let mut all = Vec::new();
    for (older, a) in was.iter().enumerate() {
        for (newer, b) in now.iter().enumerate() {
            let found = between(a, b);
            let count = |what: fn(&Difference) -> bool| found.iter().filter(|difference| what(difference)).count();
            all.push(((count(|it| it.is_grave), count(|it| it.is_loss), found.len()), older, newer));
        }
    }
    all.sort_unstable();
    let mut partners = vec![None; was.len()];
    for (_, older, newer) in all {
        if !partners.contains(&Some(newer))
            && let Some(partner @ None) = partners.get_mut(older)
        {
            *partner = Some(newer);
        }
    }
    partners
}

/// The differences in the order of the older version.
struct Found(Vec<Difference>);

impl Found {
    fn lost(&mut self, is_grave: bool, what: String) {
        self.0.push(Difference { is_loss: true, is_grave, what });
    }

    fn differs(&mut self, what: String) {
        self.0.push(Difference { is_loss: false, is_grave: false, what });
    }

    fn kept(&mut self, is_grave: bool, what: &str, (was, now): (Option<f64>, Option<f64>)) {
        if now.is_some_and(|now| was.is_none_or(|was| now < was)) {
            self.lost(is_grave, format!("retention of {what}: {}, now {}", in_days(was), in_days(now)));
        }
    }

    fn others(&mut self, of: &str, before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
        for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
            let (was, now) = (before.get(name), after.get(name));
            if was != now {
                let text = |value: Option<&String>| value.map_or_else(|| "not set".to_owned(), |text| shown(text));
                self.differs(format!("{name} of {of}: {}, now {}", text(was), text(now)));
            }
        }
    }

    fn schedule(&mut self, of: &str, was: Option<&(String, Option<String>)>, now: Option<&(String, Option<String>)>, at: Timestamp) {
        if was == now {
            return;
        }
        let text = |schedule: Option<&(String, Option<String>)>| {
            schedule.map_or_else(
                || "none".to_owned(),
                |(expression, zone)| shown(&format!("{expression} {}", zone.as_deref().unwrap_or("UTC"))),
            )
        };
        let words = format!("the schedule of {of}: {}, now {}", text(was), text(now));
        let pause = |schedule: Option<&(String, Option<String>)>| schedule.and_then(|schedule| longest_pause(schedule, at));
        match (pause(was), pause(now)) {
            // Runs as often, at another hour.
            (Some(was), Some(now)) if now <= was.saturating_add(CLOCKS) => {}
            (Some(_), Some(now)) if now > MONTH => self.lost(true, format!("{words}; a month or more passes without a run")),
            (Some(_), Some(_)) => self.lost(false, format!("{words}; runs lie further apart")),
            (None, Some(now)) if now > MONTH => self.lost(true, format!("{words}; a month or more passes without a run")),
            _ => self.differs(words),
        }
    }

    /// The differences that are found by something alone.
    fn between(find: impl FnOnce(&mut Self)) -> Vec<Difference> {
        let mut found = Self(Vec::new());
        find(&mut found);
        found.0
    }

    fn copy(&mut self, what: &str, was: &Copy, now: &Copy) {
        self.kept(true, what, (was.kept, now.kept));
        self.others(what, &was.others, &now.others);
    }

    fn rule(&mut self, of: &str, was: &Rule, now: &Rule, at: Timestamp) {
        for (vault, copies) in &was.copies {
            let what = format!("the copy action of {of} to {vault}");
            let copies_now = now.copies.get(vault).map(Vec::as_slice).unwrap_or_default();
            let partners = pairs(copies, copies_now, |was, now| Self::between(|found| found.copy(&what, was, now)));
            for (copy, partner) in copies.iter().zip(partners) {
                match partner.and_then(|place| copies_now.get(place)) {
                    Some(now) => self.copy(&what, copy, now),
                    None => self.lost(true, what.clone()),
                }
            }
        }
        self.kept(false, of, (was.kept, now.kept));
        self.schedule(of, was.schedule.as_ref(), now.schedule.as_ref(), at);
        if was.continuous && !now.continuous {
            self.lost(false, format!("the continuous backup of {of}"));
        }
        if was.vault != now.vault {
            let text = |vault: &Option<String>| vault.clone().unwrap_or_else(|| "not set".to_owned());
            self.differs(format!("the vault of {of}: {}, now {}", text(&was.vault), text(&now.vault)));
        }
        self.others(of, &was.others, &now.others);
    }

    fn plan(&mut self, of: &str, was: &Plan, now: &Plan, at: Timestamp) {
        let between = |was: &Rule, now: &Rule| Self::between(|found| found.rule("", was, now, at));
        let (mut gone, mut made) = (Vec::new(), Vec::new());
        made.extend(now.rules.iter().filter(|(name, _)| !was.rules.contains_key(*name)).flat_map(|(_, rules)| rules));
        for (name, rules) in &was.rules {
            let what = format!("the rule {name}{of}");
            let rules_now = now.rules.get(name).map(Vec::as_slice).unwrap_or_default();
            let partners = pairs(rules, rules_now, between);
            made.extend(rules_now.iter().enumerate().filter(|(place, _)| !partners.contains(&Some(*place))).map(|(_, rule)| rule));
            for (rule, partner) in rules.iter().zip(partners) {
                match partner.and_then(|place| rules_now.get(place)) {
                    Some(now) => self.rule(&what, rule, now, at),
                    None => gone.push((what.clone(), rule)),
                }
            }
        }
        // A rule that does the same under another name was renamed.
        for (what, rule) in gone {
            match made.iter().position(|now| between(rule, now).is_empty()) {
                Some(place) => drop(made.swap_remove(place)),
                None => self.lost(true, what),
            }
        }
        for (name, selection) in &was.selections {
            match now.selections.get(name) {
                Some(now) if now == selection => {}
                Some(now) => self.differs(format!("the selection {name}{of}: {}, now {}", shown(selection), shown(now))),
                None => self.lost(true, format!("the selection {name}{of}")),
            }
        }
        let regions = was.regions.difference(&now.regions);
        let regions = regions.map(|region| format!("the Region {region}{of}")).collect::<Vec<_>>();
        regions.into_iter().for_each(|what| self.lost(true, what));
        self.others(of.strip_prefix(" of ").unwrap_or("the plan"), &was.others, &now.others);
    }
}

/// What of a plan endangers by itself, where nobody knows what it was before: a rule that does not run any more, backups and copies that are all gone
/// within days, and no copy where copies leave the account.
fn alone(found: &mut Found, of: &str, plan: &Plan, at: Timestamp, copies: bool) {
    let rules = plan.rules.iter().flat_map(|(name, rules)| rules.iter().map(move |rule| (name, rule)));
    let mut longest = None;
    for (name, rule) in rules.clone() {
        if let Some(schedule) = rule.schedule.as_ref().filter(|schedule| longest_pause(schedule, at).is_some_and(|pause| pause > YEAR)) {
            found.differs(format!("the rule {name}{of} runs at {}, which is a year away or never", shown(&schedule.0)));
        }
        let ends = rule.copies.values().flatten().map(|copy| copy.kept).chain([rule.kept]);
        longest = ends.map(|kept| kept.unwrap_or(f64::INFINITY)).chain(longest).reduce(f64::max);
    }
    if let Some(days) = longest.filter(|days| *days < FEW_DAYS) {
        found.differs(format!("nothing{of} is kept for more than {days} days"));
    }
    if copies && rules.clone().next().is_some() && rules.clone().all(|(_, rule)| rule.copies.is_empty()) {
        found.differs(format!("no rule{of} copies anything"));
    }
}

/// What a plan shows by itself. `copies`: copies are known to leave its account.
pub(super) fn of_plan_alone(body: &Value, at: Timestamp, copies: bool) -> Vec<Difference> {
    Found::between(|found| alone(found, "", &plan(body), at, copies))
}

/// What a backup policy shows by itself.
pub(super) fn of_policy_alone(policy: &Value, at: Timestamp) -> Vec<Difference> {
    let all = plans(policy).0;
    Found::between(|found| all.into_iter().for_each(|(name, body)| alone(found, &format!(" of the plan {name}"), &plan(body), at, true)))
}

/// Whether a plan has a rule at all.
pub(super) fn has_rules(body: &Value) -> bool {
    !plan(body).rules.is_empty()
}

/// The differences between two versions of a plan, as it is at `at`.
pub(super) fn of_plan(before: &Value, after: &Value, at: Timestamp) -> Vec<Difference> {
    let mut found = Found(Vec::new());
    found.plan("", &plan(before), &plan(after), at);
    found.0
}

/// The differences as one text, the worst first, and no more than people read.
pub(super) fn list(found: &mut [Difference], most: usize) -> String {
    found.sort_by_key(|difference| (!difference.is_grave, !difference.is_loss));
    let more = found.len().saturating_sub(most);
    let mut text = found.iter().take(most).map(|difference| difference.what.as_str()).collect::<Vec<_>>().join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

/// The plans by name, and what else a policy says.
fn plans(policy: &Value) -> (BTreeMap<&String, &Value>, BTreeMap<String, String>) {
    let mut of = members(policy);
    let mut others = BTreeMap::new();
    let plans = named("plans", of.remove("plans"), &mut others).into_iter().collect();
    others.extend(texts(of));
    (plans, others)
}

/// The differences between two versions of a backup policy, as it is at `at`.
pub(super) fn of_policy(before: &Value, after: &Value, at: Timestamp) -> Vec<Difference> {
    let ((was, others), (now, others_now)) = (plans(before), plans(after));
    let mut found = Found(Vec::new());
    for (name, body) in was {
        match now.get(name) {
            Some(now) => found.plan(&format!(" of the plan {name}"), &plan(body), &plan(now), at),
            None => found.lost(true, format!("the plan {name}")),
        }
    }
    found.others("the policy", &others, &others_now);
    found.0
}

/// Whether a backup policy copies anything.
pub(super) fn copies(policy: &Value) -> bool {
    plans(policy).0.values().any(|body| plan(body).rules.values().flatten().any(|rule| !rule.copies.is_empty()))
}
