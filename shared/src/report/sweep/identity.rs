//! What an outcome is called wherever findings are kept: account, Region, check, subject. The same thing has the same id in every sweep.

use crate::compliance::CheckOutcome;

/// The ids of outcomes in their order. Several outcomes of one check on one thing, which stand side by side, are counted.
pub(super) fn identities(outcomes: &[CheckOutcome]) -> Vec<String> {
    let mut ids = Vec::<String>::with_capacity(outcomes.len());
    let (mut before, mut same) = (String::new(), 1_u64);
    for found in outcomes {
        let id = identity(found);
        same = if id == before { same + 1 } else { 1 };
        ids.push(if same == 1 { id.clone() } else { format!("{id}~{same}") });
        before = id;
    }
    ids
}

fn identity(found: &CheckOutcome) -> String {
    let subject = &found.outcome.subject;
    let region = subject.region.as_ref().map_or("global", |region| region.as_str());
    let thing = subject.resource_arn.as_ref().map_or("", |arn| arn.as_str());
    let part = subject.part.as_deref().map(|part| format!("#{part}")).unwrap_or_default();
    format!("backup-guardian/{}/{region}/{}/{thing}{part}", subject.account_id, found.code)
}
