//! The committed JSON Schema of the machine form.

/// JSON Schema (draft 2020-12) of `backup-guardian/alert/v1`. Fields are only ever added.
pub const ALERT_V1: &str = include_str!("alert-v1.schema.json");
