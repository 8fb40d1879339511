//! What a message asks for.

use guardian_core::arn::Arn;
use guardian_core::drill::restore::{MOST_BYTES, MOST_MINUTES};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Longest retention: as AWS has it.
const MOST_DAYS: i64 = 36_500;

/// A message of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "drill")]
pub(crate) enum Work {
    /// Copy what the jobs of an incident left uncopied.
    Backfill(Backfill),
    /// Copy the newest recovery point of a resource as its plan would.
    Copy(Copy),
    /// Copy the newest copy of a resource back.
    CopyBack(Copy),
    /// Restore the newest recovery point of a resource beside it, and remove what that made.
    Restore(Restore),
    /// Look again how far a drill came.
    Look(Look),
}

/// A backfill on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Backfill {
    /// The incident.
    pub(crate) incident_id: String,
    /// How many days copies are kept of which no plan says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retention_days: Option<i64>,
    /// When it was taken up first; whoever asks leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) begun_at: Option<Timestamp>,
    /// How often it was looked at.
    #[serde(default)]
    pub(crate) round: u32,
}

/// One copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copy {
    /// Vault that holds the recovery point.
    pub(crate) vault_arn: Arn,
    /// What was backed up.
    pub(crate) resource_arn: Arn,
    /// Vault that is to hold the copy. Of a copy out, that of the plan where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) destination_vault_arn: Option<Arn>,
    /// Role of the job. Of a copy out, that of the recovery point where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role_arn: Option<Arn>,
    /// How many days the copy is kept where no plan says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retention_days: Option<i64>,
}

/// One restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Restore {
    /// Vault that holds the recovery point.
    pub(crate) vault_arn: Arn,
    /// What was backed up.
    pub(crate) resource_arn: Arn,
    /// Role of the job; that of the recovery point where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role_arn: Option<Arn>,
    /// Availability Zone of a volume; that of the original where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) availability_zone: Option<String>,
    /// Key of what is made; that of the recovery point where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kms_key_arn: Option<Arn>,
    /// Largest recovery point, in bytes.
    #[serde(default = "most_bytes")]
    pub(crate) most_bytes: u64,
    /// Minutes after which it is told as too slow.
    #[serde(default = "most_minutes")]
    pub(crate) most_minutes: u32,
}

fn most_bytes() -> u64 {
    MOST_BYTES
}

fn most_minutes() -> u32 {
    MOST_MINUTES
}

/// A drill on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Look {
    /// The drill.
    pub(crate) drill_id: String,
    /// How often it was looked at.
    #[serde(default)]
    pub(crate) round: u32,
    /// It was told that it is too slow.
    #[serde(default)]
    pub(crate) told_slow: bool,
}

/// Ids are ours, and stand in commands that people paste.
fn is_id(text: &str, prefix: &str) -> bool {
    let digest = text.strip_prefix(prefix).unwrap_or_default();
    !digest.is_empty() && digest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn is_vault(arn: &Arn) -> bool {
    arn.service() == "backup" && arn.resource().starts_with("backup-vault:") && arn.account().is_some() && arn.region().is_some()
}

fn is_role(arn: Option<&Arn>) -> bool {
    arn.is_none_or(|arn| arn.role_name().is_some() && arn.account().is_some())
}

fn is_retention(days: Option<i64>) -> bool {
    days.is_none_or(|days| (1..=MOST_DAYS).contains(&days))
}

impl Copy {
    fn is_sensible(&self) -> bool {
        let to = self.destination_vault_arn.as_ref().is_none_or(is_vault);
        is_vault(&self.vault_arn) && to && is_role(self.role_arn.as_ref()) && is_retention(self.retention_days)
    }

    /// No plan copies back, so everything must be named.
    fn is_whole(&self) -> bool {
        self.destination_vault_arn.is_some() && self.role_arn.is_some() && self.retention_days.is_some()
    }
}

impl Work {
    /// The work of a message; `None` where it is none.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let work = serde_json::from_slice::<Self>(body).ok()?;
        let sensible = match &work {
            Self::Backfill(backfill) => is_id(&backfill.incident_id, "bg-") && is_retention(backfill.retention_days),
            Self::Copy(copy) => copy.is_sensible(),
            Self::CopyBack(copy) => copy.is_sensible() && copy.is_whole(),
            Self::Restore(restore) => {
                let key = restore.kms_key_arn.as_ref().is_none_or(Arn::is_kms_key);
                is_vault(&restore.vault_arn) && is_role(restore.role_arn.as_ref()) && key && restore.most_minutes > 0
            }
            Self::Look(look) => is_id(&look.drill_id, "dr-"),
        };
        sensible.then_some(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_sends_is_read_and_nothing_else() {
        let asked = br#"{"drill":"backfill","incident_id":"bg-1","retention_days":35}"#;
        let Some(Work::Backfill(backfill)) = Work::read(asked) else { panic!("it is not read") };
        assert_eq!((backfill.incident_id.as_str(), backfill.retention_days, backfill.round), ("bg-1", Some(35), 0));
        let again = serde_json::to_vec(&Work::Backfill(Backfill { round: 3, begun_at: Some(Timestamp::UNIX_EPOCH), ..backfill })).unwrap();
        assert!(matches!(Work::read(&again), Some(Work::Backfill(Backfill { round: 3, .. }))));
        for wrong in [
            "",
            "{}",
            r#"{"drill":"restore","incident_id":"bg-1"}"#,
            r#"{"drill":"backfill"}"#,
            r#"{"drill":"backfill","incident_id":" "}"#,
            r#"{"drill":"backfill","incident_id":"bg-1 ; sh #"}"#,
            r#"{"drill":"backfill","incident_id":"bg-1","retention_days":0}"#,
        ] {
            assert_eq!(Work::read(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn a_drill_names_its_vault_and_a_copy_back_everything() {
        const VAULT: &str = "arn:aws:backup:eu-central-1:111111111111:backup-vault:local";
        let body = |kind: &str, more: &str| {
            format!(
                r#"{{"drill":"{kind}","vault_arn":"{VAULT}","resource_arn":"arn:aws:dynamodb:eu-central-1:111111111111:table/t"{more}}}"#
            )
        };
        let read = |kind: &str, more: &str| Work::read(body(kind, more).as_bytes());
        let back = format!(r#","destination_vault_arn":"{VAULT}","role_arn":"arn:aws:iam::111111111111:role/r","retention_days":7"#);
        assert!(matches!(read("copy", ""), Some(Work::Copy(_))));
        assert!(matches!(read("copy-back", &back), Some(Work::CopyBack(_))));
        let Some(Work::Restore(restore)) = read("restore", "") else { panic!("it is not read") };
        assert_eq!((restore.most_bytes, restore.most_minutes), (MOST_BYTES, MOST_MINUTES));
        for (kind, more) in [
            ("copy-back", ""),
            ("copy", r#","retention_days":0"#),
            ("copy", r#","destination_vault_arn":"arn:aws:s3:::bucket""#),
            ("copy", r#","role_arn":"arn:aws:s3:::bucket""#),
            ("restore", r#","kms_key_arn":"arn:aws:s3:::bucket""#),
            ("restore", r#","most_minutes":0"#),
            ("look", ""),
        ] {
            assert_eq!(read(kind, more), None, "{kind} {more}");
        }
    }
}
