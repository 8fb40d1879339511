//! What changes would do that somebody thinks of: each alone, to the copies as they are now. Nothing is changed.

use std::io::{BufWriter, Write as _};
use std::path::Path;

use guardian_core::copy::Forecast;
use guardian_core::prediction::{Edit, KeptLeg, KeptRoutes, Objects, Shift, apply, overlay, shifts};
use guardian_core::report::inert_text;
use serde_json::{Value, json};

use super::survey::Survey;
use crate::input::{self, Line};
use crate::output::{Exit, Output, complain};

/// A key policy has 32 kB; a longer line than this is none of ours.
const LONGEST_LINE: usize = 1 << 20;

/// The copies of a survey, with every object once.
fn kept(survey: Survey) -> KeptRoutes {
    let mut kept = KeptRoutes::default();
    for (leg, facts) in survey.legs {
        let leg = KeptLeg { leg, times: Vec::new() };
        kept.objects = overlay(&kept.objects, leg.held(facts));
        kept.legs.push(leg);
    }
    kept
}

/// Answers every line of a file, or of standard input for `-`.
pub(super) fn answer(file: &Path, survey: Survey, organization_id: Option<&str>, output: &Output) -> anyhow::Result<Exit> {
    let kept = kept(survey);
    let mut lines = input::lines(file, "changes")?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let (mut bad, mut number) = (0_usize, 0_usize);
    while let Some(line) = input::next_line(&mut *lines, LONGEST_LINE)? {
        number += 1;
        let answer = match line {
            Line::Text(text) if text.trim().is_empty() => continue,
            Line::Text(text) => told(&text, &kept, organization_id),
            Line::TooLong => Err((None, format!("it is longer than {LONGEST_LINE} bytes"))),
        };
        let answer = answer.unwrap_or_else(|(id, why)| {
            bad += 1;
            json!({"line": number, "id": id, "error": inert_text(&why)})
        });
        if writeln!(out, "{answer}").and_then(|()| out.flush()).is_err() || output.closed() {
            // Whoever reads has seen enough.
            return Ok(Exit::Fine);
        }
    }
    if bad > 0 {
        complain(&format!("guardian: {bad} of {number} changes could not be judged: --help shows what a line holds"));
        return Ok(Exit::Usage);
    }
    Ok(Exit::Fine)
}

fn told(line: &str, kept: &KeptRoutes, organization_id: Option<&str>) -> Result<Value, (Option<String>, String)> {
    let edit = serde_json::from_str::<Edit>(line).map_err(|error| (None, error.to_string()))?;
    let fresh = apply(&edit, &kept.objects).map_err(|error| (Some(edit.id.clone()), error.to_string()))?;
    let touched = |leg: &&KeptLeg| leg.objects(&kept.objects).iter().any(|id| fresh.contains_key(id));
    let legs = kept.legs.iter().filter(touched).collect::<Vec<_>>();
    let after: Objects = overlay(&kept.objects, fresh.clone());
    let found = shifts(legs.iter().copied(), &kept.objects, &after, organization_id);
    let turned = found.broken.len() + found.mended.len() + found.open.len() + found.unknown.len();
    let turned = turned + found.suspected.len() + found.unblocked.len();
    Ok(json!({
        "id": inert_text(&edit.id),
        "broken": found.broken.iter().map(|shift| route(shift, &shift.after, &shift.after)).collect::<Vec<_>>(),
        "suspected": found.suspected.iter().map(|shift| route(shift, &shift.after, &shift.before)).collect::<Vec<_>>(),
        "mended": found.mended.iter().map(|shift| route(shift, &shift.before, &shift.before)).collect::<Vec<_>>(),
        "unblocked": found.unblocked.iter().map(|shift| route(shift, &shift.before, &shift.after)).collect::<Vec<_>>(),
        "open": found.open.iter().map(|shift| route(shift, &shift.after, &shift.after)).collect::<Vec<_>>(),
        "unknown": found.unknown.iter().map(|shift| route(shift, &shift.before, &shift.before)).collect::<Vec<_>>(),
        "unchanged": legs.len().saturating_sub(turned),
    }))
}

/// A copy: why it fails by one forecast, and what it depends on by another.
fn route(shift: &Shift, why: &Forecast, open: &Forecast) -> Value {
    let route = &shift.after.route;
    let inert = |texts: Vec<String>| texts.iter().map(|text| inert_text(text)).collect::<Vec<_>>();
    json!({
        "source_account": route.source_account,
        "source_region": route.source_region,
        "source_vault": route.source_vault_arn.resource_name(),
        "resource_type": inert_text(&route.resource_type),
        "key": route.source_key_arn,
        "destination_vault": route.destination_vault_arn,
        "job_role": route.job_role_arn,
        "why": inert(why.causes()),
        "depends_on": inert(open.open.clone()),
    })
}
