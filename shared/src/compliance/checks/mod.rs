//! The checks, in one explicit list.
//!
//! A check is two files: `<name>.rs` judges, `<name>.md` explains and holds the cases that the tests run. To add one, write both and add a line at
//! the end: the order is that of the codes.

use super::Check;

macro_rules! checks {
    ($($module:ident,)+) => {
        $(mod $module;)+

        /// Every check.
        pub const ALL: &[Check] = &[$($module::CHECK,)+];
    };
}

checks! {
    organization_all_features,
    backup_trusted_access_enabled,
    cross_account_backup_enabled,
    delegated_administrator_registered,
    backup_policy_type_enabled,
    backup_account_in_organization,
    backup_account_is_not_management_account,
}

/// The check of a code or a name.
pub fn find(code_or_name: &str) -> Option<&'static Check> {
    ALL.iter().find(|check| check.meta.code.eq_ignore_ascii_case(code_or_name) || check.meta.name == code_or_name)
}
