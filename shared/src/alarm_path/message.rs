//! What people read about the guardian's own health.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::{Kept, Trouble, TroubleKind};
use crate::arn::Arn;
use crate::diagnosis::{Cause, Certainty, Grade, Severity};
use crate::incident::IncidentId;
use crate::report::alert::{ActIn, Alert, EvidenceLine, NextStep, SCHEMA};
use crate::report::{Kind, inert};

/// Troubles that one message tells in full, and lines of those that are known.
const MOST: usize = 40;

/// Something to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Something is wrong that was not, or is so for a day more.
    Troubles {
        /// To be told in full.
        due: Vec<(Trouble, Kept)>,
        /// Told before, and still so as far as is known.
        known: Vec<Kept>,
    },
    /// Nothing is wrong any more.
    Well {
        /// What was.
        over: Vec<Kept>,
    },
}

impl Notice {
    /// The subject of an e-mail: printable ASCII.
    pub fn subject(&self) -> String {
        match self {
            Self::Troubles { due, known } => {
                format!("Backup Guardian: its alarm path is broken in {}", counted(due.len() + known.len(), "place"))
            }
            Self::Well { .. } => "Backup Guardian: its alarm path is well again".to_owned(),
        }
    }

    /// The whole text.
    pub fn body(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Troubles { due, known } => {
                text.push_str(
                    "What carries alerts from AWS Backup to you was looked at. Until this is mended, alerts may not reach anybody:\n",
                );
                for (trouble, kept) in due.iter().take(MOST) {
                    let _ = write!(text, "\n- {}\n  kind: {}, since {:.0}\n", trouble.what, trouble.kind.as_str(), kept.since);
                    let _ = write!(text, "  so: {}\n  do: {}\n", trouble.consequence, trouble.remedy);
                    if let Some(command) = &trouble.command {
                        let _ = writeln!(text, "      {command}");
                    }
                }
                more(&mut text, due.len());
                if !known.is_empty() {
                    text.push_str("\nTold before, and not mended as far as is known:\n\n");
                    lines(&mut text, known);
                }
            }
            Self::Well { over } => {
                text.push_str("Every part that was broken was looked at again and works:\n\n");
                lines(&mut text, over);
            }
        }
        text
    }
}

fn lines(text: &mut String, kept: &[Kept]) {
    for kept in kept.iter().take(MOST) {
        let _ = writeln!(text, "- {} (since {:.0})", kept.what, kept.since);
    }
    more(text, kept.len());
}

fn more(text: &mut String, all: usize) {
    if all > MOST {
        let _ = writeln!(text, "... and {} more; the log of check-alarm-path names them", all - MOST);
    }
}

fn counted(n: usize, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

/// The same as an alert, for the alert topic: it goes there when the operations topic may not be heard.
pub fn self_check(notice: &Notice, operations: &Arn, now: Timestamp) -> Option<Alert> {
    let account_id = operations.account()?;
    let (severity, found, steps) = match notice {
        Notice::Troubles { due, .. } => {
            let line = |(trouble, kept): &(Trouble, Kept)| line(trouble.kind, &trouble.what, kept, operations);
            let step = |(trouble, _): &(Trouble, Kept)| NextStep {
                text: format!("{}: {}", trouble.what, trouble.remedy),
                command: trouble.command.clone(),
                grade: Grade::NeedsApproval,
            };
            let (found, steps) = (due.iter().take(MOST).filter_map(line).collect(), due.iter().take(MOST).map(step).collect());
            (Severity::High, found, steps)
        }
        Notice::Well { .. } => (Severity::Info, Vec::new(), Vec::new()),
    };
    let alert = Alert {
        schema: SCHEMA.to_owned(),
        kind: Kind::SelfCheck,
        incident_id: IncidentId::of_self_check(operations, now),
        at: Some(now),
        opened_at: None,
        severity,
        title: notice.subject(),
        cause: Cause::Unexplained,
        rule: None,
        certainty: Certainty::Proven,
        summary: match notice {
            Notice::Troubles { .. } => {
                "The guardian looked at its own alarm path. This comes as an alert because its operations topic may not be heard."
                    .to_owned()
            }
            Notice::Well { .. } => "The guardian looked at its own alarm path: every part that was broken works again.".to_owned(),
        },
        act_in: ActIn {
            account_id,
            account_name: None,
            region: operations.region(),
            resource_arn: Some(operations.as_str().to_owned()),
            side: None,
        },
        denied: None,
        evaluation: None,
        patch: None,
        changed: None,
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
        route: None,
        impact: None,
        evidence: found,
        gaps: Vec::new(),
        unread: Vec::new(),
        candidates: Vec::new(),
        next_steps: steps,
        confirm: Vec::new(),
        links: Vec::new(),
        fingerprint: None,
        truncated: Vec::new(),
        foretold: None,
    };
    Some(inert(&alert))
}

fn line(kind: TroubleKind, what: &str, kept: &Kept, operations: &Arn) -> Option<EvidenceLine> {
    Some(EvidenceLine {
        kind: kind.as_str().to_owned(),
        id: None,
        account_id: operations.account()?,
        region: operations.region(),
        at: Some(kept.since),
        text: what.to_owned(),
    })
}
