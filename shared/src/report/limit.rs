//! Fits a message into the limit of SNS. What is cut, and in which order, is fixed; the alert says what was cut.
//!
//! Nothing is cut from a message that fits. The order goes from what is longest and says least to what a reader cannot do without.

use super::alert::{Alert, AlertJob};
use super::message::Message;
use super::words::cut_bytes;

/// Most jobs that an alert carries, whatever their size.
pub(super) const MOST_JOBS: usize = 20;

/// One cut: what it does, and how to say it. `None`: there was nothing to cut.
type Cut = fn(&mut Alert) -> Option<String>;

/// The cuts, in their order.
const CUTS: &[Cut] = &[
    |alert| messages(alert, 4096),
    |alert| messages(alert, 512),
    |alert| evidence_texts(alert, 512),
    |alert| list(&mut alert.evidence, 20, "evidence lines"),
    |alert| list(&mut alert.candidates, 0, "other causes it may be"),
    |alert| list(&mut alert.jobs, 5, "jobs beyond the newest 5"),
    |alert| list(&mut alert.gaps, 20, "gaps"),
    |alert| list(&mut alert.unread, 20, "unreadable fields"),
    |alert| routes(alert, 5),
    statements,
    |alert| list(&mut alert.links, 5, "links"),
    |alert| list_end(&mut alert.changes, 5, "changes before the newest 5"),
    document,
    |alert| list(&mut alert.confirm, 3, "commands to confirm"),
    |alert| list(&mut alert.next_steps, 10, "next steps"),
    |alert| list(&mut alert.evidence, 0, "evidence lines"),
    |alert| list(&mut alert.jobs, 1, "jobs beyond the newest"),
    |alert| names(alert, 10),
    |alert| texts(alert, 2048),
    |alert| list(&mut alert.gaps, 5, "gaps"),
    |alert| list(&mut alert.unread, 3, "unreadable fields"),
    |alert| list(&mut alert.next_steps, 5, "next steps"),
    |alert| texts(alert, 256),
    |alert| alert.timeline.as_mut().and_then(|all| list_end(all, 5, "moments before the newest 5")),
];

/// The message of an alert within a limit of bytes.
pub(super) fn fit(alert: &Alert, limit: usize) -> Message {
    let mut alert = alert.clone();
    if let Some(what) = list(&mut alert.jobs, MOST_JOBS, "jobs beyond the newest 20") {
        say(&mut alert, what);
    }
    let mut cuts = CUTS.iter();
    loop {
        // The machine form alone tells that it is too long, long before the other sinks are worth laying out.
        let fitting =
            Some(&alert).filter(|alert| machine_form_fits(alert, limit)).map(Message::of).filter(|message| message.size() <= limit);
        match (fitting, cuts.next()) {
            (Some(message), _) => return message,
            (None, Some(cut)) => {
                if let Some(what) = cut(&mut alert) {
                    say(&mut alert, what);
                }
            }
            (None, None) => return Message::of(&alert),
        }
    }
}

/// The patched document, which the stored one and the statements can make again; the command that holds it goes with it.
fn document(alert: &mut Alert) -> Option<String> {
    let patch = alert.patch.as_mut()?;
    let cut = patch.document.take().is_some() | patch.cli.take().is_some();
    cut.then(|| "the patched document: its statements are here".to_owned())
}

fn routes(alert: &mut Alert, most: usize) -> Option<String> {
    list(&mut alert.foretold.as_mut()?.routes, most, "routes beyond the first")
}

/// The statements that are to blame, which the trail of their account has.
fn statements(alert: &mut Alert) -> Option<String> {
    let foretold = alert.foretold.as_mut()?;
    let cut = foretold.added_statements.len() + foretold.gone_statements.len();
    (foretold.added_statements, foretold.gone_statements) = (Vec::new(), Vec::new());
    (cut > 0).then(|| format!("statements that are to blame: {cut} left out"))
}

fn machine_form_fits(alert: &Alert, limit: usize) -> bool {
    serde_json::to_string(alert).is_ok_and(|json| json.len() <= limit)
}

fn say(alert: &mut Alert, what: String) {
    if !alert.truncated.contains(&what) {
        alert.truncated.push(what);
    }
}

fn list<T>(list: &mut Vec<T>, most: usize, what: &str) -> Option<String> {
    let cut = list.len().checked_sub(most).filter(|cut| *cut > 0)?;
    list.truncate(most);
    Some(format!("{what}: {cut} left out"))
}

/// The newest are the last.
fn list_end<T>(list: &mut Vec<T>, most: usize, what: &str) -> Option<String> {
    let cut = list.len().checked_sub(most).filter(|cut| *cut > 0)?;
    list.drain(..cut);
    Some(format!("{what}: {cut} left out"))
}

fn shorten(text: &mut String, most: usize) -> bool {
    let long = text.len() > most;
    if long {
        *text = cut_bytes(text, most);
    }
    long
}

fn shorten_all<'a>(texts: impl IntoIterator<Item = Option<&'a mut String>>, most: usize) -> usize {
    texts.into_iter().flatten().map(|text| usize::from(shorten(text, most))).sum()
}

