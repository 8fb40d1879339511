//! The alert that tells what a change does to copies that have not run yet.

use jiff::Timestamp;

use super::alert::{ActIn, Alert, Changed, EvidenceLine, Foretold, NextStep, Outlook, Route, SCHEMA};
use super::{Kind, inert, words};
use crate::arn::{AccountId, Arn};
use crate::copy::{Forecast, LegFacts, Verdict};
use crate::diagnosis::{Certainty, Grade, Severity, shown};
use crate::evidence::Gap;
use crate::incident::IncidentId;
use crate::prediction::{Blame, ObjectId, Shift, cause_of, first_run, severity};
use crate::remedy::{Plan, Stored, plan};

/// Routes that the machine form lists; it says how many there are.
const MOST: usize = 20;

/// What is to be told.
#[derive(Clone, Debug)]
pub struct Telling<'a> {
    /// Whether the copies will fail or will work again.
    pub outlook: Outlook,
    /// The copies, at least one.
    pub shifts: &'a [Shift],
    /// The facts by which the first of them was judged last.
    pub facts: &'a LegFacts,
    /// Those that nobody can tell of since.
    pub open: usize,
    /// Accounts whose copies hang on the object as well and were not judged: there are too many.
    pub unjudged: usize,
    /// The object that was changed.
    pub object: &'a ObjectId,
    /// The management account, for what belongs to the organization.
    pub management: Option<&'a AccountId>,
    /// Who changed it, when.
    pub changed: &'a Changed,
    /// Which statements are to blame.
    pub blame: &'a Blame,
    /// How sure: `supported` where the object was read anew, `suspected` where only the event tells what it is like, or where nobody knows whether
    /// the copies worked before.
    pub certainty: Certainty,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// The moment.
    pub now: Timestamp,
}

/// The alert; `None` where there is no copy to tell of. Its texts are inert.
pub fn foretell(telling: &Telling<'_>) -> Option<Alert> {
    let first = telling.shifts.first()?;
    let next_run = first_run(telling.shifts, telling.now);
    let fails = telling.outlook == Outlook::WillFail;
    let forecast = if fails { &first.after } else { &first.before };
    let mend = fails.then(|| plan(&forecast.route, &forecast.policies, &Stored::of_facts(telling.facts)));
    let object = arn_of(telling.object);
    let patch = mend.as_ref().and_then(|plan| {
        let of_object = |patch: &&crate::remedy::Patch| object.as_ref() == Some(&patch.target_arn);
        plan.patches().find(of_object).or_else(|| plan.patches().next())
    });
    let account_id = match patch {
        Some(patch) => patch.account_id.clone(),
        None => telling.object.account().or_else(|| telling.management.cloned()).unwrap_or_else(|| first.leg.leg.account_id.clone()),
    };
    let alert = Alert {
        schema: SCHEMA.to_owned(),
        kind: Kind::Prediction,
        incident_id: IncidentId::of_prediction(&telling.object.name()),
        at: Some(telling.now),
        opened_at: None,
        severity: if fails { severity(telling.shifts.len(), next_run, telling.now) } else { Severity::Info },
        title: title(telling),
        cause: cause_of(forecast),
        rule: None,
        certainty: telling.certainty,
        summary: summary(telling, forecast, next_run),
        act_in: ActIn {
            account_id,
            account_name: None,
            region: object.as_ref().and_then(Arn::region),
            resource_arn: Some(telling.object.name()),
            side: None,
        },
        denied: None,
        evaluation: None,
        patch: patch.map(shown),
        changed: Some(telling.changed.clone()),
        jobs: Vec::new(),
        jobs_total: 0,
        account_names: std::collections::BTreeMap::new(),
        incidents: Vec::new(),
        report_uri: None,
        proved_by: None,
        closed: None,
        actor: None,
        changes: Vec::new(),
        timeline: None,
        route: Some(route(first)),
        impact: None,
        evidence: evidence(telling, forecast),
        gaps: telling.gaps.clone(),
        unread: Vec::new(),
        candidates: Vec::new(),
        next_steps: if fails { steps(telling, mend.as_ref()) } else { Vec::new() },
        confirm: Vec::new(),
        links: Vec::new(),
        fingerprint: None,
        truncated: Vec::new(),
        foretold: Some(Foretold {
            outlook: telling.outlook,
            next_run,
            routes: telling.shifts.iter().take(MOST).map(route).collect(),
            routes_total: telling.shifts.len() as u64,
            added_statements: telling.blame.added.clone(),
            gone_statements: telling.blame.gone.clone(),
        }),
    };
    Some(inert::alert(&alert))
}

