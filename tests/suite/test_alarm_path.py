"""Who watches the guardian: every part of the alarm path that dies is named to those who run it, and its end is said once."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from .guardian import CHECK, RECONCILE, WATCH, Guardian
from .organization import Inbox, Lab, Operations, running_lab

PROBLEM_RULE = "backup-guardian-problem-events"
WRITE_RULE = "backup-guardian-write-events"
STRANGER = "999999999999"
# At most so often a part is looked at again.
TRIES = 5


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Of its own: who listens to a topic besides, and what waits in a queue, is part of the path."""
    with running_lab("alarm-path-lab.log") as lab:
        Guardian(lab).set_watching(False)
        yield lab


@pytest.fixture
def clean(lab: Lab, inbox: Inbox, guardian: Guardian, operations: Operations) -> Iterator[None]:
    """No remembered trouble, nothing in any dead-letter queue; both topics have a subscriber (`inbox`, `operations`)."""
    forget(guardian)
    for queue in guardian.should_be_empty():
        guardian.take(queue)
    # What earlier tests let happen unannounced is told of before.
    guardian.reconcile()
    guardian.forget_what_was_put_off()
    inbox.drain()
    operations.drain()
    yield
    forget(guardian)


def forget(guardian: Guardian) -> None:
    for item in guardian.items(guardian.table):
        if item["pk"] == "alarm-path":
            key = {name: {"S": item[name]} for name in ("pk", "sk")}
            guardian.dynamodb.delete_item(TableName=guardian.table, Key=key)


pytestmark = pytest.mark.usefixtures("clean")


def looked(guardian: Guardian) -> int:
    return guardian.counts(CHECK).get(("heartbeat", "complete"), 0)


def test_a_path_that_lives_is_silent(guardian: Guardian, operations: Operations, inbox: Inbox) -> None:
    before = looked(guardian)
    guardian.check_alarm_path()
    assert operations.drain() == [] and inbox.drain() == []
    assert looked(guardian) == before + 1, "it was looked at"
    assert guardian.dead_letters(CHECK) == []
    (beat,) = [item for item in guardian.items(guardian.table) if item["pk"] == "heartbeat#reconcile-jobs"]
    assert beat["v"] == 1 and beat["at"] > 0


def test_every_part_that_dies_is_named_once_and_its_end_is_said_once(
    lab: Lab, guardian: Guardian, operations: Operations, inbox: Inbox
) -> None:
    source, region = lab.source, lab.info["regions"][-1]
    events = lab.client(source, "events", region)
    hub = lab.client(lab.guardian, "events")
    bus = lab.info["outputs"]["HubBusArn"].rsplit("/", 1)[-1]
    url = guardian.should_be_empty()[0]
    work = guardian.queue(WATCH)
    policy = guardian.queue_attributes(WATCH)["Policy"]
    with guardian.configured(CHECK, GUARDIAN_BACKUP_ACCOUNT_IDS=STRANGER):
        events.disable_rule(Name=PROBLEM_RULE)
        hub.disable_rule(Name=PROBLEM_RULE, EventBusName=bus)
        guardian.sqs.send_message(QueueUrl=url, MessageBody="stuck")
        guardian.sqs.set_queue_attributes(QueueUrl=work, Attributes={"Policy": ""})
        lab.control("subscription", {"endpoint": inbox.endpoint, "pending": True})
        try:
            guardian.check_alarm_path()
            (message,) = operations.drain()
            for word in (
                f"the rule {PROBLEM_RULE} of account {source} in {region} is DISABLED",
                f"aws events enable-rule --name {PROBLEM_RULE} --region {region}",
                f"the rule {PROBLEM_RULE} of account {lab.guardian} in {lab.region} is DISABLED",
                f"1 message lies in {url.rsplit('/', 1)[-1]}",
                f"the queue {work.rsplit('/', 1)[-1]} refuses what the rule {WRITE_RULE} of account {lab.guardian}",
                "nobody has a confirmed subscription to the alert topic",
                f"the subscription of sqs {inbox.endpoint} to the alert topic waits for its confirmation",
                f"the forwarding of account {STRANGER} could not be checked: sts:AssumeRole",
            ):
                assert word in message, f"{word} is missing in:\n{message}"
            guardian.check_alarm_path()
            assert operations.drain() == [], "not at every look"
        finally:
            lab.control("subscription", {"endpoint": inbox.endpoint, "pending": False})
            events.enable_rule(Name=PROBLEM_RULE)
            hub.enable_rule(Name=PROBLEM_RULE, EventBusName=bus)
            guardian.take(url)
            guardian.sqs.set_queue_attributes(QueueUrl=work, Attributes={"Policy": policy})
    guardian.check_alarm_path()
    (message,) = operations.drain()
    assert "Every part that was broken was looked at again and works" in message
    guardian.check_alarm_path()
    assert operations.drain() == []
    assert inbox.drain() == [], "the operations topic was heard all the time"


