"""Calls on queues, topics, tables, buckets and recovery points are judged, with the use of a key that they entail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from aws_support import BACKUP, REGION, SOURCE, Lab, policy, service_role
from botocore.exceptions import ClientError
from test_aws_reads import client, session_of

QUEUE = f"arn:aws:sqs:{REGION}:{SOURCE}:jobs"
TABLE = f"arn:aws:dynamodb:{REGION}:{SOURCE}:table/kept"
POINT = f"arn:aws:ec2:{REGION}::snapshot/snap-0a1b2c3d4e5f60718"
VAULT = f"arn:aws:backup:{REGION}:{SOURCE}:backup-vault:local"
REFUSED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation", "403")
NOTHING = {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}


def allow(action: str, resource: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def of_key(action: str, key: str, service: str) -> dict[str, Any]:
    return allow(action, key, Condition={"StringEquals": {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}})


Call = Callable[[Any], Any]
Prepared = tuple[str, Call, list[dict[str, Any]]]


def _send(aws: Lab, key: str) -> Prepared:
    url = aws.client("sqs", SOURCE).create_queue(QueueName="jobs", Attributes={"KmsMasterKeyId": key})["QueueUrl"]
    entries = [{"Id": "1", "MessageBody": "one"}]
    needed = [
        allow("sqs:SendMessage", QUEUE),
        of_key("kms:GenerateDataKey", key, "sqs"),
        of_key("kms:Decrypt", key, "sqs"),
    ]
    return "sqs", lambda sqs: sqs.send_message_batch(QueueUrl=url, Entries=entries), needed


def _receive(aws: Lab, key: str) -> Prepared:
    url = aws.client("sqs", SOURCE).create_queue(QueueName="jobs", Attributes={"KmsMasterKeyId": key})["QueueUrl"]
    needed = [allow("sqs:ReceiveMessage", QUEUE), of_key("kms:Decrypt", key, "sqs")]
    return "sqs", lambda sqs: sqs.receive_message(QueueUrl=url), needed


def _publish(aws: Lab, key: str) -> Prepared:
    topic = aws.client("sns", SOURCE).create_topic(Name="told", Attributes={"KmsMasterKeyId": key})["TopicArn"]
    needed = [allow("sns:Publish", topic), of_key("kms:GenerateDataKey", key, "sns"), of_key("kms:Decrypt", key, "sns")]
    return "sns", lambda sns: sns.publish(TopicArn=topic, Message="one"), needed


def _transact(aws: Lab, key: str) -> Prepared:
    aws.client("dynamodb", SOURCE).create_table(
        TableName="kept",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
    )
    one, other = {"pk": {"S": "one"}}, {"pk": {"S": "other"}}
    items = [{"Put": {"TableName": "kept", "Item": one}}, {"Delete": {"TableName": "kept", "Key": other}}]
    needed = [
        allow("dynamodb:PutItem", TABLE),
        allow("dynamodb:DeleteItem", TABLE),
        of_key("kms:Decrypt", key, "dynamodb"),
    ]
    return "dynamodb", lambda dynamodb: dynamodb.transact_write_items(TransactItems=items), needed


def _put(aws: Lab, key: str) -> Prepared:
    _bucket(aws, key)
    where = {"Bucket": "reports", "Key": "a/b"}
    arn = "arn:aws:s3:::reports/a/*"
    needed = [allow("s3:PutObject", arn), allow("s3:PutObjectTagging", arn), of_key("kms:GenerateDataKey", key, "s3")]
    return "s3", lambda s3: s3.put_object(**where, Body=b"one", Tagging="kept=short"), needed


def _get(aws: Lab, key: str) -> Prepared:
    _bucket(aws, key).put_object(Bucket="reports", Key="a/b", Body=b"one")
    needed = [allow("s3:GetObject", "arn:aws:s3:::reports/a/*"), of_key("kms:Decrypt", key, "s3")]
    return "s3", lambda s3: s3.get_object(Bucket="reports", Key="a/b"), needed


def _bucket(aws: Lab, key: str) -> Any:
    s3 = aws.client("s3", SOURCE)
    s3.create_bucket(Bucket="reports", CreateBucketConfiguration={"LocationConstraint": REGION})
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket="reports", ServerSideEncryptionConfiguration={"Rules": [rule]})
    return s3


def _volume_default(aws: Lab, key: str) -> Prepared:
    needed = [allow("ec2:ModifyEbsDefaultKmsKeyId", "*"), allow("kms:DescribeKey", key)]
    return "ec2", lambda ec2: ec2.modify_ebs_default_kms_key_id(KmsKeyId=key), needed


def _region_setting(aws: Lab, key: str) -> Prepared:
    on = {"DynamoDB": True}
    change = lambda backup: backup.update_region_settings(ResourceTypeManagementPreference=on)  # noqa: E731
    return "backup", change, [allow("backup:UpdateRegionSettings", "*")]


def _key_by_alias(aws: Lab, key: str) -> Prepared:
    aws.client("kms", SOURCE).create_alias(AliasName="alias/central", TargetKeyId=key)
    by_alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/central"}}
    document = aws.client("kms", SOURCE).get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    put = lambda kms: kms.put_key_policy(KeyId=key, PolicyName="default", Policy=document)  # noqa: E731
    return "kms", put, [allow("kms:PutKeyPolicy", "*", Condition=by_alias)]


@pytest.mark.parametrize(
    "prepare",
    [_send, _receive, _publish, _transact, _put, _get, _volume_default, _region_setting, _key_by_alias],
)
def test_a_call_takes_every_permission_that_it_needs_and_no_other(
    aws: Lab, prepare: Callable[[Lab, str], Prepared]
) -> None:
    service, call, needed = prepare(aws, aws.key(SOURCE))
    session = session_of(aws, SOURCE, *needed)
    made, iam = client(aws, session, service), aws.client("iam", SOURCE)
    call(made)
    for one in needed:
        rest = [other for other in needed if other != one]
        iam.put_role_policy(RoleName="reader", PolicyName="reads", PolicyDocument=policy(*rest, NOTHING))
        with pytest.raises(ClientError) as error:
            call(made)
        assert error.value.response["Error"]["Code"] in REFUSED, one
        assert one["Action"] in str(error.value) or service == "s3", one


def test_a_vault_is_changed_by_whom_its_own_policy_leaves_alone_besides(aws: Lab) -> None:
    aws.vault(SOURCE, "local")
    backup = client(aws, session_of(aws, SOURCE, allow("backup:PutBackupVaultAccessPolicy", VAULT)), "backup")

    def closed_to_all_but(role: str) -> str:
        left = {"ArnNotEquals": {"aws:PrincipalArn": f"arn:aws:iam::{SOURCE}:role/{role}"}}
        deny = allow("backup:PutBackupVaultAccessPolicy", "*", Principal="*", Condition=left)
        return policy({**deny, "Effect": "Deny"})

    backup.put_backup_vault_access_policy(BackupVaultName="local", Policy=closed_to_all_but("reader"))
    backup.put_backup_vault_access_policy(BackupVaultName="local", Policy=closed_to_all_but("another"))
    with pytest.raises(ClientError, match="AccessDenied"):
        backup.put_backup_vault_access_policy(BackupVaultName="local", Policy=closed_to_all_but("reader"))
    # The tests break and mend with the role of an administrator.
    admin = aws.client("backup", SOURCE)
    admin.put_backup_vault_access_policy(BackupVaultName="local", Policy=closed_to_all_but("reader"))


def test_nothing_under_a_key_is_asked_of_what_has_none(aws: Lab) -> None:
    url = aws.client("sqs", SOURCE).create_queue(QueueName="jobs")["QueueUrl"]
    session = session_of(aws, SOURCE, allow("sqs:SendMessage", QUEUE))
    client(aws, session, "sqs").send_message(QueueUrl=url, MessageBody="one")


def test_who_may_not_list_a_bucket_does_not_hear_what_is_missing(aws: Lab) -> None:
    _bucket(aws, aws.key(SOURCE))
    objects = allow("s3:GetObject", "arn:aws:s3:::reports/*")
    session = session_of(aws, SOURCE, objects)
    s3 = client(aws, session, "s3")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(Bucket="reports", Key="nothing")
    document = policy(objects, allow("s3:ListBucket", "arn:aws:s3:::reports"))
    aws.client("iam", SOURCE).put_role_policy(RoleName="reader", PolicyName="reads", PolicyDocument=document)
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket="reports", Key="nothing")


def test_a_recovery_point_is_read_by_its_vault_and_by_itself(aws: Lab) -> None:
    aws.vault(SOURCE, "local")
    session = session_of(aws, SOURCE, allow("backup:ListBackupVaults", "*"))
    for resources, expected in (([VAULT], "AccessDenied"), ([POINT], "AccessDenied"), ([VAULT, POINT], "NotFound")):
        document = policy({"Effect": "Allow", "Action": "backup:DescribeRecoveryPoint", "Resource": resources})
        aws.client("iam", SOURCE).put_role_policy(RoleName="reader", PolicyName="reads", PolicyDocument=document)
        with pytest.raises(ClientError, match=expected):
            client(aws, session, "backup").describe_recovery_point(BackupVaultName="local", RecoveryPointArn=POINT)


def test_a_copy_takes_what_its_job_needs_and_the_role_that_is_handed_over(aws: Lab) -> None:
    aws.vault(SOURCE, "local")
    target = f"arn:aws:backup:{REGION}:{BACKUP}:backup-vault:central"
    role = service_role(SOURCE)
    passed = {"StringEquals": {"iam:PassedToService": "backup.amazonaws.com"}}
    needed = [
        allow("backup:StartCopyJob", VAULT),
        allow("backup:StartCopyJob", POINT),
        allow("backup:CopyFromBackupVault", POINT, Condition={"ArnLike": {"backup:CopyTargets": target}}),
        allow("backup:CopyIntoBackupVault", target),
        allow("iam:PassRole", role, Condition=passed),
    ]
    session = session_of(aws, SOURCE, *needed)
    backup, iam = client(aws, session, "backup"), aws.client("iam", SOURCE)

    def start(vault: str) -> None:
        backup.start_copy_job(
            RecoveryPointArn=POINT, SourceBackupVaultName="local", DestinationBackupVaultArn=vault, IamRoleArn=role
        )

    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        start(target)
    with pytest.raises(ClientError, match="AccessDenied"):
        start(f"{target}-2")
    for one in needed:
        rest = [other for other in needed if other != one]
        iam.put_role_policy(RoleName="reader", PolicyName="reads", PolicyDocument=policy(*rest))
        with pytest.raises(ClientError, match=f"AccessDenied.*{one['Action']}"):
            start(target)
