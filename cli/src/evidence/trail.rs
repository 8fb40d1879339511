//! CloudTrail from a folder: every recorded page counts, whatever was asked for. Live, the terminal asks through the adapter of the functions,
//! which has a budget and a pace.

use guardian_aws::answers::Question;
use guardian_aws::readers::read;
use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::evidence::{Change, Denial, Fact, GapReason, Search, SearchEnd};
use guardian_core::ports::{DenialQuery, DenialStore, PortError, TrailReader};
use jiff::Timestamp;
use serde_json::Value;

use super::Folder;

fn look_up(account: &AccountId, region: &Region) -> Question {
    Question {
        account: account.clone(),
        region: Some(region.clone()),
        service: "cloudtrail",
        operation: "LookupEvents",
        request: Value::Null,
    }
}

fn missing() -> guardian_aws::answers::Failure {
    guardian_aws::answers::Failure::new(GapReason::Unavailable, "not in the evidence folder")
}

impl TrailReader for Folder {
    async fn denials(&self, query: &DenialQuery, _budget: u32) -> (Vec<Denial>, Search) {
        let question = look_up(&query.account_id, &query.region);
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
        for recorded in self.all(&question) {
            search.calls += 1;
            match &recorded.outcome {
                Ok(response) => {
                    for record in read::records(response) {
                        search.records += 1;
                        let in_window = |denial: &Denial| query.from <= denial.event_time && denial.event_time <= query.until;
                        let by_role =
                            |denial: &Denial| denial.issuer_arn.as_ref().and_then(Arn::role_name) == Some(query.role_name.as_str());
                        denials.extend(record.denial().into_iter().filter(|denial| in_window(denial) && by_role(denial)));
                    }
                }
                Err(failure) => {
                    search.gap = Some(question.gap(failure));
                    search.end = SearchEnd::Partial;
                }
            }
        }
        if search.calls == 0 {
            search.gap = Some(question.gap(&missing()));
            search.end = SearchEnd::Failed;
        }
        // Nothing is known of the time after the recording.
        if let Some(at) = self.all(&question).filter_map(|recorded| recorded.at).max() {
            search.until = search.until.min(at);
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
        let question = look_up(&account, &region);
        let mut changes = Vec::new();
        let mut at = None;
        for recorded in self.all(&question) {
            let response = match &recorded.outcome {
                Ok(response) => response,
                // One page that was not read may hold the change: then it is not known that there was none.
                Err(failure) => return Fact::Gap(question.gap(failure)),
            };
            at = at.max(recorded.at);
            for change in read::records(response).filter_map(|record| record.change()) {
                if change.resource_arn.as_ref() == Some(object) && from <= change.at && change.at <= until {
                    changes.push(change);
                }
            }
        }
        if self.all(&question).next().is_none() {
            return Fact::Gap(question.gap(&missing()));
        }
        changes.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.event_id.cmp(&b.event_id)));
        changes.dedup();
        Fact::Known { value: changes, source: question.action(), at: at.unwrap_or(Timestamp::UNIX_EPOCH) }
    }
}

/// The terminal has no store of denials: CloudTrail is asked.
pub(crate) struct NoStore;

impl NoStore {
    /// The source of its searches; whoever reports them must leave them out.
    pub(crate) const SOURCE: &str = "push";
}

impl DenialStore for NoStore {
    async fn changes(&self, _object: &Arn, _from: Timestamp, _until: Timestamp) -> Fact<Vec<Change>> {
        Fact::NotAsked
    }

    async fn keep(&self, _denials: &[Denial]) -> Result<(), PortError> {
        Ok(())
    }

    async fn find(&self, query: &DenialQuery) -> (Vec<Denial>, Search) {
        let search = Search {
            source: Self::SOURCE.to_owned(),
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
