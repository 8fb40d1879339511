//! From a finding that the policies confirm to the change that mends it.

use super::assess::{Assessment, Evaluation, Stand};
use super::steps;
use super::verdict::{Grade, Patch, Step};
use super::{Cause, Finding};
use crate::evidence::Evidence;
use crate::remedy::{self, Plan, Stored};

/// What mends a finding: the patch of the object it names, and what is to be done besides.
#[derive(Default)]
pub(super) struct Mend {
    pub(super) patch: Option<Patch>,
    /// Steps after those of the rule: other objects of the same copy that would be refused next, or why there is no patch.
    more: Vec<Step>,
}

impl Mend {
    /// The steps of a rule with what the evaluation adds: a proven patch takes the place of the words that describe the change.
    pub(super) fn steps(&self, of_rule: Vec<Step>) -> Vec<Step> {
        let mut steps = of_rule;
        if let Some(patch) = &self.patch {
            let describes = |step: &Step| step.grade == Grade::NeedsApproval && step.command.is_none();
            let place = steps.iter().position(describes).unwrap_or(steps.len());
            steps.retain(|step| !describes(step));
            let text = format!("Apply the patch to {} in account {} ({}).", patch.target_arn, patch.account_id, patch.operation);
            steps.insert(place.min(steps.len()), super::steps::change(text, None));
        }
        steps.extend(self.more.iter().cloned());
        steps
    }
}

/// Nothing is proposed that the evaluation does not ask for: where it is open or contradicts, a patch would be a guess.
pub(super) fn mend(evidence: &Evidence, assessment: &Assessment, finding: &Finding, evaluation: Option<&Evaluation>) -> Mend {
    if evaluation.is_none_or(|evaluation| evaluation.stand != Stand::Agrees) {
        return Mend::default();
    }
    let plan = remedy::plan_seen(assessment.route(), assessment.policies(), &stored(evidence), assessment.calls());
    let target = finding.act_in.resource_arn.as_deref();
    let mut mend = Mend::default();
    // No statement brings a key back to life; what its policy lacks comes after that.
    let by_policy = finding.cause != Cause::KmsKeyUnusable;
    for step in &plan.steps {
        match &step.outcome {
            Ok(patch) if by_policy && Some(patch.target_arn.as_str()) == target && mend.patch.is_none() => mend.patch = Some(shown(patch)),
            Ok(patch) => mend.more.push(next(patch)),
            Err(_) => {}
        }
    }
    if mend.patch.is_none() && by_policy {
        mend.more.extend(without_patch(assessment, &plan, target));
    }
    mend
}

fn stored(evidence: &Evidence) -> Stored {
    Stored {
        source_key: evidence.source_key_policy.known().map(|policy| policy.document.clone()),
        destination_key: evidence.destination_key_policy.known().map(|policy| policy.document.clone()),
        destination_vault: evidence.destination_vault_policy.known().map(|policy| policy.document.clone()),
    }
}

/// A patch as alerts show it.
pub(crate) fn shown(patch: &remedy::Patch) -> Patch {
    Patch {
        target_arn: patch.target_arn.as_str().to_owned(),
        account_id: patch.account_id.clone(),
        operation: patch.operation.action().to_owned(),
        statements: patch.statements.clone(),
        document: Some(patch.document.clone()),
        cli: Some(remedy::cli(patch)),
        replaces_sha256: patch.replaces_sha256.clone(),
        proof: patch.proof,
    }
}

/// The copy would stumble over this next: better mended in the same hour.
fn next(patch: &remedy::Patch) -> Step {
    let (account, target) = (&patch.account_id, &patch.target_arn);
    let text = format!("In account {account}, {target} would stop the copy next: this adds what is missing there.");
    steps::change(text, Some(remedy::cli(patch)))
}

/// Why no statement can be added to the object, and what to do instead.
fn without_patch(assessment: &Assessment, plan: &Plan, target: Option<&str>) -> Option<Step> {
    let object = target.and_then(|arn| assessment.object(arn));
    let step = plan.steps.iter().find(|step| object.is_none_or(|object| step.object == object) && step.outcome.is_err())?;
    let no_patch = step.outcome.as_ref().err()?;
    let instead = no_patch.instead()?;
    Some(steps::judge(format!("No statement can simply be added: {}. {}.", no_patch.reason(), super::facts::capital(&instead))))
}
