"""A copy succeeds or fails by the policies in the lab, with the text, the events and the records of AWS."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_support import (
    BACKUP,
    CENTRAL,
    GUARDIAN,
    MANAGEMENT,
    OTHER_REGION,
    REGION,
    ROOT_OF_BACKUP,
    SOURCE,
    VAULT_POLICY,
    Lab,
    grant_statement,
    linked_role,
    own_root,
    policy,
    service_role,
    use_statement,
)
from botocore.exceptions import ClientError

from lab.aws import controls, organizations
from lab.aws.backup import points

KEY_TEXT = "Given key ID is not accessible"


def protected(lab: Lab, *statements: dict[str, Any]) -> tuple[str, str]:
    """A key with the statements and the recovery point of a volume under it."""
    key = lab.key(SOURCE, *statements)
    point = lab.backup(SOURCE, lab.volume(SOURCE, key))["RecoveryPointArn"]
    return key, point


def full(principal: str = ROOT_OF_BACKUP) -> tuple[dict[str, Any], dict[str, Any]]:
    return use_statement(principal), grant_statement(principal)


def test_a_copy_with_both_statements_lands_under_the_key_of_the_vault(topology: Lab) -> None:
    key, point = protected(topology, *full())
    job = topology.copy(SOURCE, point, CENTRAL)
    assert job["State"] == "COMPLETED"
    assert "StatusMessage" not in job
    vault = topology.client("backup", BACKUP).describe_backup_vault(BackupVaultName="central")
    assert job["DestinationEncryptionKeyArn"] == vault["EncryptionKeyArn"]
    copied = topology.client("backup", BACKUP).describe_recovery_point(
        BackupVaultName="central", RecoveryPointArn=job["DestinationRecoveryPointArn"]
    )
    assert copied["EncryptionKeyArn"] == vault["EncryptionKeyArn"]
    assert copied["SourceBackupVaultArn"] == job["SourceBackupVaultArn"]
    assert topology.states("Copy Job State Change") == ["CREATED", "RUNNING", "COMPLETED"]
    mine, theirs = topology.records(BACKUP, name="CreateGrant"), topology.records(SOURCE, name="CreateGrant")
    shared = {one.get("sharedEventID") for one in mine} & {one.get("sharedEventID") for one in theirs} - {None}
    assert len(shared) == 1
    assert theirs[0]["userIdentity"]["type"] == "AWSAccount"
    assert theirs[0]["requestParameters"]["keyId"] == key


def test_without_the_grant_statement_the_denial_is_in_the_backup_account_only(topology: Lab) -> None:
    key, point = protected(topology, use_statement(ROOT_OF_BACKUP))
    job = topology.copy(SOURCE, point, CENTRAL)
    assert (job["State"], job["StatusMessage"]) == ("FAILED", KEY_TEXT)
    denied = topology.records(BACKUP, failed=True)
    assert [one["eventName"] for one in denied] == ["CreateGrant"]
    session = f"arn:aws:sts::{BACKUP}:assumed-role/AWSServiceRoleForBackup/AWSBackup-AWSServiceRoleForBackup"
    assert denied[0]["errorCode"] == "AccessDenied"
    assert denied[0]["errorMessage"] == (
        f"User: {session} is not authorized to perform: kms:CreateGrant on resource: {key} "
        "because no resource-based policy allows the kms:CreateGrant action"
    )
    assert denied[0]["requestParameters"] is None
    assert "resources" not in denied[0]
    assert denied[0]["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] == linked_role(BACKUP)
    assert denied[0]["recipientAccountId"] == BACKUP
    assert topology.records(SOURCE, failed=True) == []
    # EBS accepts the copy and fails later.
    copied = topology.records(BACKUP, name="CopySnapshot")
    assert len(copied) == 1 and "errorCode" not in copied[0]


def test_the_event_of_a_failed_copy_has_the_shape_of_aws(topology: Lab) -> None:
    _, point = protected(topology)
    job = topology.copy(SOURCE, point, CENTRAL)
    told = [one for one in topology.events if one[2]["detail-type"] == "Copy Job State Change"]
    assert {(account, region) for account, region, _ in told} == {(SOURCE, REGION)}
    created, running, failed = (event for _, _, event in told)
    assert set(created["detail"]) == {"state", "creationDate", "sourceBackupVaultArn", "destinationBackupVaultArn"}
    assert running["detail"]["destinationRecoveryPointArn"] == {}
    assert failed["detail"]["destinationRecoveryPointArn"] == {}
    assert failed["detail"]["statusMessage"] == KEY_TEXT
    assert isinstance(failed["detail"]["backupSizeInBytes"], int)
    assert failed["detail"]["copyJobId"] == job["CopyJobId"] == job["CopyJobId"].upper()
    assert failed["resources"] == [point]
    assert failed["source"] == "aws.backup" and failed["account"] == SOURCE


@pytest.mark.parametrize(
    ("statements", "action", "reason"),
    [
        ([], "kms:DescribeKey", "because no resource-based policy allows"),
        ([grant_statement(ROOT_OF_BACKUP)], "kms:DescribeKey", "because no resource-based policy allows"),
        ([*full(service_role(SOURCE))], "kms:DescribeKey", "because no resource-based policy allows"),
        (
            [*full(), {**use_statement(linked_role(BACKUP)), "Sid": "no", "Effect": "Deny"}],
            "kms:DescribeKey",
            "with an explicit deny in a resource-based policy",
        ),
        (
            [
                {**one, "Condition": {"StringLike": {"kms:ViaService": "backup.*.amazonaws.com"}}}
                for one in full()
            ],
            "kms:DescribeKey",
            "because no resource-based policy allows",
        ),
    ],
    ids=["nothing", "only-grants", "wrong-role", "explicit-deny", "wrong-via-service"],
)  # fmt: skip
def test_a_source_key_that_is_closed(topology: Lab, statements: list, action: str, reason: str) -> None:
    key, point = protected(topology, *statements)
    job = topology.copy(SOURCE, point, CENTRAL)
    assert (job["State"], job["StatusMessage"]) == ("FAILED", KEY_TEXT)
    denied = topology.records(BACKUP, failed=True)[0]
    assert f"{action} on resource: {key} {reason}" in denied["errorMessage"]
    assert topology.records(SOURCE, failed=True) == []


def test_the_vague_form_names_no_key(topology: Lab) -> None:
    key, point = protected(topology, use_statement(ROOT_OF_BACKUP))
    controls.set_denial_form({"form": "vague"})
    topology.copy(SOURCE, point, CENTRAL)
    denied = topology.records(BACKUP, failed=True)[0]
    assert (
        "kms:CreateGrant on this resource because the resource does not exist in this Region" in denied["errorMessage"]
    )
    assert key not in json.dumps(denied)


def test_a_role_of_the_same_account_that_was_made_again_is_not_the_one_the_key_names(topology: Lab) -> None:
    iam = topology.client("iam", BACKUP)
    unique = iam.get_role(RoleName="AWSServiceRoleForBackup")["Role"]["RoleId"]
    key, point = protected(topology, *full(linked_role(BACKUP)))
    iam.detach_role_policy(
        RoleName="AWSServiceRoleForBackup",
        PolicyArn="arn:aws:iam::aws:policy/aws-service-role/AWSBackupServiceLinkedRolePolicyForBackup",
    )
    iam.delete_role(RoleName="AWSServiceRoleForBackup")
    iam.create_service_linked_role(AWSServiceName="backup.amazonaws.com")
    shown = topology.client("kms", SOURCE).get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    assert unique.startswith("AROA") and unique in shown and linked_role(BACKUP) not in shown
    assert topology.copy(SOURCE, point, CENTRAL)["StatusMessage"] == KEY_TEXT


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("disable_key", "DisabledException"),
        ("schedule_key_deletion", "KMSInvalidStateException"),
    ],
)
def test_the_state_of_the_key(topology: Lab, change: str, code: str) -> None:
    key, point = protected(topology, *full())
    getattr(topology.client("kms", SOURCE), change)(KeyId=key)
    job = topology.copy(SOURCE, point, CENTRAL)
    assert (job["State"], job["StatusMessage"]) == ("FAILED", KEY_TEXT)
    failed = topology.records(SOURCE, failed=True) + topology.records(BACKUP, failed=True)
    assert [one["errorCode"] for one in failed] == [code]
    assert failed[0]["resources"][0]["ARN"] == key
    # The first call on the key is the job role's, which reads the snapshot that it shares.
    assert (failed[0]["eventName"], failed[0]["requestParameters"]["sourceKeyId"]) == ("ReEncrypt", key)


def test_a_grant_opens_the_key_until_it_is_revoked(topology: Lab) -> None:
    key, point = protected(topology)
    kms = topology.client("kms", SOURCE)
    operations = ["DescribeKey", "CreateGrant", "ReEncryptFrom", "GenerateDataKeyWithoutPlaintext"]
    grant = kms.create_grant(KeyId=key, GranteePrincipal=linked_role(BACKUP), Operations=operations)["GrantId"]
    assert topology.copy(SOURCE, point, CENTRAL)["State"] == "COMPLETED"
    kms.revoke_grant(KeyId=key, GrantId=grant)
    assert topology.copy(SOURCE, point, CENTRAL)["StatusMessage"] == KEY_TEXT
    revoked = topology.records(SOURCE, name="RevokeGrant")[0]
    assert revoked["requestParameters"] == {"keyId": key, "grantId": grant}
    assert revoked["userIdentity"]["sessionContext"]["sessionIssuer"]["userName"] == "OrganizationAccountAccessRole"


def test_the_default_key_of_ebs_cannot_be_shared(topology: Lab) -> None:
    volume = topology.client("ec2", SOURCE).create_volume(AvailabilityZone=REGION + "a", Size=1, Encrypted=True)
    arn = f"arn:aws:ec2:{REGION}:{SOURCE}:volume/{volume['VolumeId']}"
    point = topology.backup(SOURCE, arn)
    key = topology.client("kms", SOURCE).describe_key(KeyId=point["EncryptionKeyArn"])["KeyMetadata"]
    assert key["KeyManager"] == "AWS"
    job = topology.copy(SOURCE, point["RecoveryPointArn"], CENTRAL)
    assert job["StatusMessage"] == "Encrypted snapshots with Amazon EBS default key cannot be shared"


def test_a_vault_under_the_key_of_the_service_takes_no_foreign_snapshot(aws: Lab) -> None:
    aws.vault(SOURCE, "local")
    aws.vault(BACKUP, "central", open_to=VAULT_POLICY)
    _, point = protected(aws, *full())
    job = aws.copy(SOURCE, point, CENTRAL)
    assert "is encrypted with the default Backup service managed key" in job["StatusMessage"]


@pytest.mark.parametrize("vault_policy", ["", VAULT_POLICY.replace(organizations.ORGANIZATION_ID, "o-typoexample")])
def test_a_vault_that_does_not_open(aws: Lab, vault_policy: str) -> None:
    aws.vault(SOURCE, "local")
    aws.vault(BACKUP, "central", aws.key(BACKUP), open_to=vault_policy)
    _, point = protected(aws, *full())
    job = aws.copy(SOURCE, point, CENTRAL)
    assert job["StatusMessage"] == "Access Denied trying to call AWS Backup service"
    denied = aws.records(SOURCE, failed=True)
    assert [one["eventName"] for one in denied] == ["CopyIntoBackupVault"]
    assert aws.records(BACKUP, failed=True) == []


def scp(lab: Lab, kind: str, content: dict[str, Any], target: str) -> None:
    client = lab.root("organizations")
    made = client.create_policy(Content=json.dumps(content), Description="", Name=kind, Type=kind)
    client.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=target)


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("backup:CopyIntoBackupVault", "Access Denied trying to call AWS Backup service"),
        ("kms:ReEncrypt*", KEY_TEXT),
        ("ec2:ModifySnapshotAttribute", "You are not authorized to perform this operation."),
    ],
)
def test_an_scp_stops_the_job_role_and_is_seen_in_the_source_account(topology: Lab, action: str, text: str) -> None:
    _, point = protected(topology, *full())
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": action, "Resource": "*"}]}
    scp(topology, "SERVICE_CONTROL_POLICY", deny, SOURCE)
    job = topology.copy(SOURCE, point, CENTRAL)
    assert job["State"] == "FAILED" and job["StatusMessage"].startswith(text)
    denied = topology.records(SOURCE, failed=True)[0]
    assert "with an explicit deny in a service control policy" in denied["errorMessage"]
    if action.startswith("ec2:"):
        assert denied["errorCode"] == "Client.UnauthorizedOperation"
        assert "Encoded authorization failure message: " in denied["errorMessage"]


def test_scps_and_rcps_do_not_reach_the_service_linked_role(topology: Lab) -> None:
    _, point = protected(topology, *full())
    deny = {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}
    condition = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/aws-service-role/*"}}
    document = {"Version": "2012-10-17", "Statement": [deny]}
    scp(topology, "SERVICE_CONTROL_POLICY", document, BACKUP)
    rcp = {"Version": "2012-10-17", "Statement": [{**deny, "Principal": "*", "Condition": condition}]}
    scp(topology, "RESOURCE_CONTROL_POLICY", rcp, SOURCE)
    assert topology.copy(SOURCE, point, CENTRAL)["State"] == "COMPLETED"


def test_an_rcp_reaches_the_job_role_on_the_key(topology: Lab) -> None:
    _, point = protected(topology, *full())
    deny = {"Effect": "Deny", "Principal": "*", "Action": "kms:ReEncryptFrom", "Resource": "*"}
    scp(topology, "RESOURCE_CONTROL_POLICY", {"Version": "2012-10-17", "Statement": [deny]}, SOURCE)
    assert topology.copy(SOURCE, point, CENTRAL)["StatusMessage"] == KEY_TEXT
    denied = topology.records(SOURCE, failed=True)[0]
    assert denied["eventName"] == "ReEncrypt"
    assert "with an explicit deny in a resource control policy" in denied["errorMessage"]


def test_a_boundary_limits_the_job_role(topology: Lab) -> None:
    iam = topology.client("iam", SOURCE)
    boundary = iam.create_policy(
        PolicyName="edge",
        PolicyDocument=policy({"Effect": "Allow", "NotAction": "backup:CopyFromBackupVault", "Resource": "*"}),
    )["Policy"]["Arn"]
    _, point = protected(topology, *full())
    iam.put_role_permissions_boundary(RoleName="AWSBackupDefaultServiceRole", PermissionsBoundary=boundary)
    assert topology.copy(SOURCE, point, CENTRAL)["State"] == "FAILED"
    denied = topology.records(SOURCE, failed=True)[0]
    assert "because no permissions boundary allows the backup:CopyFromBackupVault action" in denied["errorMessage"]


def test_a_role_without_the_permission(topology: Lab) -> None:
    _, point = protected(topology, *full())
    topology.client("iam", SOURCE).detach_role_policy(
        RoleName="AWSBackupDefaultServiceRole",
        PolicyArn="arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup",
    )
    topology.copy(SOURCE, point, CENTRAL)
    denied = topology.records(SOURCE, failed=True)[0]
    assert "because no identity-based policy allows the backup:CopyFromBackupVault action" in denied["errorMessage"]


def test_a_job_role_that_is_gone_cannot_be_assumed(topology: Lab) -> None:
    _, point = protected(topology, *full())
    job = topology.copy(SOURCE, point, CENTRAL, IamRoleArn=f"arn:aws:iam::{SOURCE}:role/Gone")
    assert "cannot be assumed by AWS Backup" in job["StatusMessage"]


def test_the_organization_must_be_one(topology: Lab) -> None:
    _, point = protected(topology, *full())
    topology.root("organizations").remove_account_from_organization(AccountId=SOURCE)
    job = topology.copy(SOURCE, point, CENTRAL)
    assert job["StatusMessage"].endswith("must be a member of the same organization.")


def test_the_cross_account_feature_can_be_off(topology: Lab) -> None:
    _, point = protected(topology, *full())
    settings = topology.client("backup", MANAGEMENT)
    settings.update_global_settings(GlobalSettings={"isCrossAccountBackupEnabled": "false"})
    job = topology.copy(SOURCE, point, CENTRAL)
    assert "Cross-account copy feature is not enabled" in job["StatusMessage"]


@pytest.mark.parametrize(("days", "state"), [(1, "FAILED"), (30, "COMPLETED"), (400, "FAILED")])
def test_a_locked_vault_takes_only_its_range(topology: Lab, days: int, state: str) -> None:
    _, point = protected(topology, *full())
    topology.client("backup", BACKUP).put_backup_vault_lock_configuration(
        BackupVaultName="central", MinRetentionDays=7, MaxRetentionDays=365
    )
    job = topology.copy(SOURCE, point, CENTRAL, Lifecycle={"DeleteAfterDays": days})
    assert job["State"] == state
    if state == "FAILED":
        assert "is not within the range specified for the target Backup Vault" in job["StatusMessage"]


def test_a_region_hop_finds_the_denial_where_the_key_is(topology: Lab) -> None:
    topology.vault(BACKUP, "far", topology.key(BACKUP, region=OTHER_REGION), OTHER_REGION, VAULT_POLICY)
    _, point = protected(topology, use_statement(ROOT_OF_BACKUP))
    far = f"arn:aws:backup:{OTHER_REGION}:{BACKUP}:backup-vault:far"
    assert topology.copy(SOURCE, point, far)["StatusMessage"] == KEY_TEXT
    assert [one["eventName"] for one in topology.records(BACKUP, failed=True)] == ["CreateGrant"]
    assert topology.records(BACKUP, OTHER_REGION, failed=True) == []


def register(arn: str, **more: Any) -> str:
    controls.resources({"resource_arn": arn, **more})
    return arn


def test_types_without_a_one_step_copy_can_be_chosen(topology: Lab) -> None:
    topology.vault(BACKUP, "far", topology.key(BACKUP, region=OTHER_REGION), OTHER_REGION, VAULT_POLICY)
    key = topology.key(SOURCE, *full())
    database = register(f"arn:aws:rds:{REGION}:{SOURCE}:db:orders", encryption_key_arn=key)
    point = topology.backup(SOURCE, database)["RecoveryPointArn"]
    far = f"arn:aws:backup:{OTHER_REGION}:{BACKUP}:backup-vault:far"
    assert topology.copy(SOURCE, point, far)["State"] == "COMPLETED"
    controls.copy_support({"one_step_unsupported": ["RDS"]})
    assert topology.copy(SOURCE, point, far)["StatusMessage"] == (
        "Copy job from eu-central-1 to eu-west-1 cannot be initiated for RDS resources. Feature is not supported for "
        "provided resource type."
    )


@pytest.mark.parametrize(
    ("resource", "text"),
    [
        (
            f"arn:aws:rds:{REGION}:{SOURCE}:db:orders",
            "The source snapshot KMS key [{key}] does not exist, is not enabled",
        ),
        (f"arn:aws:rds:{REGION}:{SOURCE}:cluster:orders", "The source snapshot KMS key [{key}] does not exist"),
        (f"arn:aws:ec2:{REGION}:{SOURCE}:instance/i-1", "AMI snapshot copy failed with error: Given key ID is not"),
        (f"arn:aws:fsx:{REGION}:{SOURCE}:file-system/fs-1", "KMS key is either disabled or pending deletion"),
    ],
)
def test_each_type_has_its_own_text(topology: Lab, resource: str, text: str) -> None:
    key = topology.key(SOURCE, use_statement(ROOT_OF_BACKUP))
    point = topology.backup(SOURCE, register(resource, encryption_key_arn=key))["RecoveryPointArn"]
    assert topology.copy(SOURCE, point, CENTRAL)["StatusMessage"].startswith(text.format(key=key))


def test_a_fully_managed_type_hangs_on_the_key_of_the_vault(topology: Lab) -> None:
    key = topology.key(SOURCE)
    topology.vault(SOURCE, "managed", key)
    file_system = f"arn:aws:elasticfilesystem:{REGION}:{SOURCE}:file-system/fs-1"
    job = topology.backup(SOURCE, file_system, "managed")
    assert job["EncryptionKeyArn"] == key
    assert job["RecoveryPointArn"].startswith(f"arn:aws:backup:{REGION}:{SOURCE}:recovery-point:")
    failed = topology.copy(SOURCE, job["RecoveryPointArn"], CENTRAL, "managed")
    assert failed["StatusMessage"] == "KMS key is either disabled or pending deletion or access to KMS key is denied"
    text = policy(own_root(SOURCE), *full())
    topology.client("kms", SOURCE).put_key_policy(KeyId=key, PolicyName="default", Policy=text)
    assert topology.copy(SOURCE, job["RecoveryPointArn"], CENTRAL, "managed")["State"] == "COMPLETED"


def test_basic_dynamodb_is_not_copied(topology: Lab) -> None:
    point = topology.backup(SOURCE, f"arn:aws:dynamodb:{REGION}:{SOURCE}:table/orders")["RecoveryPointArn"]
    assert "cannot be initiated for DynamoDB resources" in topology.copy(SOURCE, point, CENTRAL)["StatusMessage"]


def test_a_running_copy_of_the_resource_stops_another(topology: Lab) -> None:
    _, point = protected(topology, *full())
    arn = topology.client("backup", SOURCE).describe_recovery_point(BackupVaultName="local", RecoveryPointArn=point)
    register(arn["ResourceArn"], copy_running=True)
    job = topology.copy(SOURCE, point, CENTRAL)
    assert job["StatusMessage"] == "There are too many copy jobs running for resource."


def test_within_one_account_the_job_role_copies(topology: Lab) -> None:
    _, point = protected(topology)
    second = topology.vault(SOURCE, "second", topology.key(SOURCE))
    assert topology.copy(SOURCE, point, second)["State"] == "COMPLETED"
    assert topology.records(SOURCE, name="CopySnapshot")[0]["userIdentity"]["accountId"] == SOURCE


@pytest.mark.parametrize("opened", [False, True])
def test_the_way_back_needs_the_service_role_of_the_source_account_on_the_vaults_key(aws: Lab, opened: bool) -> None:
    root = f"arn:aws:iam::{SOURCE}:root"
    statements = [use_statement(root), grant_statement(root)] if opened else []
    key = aws.key(BACKUP, *statements)
    aws.vault(SOURCE, "local", aws.key(SOURCE), open_to=VAULT_POLICY)
    aws.vault(BACKUP, "central", key, open_to=VAULT_POLICY)
    _, point = protected(aws, *full())
    copied = aws.copy(SOURCE, point, CENTRAL)["DestinationRecoveryPointArn"]
    back = f"arn:aws:backup:{REGION}:{SOURCE}:backup-vault:local"
    job = aws.copy(BACKUP, copied, back, "central")
    assert job["AccountId"] == BACKUP
    assert job["State"] == ("COMPLETED" if opened else "FAILED")
    if not opened:
        denied = aws.records(SOURCE, failed=True)[0]
        assert "assumed-role/AWSServiceRoleForBackup/AWSBackup-AWSServiceRoleForBackup" in denied["errorMessage"]
        assert aws.records(BACKUP, failed=True) == []


def test_an_unencrypted_volume_needs_no_source_key(topology: Lab) -> None:
    point = topology.backup(SOURCE, topology.volume(SOURCE, None))
    assert point["IsEncrypted"] is False and "EncryptionKeyArn" not in point
    job = topology.copy(SOURCE, point["RecoveryPointArn"], CENTRAL)
    assert job["State"] == "COMPLETED" and job["DestinationEncryptionKeyArn"]


@pytest.mark.parametrize("opened", [False, True])
def test_an_air_gapped_vault_with_a_key_of_its_own_asks_the_job_role(topology: Lab, opened: bool) -> None:
    role = service_role(SOURCE)
    statements = [{**use_statement(role), "Action": "kms:*"}] if opened else []
    vault = topology.client("backup", BACKUP).create_logically_air_gapped_backup_vault(
        BackupVaultName="gap",
        MinRetentionDays=7,
        MaxRetentionDays=90,
        EncryptionKeyArn=topology.key(BACKUP, *statements),
    )["BackupVaultArn"]
    topology.client("backup", BACKUP).put_backup_vault_access_policy(BackupVaultName="gap", Policy=VAULT_POLICY)
    _, point = protected(topology, *full())
    job = topology.copy(SOURCE, point, vault, Lifecycle={"DeleteAfterDays": 30})
    assert job["State"] == ("COMPLETED" if opened else "FAILED")
    if opened:
        assert job["DestinationRecoveryPointArn"].startswith(f"arn:aws:backup:{REGION}:{BACKUP}:recovery-point:")
    else:
        assert [one["eventName"] for one in topology.records(SOURCE, failed=True)] == ["DescribeKey"]


def test_nothing_of_this_touches_the_guardian_account(topology: Lab) -> None:
    _, point = protected(topology)
    topology.copy(SOURCE, point, CENTRAL)
    assert all(account != GUARDIAN for account, _, _ in topology.events)
    assert topology.records(GUARDIAN) == []


def test_what_the_documents_leave_open_is_no_outcome_of_aws(topology: Lab) -> None:
    partial = {
        "Sid": "open",
        "Effect": "Deny",
        "NotPrincipal": {"AWS": [linked_role(BACKUP), service_role(SOURCE)]},
        "Action": "kms:*",
        "Resource": "*",
    }
    _, point = protected(topology, *full(), partial)
    text = topology.copy(SOURCE, point, CENTRAL)["StatusMessage"]
    assert text.startswith("The lab failed while it ran this job: the documents of AWS leave open")


def test_the_same_token_is_the_same_copy(topology: Lab) -> None:
    _, point = protected(topology, *full())
    backup = topology.client("backup", SOURCE)
    call = {
        "RecoveryPointArn": point,
        "SourceBackupVaultName": "local",
        "DestinationBackupVaultArn": CENTRAL,
        "IamRoleArn": service_role(SOURCE),
    }
    first = backup.start_copy_job(**call, IdempotencyToken="one")["CopyJobId"]
    assert backup.start_copy_job(**call, IdempotencyToken="one")["CopyJobId"] == first
    assert backup.start_copy_job(**call, IdempotencyToken="two")["CopyJobId"] != first
    assert len(backup.list_copy_jobs(BySourceRecoveryPointArn=point)["CopyJobs"]) == 2


def test_a_continuous_backup_is_not_copied_on_demand(topology: Lab) -> None:
    _, point = protected(topology, *full())
    points.set_status(SOURCE, REGION, "local", point, "AVAILABLE", None)
    with pytest.raises(ClientError, match="InvalidRequestException"):
        topology.client("backup", SOURCE).start_copy_job(
            RecoveryPointArn=point,
            SourceBackupVaultName="local",
            DestinationBackupVaultArn=CENTRAL,
            IamRoleArn=service_role(SOURCE),
        )
