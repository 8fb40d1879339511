//! A folder of recorded answers as a source of evidence.
//!
//! `<account>/<region|global>/<service>/<Operation>/<name>.json` holds `{request, response | error, at, principal}` with the member names of the
//! AWS APIs. What the folder does not hold is a gap, as if the service had been down: the folder cannot tell whether the object exists.

mod access;
mod read;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use guardian_aws::classify::reason_of_code;
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::event::Job;
use guardian_core::evidence::{
    Change, Denial, Fact, Gap, GapReason, JobDescription, Key, KeyGrants, KeyPolicy, RecoveryPoint, Search, SearchEnd, Vault, VaultPolicy,
};
use guardian_core::ports::{BackupReader, DenialQuery, DenialStore, KeyReader, PortError, TrailReader};
use jiff::Timestamp;
use serde_json::Value;

/// Recorded answers.
#[derive(Debug)]
pub(crate) struct Folder {
    answers: Vec<Recorded>,
}

/// One recorded answer.
#[derive(Debug)]
struct Recorded {
    account: String,
    region: String,
    service: String,
    operation: String,
    request: Value,
    answer: Result<Value, String>,
    at: Option<Timestamp>,
}

impl Folder {
    /// Reads every answer below a folder, in the order of their paths.
    pub(crate) fn open(dir: &Path) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        walk(dir, 0, &mut files).with_context(|| format!("the folder `{}` cannot be read", dir.display()))?;
        files.sort();
        let mut answers = Vec::new();
        for file in files {
            if let Some(answer) = recorded(dir, &file)? {
                answers.push(answer);
            }
        }
        Ok(Self { answers })
    }

    /// When the newest answer was recorded.
    pub(crate) fn recorded_at(&self) -> Option<Timestamp> {
        self.answers.iter().filter_map(|answer| answer.at).max()
    }

    fn all<'a>(&'a self, place: &'a Place<'a>) -> impl Iterator<Item = &'a Recorded> {
        self.answers.iter().filter(move |answer| {
            answer.account == place.account.as_str()
                && (answer.region == "global" || place.region.is_some_and(|region| answer.region == region.as_str()))
                && answer.service == place.service
                && answer.operation == place.operation
        })
    }

    /// The answer to a question: the recording whose request names the same things.
    fn ask<T>(&self, place: &Place<'_>, parameters: &[(&str, &str)], read: impl FnOnce(&Value) -> Option<T>) -> Fact<T> {
        let found = self.all(place).find(|answer| {
            parameters.iter().all(|(name, value)| {
                answer.request.get(name).and_then(Value::as_str).is_some_and(|given| given.eq_ignore_ascii_case(value))
            })
        });
        match found {
            Some(Recorded { answer: Ok(response), at, .. }) => match read(response) {
                Some(value) => Fact::Known { value, source: place.action(), at: at.unwrap_or(Timestamp::UNIX_EPOCH) },
                None => Fact::Gap(place.gap(GapReason::Unreadable, "the recording cannot be read")),
            },
            Some(Recorded { answer: Err(code), .. }) => Fact::Gap(place.gap(reason_of_code(code), code)),
            None => Fact::Gap(place.gap(GapReason::Unavailable, "not in the evidence folder")),
        }
    }
}

