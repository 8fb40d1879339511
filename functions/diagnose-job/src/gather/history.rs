//! What happened before: denials and changes, from our own tables first and from CloudTrail's event history where those have no answer.

use guardian_core::arn::Arn;
use guardian_core::evidence::{Change, Denial, Evidence, Fact, Gap, GapReason, Search, SearchEnd};
use guardian_core::ports::{DenialQuery, DenialStore, TrailReader};
use jiff::SignedDuration;
use tokio::time::{Instant, timeout_at};

use super::{ask_of, patience, protecting_key, searches, vault_arn};
use crate::config::Scope;

/// Changes of a key are looked for this far back.
const CHANGES_BACK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Calls of `LookupEvents` for the changes of a key, out of the whole budget.
const CHANGES_BUDGET: u32 = 3;
/// Part of the window that our own store of denials may take: it answers in milliseconds or is down, and what is asked after it matters more.
const STORE_SHARE: f64 = 0.3;

/// The denials of our own store.
pub(super) async fn from_store<D: DenialStore>(store: &D, queries: &[DenialQuery], end: Instant) -> (Vec<Denial>, Vec<Search>) {
    let end = Instant::now() + end.saturating_duration_since(Instant::now()).mul_f64(STORE_SHARE);
    let mut denials = Vec::new();
    let mut searches = Vec::new();
    for query in queries {
        let query = DenialQuery { patience: patience(end), ..query.clone() };
        let (found, search) = match timeout_at(end, Box::pin(store.find(&query))).await {
            Ok(answer) => answer,
            Err(_) => (Vec::new(), unanswered(&query, "push", "dynamodb:Query")),
        };
        denials.extend(found);
        searches.push(search);
    }
    (denials, searches)
}

/// A search that brought nothing because its time was over.
fn unanswered(query: &DenialQuery, source: &str, action: &str) -> Search {
    Search {
        source: source.to_owned(),
        account_id: query.account_id.clone(),
        region: query.region.clone(),
        from: query.from,
        until: query.until,
        calls: 0,
        records: 0,
        end: SearchEnd::Failed,
        gap: Some(Gap {
            action: action.to_owned(),
            account_id: query.account_id.clone(),
            region: Some(query.region.clone()),
            reason: GapReason::TimedOut,
            detail: None,
        }),
    }
}

/// What CloudTrail's event history gave.
#[derive(Default)]
pub(super) struct Found {
    pub(super) denials: Vec<Denial>,
    pub(super) searches: Vec<Search>,
}

/// What the search for changes may use of the whole budget.
fn changes_budget(scope: &Scope) -> u32 {
    CHANGES_BUDGET.min(scope.lookups / 4)
}

/// What was written at the objects of the job in the days before it ended: from the log of changes, and where that has nothing of the key, from
/// CloudTrail's event history. A search that failed is told as one where the log knew of other objects.
pub(super) async fn changes<R, D>(
    (readers, store): (&R, &D),
    known: &Evidence,
    key: Option<&Arn>,
    scope: &Scope,
    end: Instant,
) -> (Fact<Vec<Change>>, Option<Search>)
where
    R: TrailReader,
    D: DenialStore,
{
    let until = known.job.completed_at.or(known.job.event_time).unwrap_or(known.now);
    let (from, until) = (until - CHANGES_BACK, until + searches::SLACK);
    let key = key.filter(|key| key.is_kms_key());
    let destination_key = known.destination_vault.known().and_then(|vault| vault.encryption_key_arn.as_ref());
    // A table that hangs must leave time for CloudTrail.
    let soon = Instant::now() + end.saturating_duration_since(Instant::now()).mul_f64(STORE_SHARE);
    let kept = |object| ask_of(soon, "dynamodb:Query", object, async |object| store.changes(object, from, until).await);
    let source_vault = vault_arn(known);
    let (of_key, of_destination_key, of_destination, of_vault, of_role) = tokio::join!(
        kept(key),
        kept(destination_key),
        kept(known.destination_vault_arn()),
        kept(source_vault.as_ref()),
        kept(known.role_arn()),
    );
    let logged = of_key.known().is_some_and(|changes| !changes.is_empty());
    let asked = key.filter(|_| scope.lookups > 0 && !logged);
    let found = ask_of(end, "cloudtrail:LookupEvents", asked, async |key| {
        readers.changes(key, from, until, changes_budget(scope), patience(end)).await
    })
    .await;
    let mut all = [of_key, of_destination_key, of_destination, of_vault, of_role]
        .into_iter()
        .filter_map(|fact| fact.known().cloned())
        .flatten()
        .collect::<Vec<_>>();
    if all.is_empty() {
        return (found, None);
    }
    let unread = found.gap().zip(key).map(|(gap, key)| Search {
        source: "lookup-events".to_owned(),
        account_id: key.account().unwrap_or_else(|| gap.account_id.clone()),
        region: key.region().unwrap_or_else(|| known.job.region.clone()),
        from,
        until,
        calls: 0,
        records: 0,
        end: SearchEnd::Failed,
        gap: Some(gap.clone()),
    });
    all.extend(found.known().into_iter().flatten().cloned());
    all.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.event_id.cmp(&b.event_id)));
    all.dedup();
    (Fact::Known { value: all, source: "dynamodb:Query".to_owned(), at: known.now }, unread)
}

/// LookupEvents: the caller's account first, the others only where it has no exact answer.
pub(super) async fn look_up<R: TrailReader>(readers: &R, known: &Evidence, scope: &Scope, end: Instant) -> Found {
    let key = protecting_key(known);
    if scope.lookups == 0 || known.denials.iter().any(|denial| key.is_some() && denial.resource == key) {
        return Found::default();
    }
    let mut found = Found::default();
    let mut left = scope.lookups.saturating_sub(changes_budget(scope));
    let queries = searches::of(known, scope, end);
    let others = u32::try_from(queries.len().saturating_sub(1)).unwrap_or(u32::MAX);
    for (place, mut query) in queries.into_iter().enumerate() {
        let first = place == 0;
        // The first account gets the most of the budget, and half of the time where others follow.
        let share = if first { left.saturating_sub(others.saturating_mul(3)).max(1) } else { left.min(4) };
        query.patience = if first && others > 0 { patience(end) / 2 } else { patience(end) };
        if left == 0 || query.patience.is_zero() {
            found.searches.push(unanswered(&query, "lookup-events", "cloudtrail:LookupEvents"));
            continue;
        }
        let (denials, search) = match timeout_at(end, Box::pin(readers.denials(&query, share.min(left)))).await {
            Ok(answer) => answer,
            Err(_) => (Vec::new(), unanswered(&query, "lookup-events", "cloudtrail:LookupEvents")),
        };
        left = left.saturating_sub(search.calls);
        let exact = query.object.is_some() && denials.iter().any(|denial| denial.resource == query.object);
        found.denials.extend(denials);
        found.searches.push(search);
        if exact {
            break;
        }
    }
    found
}
