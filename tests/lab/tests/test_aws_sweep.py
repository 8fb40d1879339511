"""The reads of a sweep, one by one: what moto lacks or answers otherwise than AWS."""

from __future__ import annotations

from typing import Any

import pytest
from aws_support import (
    BACKUP,
    MANAGEMENT,
    MEMBERS,
    OTHER_REGION,
    OTHER_SOURCE,
    REGION,
    SOURCE,
    Lab,
    conforms,
    service_role,
)
from botocore.exceptions import ClientError
from sweep_support import PAGED, READS, fill, make_organization_trail, make_restore_testing_plan

from lab import clock
from lab.aws import controls

OPT_IN = "eu-south-1"


def code(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def pages(client: Any, operation: str, size: int, member: str, limit: str = "MaxResults", **given: Any) -> list[Any]:
    """Every item, by following the token as the model of the service spells it; each page but the last is full."""
    paginator = client.get_paginator(operation)
    found = []
    for page in paginator.paginate(**given, PaginationConfig={"PageSize": size}):
        found.append(page[member])
    assert all(len(page) == size for page in found[:-1]) and len(found) > 1, found
    return [item for page in found for item in page]


def test_every_read_is_answered_as_the_model_of_the_service_says(estate: Lab) -> None:
    for service, account, operation, given, member in READS:
        client = estate.client(service, account)
        answer = getattr(client, operation)(**given)
        model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])
        answer.pop("ResponseMetadata")
        conforms(model.output_shape, answer, f"{service} {operation} {given}")
        assert answer[member], f"{service} {operation} {given}: no {member}"


# -- lists in pages ----------------------------------------------------------------------------------------------------


def test_lists_come_in_pages_of_any_size_and_none_of_them_loses_or_repeats_an_item(estate: Lab) -> None:
    fill(estate)
    for service, account, operation, member, given in PAGED:
        client = estate.client(service, account)
        whole = getattr(client, operation)(**given)[member]
        assert pages(client, operation, 1, member, **given) == whole, operation


def test_an_organization_of_more_than_twenty_accounts_needs_a_second_page(aws: Lab) -> None:
    organizations = aws.root("organizations")
    for number in range(20):
        organizations.create_account(AccountName=f"team-{number}", Email=f"team-{number}@example.com")
    first = organizations.list_accounts()
    assert len(first["Accounts"]) == 20
    rest = organizations.list_accounts(NextToken=first["NextToken"])
    assert len(rest["Accounts"]) == 20 + 1 + len(MEMBERS) - 20 and "NextToken" not in rest
    with pytest.raises(ClientError) as error:
        organizations.list_accounts(NextToken="rubbish")
    assert code(error) == ("InvalidInputException", 400)


def test_who_is_nobody_in_the_organization_reads_nothing_of_it(aws: Lab) -> None:
    member = aws.client("organizations", SOURCE)
    with pytest.raises(ClientError) as error:
        member.list_accounts()
    assert code(error) == ("AccessDeniedException", 400)
    with pytest.raises(ClientError) as error:
        member.list_policies_for_target(TargetId=SOURCE, Filter="SERVICE_CONTROL_POLICY")
    assert code(error) == ("AccessDeniedException", 400)
    aws.root("organizations").register_delegated_administrator(
        AccountId=SOURCE, ServicePrincipal="backup.amazonaws.com"
    )
    assert len(member.list_accounts()["Accounts"]) == 1 + len(MEMBERS)


# -- what single services get wrong ------------------------------------------------------------------------------------


def test_the_default_key_of_ebs_is_an_alias_until_one_is_chosen_and_encrypts_new_volumes(aws: Lab) -> None:
    ec2 = aws.client("ec2", SOURCE)
    new = {"AvailabilityZone": REGION + "a", "Size": 1}
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    assert ec2.create_volume(**new)["Encrypted"] is False
    ec2.enable_ebs_encryption_by_default()
    assert ec2.create_volume(**new)["Encrypted"] is True
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    key = aws.key(SOURCE)
    ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    assert ec2.get_ebs_default_kms_key_id()["KmsKeyId"] == key
    assert ec2.create_volume(**new)["KmsKeyId"] == key
    assert ec2.reset_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    assert aws.client("ec2", SOURCE, OTHER_REGION).get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False