fn walk(dir: &Path, depth: u32, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        // The layout has four levels; links are not followed, so that no loop and no other folder is read.
        if kind.is_dir() && depth < 4 {
            walk(&entry.path(), depth + 1, files)?;
        } else if kind.is_file() && depth == 4 && entry.path().extension().is_some_and(|ending| ending == "json") {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn recorded(dir: &Path, file: &Path) -> anyhow::Result<Option<Recorded>> {
    let parts = file.strip_prefix(dir).unwrap_or(file).components();
    let parts = parts.filter_map(|part| part.as_os_str().to_str().map(str::to_owned)).collect::<Vec<_>>();
    let [account, region, service, operation, _] = parts.as_slice() else { return Ok(None) };
    let text = std::fs::read_to_string(file).with_context(|| format!("`{}` cannot be read", file.display()))?;
    let value: Value = serde_json::from_str(&text).with_context(|| format!("`{}` is not JSON", file.display()))?;
    let error = value.get("error").filter(|error| !error.is_null());
    let answer = match (value.get("response").filter(|response| !response.is_null()), error) {
        (Some(response), None) => Ok(response.clone()),
        (_, Some(error)) => Err(read::error_code(error)),
        (None, None) => anyhow::bail!("`{}` has neither `response` nor `error`", file.display()),
    };
    Ok(Some(Recorded {
        account: account.clone(),
        region: region.clone(),
        service: service.clone(),
        operation: operation.clone(),
        request: value.get("request").cloned().unwrap_or_default(),
        answer,
        at: value.get("at").and_then(read::time),
    }))
}

/// Which call was made where.
struct Place<'a> {
    account: &'a AccountId,
    /// `None`: a global service.
    region: Option<&'a Region>,
    service: &'static str,
    operation: &'static str,
}

impl Place<'_> {
    fn action(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }

    fn gap(&self, reason: GapReason, detail: &str) -> Gap {
        Gap {
            action: self.action(),
            account_id: self.account.clone(),
            region: self.region.cloned(),
            reason,
            detail: Some(detail.to_owned()),
        }
    }
}

impl BackupReader for Folder {
    async fn job(&self, job: &Job) -> Fact<JobDescription> {
        let Some(id) = &job.job_id else { return Fact::NotAsked };
        let (operation, parameter) = read::describe_operation(job.job_type);
        let place = Place { account: &job.account, region: Some(&job.region), service: "backup", operation };
        self.ask(&place, &[(parameter, id.as_str())], |response| Some(read::job(job.job_type, response)))
    }

    async fn recovery_point(&self, vault: &Arn, point: &Arn) -> Fact<RecoveryPoint> {
        let (Some(account), Some(region)) = (vault.account(), vault.region()) else { return Fact::NotAsked };
        let place = Place { account: &account, region: Some(&region), service: "backup", operation: "DescribeRecoveryPoint" };
        let parameters = [("BackupVaultName", vault.resource_name()), ("RecoveryPointArn", point.as_str())];
        self.ask(&place, &parameters, |response| Some(read::recovery_point(point, response)))
    }

    async fn vault(&self, vault: &Arn) -> Fact<Vault> {
        let (Some(account), Some(region)) = (vault.account(), vault.region()) else { return Fact::NotAsked };
        let place = Place { account: &account, region: Some(&region), service: "backup", operation: "DescribeBackupVault" };
        self.ask(&place, &[("BackupVaultName", vault.resource_name())], |response| Some(read::vault(vault, response)))
    }

    async fn vault_policy(&self, vault: &Arn) -> Fact<VaultPolicy> {
        let (Some(account), Some(region)) = (vault.account(), vault.region()) else { return Fact::NotAsked };
        let place = Place { account: &account, region: Some(&region), service: "backup", operation: "GetBackupVaultAccessPolicy" };
        let answer = self.ask(&place, &[("BackupVaultName", vault.resource_name())], |response| {
            Some(VaultPolicy { vault_arn: vault.clone(), document: Some(read::document(response.get("Policy")?)?) })
        });
        match answer {
            // A vault without a policy answers ResourceNotFound.
            Fact::Gap(gap) if gap.reason == GapReason::NotFound => Fact::Known {
                value: VaultPolicy { vault_arn: vault.clone(), document: None },
                source: place.action(),
                at: self.recorded_at().unwrap_or(Timestamp::UNIX_EPOCH),
            },
            answer => answer,
        }
    }
}

impl KeyReader for Folder {
    async fn key(&self, key: &Arn) -> Fact<Key> {
        let (Some(account), Some(region)) = (key.account(), key.region()) else { return Fact::NotAsked };
        let place = Place { account: &account, region: Some(&region), service: "kms", operation: "DescribeKey" };
        self.ask(&place, &[("KeyId", key.as_str())], |response| read::key(key, response))
    }

