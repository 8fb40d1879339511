//! The guardian's own alarm path is whole.

use std::time::Duration;

use crate::alarm_path::facts::Heartbeat;
use crate::alarm_path::{Kept, heartbeat};
use crate::arn::Arn;
use crate::compliance::say::{Place, quoted};
use crate::compliance::{Check, Judge, Meta, OrganizationView, Outcome, Subject};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{AlarmPath, Fact};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-074",
        name: "alarm-path-whole",
        title: "The guardian's own alarm path is whole",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["dynamodb:Query"],
        remedy: Grade::HumanOnly,
        references: &["https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html"],
        page: include_str!("alarm-path-whole.md"),
    },
    judge: Judge::Organization(judge),
};

/// Who looks at it, and evaluates it: here its findings are told, not found again.
const LOOKER: &str = "check-alarm-path";

fn judge(view: &OrganizationView<'_>) -> Vec<Outcome> {
    let path = match &view.organization.alarm_path {
        Fact::Known { value, .. } => value,
        Fact::NotAsked => {
            let why = "the alarm path is that of a deployed guardian, and this sweep is not one of it";
            return view.subject().map(|subject| Outcome::not_applicable(subject, why)).into_iter().collect();
        }
        Fact::Gap(gap) => {
            let subject = Place { account: &gap.account_id, region: gap.region.as_ref() }.here();
            return vec![Outcome::unseen(subject, "what is known of the alarm path", &view.organization.alarm_path)];
        }
    };
    let mut outcomes = path.troubles.iter().map(|kept| one(path, kept)).collect::<Vec<_>>();
    let last = Place { account: &path.account_id, region: None }.here().part(LOOKER);
    let limit = Duration::from_secs(path.limit_hours.saturating_mul(3600));
    let beat = heartbeat(&Heartbeat { function: LOOKER.to_owned(), last: path.looked.clone(), limit }, view.now);
    match (path.looked.known(), beat.troubles.first()) {
        (None, _) => outcomes.push(Outcome::unseen(last, "when the alarm path was looked at last", &path.looked)),
        (_, Some(trouble)) => {
            let seen = format!("{}, so that what is wrong with the alarm path since then is not known", trouble.what);
            outcomes.push(Outcome::fail(last, seen, format!("in account {}: {}", path.account_id, trouble.remedy)));
        }
        (Some(_), None) if outcomes.is_empty() => outcomes.push(Outcome::pass(last, "every part was seen whole and well at the last look")),
        (Some(_), None) => {}
    }
    outcomes
}

fn one(path: &AlarmPath, kept: &Kept) -> Outcome {
    let here = Place { account: &path.account_id, region: None };
    let subject = match Arn::parse(&kept.subject) {
        // A topic or a queue may be named without an account; then it is the guardian's.
        Ok(arn) => Subject { account_id: arn.account().unwrap_or_else(|| path.account_id.clone()), ..here.there(&arn) },
        Err(_) => here.here(),
    };
    let subject = subject.part(kept.id.as_str());
    let since = kept.since.strftime("%Y-%m-%d %H:%M UTC");
    if kept.is_unchecked() {
        return Outcome::unknown(subject, format!("not seen since {since}: {}", quoted(&kept.what)), Vec::new());
    }
    let remedy = format!("do what the message of `{LOOKER}` about {} says; it comes every day while this lasts", quoted(&kept.subject));
    Outcome::fail(subject, format!("since {since}: {}", quoted(&kept.what)), remedy)
}
