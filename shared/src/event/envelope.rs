//! The envelope that EventBridge puts around every event: the only source of identity.

use jiff::Timestamp;
use serde_json::Value;

use super::field::{Fields, arn_of};
use super::job::Problem;
use crate::arn::{AccountId, Arn, Region};

/// Longest list of resources that is looked at; AWS Backup names at most one.
const MAX_RESOURCES: usize = 32;

/// The envelope of an event, as far as it could be read.
pub(super) struct Envelope {
    pub(super) event_id: Option<String>,
    pub(super) detail_type: Option<String>,
    pub(super) source: Option<String>,
    pub(super) account: Option<AccountId>,
    pub(super) region: Option<Region>,
    pub(super) time: Option<Timestamp>,
    pub(super) resources: Vec<Arn>,
    pub(super) problems: Vec<Problem>,
}

impl Envelope {
    pub(super) fn read(event: &Value) -> Self {
        let mut fields = Fields::of("", Some(event));
        let event_id = fields.text("id");
        let detail_type = fields.name("detail-type");
        let source = fields.name("source");
        let account = fields.text("account").and_then(|text| match AccountId::parse(&text) {
            Ok(account) => Some(account),
            Err(_) => {
                fields.problem("account", "not an account id");
                None
            }
        });
        let region = fields.text("region").and_then(|text| match Region::parse(&text) {
            Ok(region) => Some(region),
            Err(_) => {
                fields.problem("region", "not a Region code");
                None
            }
        });
        let time = fields.timestamp("time");
        let resources = resources(&mut fields);
        for (field, missing) in [
            ("detail-type", detail_type.is_none()),
            ("source", source.is_none()),
            ("account", account.is_none()),
            ("region", region.is_none()),
        ] {
            if missing && !fields.problems.iter().any(|problem| problem.field == field) {
                fields.problem(field, "missing");
            }
        }
        Self { event_id, detail_type, source, account, region, time, resources, problems: fields.problems }
    }

    /// The first ARN of `resources`: the recovery point, in job events that name one.
    pub(super) fn resource(&self) -> Option<Arn> {
        self.resources.first().cloned()
    }
}

fn resources(fields: &mut Fields<'_>) -> Vec<Arn> {
    let listed = match fields.get("resources") {
        None => return Vec::new(),
        Some(Value::Array(listed)) => listed.iter().take(MAX_RESOURCES).collect::<Vec<_>>(),
        Some(single) => {
            fields.problem("resources", "not a list");
            vec![single]
        }
    };
    let mut arns = Vec::new();
    for value in listed {
        let (arn, problem) = arn_of(value);
        arns.extend(arn);
        if let Some(problem) = problem {
            fields.problem("resources", problem);
        }
    }
    arns
}
