"""What a sweep reads: a bit of everything in the lab, the reads, and the lists among them."""

from __future__ import annotations

from typing import Any

import pytest
from aws_support import BACKUP, MANAGEMENT, REGION, SERVICE_ROLE, SOURCE, Lab, own_root, policy, service_role

from lab.aws import controls

BACKUP_POLICY = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"


@pytest.fixture
def estate(topology: Lab) -> Lab:
    """A bit of everything that a sweep reads."""
    aws = topology
    source, backup = aws.client("backup", SOURCE), aws.client("backup", BACKUP)
    key = aws.key(SOURCE)
    aws.client("kms", SOURCE).enable_key_rotation(KeyId=key)
    ec2 = aws.client("ec2", SOURCE)
    ec2.enable_ebs_encryption_by_default()
    ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    tags = {"ResourceType": "volume", "Tags": [{"Key": "backup", "Value": "daily"}]}
    volume = ec2.create_volume(AvailabilityZone=REGION + "a", Size=1, TagSpecifications=[tags])["VolumeId"]
    arn = f"arn:aws:ec2:{REGION}:{SOURCE}:volume/{volume}"
    rule = {"RuleName": "night", "TargetBackupVaultName": "local"}
    plan = source.create_backup_plan(BackupPlan={"BackupPlanName": "nightly", "Rules": [rule]})["BackupPlanId"]
    selection = {"SelectionName": "volume", "IamRoleArn": service_role(SOURCE), "Resources": [arn]}
    source.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
    controls.plan_run({"account_id": SOURCE, "region": REGION, "plan_id": plan})
    aws.idle()
    topic = aws.client("sns", BACKUP).create_topic(Name="vault")["TopicArn"]
    backup.put_backup_vault_notifications(
        BackupVaultName="central", SNSTopicArn=topic, BackupVaultEvents=["COPY_JOB_FAILED"]
    )
    backup.put_backup_vault_lock_configuration(
        BackupVaultName="central", MinRetentionDays=7, MaxRetentionDays=90, ChangeableForDays=3
    )
    make_restore_testing_plan(aws)
    organizations = aws.root("organizations")
    organizations.enable_aws_service_access(ServicePrincipal="backup.amazonaws.com")
    organizations.enable_policy_type(RootId="r-exam", PolicyType="BACKUP_POLICY")
    organizations.register_delegated_administrator(AccountId=BACKUP, ServicePrincipal="backup.amazonaws.com")
    make_organization_trail(aws)
    return aws


def make_restore_testing_plan(aws: Lab) -> str:
    source = aws.client("backup", SOURCE)
    points = {"Algorithm": "LATEST_WITHIN_WINDOW", "IncludeVaults": ["*"], "RecoveryPointTypes": ["SNAPSHOT"]}
    plan = {
        "RestoreTestingPlanName": "monthly",
        "RecoveryPointSelection": points,
        "ScheduleExpression": "cron(0 5 1 * ? *)",
    }
    made = source.create_restore_testing_plan(RestoreTestingPlan=plan)
    selection = {
        "RestoreTestingSelectionName": "volumes",
        "IamRoleArn": service_role(SOURCE),
        "ProtectedResourceType": "EBS",
        "ProtectedResourceArns": ["*"],
    }
    source.create_restore_testing_selection(RestoreTestingPlanName="monthly", RestoreTestingSelection=selection)
    return str(made["RestoreTestingPlanArn"])


def make_organization_trail(aws: Lab) -> str:
    place = {"LocationConstraint": REGION}
    aws.client("s3", MANAGEMENT).create_bucket(Bucket="trail-of-all", CreateBucketConfiguration=place)
    trail = aws.client("cloudtrail", MANAGEMENT)
    made = trail.create_trail(
        Name="all", S3BucketName="trail-of-all", IsMultiRegionTrail=True, IsOrganizationTrail=True
    )
    trail.start_logging(Name="all")
    return str(made["TrailARN"])