def test_the_allowed_images_of_an_account_are_those_of_one_region(aws: Lab) -> None:
    ec2 = aws.client("ec2", SOURCE)
    assert ec2.get_allowed_images_settings()["State"] == "disabled"
    criteria = [{"ImageProviders": ["amazon", "aws-backup-vault"]}, {"ImageNames": ["golden*"]}]
    ec2.replace_image_criteria_in_allowed_images_settings(ImageCriteria=criteria)
    ec2.enable_allowed_images_settings(AllowedImagesSettingsState="enabled")
    told = ec2.get_allowed_images_settings()
    assert (told["State"], told["ImageCriteria"], told["ManagedBy"]) == ("enabled", criteria, "account")
    assert aws.client("ec2", SOURCE, OTHER_REGION).get_allowed_images_settings()["State"] == "disabled"
    ec2.disable_allowed_images_settings()
    assert ec2.get_allowed_images_settings()["State"] == "disabled"


def test_tagged_resources_of_every_service_are_listed_where_they_are(aws: Lab) -> None:
    tags, tag = [{"Key": "backup", "Value": "daily"}], {"backup": "daily"}
    where = {"LocationConstraint": OTHER_REGION}
    s3 = aws.client("s3", SOURCE, OTHER_REGION)
    s3.create_bucket(Bucket="elsewhere", CreateBucketConfiguration=where)
    s3.put_bucket_tagging(Bucket="elsewhere", Tagging={"TagSet": tags})
    aws.client("efs", SOURCE).create_file_system(CreationToken="one", Tags=tags)
    aws.client("rds", SOURCE).create_db_instance(
        DBInstanceIdentifier="one", DBInstanceClass="db.t3.micro", Engine="mysql", AllocatedStorage=10, Tags=tags
    )
    aws.client("redshift", SOURCE).create_cluster(
        ClusterIdentifier="one", NodeType="dc2.large", MasterUsername="u", MasterUserPassword="Passw0rd1", Tags=tags
    )
    backup = aws.client("backup", SOURCE)
    backup.create_backup_vault(BackupVaultName="local", BackupVaultTags=tag)
    described = f"arn:aws:fsx:{REGION}:{SOURCE}:file-system/fs-1"
    controls.resources({"resource_arn": described, "resource_type": "FSx", "tags": tag})
    aws.volume(SOURCE, None)

    def listed(region: str, **given: Any) -> set[str]:
        answer = aws.client("resourcegroupstaggingapi", SOURCE, region).get_resources(**given)
        assert answer["PaginationToken"] == ""
        return {one["ResourceARN"].split(":", 5)[2] for one in answer["ResourceTagMappingList"]}

    assert listed(REGION) == {"backup", "elasticfilesystem", "fsx", "rds", "redshift"}
    assert listed(OTHER_REGION) == {"s3"}
    assert listed(REGION, ResourceTypeFilters=["rds:db", "backup"]) == {"backup", "rds"}
    assert listed(REGION, TagFilters=[{"Key": "backup", "Values": ["weekly"]}]) == set()


def test_key_rotation_as_its_key_has_it(aws: Lab) -> None:
    kms = aws.client("kms", SOURCE)
    key = aws.key(SOURCE)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    kms.enable_key_rotation(KeyId=key)
    assert kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 365
    managed = kms.describe_key(KeyId="alias/aws/backup")["KeyMetadata"]["Arn"]
    assert kms.get_key_rotation_status(KeyId=managed)["KeyRotationEnabled"] is True
    pair = kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["Arn"]
    with pytest.raises(ClientError) as error:
        kms.get_key_rotation_status(KeyId=pair)
    assert code(error) == ("UnsupportedOperationException", 400)


def test_a_trail_of_the_organization_has_shadows_everywhere(aws: Lab) -> None:
    arn = make_organization_trail(aws)
    for account, region in ((MANAGEMENT, REGION), (MANAGEMENT, OTHER_REGION), (SOURCE, REGION), (SOURCE, OTHER_REGION)):
        trail = aws.client("cloudtrail", account, region)
        (seen,) = trail.describe_trails()["trailList"]
        assert (seen["TrailARN"], seen["HomeRegion"], seen["IsOrganizationTrail"]) == (arn, REGION, True)
        at_home = (account, region) == (MANAGEMENT, REGION)
        assert len(trail.describe_trails(includeShadowTrails=False)["trailList"]) == (1 if at_home else 0)
        assert trail.get_trail_status(Name=arn)["IsLogging"] is True
        if not at_home:
            with pytest.raises(ClientError) as error:
                trail.get_trail_status(Name="all")
            assert code(error) == ("TrailNotFoundException", 400)


