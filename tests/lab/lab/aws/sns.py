"""SNS deliveries that moto does not make: queues of other accounts, a mailbox for people and web hooks, and subscriptions that wait.

Across the border of an account policies decide, as on AWS: that of the topic who may subscribe, that of the queue what SNS may deliver. A
subscription belongs to who made it and delivers for the topic, wherever that is.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

from moto.core.responses import ActionResult
from moto.sns.exceptions import SNSException
from moto.sns.models import SNSBackend, Subscription, sns_backends
from moto.sns.responses import SNSResponse
from moto.sqs.models import sqs_backends

from lab import clock, resource_policy

from . import events

MAILBOX_PROTOCOLS = frozenset({"email", "email-json", "sms", "http", "https"})


@dataclass(frozen=True)
class Delivery:
    """What one subscriber got, in the variant that the message has for the protocol."""

    at: str
    protocol: str
    endpoint: str
    topic_arn: str
    subscription_arn: str
    message_id: str
    subject: str | None
    body: str
    attributes: dict[str, Any]


class Mailbox:
    """Deliveries in order of arrival."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deliveries: list[Delivery] = []

    def add(self, delivery: Delivery) -> None:
        with self._lock:
            self._deliveries.append(delivery)

    def deliveries(self, protocol: str | None = None, endpoint: str | None = None) -> list[dict[str, Any]]:
        with self._lock:
            return [
                asdict(one)
                for one in self._deliveries
                if protocol in (None, one.protocol) and endpoint in (None, one.endpoint)
            ]

    def clear(self) -> None:
        with self._lock:
            self._deliveries.clear()


mailbox = Mailbox()

# AWS confirms nobody by itself but queues and functions of the same account; moto confirms everybody, which most tests want.
_pending: set[str] = set()


def set_pending(endpoint: str, pending: bool) -> None:
    """Whether the subscriptions of an endpoint wait for their confirmation: listed without an ARN, and delivered nothing."""
    (_pending.add if pending else _pending.discard)(endpoint)


def reset() -> None:
    mailbox.clear()
    _pending.clear()


# moto keeps the account of a delivery on the subscription: one delivery at a time may change it.
_sqs_lock = threading.Lock()


def _sandbox(self: SNSResponse) -> ActionResult:
    """Where every account begins. https://docs.aws.amazon.com/sns/latest/dg/sns-sms-sandbox.html"""
    return ActionResult({"IsInSandbox": True})


def install() -> None:
    SNSResponse.get_sms_sandbox_account_status = _sandbox  # type: ignore[attr-defined]
    publish = Subscription.publish

    def publish_here(
        self: Subscription,
        message: str,
        message_id: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        message_structure: str | None = None,
    ) -> None:
        arguments = {
            "subject": subject,
            "message_attributes": message_attributes,
            "group_id": group_id,
            "deduplication_id": deduplication_id,
            "message_structure": message_structure,
        }
        if self.endpoint in _pending:
            return
        if self.protocol == "sqs":
            if not _may_deliver(self.topic.arn, self.endpoint):
                return
            # moto looks for the queue in the account of the topic; the queue's ARN knows better.
            with _sqs_lock:
                own_account, self.account_id = self.account_id, self.endpoint.split(":")[4]
                raw = self.attributes.get("RawMessageDelivery")
                try:
                    # moto takes the text "false" for true.
                    self.attributes["RawMessageDelivery"] = str(raw).lower() == "true"
                    publish(self, message, message_id, **arguments)
                finally:
                    self.account_id = own_account
                    if raw is None:
                        self.attributes.pop("RawMessageDelivery", None)
                    else:
                        self.attributes["RawMessageDelivery"] = raw
            return
        if self.protocol not in MAILBOX_PROTOCOLS:
            publish(self, message, message_id, **arguments)
            return
        matcher = self._filter_policy_matcher
        if matcher is not None and not matcher.matches(message_attributes, message):
            return
        body = self._parse_message_structure(message, self.protocol) if message_structure == "json" else message
        mailbox.add(
            Delivery(
                events.iso_milliseconds(clock.now()),
                self.protocol,
                self.endpoint,
                self.topic.arn,
                self.arn,
                message_id,
                subject,
                body,
                {name: value.get("Value") for name, value in sorted((message_attributes or {}).items())},
            )
        )

    subscribe = SNSBackend.subscribe

    def subscribe_where_the_topic_is(self: SNSBackend, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
        owner = topic_arn.split(":")[4]
        if owner == self.account_id:
            return subscribe(self, topic_arn, endpoint, protocol)
        source = {"sns:Protocol": protocol, "sns:Endpoint": endpoint}
        topic = self.get_topic(topic_arn)
        if not resource_policy.allows(topic.policy, ("AWS", self.account_id), "sns:Subscribe", topic_arn, source):
            raise NotAuthorized
        return subscribe(sns_backends[owner][self.region_name], topic_arn, endpoint, protocol)

    Subscription.publish = publish_here  # type: ignore[method-assign]
    SNSResponse.list_subscriptions_by_topic = _listed  # type: ignore[method-assign]
    SNSBackend.subscribe = subscribe_where_the_topic_is  # type: ignore[method-assign]


def _listed(self: SNSResponse) -> ActionResult:
    topic_arn, token = self._get_param("TopicArn"), self._get_param("NextToken")
    subscriptions, token = self.backend.list_subscriptions_by_topic(topic_arn, next_token=token)
    members = [
        {
            "SubscriptionArn": "PendingConfirmation" if one.endpoint in _pending else one.arn,
            "Owner": one.owner,
            "Protocol": one.protocol,
            "Endpoint": one.endpoint,
            "TopicArn": one.topic.arn,
        }
        for one in subscriptions
    ]
    return ActionResult({"Subscriptions": members, "NextToken": token})


class NotAuthorized(SNSException):
    code = "AuthorizationError"

    def __init__(self) -> None:
        super().__init__("User is not authorized to perform: SNS:Subscribe on this topic")


def _may_deliver(topic_arn: str, queue_arn: str) -> bool:
    """Queues of the topic's own account are not asked: tests make them without a policy."""
    _, _, _, region, account_id, name = queue_arn.split(":", 5)
    if account_id == topic_arn.split(":")[4]:
        return True
    policy = sqs_backends[account_id][region].get_queue(name).policy
    sender = ("Service", "sns.amazonaws.com")
    return resource_policy.allows(policy, sender, "sqs:SendMessage", queue_arn, resource_policy.of_topic(topic_arn))
