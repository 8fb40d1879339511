"""Alarms of the lab: what is measured decides their state, and whoever has to hear of a change is told if the policies let CloudWatch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from plumbing_lab import aws, control, fresh, idle, open_queue

from lab import accounts, clock

TOPIC = f"arn:aws:sns:eu-central-1:{accounts.GUARDIAN}:told"


@pytest.fixture(autouse=True)
def _lab() -> None:
    fresh()


def listener(policy_of: str | None = "cloudwatch.amazonaws.com") -> str:
    """A topic that lets a service publish, and the queue of who subscribed."""
    sns, (url, arn) = aws("sns"), open_queue("ears")
    sns.create_topic(Name="told")
    if policy_of:
        statement = {"Effect": "Allow", "Principal": {"Service": policy_of}, "Action": "sns:Publish", "Resource": TOPIC}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        sns.set_topic_attributes(TopicArn=TOPIC, AttributeName="Policy", AttributeValue=json.dumps(policy))
    sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"})
    return url


def alarm(namespace: str, metric: str, dimensions: dict[str, str], **more: Any) -> None:
    aws("cloudwatch").put_metric_alarm(
        **{
            "AlarmName": "the-alarm",
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            "Statistic": "Sum",
            "Period": 300,
            "EvaluationPeriods": 1,
            "Threshold": 0.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [TOPIC],
            "OKActions": [TOPIC],
            **more,
        }
    )


def state() -> str:
    return control("POST", "alarms", {})["the-alarm"]


def told(url: str) -> list[str]:
    sqs, found = aws("sqs"), []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            found.append(json.loads(message["Body"])["NewStateValue"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def count(value: float) -> None:
    measured = {
        "namespace": "AWS/Lambda",
        "metric": "Throttles",
        "dimensions": {"FunctionName": "worker"},
        "value": value,
    }
    control("POST", "metric", measured)


def test_a_change_is_told_once_and_so_is_its_end() -> None:
    ears = listener()
    alarm("AWS/Lambda", "Throttles", {"FunctionName": "worker"})
    assert state() == "OK"
    told(ears)
    count(2.0)
    assert (state(), state()) == ("ALARM", "ALARM") and told(ears) == ["ALARM"]
    control("POST", "clock", {"advance_seconds": 301})
    assert state() == "OK" and told(ears) == ["OK"]


def test_every_period_has_to_breach_and_the_dimensions_have_to_be_its_own() -> None:
    listener()
    alarm("AWS/Lambda", "Throttles", {"FunctionName": "worker"}, EvaluationPeriods=2)
    other = {"namespace": "AWS/Lambda", "metric": "Throttles", "dimensions": {"FunctionName": "other"}, "value": 1.0}
    control("POST", "metric", other)
    count(1.0)
    assert state() == "OK"
    control("POST", "clock", {"advance_seconds": 300})
    count(1.0)
    assert state() == "ALARM"


def test_silence_breaches_where_the_alarm_says_so() -> None:
    listener()
    for treated, expected in (("breaching", "ALARM"), ("notBreaching", "OK"), ("missing", "INSUFFICIENT_DATA")):
        alarm("BackupGuardian", "heartbeat", {"function": "worker"}, TreatMissingData=treated)
        assert state() == expected


def test_what_lies_in_a_queue_and_how_long_it_does() -> None:
    ears = listener()
    sqs = aws("sqs")
    url, _ = open_queue("work")
    alarm("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "work"}, Statistic="Maximum", Threshold=900.0)
    sqs.send_message(QueueUrl=url, MessageBody="late")
    assert state() == "OK"
    control("POST", "clock", {"advance_seconds": 901})
    assert state() == "ALARM"
    alarm("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "work"}, Statistic="Maximum")
    assert state() == "ALARM"
    sqs.purge_queue(QueueUrl=url)
    assert state() == "OK" and told(ears) == ["OK", "ALARM", "OK"]


def test_a_function_that_fails_is_counted() -> None:
    listener()
    alarm("AWS/Lambda", "Errors", {"FunctionName": "worker"})
    assert state() == "OK"
    aws("lambda").invoke(FunctionName="worker", Payload=json.dumps({"crash": True}))
    idle()
    assert state() == "ALARM"


@pytest.mark.parametrize("allowed", [None, "events.amazonaws.com"])
def test_a_topic_that_does_not_let_cloudwatch_publish_hears_nothing(allowed: str | None) -> None:
    ears = listener(allowed)
    alarm("AWS/Lambda", "Throttles", {"FunctionName": "worker"})
    count(1.0)
    assert state() == "ALARM" and told(ears) == []


def test_what_a_function_counts_is_lost_when_its_log_group_may_not_be_written() -> None:
    line = {
        "_aws": {
            "Timestamp": int(clock.now().timestamp() * 1000),
            "CloudWatchMetrics": [
                {"Namespace": "Own", "Dimensions": [["function"]], "Metrics": [{"Name": "heartbeat"}]}
            ],
        },
        "function": "worker",
        "heartbeat": 1,
    }
    owner = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{accounts.GUARDIAN}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    writer = {
        "Effect": "Allow",
        "Principal": {"Service": "logs.eu-central-1.amazonaws.com"},
        "Action": "kms:*",
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [owner, writer]})
    key = aws("kms").create_key(Policy=policy)["KeyMetadata"]["Arn"]
    template = {
        "Resources": {
            "Group": {
                "Type": "AWS::Logs::LogGroup",
                "Properties": {"LogGroupName": "/aws/lambda/worker", "KmsKeyId": key},
            }
        }
    }
    control(
        "POST",
        "stack",
        {"account_id": accounts.GUARDIAN, "region": "eu-central-1", "name": "logs", "template": template},
    )
    listener()
    alarm(
        "Own",
        "heartbeat",
        {"function": "worker"},
        ComparisonOperator="LessThanThreshold",
        Threshold=1.0,
        TreatMissingData="breaching",
    )
    assert state() == "ALARM", "nothing was counted"
    aws("lambda").invoke(FunctionName="worker", Payload=json.dumps({"print": json.dumps(line)}))
    idle()
    assert state() == "OK"
    aws("kms").put_key_policy(
        KeyId=key, PolicyName="default", Policy=json.dumps({"Version": "2012-10-17", "Statement": [owner]})
    )
    assert state() == "ALARM"