fn arn_of(object: &ObjectId) -> Option<Arn> {
    match object {
        ObjectId::Key(arn) | ObjectId::Vault(arn) | ObjectId::Role(arn) => Some(arn.clone()),
        ObjectId::Account(_) | ObjectId::Organization => None,
    }
}

/// What the object is called in a sentence.
fn called(object: &ObjectId) -> String {
    match object {
        ObjectId::Key(arn) => format!("the key {arn}"),
        ObjectId::Vault(arn) => format!("the vault {arn}"),
        ObjectId::Role(arn) => format!("the role {arn}"),
        ObjectId::Account(account) => format!("the policies of the organization that bound account {account}"),
        ObjectId::Organization => "the settings of the organization".to_owned(),
    }
}

fn title(telling: &Telling<'_>) -> String {
    let what = match (telling.outlook, last_unknown(telling.shifts)) {
        (Outlook::WillFail, _) => "Will fail",
        (Outlook::WillWork, None) => "Will work again",
        (Outlook::WillWork, Some(_)) => "May work again",
    };
    match telling.shifts {
        [only] => {
            let leg = &only.leg.leg;
            let account = leg.destination_vault_arn.account().map(|account| format!(" of account {account}")).unwrap_or_default();
            format!(
                "{what}: next copy of {} from {} of account {} to {}{account}",
                leg.resource_type,
                leg.source_vault_arn.resource_name(),
                leg.account_id,
                leg.destination_vault_arn.resource_name()
            )
        }
        many => {
            let accounts = many.iter().map(|shift| &shift.leg.leg.account_id).collect::<std::collections::BTreeSet<_>>();
            format!(
                "{what}: next copies of {} of {}",
                words::count(many.len() as u64, "route"),
                words::count(accounts.len() as u64, "account")
            )
        }
    }
}

fn summary(telling: &Telling<'_>, forecast: &Forecast, next_run: Option<Timestamp>) -> String {
    let Changed { actor, action, at, .. } = telling.changed;
    let routes = words::count(telling.shifts.len() as u64, "route");
    let object = called(telling.object);
    let changed = format!("{actor} changed {object} by {action} at {}", words::second(*at));
    let due = match next_run {
        Some(run) => format!("The next run is due at {}.", words::minute(run)),
        None => "Its schedules do not tell when the next run is.".to_owned(),
    };
    let open = match telling.open {
        0 => String::new(),
        open => {
            format!(" Of {} more nobody can tell any longer: something that decides them was not seen.", words::count(open as u64, "route"))
        }
    };
    let open = match telling.unjudged {
        0 => open,
        more => format!("{open} The copies of {} more hang on it as well and were not judged here.", words::count(more as u64, "account")),
    };
    if telling.outlook == Outlook::WillFail {
        let why = forecast.causes().join("; ");
        let blame = blamed(telling.blame);
        let (worked, before) = match first_unknown(telling.shifts) {
            None => (" that worked", String::new()),
            Some(open) => ("", format!(" Whether that is new is not known: {open}.")),
        };
        format!("{changed}. {routes}{worked} will fail: {why}.{blame}{before} {due}{open}")
    } else if let Some(depends) = last_unknown(telling.shifts) {
        let why = forecast.causes().join("; ");
        format!("{changed}. What {routes} would have failed for is gone: {why}. Whether they work now is not known: {depends}. {due}{open}")
    } else {
        format!(
            "{changed}. {routes} that would have failed will work, by everything that was read. {due} An incident of failed jobs stays open until \
             a job proves it.{open}"
        )
    }
}

