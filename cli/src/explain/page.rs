//! `guardian explain CODE`: the page of a rule.

use guardian_core::diagnosis::Rule;
use guardian_core::diagnosis::rules::ALL;

use crate::output::{Exit, Format, Output};

pub(super) fn run(code: &str, output: &Output) -> anyhow::Result<Exit> {
    let wanted = code.trim().to_lowercase();
    let found = ALL.iter().filter(|rule| names(rule).any(|name| name.to_lowercase() == wanted)).collect::<Vec<_>>();
    if found.is_empty() {
        let near = nearest(&wanted);
        let list = near.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        anyhow::bail!("no rule is called `{}`; the nearest are {list}", code.escape_debug());
    }
    if output.json(Format::Text) {
        let pages = found.iter().map(|rule| {
            serde_json::json!({
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
        });
        output.print(&serde_json::to_string_pretty(&pages.collect::<Vec<_>>())?)?;
    } else {
        let pages = found.iter().map(|rule| format!("{} ({})\n\n{}", rule.meta.code, rule.meta.name, rule.meta.page.trim_end()));
        output.print(&pages.collect::<Vec<_>>().join("\n\n"))?;
    }
    Ok(Exit::Fine)
}

/// What a rule can be asked for by.
fn names(rule: &Rule) -> impl Iterator<Item = &'static str> {
    [rule.meta.code, rule.meta.name].into_iter().chain(rule.meta.causes.iter().map(|cause| cause.label()))
}

/// The three names that need the fewest edits.
fn nearest(wanted: &str) -> Vec<&'static str> {
    let mut all = ALL.iter().flat_map(names).collect::<Vec<_>>();
    all.sort_by_key(|name| (edits(wanted, &name.to_lowercase()), *name));
    all.dedup();
    all.truncate(3);
    all
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
    fn a_misspelt_name_finds_its_neighbours() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!((edits("", "abc"), edits("abc", ""), edits("same", "same")), (3, 3, 0));
        assert!(nearest("kms-key-policy-missing-destinatoin").contains(&"kms-key-policy-missing-destination"));
    }
}
