//! Runs the cases of every page of a check, and holds list, files, pages, cases and frameworks together.
//!
//! A case is a JSON merge patch over a named base of `tests/facts/inventories` and the outcomes that must come of it. `BLESS=1` rewrites the outcomes
//! from what the checks say now; read the difference before you commit it.

#![expect(clippy::disallowed_methods, reason = "the tests read the pages and the bases from disk")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a test may stop where its premise fails"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use guardian_core::arn::{AccountId, Arn};
use guardian_core::compliance::checks::{ALL, find};
use guardian_core::compliance::{
    AccountView, Baseline, Check, CheckOutcome, Judge, OrganizationView, Outcome, Scope, Status, Stopped, Subject, Totals, judge_account,
    judge_organization, naming_vaults, stops,
};
use guardian_core::coverage::{Arrivals, ArrivalsByVault, Protection, ResourceCoverage};
use guardian_core::diagnosis::Severity;
use guardian_core::evidence::{AccountInventory, Destination, Fact, OrganizationInventory, ResourcePoints, Vault};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

#[path = "support/pages.rs"]
mod pages;

use pages::{base, blessing, merge, root};

const SECTIONS: [&str; 5] = ["What it means", "Why it matters", "How to fix", "When it is wrong", "Cases"];
const BASES: [&str; 3] = ["organization", "source-account", "backup-account"];

/// Everything that a view shows, as the bases write it down.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    now: Timestamp,
    backup_accounts: Vec<AccountId>,
    #[serde(default)]
    baseline: Baseline,
    organization: OrganizationInventory,
    destinations: BTreeMap<Arn, Destination>,
    #[serde(default)]
    account: Option<AccountInventory>,
    #[serde(default, deserialize_with = "arrivals")]
    arrivals: ArrivalsByVault,
    #[serde(default)]
    coverage: Vec<ResourceCoverage>,
}

/// Arrivals as the bases write them down.
fn arrivals<'de, D: Deserializer<'de>>(from: D) -> Result<ArrivalsByVault, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Written {
        #[serde(default)]
        vault: Fact<Vault>,
        #[serde(default)]
        points: Fact<Vec<ResourcePoints>>,
    }
    let all = BTreeMap::<Arn, Written>::deserialize(from)?;
    Ok(all.into_iter().map(|(arn, Written { vault, points })| (arn, Arrivals { vault: vault.into(), points })).collect())
}

impl Seen {
    fn of(value: Value) -> Self {
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("no inventory: {error}\n{value:#}"))
    }

    fn based(name: &str, patch: &Value) -> Self {
        let mut value = base("inventories", name);
        merge(&mut value, patch);
        Self::of(value)
    }

    fn scope(&self) -> Scope {
        Scope { backup_accounts: self.backup_accounts.clone(), baseline: self.baseline.clone() }
    }

    fn judged(&self, check: &Check) -> Vec<Outcome> {
        let scope = self.scope();
        let mut outcomes = match (check.judge, &self.account) {
            (Judge::Organization(judge), _) => judge(&self.organization_view(&scope)),
            (Judge::Account(judge), Some(account)) => judge(&self.account_view(&scope, account)),
            (Judge::Account(_), None) => panic!("{}: the base has no account", check.meta.name),
        };
        outcomes.sort_by(|a, b| a.subject.cmp(&b.subject));
        outcomes
    }

    fn organization_view<'a>(&'a self, scope: &'a Scope) -> OrganizationView<'a> {
        OrganizationView { now: self.now, scope, organization: &self.organization, destinations: &self.destinations }
    }

    fn account_view<'a>(&'a self, scope: &'a Scope, account: &'a AccountInventory) -> AccountView<'a> {
        AccountView {
            now: self.now,
            scope,
            organization: &self.organization,
            destinations: &self.destinations,
            account,
            arrivals: &self.arrivals,
            coverage: &self.coverage,
        }
    }

    /// Everything that is said of it.
    fn all(&self) -> Vec<CheckOutcome> {
        let scope = self.scope();
        let mut outcomes = judge_organization(&self.organization_view(&scope)).outcomes;
        if let Some(account) = &self.account {
            outcomes.extend(judge_account(&self.account_view(&scope, account)).outcomes);
        }
        outcomes
    }
}

