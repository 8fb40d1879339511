//! Frameworks of others, and which checks speak to their controls.
//!
//! A framework is data: a file beside this one. Titles are in our own words. That a check passes is evidence for a control, not its fulfilment:
//! what people decide and write down no check can see.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::checks;

/// A framework.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Framework {
    /// Short name: `nist-800-53`, …
    pub id: String,
    /// Its own name.
    pub title: String,
    /// Which edition.
    pub version: String,
    /// Where it is published.
    pub reference: String,
    /// Its controls that backups can speak to, in its order.
    pub controls: Vec<Control>,
}

/// A control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// As the framework numbers it.
    pub id: String,
    /// In our own words.
    pub title: String,
    /// Names of checks. None: no check sees it, and why is in the note.
    pub checks: Vec<String>,
    /// What no check sees.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The files.
const FILES: &[&str] = &[
    include_str!("backup-audit-manager.json"),
    include_str!("security-hub-fsbp.json"),
    include_str!("nist-800-53.json"),
    include_str!("cis-aws-foundations.json"),
];

/// Every framework. A file that cannot be read is left out; a test holds that there is none.
pub fn all() -> Vec<Framework> {
    FILES.iter().filter_map(|text| serde_json::from_str(text).ok()).collect()
}

impl Framework {
    /// The checks that speak to any of its controls, by their codes.
    pub fn codes(&self) -> BTreeSet<&'static str> {
        let names = self.controls.iter().flat_map(|control| &control.checks);
        names.filter_map(|name| checks::find(name)).map(|check| check.meta.code).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frameworks_name_real_checks_and_none_of_them_twice() {
        let all = all();
        assert_eq!(all.len(), FILES.len(), "a file cannot be read");
        let ids = all.iter().map(|framework| framework.id.as_str()).collect::<BTreeSet<_>>();
        assert_eq!(ids.len(), all.len(), "an id is there twice");
        for framework in &all {
            assert!(framework.reference.starts_with("https://") && !framework.version.is_empty(), "{}", framework.id);
            let controls = framework.controls.iter().map(|control| control.id.as_str()).collect::<BTreeSet<_>>();
            assert_eq!(controls.len(), framework.controls.len(), "{}: a control is there twice", framework.id);
            for control in &framework.controls {
                let which = format!("{} {}", framework.id, control.id);
                let names = control.checks.iter().collect::<BTreeSet<_>>();
                assert_eq!(names.len(), control.checks.len(), "{which}: a check is there twice");
                assert!(!control.checks.is_empty() || control.note.is_some(), "{which}: neither a check nor a note");
                for name in names {
                    assert!(checks::ALL.iter().any(|check| check.meta.name == name), "{which}: there is no check `{name}`");
                }
            }
        }
    }

    #[test]
    fn every_check_of_medium_severity_or_more_serves_a_framework() {
        let used = all().iter().flat_map(Framework::codes).collect::<BTreeSet<_>>();
        let unused = checks::ALL.iter().map(|check| &check.meta);
        let unused = unused.filter(|meta| meta.severity >= crate::diagnosis::Severity::Medium && !used.contains(meta.code));
        assert_eq!(unused.map(|meta| meta.name).collect::<Vec<_>>(), Vec::<&str>::new());
    }
}