def test_event_selectors_are_of_one_kind_and_say_what_nobody_said(aws: Lab) -> None:
    make_organization_trail(aws)
    trail = aws.client("cloudtrail", MANAGEMENT)
    everything = {
        "ReadWriteType": "All",
        "IncludeManagementEvents": True,
        "DataResources": [],
        "ExcludeManagementEventSources": [],
    }

    def selectors() -> tuple[Any, Any]:
        answer = trail.get_event_selectors(TrailName="all")
        return answer.get("EventSelectors"), answer.get("AdvancedEventSelectors")

    assert selectors() == ([everything], None)
    field = {"Field": "eventCategory", "Equals": ["Management"]}
    advanced = [{"Name": "management", "FieldSelectors": [field]}]
    trail.put_event_selectors(TrailName="all", AdvancedEventSelectors=advanced)
    assert selectors() == (None, advanced)
    classic = {"ReadWriteType": "WriteOnly", "ExcludeManagementEventSources": ["kms.amazonaws.com"]}
    trail.put_event_selectors(TrailName="all", EventSelectors=[classic])
    assert selectors() == ([everything | classic], None)
    assert trail.describe_trails()["trailList"][0]["HasCustomEventSelectors"] is True


def test_a_restore_test_restores_the_newest_point_of_each_resource_and_its_jobs_name_the_plan(topology: Lab) -> None:
    arn = make_restore_testing_plan(topology)
    source = topology.client("backup", SOURCE)
    volumes = [topology.volume(SOURCE, None) for _ in range(2)]
    points = []
    for day in range(2):
        clock.advance(86400 * day)
        points = [topology.backup(SOURCE, volume)["RecoveryPointArn"] for volume in volumes]
    asked = clock.now()
    on_demand = source.start_restore_job(
        RecoveryPointArn=points[0], Metadata={"a": "b"}, IamRoleArn=service_role(SOURCE)
    )
    controls.restore_test({"account_id": SOURCE, "region": REGION, "plan": "monthly"})
    topology.idle()
    tested = source.list_restore_jobs(ByRestoreTestingPlanArn=arn)["RestoreJobs"]
    assert {job["RecoveryPointArn"] for job in tested} == set(points)
    assert all(job["Status"] == "COMPLETED" and job["CreatedBy"] == {"RestoreTestingPlanArn": arn} for job in tested)
    assert on_demand["RestoreJobId"] not in [job["RestoreJobId"] for job in tested]
    assert len(source.list_restore_jobs(ByCreatedAfter=asked)["RestoreJobs"]) == 3
    assert source.list_restore_jobs(ByStatus="FAILED")["RestoreJobs"] == []
    (plan,) = source.list_restore_testing_plans()["RestoreTestingPlans"]
    assert plan["LastExecutionTime"] >= asked.replace(microsecond=0)


def test_a_recovery_point_that_could_not_be_deleted_is_listed_as_expired(topology: Lab) -> None:
    point = topology.backup(SOURCE, topology.volume(SOURCE, None))["RecoveryPointArn"]
    place = {"account_id": SOURCE, "region": REGION, "vault": "local", "recovery_point_arn": point}
    controls.recovery_point(place | {"status": "EXPIRED", "status_message": "cannot be deleted"})
    backup = topology.client("backup", SOURCE)
    (listed,) = backup.list_recovery_points_by_backup_vault(BackupVaultName="local")["RecoveryPoints"]
    assert (listed["Status"], listed["StatusMessage"]) == ("EXPIRED", "cannot be deleted")
    for wrong in ({"status": "GONE"}, {"status": "EXPIRED", "recovery_point_arn": "none"}):
        with pytest.raises(controls.InvalidControl):
            controls.recovery_point(place | wrong)