fn folder() -> PathBuf {
    root().join("shared/src/compliance/checks")
}

fn cases(check: &Check, page: &str) -> Vec<(String, Seen, Value, std::ops::Range<usize>)> {
    let cases = pages::page_cases(check.meta.name, page, ("inventories", "inventory", "outcome"));
    cases.into_iter().map(|case| (case.title, Seen::of(case.input), case.expected, case.span)).collect()
}

/// What of all outcomes matters most.
fn worst(outcomes: &[Outcome]) -> Option<Status> {
    outcomes.iter().map(|outcome| outcome.status).min()
}

#[test]
fn every_case_of_every_page_gives_its_outcomes() {
    let mut wrong = String::new();
    for check in ALL {
        let path = folder().join(format!("{}.md", check.meta.name));
        let mut page = std::fs::read_to_string(&path).unwrap();
        for (title, seen, expected, span) in cases(check, &page.clone()).into_iter().rev() {
            let actual = serde_json::to_value(seen.judged(check)).unwrap();
            if actual == expected {
                continue;
            }
            if blessing() {
                page.replace_range(span, &format!("{}\n", serde_json::to_string_pretty(&actual).unwrap()));
            } else {
                let _ = writeln!(wrong, "{}: {title}\n  page: {expected}\n  now:  {actual}", check.meta.name);
            }
        }
        if blessing() {
            std::fs::write(&path, &page).unwrap();
        }
    }
    assert!(wrong.is_empty(), "run `make bless` if this is meant:\n{wrong}");
}

