//! The whole sweep in one sentence, and how bad that is.

use super::words::{PROTECTIONS, counted, lacks, list, number};
use super::{Overview, Share};
use crate::compliance::Status;
use crate::coverage::Protection;
use crate::diagnosis::Severity;

/// How the whole stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Something was seen and is ill.
    Ill,
    /// Nothing ill was seen, and not everything was seen.
    Unseen,
    /// Everything was seen and is well.
    Well,
}

/// How the whole stands.
pub fn standing(overview: &Overview) -> Standing {
    if ill(overview) > 0 || failures(overview) > 0 {
        Standing::Ill
    } else if is_unseen(overview) {
        Standing::Unseen
    } else {
        Standing::Well
    }
}

/// The verdict in one sentence.
pub(super) fn sentence(overview: &Overview) -> String {
    let (ill, failures, unknown) = (ill(overview), failures(overview), resources(overview, Protection::Unknown));
    let all = PROTECTIONS.iter().map(|protection| resources(overview, *protection)).sum::<u64>();
    let mut parts = Vec::new();
    if ill > 0 {
        parts.push(format!("{} of {} {} protection", number(ill), counted(all, "resource"), if ill == 1 { "lacks" } else { "lack" }));
    }
    if failures > 0 {
        parts.push(format!("{} {}", counted(failures, "check"), if failures == 1 { "fails" } else { "fail" }));
    }
    if unknown > 0 {
        parts.push(format!("of {} the protection was not seen", counted(unknown, "resource")));
    }
    let accounts = overview.totals.accounts_not_evaluated;
    if accounts > 0 {
        parts.push(format!("{} could not be read, or not wholly", counted(accounts, "account")));
    }
    if keeper_unknown(overview) {
        parts.push("no account that keeps copies was named, so none was judged".to_owned());
    }
    if !overview.organization_gaps.is_empty() {
        parts.push("not all of the organization could be read".to_owned());
    }
    let unsure = overview.unknown_outcomes();
    if unsure > 0 {
        parts.push(format!("{} could not be answered", counted(unsure, "question")));
    }
    if parts.is_empty() {
        let informing = match for_information(overview) {
            0 => String::new(),
            n => format!("; {} for information", counted(n, "finding")),
        };
        return match all {
            0 => format!("No resource that should be protected was seen; every check passes{informing}."),
            all => {
                let accounts = counted(overview.totals.accounts, "account");
                format!("Everything was seen and holds: {} in {accounts}{informing}.", counted(all, "resource"))
            }
        };
    }
    super::words::sentence(&list(&parts))
}

/// The worst that was seen. What could not be seen is never for information.
pub(super) fn severity(overview: &Overview) -> Severity {
    let failed = overview.totals.failures.iter().filter(|(_, n)| **n > 0).map(|(severity, _)| *severity).max();
    let lacking = (ill(overview) > 0).then_some(Severity::Medium);
    let unseen = is_unseen(overview).then_some(Severity::Low);
    failed.max(lacking).max(unseen).unwrap_or(Severity::Info)
}

/// `87.5 % protected: 21 of 24`.
pub(super) fn share(overview: &Overview) -> String {
    let share = Share::of(&overview.totals);
    format!("{} of {}", number(share.protected), number(share.of))
}

/// Resources that were seen to lack protection.
pub(super) fn ill(overview: &Overview) -> u64 {
    let of = |(protection, n): (&Protection, &u64)| if lacks(*protection) && *protection != Protection::Unknown { *n } else { 0 };
    overview.totals.resources.iter().map(of).sum()
}

/// Failed checks that somebody must do something about: neither excepted ones, nor those for information.
pub(super) fn failures(overview: &Overview) -> u64 {
    let all = overview.totals.outcomes.get(&Status::Fail).copied().unwrap_or_default();
    all.saturating_sub(for_information(overview))
}

/// Failures of checks that only inform, which no verdict depends on.
fn for_information(overview: &Overview) -> u64 {
    overview.totals.failures.get(&Severity::Info).copied().unwrap_or_default()
}

/// Whether nobody said where the copies are kept: then nothing that is asked of that account was asked.
fn keeper_unknown(overview: &Overview) -> bool {
    overview.head.as_ref().is_some_and(|head| head.backup_accounts.is_empty())
}

/// Resources in a state.
pub(super) fn resources(overview: &Overview, protection: Protection) -> u64 {
    overview.totals.resources.get(&protection).copied().unwrap_or_default()
}

fn is_unseen(overview: &Overview) -> bool {
    resources(overview, Protection::Unknown) + overview.totals.accounts_not_evaluated + overview.unknown_outcomes() > 0
        || !overview.organization_gaps.is_empty()
        || keeper_unknown(overview)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arn::AccountId;
    use crate::compliance::SweepHead;

    fn overview(keepers: &[&str], failed: &[(Severity, u64)]) -> Overview {
        let mut overview = Overview::gather().into_inner();
        overview.head = Some(SweepHead {
            schema: String::new(),
            at: jiff::Timestamp::UNIX_EPOCH,
            version: String::new(),
            organization_id: None,
            regions: Vec::new(),
            backup_accounts: keepers.iter().map(|id| AccountId::parse(id).unwrap()).collect(),
        });
        overview.totals.failures = failed.iter().copied().collect();
        let all = failed.iter().map(|(_, n)| n).sum::<u64>();
        overview.totals.outcomes.extend((all > 0).then_some((Status::Fail, all)));
        overview
    }

    #[test]
    fn what_is_for_information_breaks_nothing_and_without_a_keeper_nothing_holds() {
        let keeper = ["222222222222"];
        for (keepers, failed, expected) in [
            (&keeper[..], &[][..], Standing::Well),
            (&keeper[..], &[(Severity::Info, 2)][..], Standing::Well),
            (&keeper[..], &[(Severity::Info, 2), (Severity::Low, 1)][..], Standing::Ill),
            (&[][..], &[][..], Standing::Unseen),
            (&[][..], &[(Severity::Low, 1)][..], Standing::Ill),
        ] {
            assert_eq!(standing(&overview(keepers, failed)), expected, "{keepers:?} {failed:?}");
        }
        assert!(sentence(&overview(&keeper, &[(Severity::Info, 2)])).ends_with("every check passes; 2 findings for information."));
        assert!(sentence(&overview(&[], &[])).contains("o account that keeps copies was named"));
    }
}
