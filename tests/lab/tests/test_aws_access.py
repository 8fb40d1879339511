"""KMS keys across accounts, AssumeRole, the organization, and SNS deliveries."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_support import (
    BACKUP,
    GUARDIAN,
    MANAGEMENT,
    REGION,
    SOURCE,
    Lab,
    grant_statement,
    linked_role,
    own_root,
    policy,
    use_statement,
)
from botocore.exceptions import ClientError

from lab.aws.sns import mailbox, set_pending


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


# -- KMS ---------------------------------------------------------------------------------------------------------------


def test_a_foreign_key_is_described_by_its_arn_when_its_policy_allows_it(aws: Lab) -> None:
    root = f"arn:aws:iam::{BACKUP}:root"
    closed, opened = aws.key(SOURCE), aws.key(SOURCE, use_statement(root))
    kms = aws.client("kms", BACKUP)
    assert kms.describe_key(KeyId=opened)["KeyMetadata"]["Arn"] == opened
    with pytest.raises(ClientError) as error:
        kms.describe_key(KeyId=closed)
    assert code(error) == "AccessDeniedException"


@pytest.mark.parametrize("operation", ["get_key_policy", "disable_key", "schedule_key_deletion"])
def test_the_owner_alone_reads_and_changes_a_key(aws: Lab, operation: str) -> None:
    everything = {**use_statement(f"arn:aws:iam::{BACKUP}:root"), "Action": "kms:*"}
    key = aws.key(SOURCE, everything)
    more = {"PolicyName": "default"} if operation == "get_key_policy" else {}
    with pytest.raises(ClientError) as error:
        getattr(aws.client("kms", BACKUP), operation)(KeyId=key, **more)
    assert code(error) == "AccessDeniedException"
    getattr(aws.client("kms", SOURCE), operation)(KeyId=key, **more)


def test_a_second_factor_opens_what_asks_for_one(aws: Lab) -> None:
    owners = [f"arn:aws:iam::{owner}:root" for owner in (MANAGEMENT, SOURCE)]
    trust: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": owners}, "Action": "sts:AssumeRole"}
    trust["Condition"] = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    iam = aws.client("iam", BACKUP)
    arn = iam.create_role(RoleName="glass", AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    sts, device = aws.root("sts"), f"arn:aws:iam::{MANAGEMENT}:mfa/safe"
    for given in ({}, {"SerialNumber": device}):
        with pytest.raises(ClientError, match="AccessDenied"):
            sts.assume_role(RoleArn=arn, RoleSessionName="glass", **given)
    factor = {"SerialNumber": device, "TokenCode": "123456"}
    sts.assume_role(RoleArn=arn, RoleSessionName="glass", **factor)
    # The clients of the other accounts are sessions of roles.
    with pytest.raises(ClientError, match="AccessDenied"):
        aws.client("sts", SOURCE).assume_role(RoleArn=arn, RoleSessionName="glass", **factor)
    del trust["Condition"]
    iam.update_assume_role_policy(RoleName="glass", PolicyDocument=policy(trust))
    aws.client("sts", SOURCE).assume_role(RoleArn=arn, RoleSessionName="glass", **factor)


def test_key_states_by_arn(aws: Lab) -> None:
    key = aws.key(SOURCE)
    kms = aws.client("kms", SOURCE)

    def state() -> str:
        return str(kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"])

    kms.disable_key(KeyId=key)
    assert state() == "Disabled"
    with pytest.raises(ClientError) as error:
        kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    assert code(error) == "DisabledException"
    kms.enable_key(KeyId=key)
    assert state() == "Enabled"
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert state() == "PendingDeletion"
    with pytest.raises(ClientError) as error:
        kms.enable_key(KeyId=key)
    assert code(error) == "KMSInvalidStateException"
    kms.cancel_key_deletion(KeyId=key)
    assert state() == "Disabled"


@pytest.mark.parametrize("alias", ["alias/aws/ebs", "alias/aws/backup", "alias/aws/rds"])
def test_aws_managed_keys_exist_when_they_are_asked_for(aws: Lab, alias: str) -> None:
    kms = aws.client("kms", SOURCE)
    key = kms.describe_key(KeyId=alias)["KeyMetadata"]
    assert key["KeyManager"] == "AWS"
    assert alias in [one["AliasName"] for one in kms.list_aliases(KeyId=key["KeyId"])["Aliases"]]
    text = kms.get_key_policy(KeyId=key["Arn"], PolicyName="default")["Policy"]
    assert "kms:CallerAccount" in text
    with pytest.raises(ClientError) as error:
        kms.put_key_policy(KeyId=key["Arn"], PolicyName="default", Policy=policy(own_root(SOURCE)))
    assert code(error) == "AccessDeniedException"


def test_grants_are_listed_and_revoked_by_arn(aws: Lab) -> None:
    key = aws.key(SOURCE)
    kms = aws.client("kms", SOURCE)
    grant = kms.create_grant(KeyId=key, GranteePrincipal=linked_role(BACKUP), Operations=["Decrypt"])
    listed = kms.list_grants(KeyId=key)["Grants"]
    assert [(one["GrantId"], one["GranteePrincipal"]) for one in listed] == [(grant["GrantId"], linked_role(BACKUP))]
    kms.revoke_grant(KeyId=key, GrantId=grant["GrantId"])
    assert kms.list_grants(KeyId=key)["Grants"] == []


def test_a_key_policy_cannot_name_a_role_that_does_not_exist(aws: Lab) -> None:
    aws.client("iam", BACKUP).detach_role_policy(
        RoleName="AWSServiceRoleForBackup",
        PolicyArn="arn:aws:iam::aws:policy/aws-service-role/AWSBackupServiceLinkedRolePolicyForBackup",
    )
    aws.client("iam", BACKUP).delete_role(RoleName="AWSServiceRoleForBackup")
    with pytest.raises(ClientError) as error:
        aws.key(SOURCE, grant_statement(linked_role(BACKUP)))
    assert code(error) == "MalformedPolicyDocumentException"


# -- STS and the organization ------------------------------------------------------------------------------------------


def test_a_role_that_does_not_exist_is_not_assumed(aws: Lab) -> None:
    with pytest.raises(ClientError) as error:
        aws.root("sts").assume_role(RoleArn=f"arn:aws:iam::{SOURCE}:role/Nobody", RoleSessionName="reader")
    assert code(error) == "AccessDenied"


@pytest.mark.parametrize(("external_id", "allowed"), [("right", True), ("wrong", False), ("", False)])
def test_the_trust_policy_decides_who_assumes_a_role(aws: Lab, external_id: str, allowed: bool) -> None:
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{GUARDIAN}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "right"}},
    }
    aws.client("iam", SOURCE).create_role(RoleName="reader", AssumeRolePolicyDocument=policy(trust))
    arguments = {"ExternalId": external_id} if external_id else {}
    arn = f"arn:aws:iam::{SOURCE}:role/reader"
    sts = aws.client("sts", GUARDIAN)
    if allowed:
        account = sts.assume_role(RoleArn=arn, RoleSessionName="reader", **arguments)["AssumedRoleUser"]["Arn"].split(
            ":"
        )[4]
        assert account == SOURCE
    else:
        with pytest.raises(ClientError) as error:
            sts.assume_role(RoleArn=arn, RoleSessionName="reader", **arguments)
        assert code(error) == "AccessDenied"
    with pytest.raises(ClientError):
        aws.client("sts", BACKUP).assume_role(RoleArn=arn, RoleSessionName="reader", ExternalId="right")


def test_any_static_key_is_the_management_account(aws: Lab) -> None:
    assert aws.root("sts").get_caller_identity()["Account"] == MANAGEMENT


def test_the_organization_has_its_fixed_ids_and_policies_on_every_level(aws: Lab) -> None:
    organizations = aws.root("organizations")
    assert organizations.describe_organization()["Organization"]["Id"] == "o-exampleorgid"
    accounts = {one["Id"]: one["Name"] for one in organizations.list_accounts()["Accounts"]}
    assert accounts[SOURCE] == "payments" and accounts[MANAGEMENT] == "management"
    attached = organizations.list_policies_for_target(TargetId=SOURCE, Filter="SERVICE_CONTROL_POLICY")["Policies"]
    assert [one["Name"] for one in attached] == ["FullAWSAccess"]
    member = aws.client("organizations", SOURCE).describe_organization()["Organization"]
    assert member["MasterAccountId"] == MANAGEMENT


# -- SNS ---------------------------------------------------------------------------------------------------------------


def open_queue(aws: Lab, topic: str) -> str:
    """A queue of the source account that hears a topic of the organization; its ARN."""
    arn = f"arn:aws:sqs:{REGION}:{SOURCE}:inbox"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {
            "StringEquals": {"aws:SourceOrgID": "o-exampleorgid"},
            "ArnLike": {"aws:SourceArn": topic},
        },
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws.client("sqs", SOURCE).create_queue(QueueName="inbox", Attributes={"Policy": policy})
    return arn


def test_a_queue_of_another_account_hears_only_the_topics_that_its_policy_admits(aws: Lab) -> None:
    sns = aws.client("sns", GUARDIAN)
    admitted, other = (sns.create_topic(Name=name)["TopicArn"] for name in ("alerts", "others"))
    queue = open_queue(aws, admitted)
    for topic in (admitted, other):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
        sns.publish(TopicArn=topic, Message=topic)
    sqs = aws.client("sqs", SOURCE)
    url = sqs.get_queue_url(QueueName="inbox")["QueueUrl"]
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [json.loads(message["Body"])["TopicArn"] for message in messages] == [admitted]


def test_a_topic_of_another_account_is_subscribed_only_where_its_policy_admits_it(aws: Lab) -> None:
    topic = aws.client("sns", GUARDIAN).create_topic(Name="alerts")["TopicArn"]
    queue = open_queue(aws, topic)
    with pytest.raises(ClientError, match="AuthorizationError"):
        aws.client("sns", SOURCE).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)


def test_a_queue_of_another_account_gets_the_raw_message_with_its_attributes(aws: Lab) -> None:
    topic = aws.client("sns", GUARDIAN).create_topic(Name="alerts")["TopicArn"]
    sqs = aws.client("sqs", SOURCE)
    open_queue(aws, topic)
    queue = sqs.get_queue_url(QueueName="inbox")["QueueUrl"]
    aws.client("sns", GUARDIAN).subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{REGION}:{SOURCE}:inbox",
        Attributes={"RawMessageDelivery": "true"},
    )
    attribute = {"severity": {"DataType": "String", "StringValue": "high"}}
    aws.client("sns", GUARDIAN).publish(TopicArn=topic, Message="body", MessageAttributes=attribute)
    message = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"][0]
    assert message["Body"] == "body"
    assert message["MessageAttributes"]["severity"]["StringValue"] == "high"


def test_people_get_the_text_for_their_protocol(aws: Lab) -> None:
    sns = aws.client("sns", GUARDIAN)
    topic = sns.create_topic(Name="alerts")["TopicArn"]
    for protocol, endpoint in (
        ("email", "oncall@example.com"),
        ("sms", "+15550100"),
        ("https", "https://hook.example/"),
    ):
        sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)
    texts = {"default": "all", "email": "long", "sms": "short"}
    sns.publish(TopicArn=topic, Subject="S", Message=json.dumps(texts), MessageStructure="json")
    got = {one["protocol"]: (one["body"], one["subject"]) for one in mailbox.deliveries()}
    assert got == {"email": ("long", "S"), "sms": ("short", "S"), "https": ("all", "S")}
    assert [one["body"] for one in mailbox.deliveries(protocol="sms")] == ["short"]


def test_a_subscription_can_wait_for_its_confirmation(aws: Lab) -> None:
    sns = aws.client("sns", GUARDIAN)
    topic = sns.create_topic(Name="waiting")["TopicArn"]
    for endpoint in ("known@example.com", "new@example.com"):
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=endpoint)
    set_pending("new@example.com", True)
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    arns = {one["Endpoint"]: one["SubscriptionArn"] for one in listed}
    assert arns["new@example.com"] == "PendingConfirmation" and arns["known@example.com"].startswith(topic)
    sns.publish(TopicArn=topic, Message="hello")
    assert [one["endpoint"] for one in mailbox.deliveries()] == ["known@example.com"]
    set_pending("new@example.com", False)
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert all(one["SubscriptionArn"].startswith(topic) for one in listed)
