"""SNS deliveries that moto does not make: queues of other accounts, and a mailbox for people and web hooks."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from typing import Any

from moto.sns.models import Subscription

from lab import clock

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

# moto keeps the account of a delivery on the subscription: one delivery at a time may change it.
_sqs_lock = threading.Lock()


def install() -> None:
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
        if self.protocol == "sqs":
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

    Subscription.publish = publish_here  # type: ignore[method-assign]