    async fn key_policy(&self, key: &Arn) -> Fact<KeyPolicy> {
        let (Some(account), Some(region)) = (key.account(), key.region()) else { return Fact::NotAsked };
        let place = Place { account: &account, region: Some(&region), service: "kms", operation: "GetKeyPolicy" };
        self.ask(&place, &[("KeyId", key.as_str())], |response| {
            Some(KeyPolicy { key_arn: key.clone(), document: read::document(response.get("Policy")?)? })
        })
    }

    async fn grants(&self, key: &Arn) -> Fact<KeyGrants> {
        let (Some(account), Some(region)) = (key.account(), key.region()) else { return Fact::NotAsked };
        let place = Place { account: &account, region: Some(&region), service: "kms", operation: "ListGrants" };
        self.ask(&place, &[("KeyId", key.as_str())], |response| Some(KeyGrants { key_arn: key.clone(), grants: access::grants(response)? }))
    }
}

impl TrailReader for Folder {
    async fn denials(&self, query: &DenialQuery, _budget: u32) -> (Vec<Denial>, Search) {
        let place = Place { account: &query.account_id, region: Some(&query.region), service: "cloudtrail", operation: "LookupEvents" };
        let mut search = Search {
            source: "lookup-events".to_owned(),
            account_id: query.account_id.clone(),
            region: query.region.clone(),
            from: query.from,
            until: query.until,
            calls: 0,
            records: 0,
            end: SearchEnd::Complete,
            gap: None,
        };
        let mut denials = Vec::new();
        for recorded in self.all(&place) {
            search.calls += 1;
            match &recorded.answer {
                Ok(response) => {
                    for record in read::records(response) {
                        search.records += 1;
                        let in_window = |denial: &Denial| query.from <= denial.event_time && denial.event_time <= query.until;
                        let by_role =
                            |denial: &Denial| denial.issuer_arn.as_ref().and_then(Arn::role_name) == Some(query.role_name.as_str());
                        denials.extend(record.denial().into_iter().filter(|denial| in_window(denial) && by_role(denial)));
                    }
                }
                Err(code) => {
                    search.gap = Some(place.gap(reason_of_code(code), code));
                    search.end = SearchEnd::Partial;
                }
            }
        }
        if search.calls == 0 {
            search.gap = Some(place.gap(GapReason::Unavailable, "not in the evidence folder"));
            search.end = SearchEnd::Failed;
        }
        denials.sort();
        denials.dedup();
        (denials, search)
    }

    async fn changes(
        &self,
        object: &Arn,
        from: Timestamp,
        until: Timestamp,
        _budget: u32,
        _patience: std::time::Duration,
    ) -> Fact<Vec<Change>> {
        let (Some(account), Some(region)) = (object.account(), object.region()) else { return Fact::NotAsked };
        let place = Place { account: &account, region: Some(&region), service: "cloudtrail", operation: "LookupEvents" };
        let mut changes = Vec::new();
        let mut at = None;
        for recorded in self.all(&place) {
            let Ok(response) = &recorded.answer else { continue };
            at = at.max(recorded.at);
            for change in read::records(response).filter_map(|record| record.change()) {
                if change.resource_arn.as_ref() == Some(object) && from <= change.at && change.at <= until {
                    changes.push(change);
                }
            }
        }
        if self.all(&place).next().is_none() {
            return Fact::Gap(place.gap(GapReason::Unavailable, "not in the evidence folder"));
        }
        changes.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.event_id.cmp(&b.event_id)));
        changes.dedup();
        Fact::Known { value: changes, source: place.action(), at: at.unwrap_or(Timestamp::UNIX_EPOCH) }
    }
}

/// The terminal has no store of denials: CloudTrail is asked.
pub(crate) struct NoStore;

impl DenialStore for NoStore {
    async fn keep(&self, _denials: &[Denial]) -> Result<(), PortError> {
        Ok(())
    }

    async fn find(&self, query: &DenialQuery) -> (Vec<Denial>, Search) {
        let search = Search {
            source: "push".to_owned(),
            account_id: query.account_id.clone(),
            region: query.region.clone(),
            from: query.from,
            until: query.until,
            calls: 0,
            records: 0,
            end: SearchEnd::Complete,
            gap: None,
        };
        (Vec::new(), search)
    }
}
