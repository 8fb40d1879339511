//! A malware scan found threats.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Certainty, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-038",
        name: "threats-found",
        title: "A malware scan found threats",
        causes: &[Cause::ThreatsFound],
        severity: Severity::Critical,
        since: "0.1.0",
        needs: &["backup:DescribeScanJob"],
        remedy: Grade::HumanOnly,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/malware-protection.html"],
        page: include_str!("threats-found.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    let result = evidence.job.scan_result.as_deref().map(str::to_ascii_uppercase);
    match result.as_deref() {
        Some("THREATS_FOUND") => return told::explains(evidence, Cause::ThreatsFound, Certainty::Proven, &["scan result"], tell(evidence)),
        Some("NO_THREATS_FOUND") => return Answer::RuledOut { why: "the scan found no threats".to_owned() },
        _ => {}
    }
    told::by_text(evidence, Cause::ThreatsFound, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: Some(Severity::Critical),
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("The malware scan found threats in the recovery point of {}.", told::job(evidence)),
        next_steps: vec![
            steps::judge("Do not restore from this recovery point. Treat the resource it was made from as taken over until shown otherwise."),
            steps::judge("Find the newest recovery point whose scan is clean, and keep it from ending."),
        ],
    }
}
