//! `guardian explain CODE`: the page of a rule or of a check; `guardian explain --list`: the rules and the checks.

use std::path::Path;

use guardian_core::compliance::Check;
use guardian_core::compliance::checks::ALL as CHECKS;
use guardian_core::diagnosis::rules::ALL;
use guardian_core::diagnosis::{Cause, Rule, UNEXPLAINED_PAGE};
use guardian_core::report;
use serde_json::{Value, json};

use crate::output::{Exit, Format, Output};

/// The commands beside which a code can stand: a misspelt one is taken for a code first.
const COMMANDS: [&str; 3] = ["event", "job", "message"];

pub(super) fn run(code: &str, output: &Output) -> anyhow::Result<Exit> {
    let wanted = code.trim().to_lowercase();
    let rules = ALL.iter().filter(|rule| names(rule).any(|name| name.eq_ignore_ascii_case(&wanted))).collect::<Vec<_>>();
    let checks = CHECKS.iter().filter(|check| check_names(check).any(|name| name.eq_ignore_ascii_case(&wanted))).collect::<Vec<_>>();
    let unexplained = wanted == Cause::Unexplained.label();
    if rules.is_empty() && checks.is_empty() && !unexplained {
        anyhow::bail!("{}", unknown(code, &wanted));
    }
    if output.json(Format::Text) {
        let mut pages = rules.iter().map(|rule| described(rule)).collect::<Vec<_>>();
        pages.extend(checks.iter().map(|check| described_check(check)));
        if unexplained {
            pages.push(json!({"name": wanted, "causes": [wanted], "page": UNEXPLAINED_PAGE}));
        }
        output.print(&serde_json::to_string_pretty(&pages)?)?;
    } else {
        let mut pages = rules.iter().map(|rule| report::page(&rule.meta, output.look())).collect::<Vec<_>>();
        pages.extend(checks.iter().map(|check| report::check_page(&check.meta, output.look())));
        if unexplained {
            pages.push(report::prose(UNEXPLAINED_PAGE, output.look()));
        }
        output.print(&pages.join("\n\n"))?;
    }
    Ok(Exit::Fine)
}

pub(super) fn list(output: &Output) -> anyhow::Result<Exit> {
    let mut rules = ALL.iter().collect::<Vec<_>>();
    rules.sort_by_key(|rule| rule.meta.code);
    if output.json(Format::Text) {
        let list = rules.iter().map(|rule| described(rule)).chain(CHECKS.iter().map(described_check)).map(|mut one| {
            if let Some(members) = one.as_object_mut() {
                members.remove("page");
            }
            one
        });
        output.print(&serde_json::to_string_pretty(&list.collect::<Vec<_>>())?)?;
    } else {
        let rules = rules.iter().map(|rule| (rule.meta.code, rule.meta.name, rule.meta.title));
        let all = rules.chain(CHECKS.iter().map(|check| (check.meta.code, check.meta.name, check.meta.title))).collect::<Vec<_>>();
        let longest = all.iter().map(|(_, name, _)| name.len()).max().unwrap_or_default();
        let list = all.iter().map(|(code, name, title)| format!("{code}  {name:longest$}  {title}"));
        output.print(&list.collect::<Vec<_>>().join("\n"))?;
    }
    Ok(Exit::Fine)
}

fn described(rule: &Rule) -> Value {
    json!({
        "code": rule.meta.code,
        "name": rule.meta.name,
        "title": rule.meta.title,
        "causes": rule.meta.causes,
        "severity": rule.meta.severity,
        "since": rule.meta.since,
        "needs": rule.meta.needs,
        "remedy": rule.meta.remedy,
        "references": rule.meta.references,
        "page": rule.meta.page,
    })
}

fn described_check(check: &Check) -> Value {
    json!({
        "code": check.meta.code,
        "name": check.meta.name,
        "title": check.meta.title,
        "severity": check.meta.severity,
        "since": check.meta.since,
        "needs": check.meta.needs,
        "remedy": check.meta.remedy,
        "references": check.meta.references,
        "page": check.meta.page,
    })
}

/// What a check can be asked for by.
fn check_names(check: &Check) -> impl Iterator<Item = &'static str> + use<> {
    [check.meta.code, check.meta.name].into_iter()
}

/// What a rule can be asked for by.
fn names(rule: &Rule) -> impl Iterator<Item = &'static str> {
    [rule.meta.code, rule.meta.name].into_iter().chain(rule.meta.causes.iter().map(|cause| cause.label()))
}

/// What to say of a name that is none, with what was probably meant.
fn unknown(code: &str, wanted: &str) -> String {
    let asked = code.chars().take(80).flat_map(char::escape_debug).collect::<String>();
    let advice = if Path::new(code).is_file() {
        format!("it is a file: `guardian explain event {asked}`")
    } else if code.trim().contains(' ') {
        "the text of a failure goes to `guardian explain message`, see its --help".to_owned()
    } else {
        let near = nearest(wanted).into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        match near.as_slice() {
            [] => "`guardian explain --list` shows all".to_owned(),
            near => format!("did you mean {}? `guardian explain --list` shows all", near.join(" or ")),
        }
    };
    format!("no rule, cause or check is called `{asked}`; {advice}")
}

/// At most three names: those that a slip of the hand can have turned into this one, the nearest first, then those it is a part of.
fn nearest(wanted: &str) -> Vec<&'static str> {
    // One slip per two letters, but no more than three: else everything is near everything.
    let letters = wanted.chars().count();
    let slips = (letters / 2).clamp(1, 3);
    let distance = |name: &str| {
        let name = name.to_lowercase();
        let edits = edits(wanted, &name);
        if edits <= slips { Some(edits) } else { (letters >= 3 && name.contains(wanted)).then_some(usize::MAX) }
    };
    let all = ALL.iter().flat_map(names).chain(CHECKS.iter().flat_map(check_names)).chain([Cause::Unexplained.label()]).chain(COMMANDS);
    let mut near = all.filter_map(|name| Some((distance(name)?, name))).collect::<Vec<_>>();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, name)| name).take(3).collect()
}

/// Levenshtein distance.
fn edits(a: &str, b: &str) -> usize {
    let b = b.chars().collect::<Vec<_>>();
    let mut row = (0..=b.len()).collect::<Vec<_>>();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut last = i + 1;
        let mut next = vec![last];
        for (right, above) in b.iter().zip(row.iter().skip(1)) {
            last = (diagonal + usize::from(left != *right)).min(above + 1).min(last + 1);
            diagonal = *above;
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_what_was_meant_and_a_strange_one_nothing() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!((edits("", "abc"), edits("abc", ""), edits("same", "same")), (3, 3, 0));
        for (wrong, right) in [
            ("kms-key-policy-missing-destinatoin", "kms-key-policy-missing-destination"),
            ("bkd-01", "BKD-001"),
            ("mesage", "message"),
            ("jobs", "job"),
            ("not-fuond", "not-found"),
            ("bkd-1", "BKD-001"),
            ("kms-key", "kms-key-policy-missing-destination"),
            ("Vss", "vss-prerequisite"),
        ] {
            assert_eq!(nearest(&wrong.to_lowercase()).first(), Some(&right), "{wrong}");
        }
        for strange in ["foo", "", "3F6E2A3C-9D0B-4F5E-8A54-0C1D2E3F4A5B"] {
            assert!(nearest(strange).is_empty(), "{strange}: {:?}", nearest(strange));
        }
    }
}
