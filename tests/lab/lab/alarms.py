"""CloudWatch alarms as they are deployed: what their metrics say now, and who is told when that changes.

A look at all alarms happens when a test asks for it. What queues hold is read from the queues and what functions count from their logs, as far as
their log group may be written; everything else that AWS would measure is what `measured` was told. Knows nothing of what an alarm is for.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lab import clock, functions, resource_policy

log = logging.getLogger(__name__)

Alarm = dict[str, Any]
Dimensions = dict[str, str]
CLOUDWATCH = ("Service", "cloudwatch.amazonaws.com")
ACTIONS = {"ALARM": "AlarmActions", "OK": "OKActions", "INSUFFICIENT_DATA": "InsufficientDataActions"}
STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "Sum": sum,
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
    "Average": lambda values: sum(values) / len(values),
}
BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


@dataclass(frozen=True)
class Point:
    namespace: str
    metric: str
    dimensions: tuple[tuple[str, str], ...]
    value: float
    at: float


_lock = threading.Lock()
_points: list[Point] = []
_states: dict[str, str] = {}


def reset() -> None:
    """Nothing was measured, and no alarm was looked at."""
    with _lock:
        _points.clear()
        _states.clear()


def measured(namespace: str, metric: str, dimensions: Dimensions, value: float) -> None:
    """A data point of now."""
    point = Point(namespace, metric, tuple(sorted(dimensions.items())), value, clock.now().timestamp())
    with _lock:
        _points.append(point)


def look(account_id: str, region: str) -> dict[str, str]:
    """The state of every alarm of an account and Region by its name, after who has to hear of a change was told."""
    from lab.clients import client

    pages = client("cloudwatch", account_id, region).get_paginator("describe_alarms").paginate()
    alarms = sorted((alarm for page in pages for alarm in page["MetricAlarms"]), key=lambda alarm: alarm["AlarmName"])
    found = {}
    for alarm in alarms:
        state = _state(alarm, account_id, region)
        with _lock:
            before = _states.get(alarm["AlarmArn"], "INSUFFICIENT_DATA")
            _states[alarm["AlarmArn"]] = state
        found[alarm["AlarmName"]] = state
        if state != before and alarm.get("ActionsEnabled", True):
            for action in alarm.get(ACTIONS[state]) or []:
                _tell(alarm, before, state, action)
    return found


def _state(alarm: Alarm, account_id: str, region: str) -> str:
    dimensions = {one["Name"]: one["Value"] for one in alarm.get("Dimensions", [])}
    statistic, breaches = STATISTICS[alarm["Statistic"]], BREACHES[alarm["ComparisonOperator"]]
    treated = {"breaching": True, "notBreaching": False}.get(alarm.get("TreatMissingData", "missing"))
    wrong: list[bool | None] = []
    end = clock.now().timestamp()
    for _ in range(int(alarm["EvaluationPeriods"])):
        begin = end - float(alarm["Period"])
        values = list(_values(alarm["Namespace"], alarm["MetricName"], dimensions, (account_id, region), begin, end))
        wrong.append(breaches(statistic(values), float(alarm["Threshold"])) if values else treated)
        end = begin
    if None in wrong:
        return "INSUFFICIENT_DATA"
    return "ALARM" if all(wrong) else "OK"


def _values(
    namespace: str, metric: str, dimensions: Dimensions, owner: tuple[str, str], begin: float, end: float
) -> Iterator[float]:
    if namespace == "AWS/SQS":
        yield from _of_queue(metric, dimensions, owner)
    elif not namespace.startswith("AWS/"):
        yield from _of_logs(namespace, metric, dimensions, begin, end)
    wanted = (namespace, metric, tuple(sorted(dimensions.items())))
    with _lock:
        points = list(_points)
    yield from (
        point.value
        for point in points
        if (point.namespace, point.metric, point.dimensions) == wanted and begin < point.at <= end
    )


def _of_queue(metric: str, dimensions: Dimensions, owner: tuple[str, str]) -> Iterator[float]:
    """What lies in a queue now counts for the past, too: nobody measured it then."""
    from moto.sqs.models import sqs_backends

    queue = sqs_backends[owner[0]][owner[1]].queues.get(dimensions.get("QueueName", ""))
    messages = list(queue._messages) if queue is not None else []
    if metric == "ApproximateNumberOfMessagesVisible" and queue is not None:
        yield float(sum(message.visible and not message.delayed for message in messages))
    if metric == "ApproximateAgeOfOldestMessage" and messages:
        now = clock.now().timestamp()
        yield max(now - max(message.sent_timestamp, message.delayed_until) / 1000 for message in messages)


def _of_logs(namespace: str, metric: str, dimensions: Dimensions, begin: float, end: float) -> Iterator[float]:
    """Metrics in the logs of functions, in the embedded format.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    for function, lines in functions.current().log_lines(None).items():
        counted = [json.loads(line) for line in lines if line.startswith('{"_aws"')]
        if not counted or not _may_be_written(function):
            continue
        for line in counted:
            if not begin < line["_aws"]["Timestamp"] / 1000 <= end:
                continue
            for directive in line["_aws"]["CloudWatchMetrics"]:
                has = [{name: line[name] for name in names} for names in directive["Dimensions"]]
                names = [one["Name"] for one in directive["Metrics"]]
                if directive["Namespace"] == namespace and metric in names and dimensions in has:
                    yield float(line[metric])


def _may_be_written(function: str) -> bool:
    """Whether CloudWatch Logs may use the key of the log group of a function. https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html"""
    from moto.logs.models import logs_backends

    for account_id, region, backend in logs_backends.iter_backends():
        group = backend.groups.get(f"/aws/lambda/{function}")
        if group is not None:
            service, actions = f"logs.{region}.amazonaws.com", ("kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt")
            context = {"kms:EncryptionContext:aws:logs:arn": group.arn.removesuffix(":*")}
            return resource_policy.key_allows(group.kms_key_id, (account_id, region), service, actions, context)
    return True


def _tell(alarm: Alarm, before: str, state: str, topic_arn: str) -> None:
    from moto.sns.models import sns_backends

    _, _, _, region, account_id, _ = topic_arn.split(":", 5)
    topic = sns_backends[account_id][region].topics.get(topic_arn)
    source = {"aws:SourceArn": alarm["AlarmArn"], "aws:SourceAccount": alarm["AlarmArn"].split(":")[4]}
    if topic is None or not resource_policy.allows(topic.policy, CLOUDWATCH, "sns:Publish", topic_arn, source):
        log.warning("the alarm `%s` may not publish to `%s`", alarm["AlarmName"], topic_arn)
        return
    actions = ("kms:GenerateDataKey", "kms:Decrypt")
    if not resource_policy.key_allows(topic.kms_master_key_id, (account_id, region), CLOUDWATCH[1], actions, {}):
        log.warning("the key of `%s` does not let CloudWatch use it", topic_arn)
        return
    body = {
        "AlarmName": alarm["AlarmName"],
        "AlarmDescription": alarm.get("AlarmDescription"),
        "AlarmArn": alarm["AlarmArn"],
        "NewStateValue": state,
        "OldStateValue": before,
        "Trigger": {key: alarm[key] for key in ("Namespace", "MetricName", "Dimensions")},
    }
    subject = f'{state}: "{alarm["AlarmName"]}"'[:100]
    sns_backends[account_id][region].publish(json.dumps(body), arn=topic_arn, subject=subject)
