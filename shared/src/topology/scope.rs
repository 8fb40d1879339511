//! Which checks of a sweep are about the topology, and not about what was backed up with it.

use crate::compliance::checks::find;

/// Checks that judge resources, backups and copies. In a topology of today there are none yet, and a broken one may have all of them.
const OF_BACKUPS: [&str; 13] = [
    "recovery-points-encrypted",
    "recovery-points-retained",
    "no-expired-recovery-points",
    "no-partial-recovery-points",
    "restore-test-recent",
    "resources-protected",
    "copies-landed",
    "copies-fresh",
    "copies-under-expected-key",
    "copies-retained",
    "restore-time-within-target",
    "copies-in-another-region",
    "completed-jobs-made-their-copies",
];

/// Whether a check, by its name, is about the topology. A new one is until somebody says otherwise.
pub fn of_topology(check: &str) -> bool {
    find(check).is_some_and(|check| !OF_BACKUPS.contains(&check.meta.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compliance::checks::ALL;

    #[test]
    fn every_check_is_of_the_one_kind_or_of_the_other() {
        assert!(OF_BACKUPS.iter().all(|name| find(name).is_some()));
        assert_eq!(ALL.iter().filter(|check| !of_topology(check.meta.name)).count(), OF_BACKUPS.len());
        assert!(!of_topology("no-check-of-this-name"));
    }
}