fn messages(alert: &mut Alert, most: usize) -> Option<String> {
    let jobs = alert.jobs.iter_mut().chain(alert.proved_by.as_mut());
    let cut = shorten_all(jobs.map(|job| job.status_message.as_mut()), most);
    (cut > 0).then(|| format!("status messages: {cut} cut to {most} bytes"))
}

fn evidence_texts(alert: &mut Alert, most: usize) -> Option<String> {
    let cut = shorten_all(alert.evidence.iter_mut().map(|line| Some(&mut line.text)), most);
    (cut > 0).then(|| format!("evidence texts: {cut} cut to {most} bytes"))
}

fn names(alert: &mut Alert, most: usize) -> Option<String> {
    let cut = alert.account_names.len().checked_sub(most).filter(|cut| *cut > 0)?;
    while alert.account_names.len() > most {
        alert.account_names.pop_last();
    }
    Some(format!("account names: {cut} left out"))
}

/// Every text that is not a command. A command that is too long goes whole: a cut command is another command.
fn texts(alert: &mut Alert, most: usize) -> Option<String> {
    let mut cut = 0;
    for step in alert.next_steps.iter_mut().chain(&mut alert.confirm) {
        cut += usize::from(shorten(&mut step.text, most));
        if step.command.as_ref().is_some_and(|command| command.len() > most) {
            step.leave_out_command("it is too long for this message");
            cut += 1;
        }
    }
    let all = alert.links.len();
    alert.links.retain(|link| link.len() <= most);
    cut += all - alert.links.len();
    for job in alert.jobs.iter_mut().chain(alert.proved_by.as_mut()) {
        let AlertJob {
            account_id: _,
            region: _,
            job_id,
            job_type,
            state,
            resource_arn,
            resource_name,
            resource_type,
            status_message,
            at: _,
        } = job;
        cut += usize::from(shorten(job_type, most)) + usize::from(shorten(state, most));
        let texts = [job_id.as_mut(), resource_arn.as_mut(), resource_name.as_mut(), resource_type.as_mut(), status_message.as_mut()];
        cut += shorten_all(texts, most);
    }
    if let Some(closed) = &mut alert.closed {
        cut += usize::from(shorten(&mut closed.owner, most)) + usize::from(shorten(&mut closed.reason, most));
    }
    for gap in &mut alert.gaps {
        cut += usize::from(shorten(&mut gap.action, most)) + shorten_all([gap.detail.as_mut()], most);
    }
    for problem in &mut alert.unread {
        cut += usize::from(shorten(&mut problem.field, most)) + usize::from(shorten(&mut problem.what, most));
    }
    for line in &mut alert.evidence {
        cut += shorten_all([Some(&mut line.kind), line.id.as_mut(), Some(&mut line.text)], most);
    }
    if let Some(denied) = &mut alert.denied {
        let texts = [Some(&mut denied.principal), Some(&mut denied.action), denied.resource.as_mut(), Some(&mut denied.event_id)];
        cut += shorten_all(texts, most);
    }
    cut += shorten_all([alert.evaluation.as_mut().map(|evaluation| &mut evaluation.text)], most);
    if let Some(changed) = &mut alert.changed {
        let texts = [Some(&mut changed.actor), Some(&mut changed.action), Some(&mut changed.event_id), changed.source_ip.as_mut()];
        cut += shorten_all(texts, most);
    }
    cut += shorten_all([alert.actor.as_mut()], most);
    for done in &mut alert.changes {
        let texts = [
            Some(&mut done.actor),
            Some(&mut done.action),
            Some(&mut done.event_id),
            done.source_ip.as_mut(),
            done.resource_arn.as_mut(),
            Some(&mut done.text),
            done.before.as_mut(),
            done.after.as_mut(),
            done.refused.as_mut(),
        ];
        cut += shorten_all(texts, most);
    }
    for moment in alert.timeline.iter_mut().flatten() {
        cut += usize::from(shorten(&mut moment.text, most)) + usize::from(shorten(&mut moment.event_id, most));
    }
    let routes = alert.foretold.iter_mut().flat_map(|foretold| &mut foretold.routes);
    for route in alert.route.iter_mut().chain(routes) {
        let texts = [
            route.source_account.as_mut(),
            route.source_region.as_mut(),
            route.source_vault.as_mut(),
            route.resource_type.as_mut(),
            route.key.as_mut(),
            route.destination_vault.as_mut(),
        ];
        cut += shorten_all(texts, most);
    }
    cut += shorten_all(alert.account_names.values_mut().map(Some), most);
    let texts = [
        Some(&mut alert.title),
        Some(&mut alert.summary),
        alert.rule.as_mut(),
        alert.fingerprint.as_mut(),
        alert.act_in.account_name.as_mut(),
        alert.act_in.resource_arn.as_mut(),
    ];
    cut += shorten_all(texts, most);
    (cut > 0).then(|| format!("long texts: {cut} cut to {most} bytes"))
}