/// Why nobody could tell of a copy before; `None` where all of them were known to work.
fn first_unknown(shifts: &[Shift]) -> Option<&str> {
    let unknown = shifts.iter().find(|shift| shift.before.verdict == Verdict::Depends)?;
    Some(unknown.before.open.first().map_or("something that decides it was not seen", String::as_str))
}

/// Why nobody can tell of a copy now; `None` where all of them are known to work.
fn last_unknown(shifts: &[Shift]) -> Option<&str> {
    let unknown = shifts.iter().find(|shift| shift.after.verdict == Verdict::Depends)?;
    Some(unknown.after.open.first().map_or("something that decides it was not seen", String::as_str))
}

fn blamed(blame: &Blame) -> String {
    let count = |all: &[serde_json::Value]| words::count(all.len() as u64, "statement");
    match (blame.gone.as_slice(), blame.added.as_slice()) {
        ([], []) => String::new(),
        (gone, []) => format!(" {} that allowed it changed or went.", words::capital(&count(gone))),
        ([], added) => format!(" {} that denies it is new.", words::capital(&count(added))),
        (gone, added) => format!(" {} that allowed it changed or went, and {} that denies it is new.", count(gone), count(added)),
    }
}

fn route(shift: &Shift) -> Route {
    let route = &shift.after.route;
    Route {
        source_account: Some(route.source_account.as_str().to_owned()),
        source_region: Some(route.source_region.as_str().to_owned()),
        source_vault: Some(route.source_vault_arn.as_str().to_owned()),
        resource_type: Some(route.resource_type.clone()),
        key: route.source_key_arn.as_ref().map(|arn| arn.as_str().to_owned()),
        destination_vault: Some(route.destination_vault_arn.as_str().to_owned()),
    }
}

fn evidence(telling: &Telling<'_>, forecast: &Forecast) -> Vec<EvidenceLine> {
    let account_id =
        telling.object.account().or_else(|| telling.management.cloned()).unwrap_or_else(|| forecast.route.source_account.clone());
    let line = |kind: &str, text: String| EvidenceLine {
        kind: kind.to_owned(),
        id: None,
        account_id: account_id.clone(),
        region: None,
        at: None,
        text,
    };
    let mut lines = telling.blame.gone.iter().map(|one| line("statement-gone", format!("allowed until then: {one}"))).collect::<Vec<_>>();
    lines.extend(telling.blame.added.iter().map(|one| line("statement-added", format!("denies since then: {one}"))));
    lines.extend(forecast.causes().into_iter().map(|cause| line("evaluation", cause)));
    lines
}

fn steps(telling: &Telling<'_>, mend: Option<&Plan>) -> Vec<NextStep> {
    let Changed { actor, event_id, .. } = telling.changed;
    let mut steps = vec![NextStep {
        text: format!("Ask {actor} whether this was meant (event {event_id}); if not, undo it before the next run."),
        command: None,
        grade: Grade::HumanOnly,
    }];
    let outcomes = mend.into_iter().flat_map(|plan| &plan.steps);
    for outcome in outcomes.map(|step| &step.outcome) {
        match outcome {
            Ok(patch) => steps.push(NextStep {
                text: format!("Apply the patch to {} in account {} ({}).", patch.target_arn, patch.account_id, patch.operation.action()),
                command: Some(crate::remedy::cli(patch)),
                grade: Grade::NeedsApproval,
            }),
            Err(no_patch) => {
                let instead = no_patch.instead().map(|instead| format!(": {instead}")).unwrap_or_default();
                let text = format!("No statement can simply be added: {}{instead}.", no_patch.reason());
                steps.push(NextStep { text, command: None, grade: Grade::HumanOnly });
            }
        }
    }
    steps
}