def test_findings_are_imported_and_updated_by_their_id_and_nobody_elses(aws: Lab) -> None:
    hub = aws.client("securityhub", SOURCE)
    product = f"arn:aws:securityhub:{REGION}:{SOURCE}:product/{SOURCE}/default"

    def finding(number: int, label: str) -> dict[str, Any]:
        return {
            "SchemaVersion": "2018-10-08",
            "Id": f"finding-{number}",
            "ProductArn": product,
            "GeneratorId": "sweep",
            "AwsAccountId": SOURCE,
            "Types": ["Software and Configuration Checks"],
            "CreatedAt": "2026-01-01T00:00:00Z",
            "UpdatedAt": "2026-01-01T00:00:00Z",
            "Severity": {"Label": label},
            "Title": "title",
            "Description": "description",
            "Resources": [{"Type": "Other", "Id": "resource"}],
            # Whoever works on a finding closes it: an import does not.
            "Workflow": {"Status": "NEW" if label == "HIGH" else "RESOLVED"},
        }

    with pytest.raises(ClientError) as error:
        hub.batch_import_findings(Findings=[finding(0, "HIGH")])
    assert code(error) == ("InvalidAccessException", 401)
    hub.enable_security_hub()
    for label in ("HIGH", "LOW"):
        answer = hub.batch_import_findings(Findings=[finding(number, label) for number in range(2)])
        assert (answer["SuccessCount"], answer["FailedCount"]) == (2, 0)
    found = hub.get_findings()["Findings"]
    assert sorted((one["Id"], one["Severity"]["Label"], one["Workflow"]["Status"]) for one in found) == [
        ("finding-0", "LOW", "NEW"),
        ("finding-1", "LOW", "NEW"),
    ]
    with pytest.raises(ClientError) as error:
        hub.batch_import_findings(Findings=[finding(number, "HIGH") for number in range(101)])
    assert code(error) == ("InvalidInputException", 400)
    batch = [finding(2, "HIGH"), finding(3, "HIGH") | {"AwsAccountId": BACKUP}]
    answer = hub.batch_import_findings(Findings=[*batch, finding(4, "HIGH") | {"Description": "x" * 250_000}])
    assert (answer["SuccessCount"], [one["Id"] for one in answer["FailedFindings"]]) == (1, ["finding-3", "finding-4"])


# -- Regions that are off ----------------------------------------------------------------------------------------------


def test_a_region_that_is_off_knows_no_credentials_of_the_account(aws: Lab) -> None:
    for account in (SOURCE, OTHER_SOURCE):
        aws.client("account", account).enable_region(RegionName=OPT_IN)
    calls = {
        "backup": ("list_backup_vaults", ("UnrecognizedClientException", 403)),
        "kms": ("list_keys", ("UnrecognizedClientException", 400)),
        "ec2": ("get_ebs_encryption_by_default", ("AuthFailure", 401)),
        "sts": ("get_caller_identity", ("InvalidClientTokenId", 403)),
    }
    for service, (operation, _) in calls.items():
        getattr(aws.client(service, SOURCE, OPT_IN), operation)()
    aws.client("account", SOURCE).disable_region(RegionName=OPT_IN)
    assert aws.client("account", SOURCE).get_region_opt_status(RegionName=OPT_IN)["RegionOptStatus"] == "DISABLED"
    for service, (operation, expected) in calls.items():
        with pytest.raises(ClientError) as error:
            getattr(aws.client(service, SOURCE, OPT_IN), operation)()
        assert code(error) == expected, service
        getattr(aws.client(service, OTHER_SOURCE, OPT_IN), operation)()
    assert aws.client("account", OTHER_SOURCE).get_region_opt_status(RegionName=OPT_IN)["RegionOptStatus"] == "ENABLED"


def test_the_regions_of_a_member_are_told_to_the_management_account_only(aws: Lab) -> None:
    aws.client("account", SOURCE).enable_region(RegionName=OPT_IN)
    enabled = {"AccountId": SOURCE, "RegionOptStatusContains": ["ENABLED"]}
    assert [one["RegionName"] for one in aws.root("account").list_regions(**enabled)["Regions"]] == [OPT_IN]
    with pytest.raises(ClientError) as error:
        aws.client("account", BACKUP).list_regions(**enabled)
    assert code(error) == ("AccessDeniedException", 403)
    with pytest.raises(ClientError) as error:
        aws.client("account", SOURCE).disable_region(RegionName=REGION)
    assert code(error)[0] == "ValidationException"