def test_what_nobody_would_hear_on_the_operations_topic_goes_to_the_alert_topic(
    lab: Lab, guardian: Guardian, operations: Operations, inbox: Inbox
) -> None:
    lab.control("subscription", {"endpoint": operations.endpoint, "pending": True})
    try:
        guardian.check_alarm_path()
        (alert,) = inbox.drain()
        assert alert["kind"] == "self-check" and alert["act_in"]["account_id"] == lab.guardian
        assert "nobody has a confirmed subscription to the operations topic" in json.dumps(alert["evidence"])
    finally:
        lab.control("subscription", {"endpoint": operations.endpoint, "pending": False})
    guardian.check_alarm_path()
    (alert,) = inbox.drain()
    assert alert["severity"] == "info" and "well again" in alert["title"]
    assert len(operations.drain()) == 1


@pytest.mark.parametrize(("service", "operation"), [("sns", "GetTopicAttributes"), ("events", "DescribeRule")])
def test_a_read_that_is_refused_is_told_as_not_checked(
    guardian: Guardian, operations: Operations, service: str, operation: str
) -> None:
    guardian.fault("denied", function=CHECK, operation=operation)
    try:
        guardian.check_alarm_path()
    finally:
        guardian.well()
    (message,) = operations.drain()
    assert "could not be checked" in message and f"{service}:{operation}" in message
    guardian.check_alarm_path()
    assert "works" in operations.drain()[0]


@pytest.mark.usefixtures("clock")
def test_a_read_that_fails_for_now_is_made_again_and_told_when_it_fails_every_time(
    lab: Lab, guardian: Guardian, operations: Operations
) -> None:
    before = looked(guardian)
    guardian.fault("throttle", function=CHECK, operation="DescribeRule")
    try:
        guardian.check_alarm_path()
        assert guardian.requests(function=CHECK, operation="SendMessageBatch"), "what was left is put off"
        assert looked(guardian) == before and operations.drain() == [], "it is not over"
        for _ in range(TRIES):
            lab.control("clock", {"advance_seconds": 900})
            lab.idle()
    finally:
        guardian.well()
    assert looked(guardian) == before + 1, "once, at the end"
    (message,) = operations.drain()
    assert "could not be checked" in message and "events:DescribeRule" in message
    guardian.check_alarm_path()
    assert "works" in operations.drain()[0]


def test_who_is_told_by_sms_is_told_that_the_account_is_in_the_sandbox(
    lab: Lab, guardian: Guardian, operations: Operations
) -> None:
    sns = lab.client(lab.guardian, "sns")
    topic, number = lab.info["alert_topic_arn"], "+4915500000001"
    subscribed = sns.subscribe(TopicArn=topic, Protocol="sms", Endpoint=number)["SubscriptionArn"]
    try:
        guardian.check_alarm_path()
    finally:
        sns.unsubscribe(SubscriptionArn=subscribed)
    (message,) = operations.drain()
    assert "the alert topic has SMS subscribers, and the account is in the SMS sandbox" in message
    guardian.check_alarm_path()
    assert "works" in operations.drain()[0]


def test_a_function_that_stopped_is_missed(guardian: Guardian, operations: Operations) -> None:
    key = {"pk": {"S": "heartbeat#reconcile-jobs"}, "sk": {"S": "heartbeat"}}
    guardian.dynamodb.update_item(
        TableName=guardian.table,
        Key=key,
        UpdateExpression="SET #at = :long_ago",
        ExpressionAttributeNames={"#at": "at"},
        ExpressionAttributeValues={":long_ago": {"N": "1000"}},
    )
    guardian.check_alarm_path()
    (message,) = operations.drain()
    assert "reconcile-jobs has not ended its work since 1970-01-01T00:00:01Z" in message
    beats = guardian.counts(RECONCILE).get(("heartbeat", "complete"), 0)
    guardian.reconcile()
    assert guardian.counts(RECONCILE)[("heartbeat", "complete")] == beats + 1
    guardian.check_alarm_path()
    assert "works" in operations.drain()[0]
