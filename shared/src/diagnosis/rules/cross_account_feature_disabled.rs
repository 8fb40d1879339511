//! One switch of the organization stops every copy across accounts.

use crate::diagnosis::facts::{self, Voice};
use crate::diagnosis::{Answer, Cause, Certainty, Finding, Grade, Meta, Rule, Severity, steps};
use crate::evidence::Evidence;

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-010",
        name: "cross-account-feature-disabled",
        title: "Cross-account backup is switched off in the organization",
        causes: &[CAUSE],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[
            "backup:DescribeCopyJob",
        ],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/manage-cross-account.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/API_UpdateGlobalSettings.html",
        ],
        page: include_str!("cross-account-feature-disabled.md"),
    },
    judge,
};

const CAUSE: Cause = Cause::CrossAccountFeatureDisabled;

fn judge(evidence: &Evidence) -> Answer {
    let ruled_out = |why: &str| Answer::RuledOut { why: why.to_owned() };
    if evidence.crosses_accounts() == Some(false) {
        return ruled_out("the copy stays in its account");
    }
    match facts::voice(evidence, &[CAUSE]) {
        Voice::First | Voice::Among => {}
        Voice::Against | Voice::Others => return ruled_out("the message is of something else"),
        Voice::Silent => return Answer::CannotTell { needs: vec!["backup:DescribeCopyJob".to_owned()] },
    }
    let act_in = facts::in_management(evidence, None);
    let whose = facts::management_words(evidence, &act_in);
    Answer::Explains(Box::new(Finding {
        cause: CAUSE,
        certainty: Certainty::Suspected,
        severity: None,
        object: facts::provisional_object(evidence),
        denied: None,
        summary: format!("Cross-account backup is switched off in the settings of AWS Backup for the organization, so no copy may leave account {}. It is switched on in {whose}.", evidence.job.account),
        next_steps: vec![
            steps::look(format!("In {whose}, look at the setting."), Some("aws backup describe-global-settings".to_owned())),
            steps::change(
                "Switch it on there, after asking who switched it off.",
                Some("aws backup update-global-settings --global-settings isCrossAccountBackupEnabled=true".to_owned()),
            ),
        ],
        act_in,
        used: facts::used(&evidence.description).into_iter().collect(),
    }))
}
