//! Pages that are manual and test in one: their cases, and the bases that the cases are patches of.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Whether expected results are to be rewritten.
pub(crate) fn blessing() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

/// A base of a folder of `tests/facts`.
pub(crate) fn base(folder: &str, name: &str) -> Value {
    let path = root().join("tests/facts").join(folder).join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("no base `{folder}/{name}`: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("base `{folder}/{name}` is not JSON: {error}"))
}

/// RFC 7386; and an object over a list patches its elements by their numbers, for a list of vaults is too long to say again.
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if let Value::Array(items) = target {
        for (number, value) in patch {
            let number = number.parse::<usize>().unwrap_or_else(|_| panic!("`{number}` is no place in a list"));
            merge(items.get_mut(number).unwrap_or_else(|| panic!("the list has no place {number}")), value);
        }
        return;
    }
    if !target.is_object() {
        *target = json!({});
    }
    let object = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

pub(crate) struct PageCase {
    pub(crate) title: String,
    /// The base with its patch.
    pub(crate) input: Value,
    pub(crate) expected: Value,
    /// Where the text of the expected result is in the page.
    pub(crate) span: Range<usize>,
}

/// The cases of a page: `###` title, a fenced `json <input>`, a fenced `json <output>`.
pub(crate) fn page_cases(name: &str, page: &str, (folder, input, output): (&str, &str, &str)) -> Vec<PageCase> {
    let start = page.find("\n## Cases").unwrap_or_else(|| panic!("{name}: no section `Cases`"));
    let mut cases = Vec::new();
    for (offset, _) in page[start..].match_indices("\n### ") {
        let at = start + offset + 5;
        let end = page[at..].find("\n### ").map_or(page.len(), |next| at + next);
        let title = page[at..end].lines().next().unwrap().trim().to_owned();
        let block = |kind: &str| {
            let fence = format!("```json {kind}\n");
            let from = page[at..end].find(&fence).map(|found| at + found + fence.len());
            let from = from.unwrap_or_else(|| panic!("{name}, `{title}`: no block `json {kind}`"));
            let to = page[from..end].find("```").map(|found| from + found);
            from..to.unwrap_or_else(|| panic!("{name}, `{title}`: block `json {kind}` has no end"))
        };
        let json = |text: &str| -> Value { serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}, `{title}`: {error}")) };
        let mut patch = json(&page[block(input)]);
        let base_name = patch.as_object_mut().unwrap().remove("base").unwrap_or_else(|| panic!("{name}, `{title}`: no `base`"));
        let mut merged = base(folder, base_name.as_str().unwrap());
        merge(&mut merged, &patch);
        let span = block(output);
        let expected = if page[span.clone()].trim().is_empty() { Value::Null } else { json(&page[span.clone()]) };
        cases.push(PageCase { title, input: merged, expected, span });
    }
    cases
}
