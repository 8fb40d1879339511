//! What decided a requirement, in words.

use super::Judged;
use crate::policy::{Decision, Layer, Outcome};

/// A Sid is cut here: it is somebody else's text.
const LONGEST_SID: usize = 64;

impl Judged {
    /// Why it is denied. May quote untrusted text.
    pub fn reason(&self) -> String {
        let deny = self.answer.reasons.iter().find(|reason| reason.denies && reason.outcome == Outcome::Matched);
        if let Some(deny) = deny {
            let sid = deny.sid.as_deref().map(|sid| format!(" `{}`", cut(sid))).unwrap_or_default();
            return format!("statement {}{sid} of the {} denies it", deny.statement + 1, layer(deny.layer));
        }
        let silent = if self.answer.decision == Decision::Uncertain { &self.answer.refused_by } else { &self.answer.missing };
        format!("nothing in {} allows it", list(silent))
    }

    /// What its answer depends on.
    pub fn open_points(&self) -> String {
        if self.answer.decision == Decision::Uncertain {
            return list(&self.answer.depends_on);
        }
        // Each way to make the call has a certain answer, and not the same.
        "through which service and Region AWS makes the call, which it does not document".to_owned()
    }
}

fn cut(sid: &str) -> String {
    if sid.chars().count() <= LONGEST_SID {
        return sid.to_owned();
    }
    let kept = sid.chars().take(LONGEST_SID - 3).collect::<String>();
    format!("{}...", kept.trim_end())
}

fn layer(layer: Layer) -> &'static str {
    match layer {
        Layer::Scp => "service control policies",
        Layer::Rcp => "resource control policies",
        Layer::Identity => "policies of the role",
        Layer::Boundary => "permissions boundary",
        Layer::Session => "session policy",
        Layer::Resource => "policy of the resource",
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "what was not seen".to_owned() } else { names.join(", ") }
}