#[test]
fn every_check_has_a_case_that_passes_one_that_fails_one_that_does_not_apply_and_one_that_cannot_tell() {
    let mut wrong = String::new();
    for check in ALL {
        let seen =
            cases(check, check.meta.page).into_iter().filter_map(|(_, seen, _, _)| worst(&seen.judged(check))).collect::<BTreeSet<_>>();
        for needed in [Status::Pass, Status::Fail, Status::NotApplicable, Status::Unknown] {
            if !seen.contains(&needed) {
                let _ = writeln!(wrong, "{}: no case that is {needed:?}, only {seen:?}", check.meta.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_failure_that_stops_copies_names_the_vault_that_they_do_not_reach() {
    let mut told = BTreeSet::new();
    for name in naming_vaults() {
        let check = find(name).unwrap_or_else(|| panic!("no check `{name}`"));
        for (title, seen, _, _) in cases(check, check.meta.page) {
            let vaults = seen.destinations.keys().chain(seen.arrivals.keys()).cloned().collect::<BTreeSet<_>>();
            for outcome in seen.judged(check) {
                let meta = &check.meta;
                let found = CheckOutcome { code: meta.code.to_owned(), check: (*name).to_owned(), severity: meta.severity, outcome };
                match stops(&found) {
                    Some(Stopped::Into(vault)) => assert!(vaults.contains(&vault), "{name}, `{title}`: {vault}"),
                    other => assert!(other.is_none() && found.outcome.status != Status::Fail, "{name}, `{title}`: {other:?}"),
                }
                told.extend((found.outcome.status == Status::Fail).then_some(*name));
            }
        }
    }
    assert_eq!(told.len(), naming_vaults().len());
    let off = json!({"organization": {"global_settings": {"value": {"cross_account_backup": false}}}});
    let all = Seen::based("organization", &off).all();
    assert_eq!(all.iter().filter_map(stops).collect::<Vec<_>>(), [Stopped::Abroad]);
}

#[test]
fn every_failure_says_what_to_do_and_nothing_else_does() {
    for check in ALL {
        for (title, seen, _, _) in cases(check, check.meta.page) {
            for outcome in seen.judged(check) {
                let name = check.meta.name;
                assert_eq!(outcome.remedy.is_some(), outcome.status == Status::Fail, "{name}, `{title}`: {outcome:?}");
                assert!(outcome.gaps.is_empty() || outcome.status == Status::Unknown, "{name}, `{title}`: {outcome:?}");
                assert!(!outcome.seen.ends_with('.') && !outcome.seen.is_empty(), "{name}, `{title}`: {outcome:?}");
            }
        }
    }
}

#[test]
fn a_healthy_estate_passes_every_check_and_leaves_nothing_open() {
    let mut passed = BTreeSet::new();
    let mut wrong = String::new();
    // Some checks judge only what somebody agreed on.
    let agreed = json!({"baseline": {"schema": "backup-guardian/baseline/v1", "restore_minutes": 60, "copy_to_another_region": true},
        "coverage": {"0": {"resource_type": "EC2", "copies": {"0": {"vault_arn": "arn:aws:backup:eu-west-1:222222222222:backup-vault:central-vault"}}}}});
    let table = json!({"coverage": {"0": {"resource_type": "DynamoDB", "resource_arn": "arn:aws:dynamodb:eu-central-1:111111111111:table/orders"}}});
    let estates = BASES.into_iter().map(|name| (name, json!({}))).chain([("source-account", agreed), ("source-account", table)]);
    for (name, patch) in estates {
        for outcome in Seen::based(name, &patch).all() {
            match outcome.outcome.status {
                Status::Pass => drop(passed.insert(outcome.check)),
                Status::NotApplicable => {}
                status => drop(writeln!(wrong, "{name}: {} {status:?}: {}", outcome.check, outcome.outcome.seen)),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let never = ALL.iter().map(|check| check.meta.name).filter(|name| !passed.contains(*name)).collect::<Vec<_>>();
    assert!(never.is_empty(), "no base passes {never:?}");
}

#[test]
fn list_files_and_pages_are_the_same_checks() {
    let listed = ALL.iter().map(|check| check.meta.name.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(listed.len(), ALL.len(), "a name is there twice");
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if let (Some(stem), Some(kind)) = (path.file_stem().and_then(|s| s.to_str()), path.extension().and_then(|s| s.to_str())) {
            files.entry(kind.to_owned()).or_default().insert(stem.to_owned());
        }
    }
    assert_eq!(files["md"], listed, "pages and list differ");
    let sources = files["rs"].iter().filter(|stem| *stem != "mod").map(|stem| stem.replace('_', "-"));
    assert_eq!(sources.collect::<BTreeSet<_>>(), listed, "sources and list differ");
}

#[test]
fn metadata_is_whole_and_pages_have_their_sections() {
    for (number, check) in ALL.iter().enumerate() {
        let meta = &check.meta;
        let name = meta.name;
        assert_eq!(meta.code, format!("BKC-{:03}", number + 1), "{name}: codes follow the list");
        assert!(!meta.references.is_empty() && !meta.title.is_empty() && !meta.needs.is_empty(), "{name}: metadata");
        assert!(meta.references.iter().all(|url| url.starts_with("https://")), "{name}: references");
        assert!(meta.needs.iter().all(|action| action.contains(':')), "{name}: `needs` are IAM actions");
        assert!(meta.page.starts_with(&format!("# {}\n", meta.title)), "{name}: the page must open with `# {}`", meta.title);
        let headings = meta.page.lines().filter_map(|line| line.strip_prefix("## ")).collect::<Vec<_>>();
        assert_eq!(headings, SECTIONS, "{name}: sections");
        let on_disk = std::fs::read_to_string(folder().join(format!("{name}.md"))).unwrap();
        assert!(blessing() || meta.page == on_disk, "{name}: the compiled page is another one than the one on disk");
    }
}

#[test]
fn the_list_of_checks_in_the_documents_is_the_list_of_checks() {
    let mut page =
        "# Checks\n\nGenerated from the metadata of the checks by `make bless`. The page of a check is its manual and its test; \
                    `guardian explain CODE` prints it.\n\n| Code | Check | The good state | Severity | Evidence it needs |\n\
                    | --- | --- | --- | --- | --- |\n"
            .to_owned();
    for check in ALL {
        let meta = &check.meta;
        let needs = meta.needs.iter().map(|action| format!("`{action}`")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            page,
            "| {} | [`{}`](../shared/src/compliance/checks/{}.md) | {} | {} | {needs} |",
            meta.code,
            meta.name,
            meta.name,
            meta.title,
            meta.severity.as_str()
        );
    }
    let path = root().join("docs/checks.md");
    if blessing() {
        std::fs::write(&path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), page, "docs/checks.md is old: run `make bless`");
}

#[test]
fn somebody_may_take_responsibility_for_a_failure_until_a_date() {
    let patch = json!({"account": {"regions": {"eu-central-1": {"ebs": {"value": {"encrypted": false}}}}}});
    let exception = |check: &str, until: &str| {
        let baseline = json!({"schema": "backup-guardian/baseline/v1", "exceptions": [{"check": check, "account_id": "111111111111",
            "owner": "platform `team`", "reason": "scratch only", "until": until}]});
        let mut patch = patch.clone();
        patch["baseline"] = baseline;
        Seen::based("source-account", &patch)
    };
    let ebs = |seen: &Seen| seen.all().into_iter().find(|outcome| outcome.check == "ebs-encryption-by-default").unwrap();
    let code = ebs(&Seen::based("source-account", &patch)).code;
    for name in ["ebs-encryption-by-default", code.as_str()] {
        let told = ebs(&exception(name, "2026-12-31T00:00:00Z"));
        assert_eq!(told.outcome.status, Status::Excepted, "{name}");
        assert!(
            told.outcome.seen.ends_with("excepted by `platform 'team'` until 2026-12-31T00:00:00Z: `scratch only`"),
            "{}",
            told.outcome.seen
        );
    }
    assert_eq!(ebs(&exception("ebs-encryption-by-default", "2026-11-01T00:00:00Z")).outcome.status, Status::Fail, "its end has passed");
    assert_eq!(ebs(&exception("key-enabled", "2026-12-31T00:00:00Z")).outcome.status, Status::Fail, "another check");
    let mut totals = Totals::default();
    for seen in [exception("key-enabled", "2026-12-31T00:00:00Z"), exception(&code, "2026-12-31T00:00:00Z")] {
        let scope = seen.scope();
        totals.add(&judge_account(&seen.account_view(&scope, seen.account.as_ref().unwrap())));
        totals.add_organization(&judge_organization(&seen.organization_view(&scope)));
    }
    assert_eq!((totals.accounts, totals.accounts_not_evaluated), (2, 0));
    assert_eq!((totals.outcomes[&Status::Fail], totals.outcomes[&Status::Excepted]), (1, 1));
    assert_eq!(totals.failures.into_iter().collect::<Vec<_>>(), [(Severity::Medium, 1)]);
    assert_eq!(totals.resources.into_iter().collect::<Vec<_>>(), [(Protection::Protected, 2)]);
}

/// Where the known facts of a value are.
fn facts(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if members.get("fact").is_some_and(|fact| fact == "known") {
                found.push(path.to_owned());
            }
            for (name, member) in members {
                facts(member, &format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(number, item)| facts(item, &format!("{path}/{number}"), found)),
        _ => {}
    }
}

type Told = BTreeMap<(String, Subject), Status>;

/// The worst that is said of each thing.
fn told(outcomes: impl IntoIterator<Item = (String, Outcome)>) -> Told {
    let mut told = Told::new();
    for (code, outcome) in outcomes {
        let status = told.entry((code, outcome.subject)).or_insert(outcome.status);
        *status = (*status).min(outcome.status);
    }
    told
}

/// What less evidence must not do: invent a failure, or make well, or nobody's affair, what was not.
fn contradiction(full: &Told, less: &Told) -> Option<String> {
    for (what, status) in less {
        // Of the organization itself the account is only a guess, where the organization was not read.
        let alone = |told: &Told| told.keys().filter(|(code, _)| *code == what.0).count() == 1;
        let organization =
            || full.iter().find(|((code, subject), _)| *code == what.0 && alone(full) && alone(less) && subject.region.is_none());
        let before = full.get(what).or_else(|| organization().map(|(_, status)| status));
        let invented = matches!(status, Status::Fail | Status::Pass) && before != Some(status);
        let hidden = *status == Status::NotApplicable && matches!(before, Some(Status::Fail | Status::Unknown));
        if invented || hidden {
            return Some(format!("{} {:?}: {before:?} became {status:?}", what.0, what.1));
        }
    }
    None
}

/// The inventory with one fact less, for every fact: refused, or not asked for.
fn poorer(value: &Value, kinds: &[&'static str]) -> Vec<(String, Value)> {
    let mut places = Vec::new();
    facts(value, "", &mut places);
    let gap =
        json!({"fact": "gap", "action": "test:Read", "account_id": "111111111111", "region": "eu-central-1", "reason": "access-denied"});
    let mut all = Vec::new();
    for place in places {
        for kind in kinds {
            let lost = if *kind == "refused" { gap.clone() } else { json!({"fact": "not-asked"}) };
            // A rotation that was not asked for is knowledge: AWS has no such setting for the key.
            if *kind == "not asked" && place.ends_with("/rotation") {
                continue;
            }
            let mut less = value.clone();
            *less.pointer_mut(&place).unwrap() = lost;
            all.push((format!("{place} {kind}"), less));
        }
    }
    all
}

#[test]
fn what_could_not_be_read_never_makes_anything_well_and_never_makes_a_failure() {
    let mut wrong = String::new();
    let mut tried = 0;
    for name in BASES {
        let value = base("inventories", name);
        let all = |value: Value| told(Seen::of(value).all().into_iter().map(|one| (one.code, one.outcome)));
        let full = all(value.clone());
        for (place, less) in poorer(&value, &["refused", "not asked"]) {
            tried += 1;
            if let Some(what) = contradiction(&full, &all(less)) {
                let _ = writeln!(wrong, "{name}, {place}: {what}");
            }
        }
    }
    for check in ALL {
        let said = |value: Value| told(Seen::of(value).judged(check).into_iter().map(|one| (check.meta.code.to_owned(), one)));
        for case in pages::page_cases(check.meta.name, check.meta.page, ("inventories", "inventory", "outcome")) {
            let full = said(case.input.clone());
            for (place, less) in poorer(&case.input, &["refused"]) {
                tried += 1;
                if let Some(what) = contradiction(&full, &said(less)) {
                    let _ = writeln!(wrong, "{}, `{}`, {place}: {what}", check.meta.name, case.title);
                }
            }
        }
    }
    assert!(tried > 10_000, "only {tried} facts were taken away");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_read_that_failed_is_told_of_the_organization_or_of_the_account() {
    let mut wrong = String::new();
    for name in ["source-account", "backup-account"] {
        let mut value = base("inventories", name);
        let types =
            json!({"fact": "known", "value": {"opted_in": {}}, "source": "backup:DescribeRegionSettings", "at": "2026-11-02T12:00:00Z"});
        merge(&mut value, &json!({"organization": {"opt_in": {"eu-central-1": types}}}));
        let inventories = |(place, _): &(String, Value)| place.starts_with("/account") || place.starts_with("/organization");
        for (place, less) in poorer(&value, &["refused"]).into_iter().filter(inventories) {
            let seen = Seen::of(less);
            let scope = seen.scope();
            let organization = judge_organization(&seen.organization_view(&scope)).gaps;
            let account = judge_account(&seen.account_view(&scope, seen.account.as_ref().unwrap())).not_evaluated;
            let told = organization.into_iter().chain(account.into_iter().flat_map(|part| part.gaps));
            if told.filter(|gap| gap.action == "test:Read").count() != 1 {
                let _ = writeln!(wrong, "{name}, {place}");
            }
        }
    }
    assert!(wrong.is_empty(), "not told, or more than once:\n{wrong}");
}

/// Lists whose order says nothing.
const UNORDERED: &[&str] = &[
    "members",
    "vaults",
    "plans",
    "selections",
    "resources",
    "trails",
    "trusts",
    "points",
    "coverage",
    "wanted_plans",
    "rules",
    "copy_actions",
    "trusted_services",
    "policy_types",
    "delegated_administrators",
    "backup_accounts",
    "events",
    "criteria",
    "providers",
    "messages",
    "troubles",
];

fn turned(value: &mut Value, name: &str) {
    match value {
        Value::Object(members) => {
            for (member, inside) in members.iter_mut() {
                turned(inside, if member == "value" { name } else { member });
            }
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| turned(item, ""));
            if UNORDERED.contains(&name) {
                items.reverse();
            }
        }
        _ => {}
    }
}

/// An estate with two of everything, in which much is wrong.
fn crowded(name: &str) -> Value {
    let mut value = base("inventories", name);
    let double = |list: &mut Value, changes: &[(&str, &str)]| {
        let items = list.as_array_mut().unwrap();
        let copies = items
            .iter()
            .map(|item| {
                let text = changes.iter().fold(item.to_string(), |text, (from, to)| text.replace(from, to));
                serde_json::from_str(&text).unwrap()
            })
            .collect::<Vec<Value>>();
        items.extend(copies);
    };
    let region = &mut value["account"]["regions"]["eu-central-1"];
    double(
        &mut region["vaults"]["value"],
        &[("local-vault", "second-vault"), ("central-vault", "other-vault"), ("\"points\":2", "\"points\":3")],
    );
    double(
        &mut region["plans"]["value"],
        &[("orgs/544033d1", "second"), ("DailyToCentral", "Another"), ("delete_after_days\":35", "delete_after_days\":5")],
    );
    double(&mut region["resources"]["value"], &[("vol-0aaa", "vol-0bbb")]);
    double(&mut region["trails"]["value"], &[("trail/organization", "trail/local"), ("\"kms\":true", "\"kms\":false")]);
    double(&mut value["account"]["trusts"]["value"], &[("backup-guardian-reader", "Operators"), ("OrgBackupRole", "OtherRole")]);
    double(&mut value["account"]["wanted_plans"]["value"], &[("DailyToCentral", "Weekly"), ("local-vault", "weekly-vault")]);
    double(&mut value["coverage"], &[("vol-0aaa", "vol-0bbb"), ("\"protected\"", "\"stale\"")]);
    value
}

#[test]
fn the_order_of_lists_changes_nothing() {
    let mut failures = 0;
    for name in BASES.into_iter().filter(|name| *name != "organization") {
        let value = crowded(name);
        let mut other = value.clone();
        turned(&mut other, "");
        assert_ne!(value, other);
        let (one, other) = (Seen::of(value).all(), Seen::of(other).all());
        failures += one.iter().filter(|outcome| outcome.outcome.status == Status::Fail).count();
        for (one, other) in one.iter().zip(&other) {
            assert_eq!(one, other, "{name}");
        }
        assert_eq!(one.len(), other.len(), "{name}");
    }
    assert!(failures > 5, "only {failures} failures in a crowded estate");
}

#[test]
fn an_account_that_cannot_be_entered_is_told_once_and_is_never_well() {
    let gap = json!({"fact": "gap", "action": "sts:AssumeRole", "account_id": "111111111111", "reason": "role-not-assumable"});
    for regions in [json!({}), json!({"eu-central-1": {"enabled": gap, "vaults": gap, "plans": gap}})] {
        let mut value = base("inventories", "source-account");
        value["account"] = json!({"account_id": "111111111111", "at": "2026-11-02T12:00:00Z", "wanted_plans": {"fact": "known", "value": [],
            "source": "organizations:DescribeEffectivePolicy", "at": "2026-11-02T12:00:00Z"}, "service_linked_role": gap, "trusts": gap,
            "regions": regions});
        let seen = Seen::of(value);
        let scope = seen.scope();
        let result = judge_account(&seen.account_view(&scope, seen.account.as_ref().unwrap()));
        assert_eq!(result.not_evaluated.len(), 1, "{:?}", result.not_evaluated);
        assert_eq!((result.not_evaluated[0].region.clone(), result.not_evaluated[0].gaps.len()), (None, 1));
        assert_eq!(result.name.as_deref(), Some("orders"));
        assert!(result.outcomes.iter().all(|outcome| outcome.outcome.status == Status::Unknown));
        let checks = ALL.iter().filter(|check| matches!(check.judge, Judge::Account(_))).count();
        assert_eq!(result.outcomes.len(), checks, "each check says once that it cannot tell");
        let mut totals = Totals::default();
        totals.add(&result);
        assert_eq!((totals.accounts, totals.accounts_not_evaluated, totals.failures.len()), (1, 1, 0));
    }
}