ALL_TRAILS = f"arn:aws:cloudtrail:{REGION}:{MANAGEMENT}:trail/all"
# Service, account, operation, parameters, and a member of the answer that must not be empty.
READS: list[tuple[str, str, str, dict[str, Any], str]] = [
    ("backup", BACKUP, "list_backup_vaults", {}, "BackupVaultList"),
    ("backup", SOURCE, "list_recovery_points_by_backup_vault", {"BackupVaultName": "local"}, "RecoveryPoints"),
    ("backup", BACKUP, "get_backup_vault_access_policy", {"BackupVaultName": "central"}, "Policy"),
    ("backup", BACKUP, "get_backup_vault_notifications", {"BackupVaultName": "central"}, "BackupVaultEvents"),
    ("backup", SOURCE, "list_backup_plans", {}, "BackupPlansList"),
    ("backup", SOURCE, "describe_region_settings", {}, "ResourceTypeOptInPreference"),
    ("backup", SOURCE, "describe_global_settings", {}, "GlobalSettings"),
    ("backup", SOURCE, "list_restore_testing_plans", {}, "RestoreTestingPlans"),
    ("backup", SOURCE, "get_restore_testing_plan", {"RestoreTestingPlanName": "monthly"}, "RestoreTestingPlan"),
    ("backup", SOURCE, "list_restore_testing_selections", {"RestoreTestingPlanName": "monthly"}, "RestoreTestingSelections"),
    ("ec2", SOURCE, "get_ebs_encryption_by_default", {}, "EbsEncryptionByDefault"),
    ("ec2", SOURCE, "get_ebs_default_kms_key_id", {}, "KmsKeyId"),
    ("ec2", SOURCE, "get_allowed_images_settings", {}, "State"),
    ("resourcegroupstaggingapi", SOURCE, "get_resources", {}, "ResourceTagMappingList"),
    ("account", SOURCE, "list_regions", {}, "Regions"),
    ("account", MANAGEMENT, "list_regions", {"AccountId": SOURCE}, "Regions"),
    ("kms", SOURCE, "describe_key", {"KeyId": "alias/aws/backup"}, "KeyMetadata"),
    ("iam", SOURCE, "get_role", {"RoleName": SERVICE_ROLE}, "Role"),
    ("iam", SOURCE, "list_roles", {}, "Roles"),
    ("iam", SOURCE, "list_role_policies", {"RoleName": "OrganizationAccountAccessRole"}, "PolicyNames"),
    ("iam", SOURCE, "get_role_policy", {"RoleName": "OrganizationAccountAccessRole", "PolicyName": "Administrator"}, "PolicyDocument"),
    ("iam", SOURCE, "list_attached_role_policies", {"RoleName": SERVICE_ROLE}, "AttachedPolicies"),
    ("iam", SOURCE, "get_policy", {"PolicyArn": BACKUP_POLICY}, "Policy"),
    ("iam", SOURCE, "get_policy_version", {"PolicyArn": BACKUP_POLICY, "VersionId": "v1"}, "PolicyVersion"),
    ("iam", SOURCE, "get_policy", {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}, "Policy"),
    ("cloudtrail", SOURCE, "describe_trails", {}, "trailList"),
    ("cloudtrail", SOURCE, "get_trail_status", {"Name": ALL_TRAILS}, "IsLogging"),
    ("cloudtrail", SOURCE, "get_event_selectors", {"TrailName": ALL_TRAILS}, "EventSelectors"),
    ("organizations", SOURCE, "describe_organization", {}, "Organization"),
    ("organizations", MANAGEMENT, "list_accounts", {}, "Accounts"),
    ("organizations", BACKUP, "list_accounts", {}, "Accounts"),
    ("organizations", BACKUP, "list_roots", {}, "Roots"),
    ("organizations", MANAGEMENT, "list_parents", {"ChildId": SOURCE}, "Parents"),
    ("organizations", MANAGEMENT, "list_policies_for_target", {"TargetId": SOURCE, "Filter": "SERVICE_CONTROL_POLICY"}, "Policies"),
    ("organizations", MANAGEMENT, "describe_policy", {"PolicyId": "p-FullAWSAccess"}, "Policy"),
    ("organizations", SOURCE, "describe_effective_policy", {"PolicyType": "BACKUP_POLICY"}, "EffectivePolicy"),
    ("organizations", MANAGEMENT, "list_aws_service_access_for_organization", {}, "EnabledServicePrincipals"),
    ("organizations", MANAGEMENT, "list_delegated_administrators", {"ServicePrincipal": "backup.amazonaws.com"}, "DelegatedAdministrators"),
]  # fmt: skip


# Lists with more than one item once `fill` ran: service, account, operation, where its items are, and parameters.
PAGED = [
    ("backup", SOURCE, "list_backup_vaults", "BackupVaultList", {}),
    ("backup", SOURCE, "list_recovery_points_by_backup_vault", "RecoveryPoints", {"BackupVaultName": "local"}),
    ("backup", SOURCE, "list_restore_jobs", "RestoreJobs", {}),
    ("account", SOURCE, "list_regions", "Regions", {"RegionOptStatusContains": ["ENABLED_BY_DEFAULT"]}),
    ("resourcegroupstaggingapi", SOURCE, "get_resources", "ResourceTagMappingList", {}),
    ("iam", SOURCE, "list_roles", "Roles", {}),
    ("iam", SOURCE, "list_attached_role_policies", "AttachedPolicies", {"RoleName": SERVICE_ROLE}),
    ("iam", SOURCE, "list_role_policies", "PolicyNames", {"RoleName": "OrganizationAccountAccessRole"}),
    ("kms", SOURCE, "list_aliases", "Aliases", {}),
    ("organizations", MANAGEMENT, "list_accounts", "Accounts", {}),
    ("organizations", MANAGEMENT, "list_aws_service_access_for_organization", "EnabledServicePrincipals", {}),
]


def fill(estate: Lab) -> None:
    """Two of everything that is listed."""
    estate.vault(SOURCE, "second")
    estate.backup(SOURCE, estate.volume(SOURCE, None))
    estate.client("dynamodb", SOURCE).create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": "backup", "Value": "daily"}],
    )
    for _ in range(2):
        controls.restore_test({"account_id": SOURCE, "region": REGION, "plan": "monthly"})
    estate.idle()
    estate.root("organizations").enable_aws_service_access(ServicePrincipal="config.amazonaws.com")
    estate.client("iam", SOURCE).put_role_policy(
        RoleName="OrganizationAccountAccessRole", PolicyName="More", PolicyDocument=policy(own_root(SOURCE))
    )
    estate.client("kms", SOURCE).describe_key(KeyId="alias/aws/rds")
