//! `Region Setting State Change` (singular). `ResourceTypeOptInPreference` is the only field that starts with a capital letter.

use serde_json::Value;

use super::change::Change;
use super::field::{Fields, clip, flag_of};

/// More types than AWS Backup will have for long; what is beyond is noted.
const MAX_TYPES: usize = 128;

pub(super) fn read(change: &mut Change, detail: &mut Fields<'_>) {
    change.changed_at = detail.timestamp("modifiedAt");
    let Some(value) = detail.get("ResourceTypeOptInPreference") else { return };
    let Value::Object(preferences) = value else {
        return detail.problem("ResourceTypeOptInPreference", "not an object");
    };
    for (resource_type, preference) in preferences.iter().take(MAX_TYPES) {
        match flag_of(preference) {
            Some(flag) => drop(change.opt_in.insert(clip(resource_type, 128).to_owned(), flag)),
            None => detail.problem("ResourceTypeOptInPreference", "a value that is neither true nor false"),
        }
    }
    if preferences.len() > MAX_TYPES {
        detail.problem("ResourceTypeOptInPreference", format!("more than {MAX_TYPES} types"));
    }
}
