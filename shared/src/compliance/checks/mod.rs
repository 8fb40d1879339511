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
    organization_backup_policy_effective,
    organization_backup_policy_valid,
    organization_backup_policy_copies_to_backup_account,
    organization_backup_policy_vault_exists,
    organization_plan_present,
    backup_account_without_workloads,
    backup_account_credentials_separate,
    backup_account_identities_separate,
    backup_account_deletion_denied,
    backup_account_key_deletion_denied,
    backup_account_leaving_denied,
    source_vault_encrypted_with_cmk,
    backup_vault_encrypted_with_cmk,
    vault_policy_admits_only_organization,
    destination_vault_admits_account,
    vault_lock_enabled,
    vault_lock_immutable,
    vault_lock_past_cooling_off,
    vault_retention_range_fits_copies,
    vault_retention_range_fits_backups,
    vault_deletion_denied,
    vault_notifications_use_live_events,
    source_vault_accepts_copy_back,
    air_gapped_vault_present,
    key_enabled,
    key_rotation_enabled,
    vault_key_lets_backup_account_use,
    vault_key_lets_backup_account_grant,
    ebs_key_lets_backup_account_use,
    ebs_key_lets_backup_account_grant,
    recovery_point_keys_let_backup_account_copy,
    backup_vault_key_takes_copies,
    backup_vault_key_usable_for_way_back,
    key_not_shared_too_widely,
    ebs_encryption_by_default,
    ebs_default_key_is_cmk,
    backup_role_present,
    backup_role_trusted_by_service,
    backup_role_permitted,
    service_linked_role_present,
    plan_has_selection,
    plan_schedule_valid,
    plan_frequency,
    plan_retention,
    copy_retention,
    plan_vault_exists,
    plan_copies_to_backup_account,
    no_cold_storage_before_copy,
    recovery_points_encrypted,
    recovery_points_retained,
    no_expired_recovery_points,
    no_partial_recovery_points,
    restore_testing_planned,
    restore_test_recent,
    cloudtrail_fit_for_diagnosis,
    resources_protected,
    resource_types_opted_in,
    copies_landed,
    copies_fresh,
    copies_under_expected_key,
    copies_retained,
    tagged_resources_not_excluded,
    restore_time_within_target,
    copies_in_another_region,
    allowed_images_admit_backups,
    completed_jobs_made_their_copies,
    alarm_path_whole,
    key_held_by_its_account,
    source_vault_key_takes_copies_back,
    ebs_default_key_usable_through_ec2,
    source_backup_deletion_denied,
    source_vault_key_deletion_denied,
    backup_role_change_denied,
    copy_key_policy_denies_deletion,
    copy_back_role_permitted,
    backup_role_backs_up,
    backup_role_restores,
    guardian_silencing_denied,
    backup_settings_change_denied,
    break_glass_role_usable,
    vault_notifications_reach_topic,
    tables_managed_by_aws_backup,
}

/// The check of a code or a name.
pub fn find(code_or_name: &str) -> Option<&'static Check> {
    ALL.iter().find(|check| check.meta.code.eq_ignore_ascii_case(code_or_name) || check.meta.name == code_or_name)
}
