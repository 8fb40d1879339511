//! The rules, in one explicit list.
//!
//! A rule is two files: `<name>.rs` judges, `<name>.md` explains and holds the cases that the tests run. To add one, write both and add a line
//! here. The order is from specific to general: it decides between rules that are equally sure and equally likely.

use super::Rule;

macro_rules! rules {
    ($($module:ident,)+) => {
        $(pub mod $module;)+

        /// Every rule.
        pub const ALL: &[Rule] = &[$($module::RULE,)+];
    };
}

rules! {
    selection_not_processed,
    selection_deleted,
    organization_policy_invalid,
    continuous_backup_interrupted,
    objects_left_out,
    explicit_deny_policy,
    kms_key_unusable,
    source_key_aws_managed,
    destination_vault_key_aws_managed,
    kms_key_policy_missing_destination,
    kms_role_permission_missing,
    destination_vault_policy,
    passrole_missing,
    backup_role_not_assumable,
    organization_mismatch,
    cross_account_feature_disabled,
    threats_found,
    job_stuck,
    run_missed,
    vault_lock_retention,
    continuous_backup_conflict,
    vss_prerequisite,
    vmware_infrastructure,
    s3_prerequisite,
    maintenance_window_conflict,
    concurrent_job,
    user_aborted,
    window_expired,
    unsupported_cross_account_cross_region,
    unsupported_resource_or_operation,
    sharing_revoked_by_automation,
    tag_or_metadata_partial,
    quota_or_limit,
    resource_invalid_state,
    invalid_parameter,
    backup_role_missing_permission,
    not_found,
    access_denied_unspecified,
    service_internal_or_transient,
}

/// The rule of a code or a name.
pub fn find(code_or_name: &str) -> Option<&'static Rule> {
    ALL.iter().find(|rule| rule.meta.code.eq_ignore_ascii_case(code_or_name) || rule.meta.name == code_or_name)
}
