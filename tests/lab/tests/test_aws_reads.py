"""Reads are judged by the policies of the role whose session makes them."""

from __future__ import annotations

import re
from typing import Any

import boto3
import pytest
from aws_support import BACKUP, MANAGEMENT, REGION, SOURCE, Lab, own_root, policy
from botocore.config import Config
from botocore.exceptions import ClientError
from sweep_support import READS

from lab.aws import reads
from lab.wire import BOTOCORE_NAMES

SIGNING_NAMES = {botocore: signing for signing, botocore in BOTOCORE_NAMES.items()}


def session_of(aws: Lab, account: str, *statements: dict[str, Any]) -> boto3.Session:
    """A session of a role with these identity policies."""
    trust = policy(
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT}:root"}, "Action": "sts:AssumeRole"}
    )
    iam = aws.client("iam", account)
    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName="reader", PolicyName="reads", PolicyDocument=policy(*statements))
    arn = f"arn:aws:iam::{account}:role/reader"
    given = aws.root("sts").assume_role(RoleArn=arn, RoleSessionName="sweep")["Credentials"]
    return boto3.Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        region_name=REGION,
    )


def client(aws: Lab, session: boto3.Session, service: str) -> Any:
    return session.client(service, endpoint_url=aws.endpoint, config=Config(retries={"total_max_attempts": 1}))


def action_of(service: str, operation: str) -> str:
    prefix = {"resourcegroupstaggingapi": "tag"}.get(service, service)
    return f"{prefix}:{operation}"


@pytest.mark.parametrize("account", [SOURCE, BACKUP, MANAGEMENT])
def test_every_read_needs_its_own_action_and_no_other(estate: Lab, account: str) -> None:
    wanted = [one for one in READS if one[1] == account]
    session = session_of(estate, account, {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"})
    iam = estate.client("iam", account)
    for service, _, method, given, _ in wanted:
        made = client(estate, session, service)
        operation = made.meta.method_to_api_mapping[method]
        assert operation in reads.RESOURCES[SIGNING_NAMES.get(service, service)], operation
        call = getattr(made, method)
        with pytest.raises(ClientError) as error:
            call(**given)
        refused = error.value.response
        assert refused["Error"]["Code"] in ("AccessDeniedException", "AccessDenied", "UnauthorizedOperation")
        assert refused["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
        action = action_of(service, operation)
        assert f"is not authorized to perform: {action}" in refused["Error"]["Message"]
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        iam.put_role_policy(RoleName="reader", PolicyName="reads", PolicyDocument=policy(statement))
        call(**given)


def test_the_resource_of_a_read_is_the_one_it_reads(estate: Lab) -> None:
    """A policy that names another resource of the same kind does not allow it."""
    session = session_of(estate, SOURCE, {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"})
    iam = estate.client("iam", SOURCE)
    judged = 0
    for service, _, method, given, _ in [one for one in READS if one[1] == SOURCE]:
        made = client(estate, session, service)
        operation = made.meta.method_to_api_mapping[method]
        action = action_of(service, operation)

        def allow(resource: str, action: str = action) -> None:
            statement = {"Effect": "Allow", "Action": action, "Resource": resource}
            iam.put_role_policy(RoleName="reader", PolicyName="reads", PolicyDocument=policy(statement))

        allow("arn:aws:none:::nothing")
        with pytest.raises(ClientError) as error:
            getattr(made, method)(**given)
        named = re.search(r"on resource: (\S+)", error.value.response["Error"]["Message"])
        if named is None:
            continue
        judged += 1
        allow(named[1])
        getattr(made, method)(**given)
    assert judged > 10


def test_a_key_is_read_by_its_own_policy_too(aws: Lab) -> None:
    closed = aws.client("kms", SOURCE).create_key(
        Policy=policy(
            {**own_root(SOURCE), "Principal": {"AWS": f"arn:aws:iam::{SOURCE}:role/OrganizationAccountAccessRole"}}
        )
    )["KeyMetadata"]["Arn"]
    opened = aws.key(SOURCE)
    session = session_of(aws, SOURCE, {"Effect": "Allow", "Action": "kms:*", "Resource": "*"})
    kms = client(aws, session, "kms")
    assert kms.get_key_policy(KeyId=opened)["Policy"]
    with pytest.raises(ClientError, match="no resource-based policy allows"):
        kms.get_key_policy(KeyId=closed)


def test_a_session_of_a_role_that_is_gone_reads_nothing(aws: Lab) -> None:
    session = session_of(aws, SOURCE, {"Effect": "Allow", "Action": "backup:*", "Resource": "*"})
    backup = client(aws, session, "backup")
    assert backup.list_backup_vaults()["BackupVaultList"] == []
    iam = aws.client("iam", SOURCE)
    iam.delete_role_policy(RoleName="reader", PolicyName="reads")
    iam.delete_role(RoleName="reader")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        backup.list_backup_vaults()
