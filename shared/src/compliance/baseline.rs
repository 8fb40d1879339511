//! What was agreed on: how long, how often, and what is excepted until when.
//!
//! The file is JSON. A member that is not known is an error: a mistyped exception would be silently none.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::arn::{AccountId, Arn, Region};
use crate::policy::wildcard_matches;

/// Schema of the file.
pub const BASELINE_SCHEMA: &str = "backup-guardian/baseline/v1";

/// The agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// [`BASELINE_SCHEMA`].
    pub schema: String,
    /// Shortest retention of backups and copies in days; AWS Backup Audit Manager's own default is 35.
    #[serde(default = "thirty_five")]
    pub retention_days: i64,
    /// Longest time between two backups in hours.
    #[serde(default = "a_day")]
    pub frequency_hours: i64,
    /// How long after a backup its copy may land, in hours.
    #[serde(default = "a_day")]
    pub copy_within_hours: i64,
    /// How long ago the newest restore test of a resource type may lie, in days.
    #[serde(default = "a_quarter")]
    pub restore_test_days: i64,
    /// How long the restore of a test may take, in minutes; absent: nothing was agreed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore_minutes: Option<i64>,
    /// Whether every protected resource must have a copy in another Region than its own.
    #[serde(default)]
    pub copy_to_another_region: bool,
    /// Names, with `*` and `?`, of the roles of an account that keeps copies that others may assume from outside on purpose. The reader role of the
    /// guardian is one of them where nothing else is said.
    #[serde(default = "the_reader")]
    pub outside_roles: Vec<String>,
    /// Only resources that carry one of these tags must be protected; without any, every resource of a type that AWS Backup supports.
    #[serde(default)]
    pub wanted_tags: Vec<WantedTag>,
    /// What somebody takes responsibility for.
    #[serde(default)]
    pub exceptions: Vec<Exception>,
}

/// A tag with which people say that a resource must be protected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedTag {
    /// Key of the tag.
    pub key: String,
    /// Its values; none: any value.
    #[serde(default)]
    pub values: Vec<String>,
}

/// An exception. It always has an owner, a reason and an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Code or name of a check; `coverage` for the protection of resources.
    pub check: String,
    /// Only in this account; without it in every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<AccountId>,
    /// Only in this Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Only for resources whose ARN fits this pattern with `*` and `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The last moment at which it holds.
    pub until: Timestamp,
}

fn thirty_five() -> i64 {
    35
}

fn a_day() -> i64 {
    24
}

fn a_quarter() -> i64 {
    90
}

/// The default of the parameter `ReaderRoleName` of the templates.
fn the_reader() -> Vec<String> {
    vec!["backup-guardian-reader".to_owned()]
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is no JSON, or not of this form.
    #[error("the baseline is not of the form of `{BASELINE_SCHEMA}`: {0}")]
    Form(#[from] serde_json::Error),
    /// It is of another schema.
    #[error("the baseline has schema `{0}`, and `{BASELINE_SCHEMA}` is expected")]
    Schema(String),
    /// An exception lacks what makes it one.
    #[error("exception {number} of the baseline has no {member}")]
    Incomplete {
        /// Counted from 1.
        number: usize,
        /// `owner` or `reason`.
        member: &'static str,
    },
}

impl Default for Baseline {
    fn default() -> Self {
        Self {
            schema: BASELINE_SCHEMA.to_owned(),
            retention_days: thirty_five(),
            frequency_hours: a_day(),
            copy_within_hours: a_day(),
            restore_test_days: a_quarter(),
            restore_minutes: None,
            copy_to_another_region: false,
            outside_roles: the_reader(),
            wanted_tags: Vec::new(),
            exceptions: Vec::new(),
        }
    }
}

impl Baseline {
    /// Reads a baseline.
    pub fn read(text: &str) -> Result<Self, BaselineError> {
        let baseline = serde_json::from_str::<Self>(text)?;
        if baseline.schema != BASELINE_SCHEMA {
            return Err(BaselineError::Schema(baseline.schema.chars().take(64).collect()));
        }
        for (index, exception) in baseline.exceptions.iter().enumerate() {
            let empty = [("owner", &exception.owner), ("reason", &exception.reason)];
            if let Some((member, _)) = empty.into_iter().find(|(_, text)| text.trim().is_empty()) {
                return Err(BaselineError::Incomplete { number: index.saturating_add(1), member });
            }
        }
        Ok(baseline)
    }

    /// The exception that covers a check on a thing now. An exception whose end has passed covers nothing.
    pub fn exception(
        &self,
        check: &[&str],
        account: &AccountId,
        region: Option<&Region>,
        resource: Option<&Arn>,
        now: Timestamp,
    ) -> Option<&Exception> {
        self.exceptions.iter().find(|exception| {
            check.contains(&exception.check.as_str())
                && now <= exception.until
                && exception.account_id.as_ref().is_none_or(|wanted| wanted == account)
                && exception.region.as_ref().is_none_or(|wanted| Some(wanted) == region)
                && exception.resource.as_ref().is_none_or(|pattern| resource.is_some_and(|arn| wildcard_matches(pattern, arn.as_str())))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn baseline(exceptions: &Value) -> Result<Baseline, BaselineError> {
        Baseline::read(&json!({"schema": BASELINE_SCHEMA, "exceptions": exceptions}).to_string())
    }

    #[test]
    fn an_exception_holds_where_and_until_it_says() {
        let until = "2027-01-31T00:00:00Z";
        let exception = json!({"check": "coverage", "account_id": "111111111111", "resource": "arn:aws:ec2:*:volume/*", "owner": "data",
            "reason": "scratch", "until": until});
        let baseline = baseline(&json!([exception])).unwrap();
        let account = AccountId::parse("111111111111").unwrap();
        let volume = Arn::parse("arn:aws:ec2:eu-central-1:111111111111:volume/vol-1").unwrap();
        let found = |check: &str, account: &AccountId, arn: Option<&Arn>, now: &str| {
            baseline.exception(&[check], account, None, arn, now.parse().unwrap()).is_some()
        };
        assert!(found("coverage", &account, Some(&volume), until));
        assert!(!found("coverage", &account, Some(&volume), "2027-01-31T00:00:01Z"), "its end has passed");
        assert!(!found("BKC-001", &account, Some(&volume), until));
        assert!(!found("coverage", &AccountId::parse("222222222222").unwrap(), Some(&volume), until));
        assert!(!found("coverage", &account, None, until), "a pattern needs a thing");
    }

    #[test]
    fn a_baseline_that_could_be_meant_otherwise_is_refused() {
        assert_eq!(Baseline::read(&json!({"schema": BASELINE_SCHEMA}).to_string()).unwrap(), Baseline::default());
        let nobody = json!([{"check": "coverage", "owner": " ", "reason": "r", "until": "2027-01-01T00:00:00Z"}]);
        assert_eq!(baseline(&nobody).unwrap_err().to_string(), "exception 1 of the baseline has no owner");
        for wrong in [json!([{"check": "coverage", "owner": "o", "reason": "r"}]), json!([{"chek": "coverage"}])] {
            assert!(matches!(baseline(&wrong), Err(BaselineError::Form(_))), "{wrong}");
        }
        assert!(matches!(Baseline::read(r#"{"schema": "backup-guardian/baseline/v9"}"#), Err(BaselineError::Schema(_))));
    }
}
