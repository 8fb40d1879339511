//! The destination vault does not let the source account copy into it.

use crate::diagnosis::facts::{self, Voice};
use crate::diagnosis::matching::{Actor, Target, Tied, ties};
use crate::diagnosis::vault_policy::{self, Sight};
use crate::diagnosis::{Answer, Cause, Certainty, Denied, Finding, Grade, Meta, Rule, Severity, Step, steps};
use crate::event::JobType;
use crate::evidence::{Evidence, PolicyType};

/// The rule.
pub const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-006",
        name: "destination-vault-policy",
        title: "The access policy of the destination vault does not admit the copy",
        causes: &[CAUSE],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[
            "backup:DescribeCopyJob",
            "backup:GetBackupVaultAccessPolicy",
            "cloudtrail:LookupEvents",
        ],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-cross-account-backup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html",
            "https://repost.aws/knowledge-center/backup-resolve-access-denied-error",
        ],
        page: include_str!("destination-vault-policy.md"),
    },
    judge,
};

const CAUSE: Cause = Cause::DestinationVaultPolicy;

fn judge(evidence: &Evidence) -> Answer {
    let ruled_out = |why: &str| Answer::RuledOut { why: why.to_owned() };
    if evidence.job.job_type != JobType::Copy {
        return ruled_out("not a copy");
    }
    if evidence.crosses_accounts() == Some(false) {
        return ruled_out("the copy stays in its account, where no vault policy has to admit it");
    }
    let voice = facts::voice(evidence, &[CAUSE]);
    let sight = vault_policy::look(evidence);
    let found = ties(evidence);
    let denial = found.iter().find(|tied| speaks_for_this(tied) && tied.certainty(voice.agrees()).is_some());
    match (&sight, denial) {
        (Some(Sight::Denies(_)), _) => ruled_out("the vault policy denies explicitly"),
        (Some(Sight::Admits), None) => ruled_out("the vault policy admits the account"),
        (Some(Sight::Admits), Some(tied)) if tied.denial.policy_type.is_none() => ruled_out("the vault policy admits the account"),
        // Without any policy no other account gets in: that state suffices alone where the refusal is about access at all.
        (Some(Sight::Missing), Some(_)) => explains(evidence, sight.as_ref(), denial, Certainty::Proven),
        (Some(Sight::Missing), None) if voice.agrees() => explains(evidence, sight.as_ref(), None, Certainty::Proven),
        (Some(Sight::NoStatement | Sight::OtherOrganization(_)), None) if voice.agrees() => {
            explains(evidence, sight.as_ref(), None, Certainty::Supported)
        }
        (_, Some(tied)) => {
            explains(evidence, sight.as_ref(), denial, tied.certainty(voice.agrees()).unwrap_or(Certainty::Suspected))
        }
        (_, None) if voice.agrees() => explains(evidence, sight.as_ref(), None, Certainty::Suspected),
        (_, None) if voice == Voice::Against => ruled_out("the message decides for another cause"),
        (_, None) => Answer::CannotTell { needs: vec!["backup:GetBackupVaultAccessPolicy".to_owned(), "cloudtrail:LookupEvents".to_owned()] },
    }
}

/// The job role was refused the copy into the vault, and not by a policy of its own side.
fn speaks_for_this(tied: &Tied<'_>) -> bool {
    tied.actor == Actor::JobRole
        && tied.is_authorization()
        && tied.action().eq_ignore_ascii_case("backup:CopyIntoBackupVault")
        && matches!(tied.target, Target::DestinationVault | Target::Unnamed | Target::Uncertain)
        && matches!(tied.denial.policy_type, None | Some(PolicyType::ResourceBasedPolicy))
        && !tied.is_explicit()
}

fn explains(evidence: &Evidence, sight: Option<&Sight>, tied: Option<&Tied<'_>>, certainty: Certainty) -> Answer {
    let vault = evidence.destination_vault_arn();
    let named = vault.map_or_else(|| "the destination vault".to_owned(), |vault| format!("the vault {vault}"));
    let source = &evidence.job.account;
    let why = match sight {
        Some(Sight::Missing) => "it has no access policy, so no other account may copy into it".to_owned(),
        Some(Sight::NoStatement) => format!("its access policy has no statement that allows backup:CopyIntoBackupVault to account {source}"),
        Some(Sight::OtherOrganization(ids)) => format!(
            "its access policy admits {} only, but the organization is {}",
            ids.join(", "),
            evidence.organization_id.as_deref().unwrap_or("another one")
        ),
        Some(Sight::Open) => "its access policy has conditions that cannot be judged from here".to_owned(),
        Some(Sight::Admits) => "its access policy, as it is now, admits the account: it may have been mended since".to_owned(),
        Some(Sight::Denies(_)) | None => "its access policy could not be read".to_owned(),
    };
    let mut used = [facts::used(&evidence.description), facts::used(&evidence.destination_vault_policy)].into_iter().flatten().collect::<Vec<_>>();
    used.extend(tied.map(|tied| format!("cloudtrail:{}", tied.denial.event_id)));
    let may_not = if certainty == Certainty::Suspected { "is probably not allowed to" } else { "may not" };
    Answer::Explains(Box::new(Finding {
        cause: CAUSE,
        certainty,
        severity: None,
        act_in: vault.map_or_else(|| facts::in_source(evidence), |vault| facts::on_object(evidence, vault)),
        object: vault.map_or_else(|| facts::provisional_object(evidence), |vault| facts::known_object(evidence, vault)),
        denied: tied.map(|tied| Denied::of(tied.denial)),
        summary: format!("{} {may_not} copy into {named}: {why}.", facts::capital(&facts::role_name(evidence))),
        next_steps: next_steps(evidence),
        used,
    }))
}

fn next_steps(evidence: &Evidence) -> Vec<Step> {
    let mut list = evidence.destination_vault_arn().map(steps::read_vault_policy).into_iter().collect::<Vec<_>>();
    let organization = evidence.organization_id.as_deref().map_or_else(|| "the id of the organization".to_owned(), |id| format!("the id {id}"));
    list.push(steps::change(
        format!(
            "In the access policy of the vault, allow backup:CopyIntoBackupVault on * to account {}, or to everybody with the condition StringEquals aws:PrincipalOrgID = {organization}.",
            evidence.job.account
        ),
        None,
    ));
    list.push(steps::judge(format!(
        "If the policy admits the account: {} itself needs backup:CopyIntoBackupVault and backup:CopyFromBackupVault, and no SCP may deny them.",
        facts::role_name(evidence)
    )));
    list.extend(steps::copy_again(evidence));
    list
}
