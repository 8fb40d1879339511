"""Where people read in a chat, everything that is told goes there too, in the form that the chat understands.

The guardian has a key of its own here for what must be told when its other key is lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from .guardian import RECONCILE, RUN_DRILL, Guardian
from .organization import Inbox, Json, Lab, Operations, failing_route, running_lab
from .test_lifecycle import LATE_SECONDS, later, mend
from .test_sweep_functions import Sweeps

OPERATIONS_KEY = "arn:aws:kms:eu-central-1:444444444444:key/0a1b2c3d-0000-1111-2222-333344445555"
STRANGER = "999999999999"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with running_lab("chat-lab.log", ChatTopic="yes", OperationsKeyArn=OPERATIONS_KEY) as lab:
        yield lab


class Chat:
    """A queue on the topic of the chat."""

    def __init__(self, lab: Lab) -> None:
        self.sqs, sns = lab.client(lab.guardian, "sqs"), lab.client(lab.guardian, "sns")
        self.url = self.sqs.create_queue(QueueName="chat")["QueueUrl"]
        asked = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        sns.subscribe(
            TopicArn=lab.info["outputs"]["ChatTopicArn"],
            Protocol="sqs",
            Endpoint=asked["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )

    def drain(self) -> list[Json]:
        found: list[Json] = []
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return found


def both(inbox: Inbox, chat: Chat) -> list[str]:
    """The kinds of what was told since, which are the same in both places."""
    told = inbox.drain()
    tampering = inbox.tampers()
    said = chat.drain()
    ids = sorted(f"{alert['incident_id']}-{alert['kind']}" for alert in told + tampering)
    assert ids == sorted(one["id"] for one in said)
    assert all(one["source"] == "custom" and one["content"]["title"] for one in said)
    return [alert["kind"] for alert in told]


def test_every_function_that_tells_tells_the_chat(lab: Lab) -> None:
    guardian, inbox, chat, operations = Guardian(lab), Inbox(lab), Chat(lab), Operations(lab)
    lab.control("cloudtrail-delay", {"lookup_seconds": LATE_SECONDS, "event_seconds": LATE_SECONDS})
    route = failing_route(lab)
    route.copy()
    assert both(inbox, chat) == ["failure"]
    later(lab, LATE_SECONDS + 1)
    assert both(inbox, chat) == ["upgrade"]
    mend(route)
    route.copy()
    assert both(inbox, chat) == ["resolved"]
    operations.drain()
    with guardian.configured(RECONCILE, GUARDIAN_ORGANIZATION_ROLE_ARN="", GUARDIAN_BACKUP_ACCOUNT_IDS=STRANGER):
        guardian.reconcile()
    (told,) = operations.drain()
    assert STRANGER in told and both(inbox, chat) == []
    guardian.send('{"drill": "backfill", "incident_id": "bg-thatneverwas"}', function=RUN_DRILL)
    (told,) = operations.drain()
    assert "bg-thatneverwas" in told
    lab.control("subscription", {"endpoint": operations.endpoint, "pending": True})
    guardian.check_alarm_path()
    assert both(inbox, chat) == ["self-check"]
    guardian.let_a_minute_pass()
    Sweeps(lab).run()
    assert both(inbox, chat) == ["sweep"]
    guardian.let_a_minute_pass()
    lab.cloudtrail_delay(0)
    failing_route(lab).copy()
    assert "failure" in both(inbox, chat) and guardian.denials() != []
