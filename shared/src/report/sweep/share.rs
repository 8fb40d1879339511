//! How much is protected, as one number that cannot flatter.

use crate::compliance::Totals;
use crate::coverage::Protection;

/// Protected resources of those that should be.
///
/// What was not seen counts against: a resource whose protection is unknown is in the whole and not in the part, and an account of which
/// something could not be read is one unknown more, so that nothing that was not seen can be at 100 %. Excepted resources are in neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Protected.
    pub protected: u64,
    /// All that should be.
    pub of: u64,
}

impl Share {
    /// Of a whole sweep.
    pub fn of(totals: &Totals) -> Self {
        let count = |protection| totals.resources.get(&protection).copied().unwrap_or_default();
        let all = totals.resources.values().copied().fold(0_u64, u64::saturating_add);
        Self {
            protected: count(Protection::Protected),
            of: all.saturating_sub(count(Protection::Excepted)).saturating_add(totals.accounts_not_evaluated),
        }
    }

    /// Thousandths, rounded down: only what is whole is 1,000. Absent where nothing should be protected.
    pub fn permille(self) -> Option<u64> {
        if self.of == 0 {
            return None;
        }
        u64::try_from(u128::from(self.protected) * 1000 / u128::from(self.of)).ok()
    }

    /// `97.4 %`, `100 %`; `nothing to protect`.
    pub fn text(self) -> String {
        match self.permille() {
            None => "nothing to protect".to_owned(),
            Some(permille) if permille % 10 == 0 => format!("{} %", permille / 10),
            Some(permille) => format!("{}.{} %", permille / 10, permille % 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(resources: &[(Protection, u64)], accounts_not_evaluated: u64, expected: &str) {
        let totals = Totals { resources: resources.iter().copied().collect(), accounts_not_evaluated, ..Totals::default() };
        assert_eq!(Share::of(&totals).text(), expected, "{resources:?}");
    }

    #[test]
    fn what_was_not_seen_counts_against() {
        use Protection::{Excepted, Protected, Stale, Unknown};
        check(&[], 0, "nothing to protect");
        check(&[], 1, "0 %");
        check(&[(Protected, 4), (Excepted, 9)], 0, "100 %");
        check(&[(Protected, 4)], 1, "80 %");
        check(&[(Protected, 3), (Unknown, 1)], 0, "75 %");
        check(&[(Protected, 999_999), (Stale, 1)], 0, "99.9 %");
        check(&[(Protected, u64::MAX)], 0, "100 %");
    }
}
