"""EventBridge delivery by the rules that exist in moto, as AWS delivers.

Decides which rule hears an event and whether a target may be reached: patterns, the state for read-only CloudTrail events, the policy of
a bus in another account, one account hop and one Region hop. Knows nothing of what an event means.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html
"""

from __future__ import annotations

import copy
import json
import logging
import random
import threading
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any

from lab import authorizations, bus_policy, clock, resource_policy, work

log = logging.getLogger(__name__)

Event = dict[str, Any]
CLOUDTRAIL_DETAIL_TYPES = {"AWS API Call via CloudTrail", "AWS Console Sign In via CloudTrail"}
ALL_CLOUDTRAIL_EVENTS = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
EVENTBRIDGE = ("Service", "events.amazonaws.com")
READ_ONLY_PREFIXES = ("BatchGet", "Describe", "Get", "Head", "List", "Lookup", "Query", "Scan", "Search")
# AWS KMS records its cryptographic calls as read-only. https://docs.aws.amazon.com/kms/latest/developerguide/logging-using-cloudtrail.html
READ_ONLY_KMS = ("Decrypt", "Encrypt", "GenerateDataKey", "GenerateMac", "ReEncrypt", "Sign", "Verify", "VerifyMac")


class Undeliverable(Exception):
    """A target that EventBridge does not retry: the event goes to the dead-letter queue of the target, or is lost."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Hops:
    accounts: int = 0
    regions: int = 0
    buses: int = 0


class Disturbance:
    """At-least-once and best-effort delivery made visible: extra copies and losses, repeatable by seed."""

    def __init__(self, duplicate: int = 0, drop: float = 0.0, seed: int = 0) -> None:
        self.duplicate = duplicate
        self.drop = drop
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def copies(self) -> int:
        """How often one delivery to a target is made."""
        with self._lock:
            if self.drop and self._random.random() < self.drop:
                return 0
        return 1 + self.duplicate


_counts: Counter[str] = Counter()
_counts_lock = threading.Lock()
_disturbance = Disturbance()


def reset() -> None:
    """No counts, no disturbance."""
    disturb()
    with _counts_lock:
        _counts.clear()


def disturb(duplicate: int = 0, drop: float = 0.0, seed: int = 0) -> None:
    """From now on deliver every event `duplicate` more times and lose it with probability `drop`."""
    global _disturbance
    if duplicate < 0 or not 0.0 <= drop <= 1.0:
        raise ValueError("`duplicate` must not be negative and `drop` must lie between 0 and 1")
    _disturbance = Disturbance(duplicate, drop, seed)


def counts() -> dict[str, int]:
    """What happened to events since the last reset, for `/lab/health`."""
    with _counts_lock:
        return dict(sorted(_counts.items()))


def _count(name: str) -> None:
    with _counts_lock:
        _counts[name] += 1


def emit(account_id: str, region: str, event: Event) -> None:
    """Put an event of an AWS service on the default bus of an account and Region and deliver it.

    Adds what is missing of version, id, time, account, region, resources and detail; nothing given is changed.
    """
    complete = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "time": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "account": account_id,
        "region": region,
        "resources": [],
        "detail": {},
        **event,
    }
    publish(account_id, region, "default", complete)


def publish(account_id: str, region: str, bus_name: str, event: Event, hops: Hops = Hops()) -> None:
    """Match an event against the rules of one bus and deliver it to their targets."""
    from moto.events.models import events_backends

    with work.track("event delivery"):
        if not hops.buses:
            _count("emitted")
        bus = events_backends[account_id][region].event_buses.get(bus_name)
        if bus is None:
            raise Undeliverable(
                "RESOURCE_NOT_FOUND", f"event bus `{bus_name}` does not exist in `{account_id}` `{region}`"
            )
        for rule in list(bus.rules.values()):
            if not _hears(rule, event):
                continue
            _count("matched")
            for target in list(rule.targets):
                for _ in range(_disturbance.copies()):
                    _deliver_or_bury(rule, target, event, hops)


def fire(account_id: str, region: str, name: str) -> None:
    """The moment of a rule with a schedule: its targets get the event that EventBridge makes for it. Disturbances are for events only.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
    """
    from moto.events.models import events_backends

    rules = events_backends[account_id][region].event_buses["default"].rules
    if name not in rules or not rules[name].scheduled_expression:
        raise ValueError(f"no rule `{name}` with a schedule in `{account_id}` `{region}`")
    rule = rules[name]
    if rule.state == "DISABLED":
        return
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": account_id,
        "time": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [rule.arn],
        "detail": {},
    }
    with work.track("event delivery"):
        for target in list(rule.targets):
            _deliver_or_bury(rule, target, event, Hops())


def _hears(rule: Any, event: Event) -> bool:
    # A rule without a pattern is a schedule; moto's empty pattern would match everything.
    if rule.state == "DISABLED" or not rule.event_pattern.get_pattern():
        return False
    if is_read_only_management_event(event) and rule.state != ALL_CLOUDTRAIL_EVENTS:
        return False
    return rule.event_pattern.matches_event(event)


def is_read_only_management_event(event: Event) -> bool:
    """Whether only rules in the state for all CloudTrail management events hear it."""
    if event.get("detail-type") not in CLOUDTRAIL_DETAIL_TYPES:
        return False
    detail = event.get("detail") or {}
    read_only = detail.get("readOnly")
    if read_only is not None:
        return str(read_only).lower() == "true"
    name = str(detail.get("eventName", ""))
    if detail.get("eventSource") == "kms.amazonaws.com" and name.startswith(READ_ONLY_KMS):
        return True
    return name.startswith(READ_ONLY_PREFIXES)


def _deliver_or_bury(rule: Any, target: dict[str, Any], event: Event, hops: Hops) -> None:
    try:
        _deliver(rule, target, event, hops)
        _count("delivered")
    except Undeliverable as problem:
        _count("undeliverable")
        log.info("rule `%s` cannot deliver to `%s`: %s: %s", rule.arn, target["Arn"], problem.code, problem)
        _bury(rule, target, event, problem)


def _deliver(rule: Any, target: dict[str, Any], event: Event, hops: Hops) -> None:
    arn = target["Arn"]
    _, _, service, region, account_id, resource = arn.split(":", 5)
    if service == "events" and resource.startswith("event-bus/"):
        _forward(rule, target, event, hops, account_id, region, resource.removeprefix("event-bus/"))
    elif service == "sqs":
        _send_to_queue(rule, arn, _body(target, event), target.get("SqsParameters", {}).get("MessageGroupId"))
    elif service == "sns":
        _send_to_topic(arn, _body(target, event))
    elif service == "lambda":
        _invoke(arn, _body(target, event))
    elif service == "states":
        _tell(rule, _check_role_exists(rule, target), "states:StartExecution", arn)
        _start_execution(arn, _body(target, event))
    else:
        raise Undeliverable("UNSUPPORTED_TARGET", f"the lab delivers to no target like `{arn}`")


def _forward(
    rule: Any, target: dict[str, Any], event: Event, hops: Hops, account_id: str, region: str, bus_name: str
) -> None:
    after = Hops(
        hops.accounts + (account_id != rule.account_id), hops.regions + (region != rule.region_name), hops.buses + 1
    )
    if after.accounts > 1:
        raise Undeliverable("THIRD_ACCOUNT_HOP_DETECTED", "an event crosses one account border only")
    if after.regions > 1:
        raise Undeliverable("THIRD_REGION_HOP_DETECTED", "an event crosses one Region border only")
    if after.buses > 5:
        raise Undeliverable("LOOP_DETECTED", "buses forward to each other in a circle")
    if account_id != rule.account_id or region != rule.region_name:
        _check_role(rule, target, account_id, region, bus_name)
    # The envelope stays as it was at the origin.
    publish(account_id, region, bus_name, event, after)


def _check_role(rule: Any, target: dict[str, Any], account_id: str, region: str, bus_name: str) -> None:
    from moto.events.models import events_backends

    role_arn = _check_role_exists(rule, target)
    _tell(rule, role_arn, "events:PutEvents", target["Arn"])
    if account_id == rule.account_id:
        return
    bus = events_backends[account_id][region].event_buses.get(bus_name)
    if bus is None:
        raise Undeliverable("RESOURCE_NOT_FOUND", f"event bus `{target['Arn']}` does not exist")
    if not bus_policy.allows(bus.policy, bus.arn, role_arn):
        raise Undeliverable("NO_PERMISSIONS", f"the policy of `{bus.arn}` does not allow `{role_arn}` to put events")


def _check_role_exists(rule: Any, target: dict[str, Any]) -> str:
    from moto.iam.models import iam_backends

    role_arn = target.get("RoleArn")
    if not role_arn:
        raise Undeliverable("NO_PERMISSIONS", f"the target `{target['Arn']}` of rule `{rule.name}` has no RoleArn")
    roles = {role.arn for role in iam_backends[rule.account_id]["aws"].roles.values()}
    if role_arn not in roles:
        raise Undeliverable("NO_PERMISSIONS", f"role `{role_arn}` does not exist")
    return role_arn


def _tell(rule: Any, role_arn: str, action: str, resource: str) -> None:
    """EventBridge takes the role of a target on and asks in its name.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/cross-service-confused-deputy-prevention.html
    """
    source = {"aws:SourceArn": rule.arn, "aws:SourceAccount": rule.account_id}
    authorizations.assumed(role_arn, "events.amazonaws.com", source)
    authorizations.request(role_arn, rule.region_name, action, resource)


def _body(target: dict[str, Any], event: Event) -> str:
    """What the target gets: the whole event, a constant, a part of it, or a text made from it."""
    if "Input" in target:
        return target["Input"]
    if target.get("InputPath"):
        return json.dumps(_at(event, target["InputPath"]))
    if target.get("InputTransformer"):
        from moto.events.utils import EventTemplateParser

        transformer = target["InputTransformer"]
        stamped = {**copy.deepcopy(event), "ingestion-time": clock.now().timestamp()}
        made = EventTemplateParser.parse(transformer["InputTemplate"], transformer.get("InputPathsMap", {}), stamped)
        return made if isinstance(made, str) else json.dumps(made)
    return json.dumps(event)


def _at(event: Event, path: str) -> Any:
    from jsonpath_ng.ext import parse

    found = parse(path).find(event)
    return found[0].value if found else None


def _send_to_queue(rule: Any, arn: str, body: str, group_id: str | None = None, attributes: Any = None) -> None:
    from moto.sqs.exceptions import QueueDoesNotExist
    from moto.sqs.models import sqs_backends

    _, _, _, region, account_id, name = arn.split(":", 5)
    if region != rule.region_name:
        raise Undeliverable("INVALID_TARGET", f"queue `{arn}` is not in the Region of rule `{rule.arn}`")
    backend = sqs_backends[account_id][region]
    try:
        _check_queue(rule, backend.get_queue(name))
        backend.send_message(name, body, message_attributes=attributes, group_id=group_id)
    except QueueDoesNotExist:
        raise Undeliverable("RESOURCE_NOT_FOUND", f"queue `{arn}` does not exist") from None


def _check_queue(rule: Any, queue: Any) -> None:
    """The policy of a queue and that of its key decide; EventBridge brings no source along to the key.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sqs-permissions
    """
    source = {"aws:SourceArn": rule.arn, "aws:SourceAccount": rule.account_id}
    if not resource_policy.allows(queue.policy, EVENTBRIDGE, "sqs:SendMessage", queue.queue_arn, source):
        raise Undeliverable("NO_PERMISSIONS", f"the policy of `{queue.queue_arn}` does not let `{rule.arn}` send")
    owner, actions = (queue.account_id, queue.region), ("kms:GenerateDataKey", "kms:Decrypt")
    if not resource_policy.key_allows(queue.kms_master_key_id, owner, EVENTBRIDGE[1], actions, {}):
        raise Undeliverable("NO_PERMISSIONS", f"the key of `{queue.queue_arn}` does not let EventBridge use it")


def _send_to_topic(arn: str, body: str) -> None:
    from moto.sns.models import sns_backends

    _, _, _, region, account_id, _ = arn.split(":", 5)
    backend = sns_backends[account_id][region]
    if arn not in backend.topics:
        raise Undeliverable("RESOURCE_NOT_FOUND", f"topic `{arn}` does not exist")
    backend.publish(body, arn=arn)


def _invoke(arn: str, body: str) -> None:
    from lab import functions

    try:
        functions.invoke_later(arn, body.encode())
    except functions.NoSuchFunction as problem:
        raise Undeliverable("RESOURCE_NOT_FOUND", str(problem)) from None


def _start_execution(arn: str, body: str) -> None:
    from lab import executions

    try:
        executions.start(arn, body)
    except executions.NoSuchStateMachine as problem:
        raise Undeliverable("RESOURCE_NOT_FOUND", str(problem)) from None


def _bury(rule: Any, target: dict[str, Any], event: Event, problem: Undeliverable) -> None:
    queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not queue_arn:
        _count("lost")
        return
    texts = {
        "RULE_ARN": rule.arn,
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": problem.code,
        "ERROR_MESSAGE": str(problem),
    }
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in texts.items()}
    try:
        _send_to_queue(rule, queue_arn, json.dumps(event), attributes=attributes)
        _count("dead_lettered")
    except Undeliverable as second:
        _count("lost")
        log.warning("event of rule `%s` is lost: %s", rule.arn, second)
