//! The committed JSON Schemas of the machine forms.

/// JSON Schema (draft 2020-12) of `backup-guardian/alert/v1`. Fields are only ever added.
pub const ALERT_V1: &str = include_str!("alert-v1.schema.json");

/// JSON Schema (draft 2020-12) of `backup-guardian/report/v1`, the report object.
pub const REPORT_V1: &str = include_str!("report-v1.schema.json");

/// JSON Schema (draft 2020-12) of `backup-guardian/sweep/v1`, the report of a sweep.
pub const SWEEP_V1: &str = include_str!("sweep-v1.schema.json");
