"""The guardian as it is deployed, seen from outside: its functions, queues and tables, and trouble on the wire.

Everything goes through the APIs of AWS and the documented `/lab/*` controls.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from .organization import Json, Lab

DIAGNOSE = "backup-guardian-diagnose-job"
COLLECT = "backup-guardian-collect-denials"
WATCH = "backup-guardian-watch-tamper"
FOLLOW_UP = "backup-guardian-follow-up"
RECONCILE = "backup-guardian-reconcile-jobs"
RECONCILE_RULE = "backup-guardian-reconcile"
CHECK = "backup-guardian-check-alarm-path"
RUN_DRILL = "backup-guardian-run-drill"
DRILL_RULE = "backup-guardian-drill"
CHECK_RULE = "backup-guardian-check-alarm-path"
VAULT_NOTIFICATIONS = "backup-guardian-vault-notifications"
READER_ROLE = "backup-guardian-reader"
LOOKUP = "LookupEvents"
# `RETRY_AFTER` of aws/src/work.rs, and a little.
RETRY_SECONDS = 61
# A message that failed waits until the test brings it, as the visibility timeout of AWS is longer than any lease.
HELD_SECONDS = 600


class Guardian:
    """The deployed guardian of a lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.functions = lab.client(lab.guardian, "lambda")
        self.sqs = lab.client(lab.guardian, "sqs")
        self.dynamodb = lab.client(lab.guardian, "dynamodb")
        variables = self.functions.get_function_configuration(FunctionName=DIAGNOSE)["Environment"]["Variables"]
        self.table: str = variables["GUARDIAN_TABLE"]
        self.denials_table: str = variables["GUARDIAN_DENIALS_TABLE"]

    # -- queues ------------------------------------------------------------------------------------------------------

    def mapping(self, function: str = DIAGNOSE) -> Json:
        """The event source mapping of a function; of the one that hears vaults besides, that of its events."""
        mappings = self.functions.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
        (mapping,) = (each for each in mappings if not each["EventSourceArn"].endswith(VAULT_NOTIFICATIONS))
        return mapping

    def queue(self, function: str = DIAGNOSE) -> str:
        """The URL of the queue that a function works on."""
        return self._url(self.mapping(function)["EventSourceArn"])

    def dead_letters(self, function: str = DIAGNOSE) -> list[str]:
        """The bodies in the dead-letter queue of a function; they are taken out."""
        redrive = self.queue_attributes(function)["RedrivePolicy"]
        return self.take(self._url(json.loads(redrive)["deadLetterTargetArn"]))

    def take(self, url: str) -> list[str]:
        """The bodies in a queue; they are taken out."""
        bodies: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def queue_attributes(self, function: str = DIAGNOSE) -> Json:
        return self.sqs.get_queue_attributes(QueueUrl=self.queue(function), AttributeNames=["All"])["Attributes"]

    def waiting(self, function: str = DIAGNOSE) -> int:
        """Messages of the queue, visible or not."""
        found = self.queue_attributes(function)
        return int(found["ApproximateNumberOfMessages"]) + int(found["ApproximateNumberOfMessagesNotVisible"])

    def send(self, *bodies: str, function: str = DIAGNOSE) -> None:
        """Puts messages into the queue as one batch: nothing is read before the last one lies there."""
        with self.stopped(function):
            for body in bodies:
                self.sqs.send_message(QueueUrl=self.queue(function), MessageBody=body)

    @contextmanager
    def stopped(self, function: str) -> Iterator[None]:
        """Nobody works on the queue of a function meanwhile."""
        uuid = self.mapping(function)["UUID"]
        self.functions.update_event_source_mapping(UUID=uuid, Enabled=False)
        try:
            yield
        finally:
            self.functions.update_event_source_mapping(UUID=uuid, Enabled=True)

    def set_watching(self, enabled: bool) -> None:
        """Whether somebody works on the queue of writes. Nearly every test changes keys and vaults; what that endangers is for a few of them."""
        uuid = self.mapping(WATCH)["UUID"]
        self.sqs.purge_queue(QueueUrl=self.queue(WATCH))
        self.functions.update_event_source_mapping(UUID=uuid, Enabled=enabled)

    def _url(self, arn: str) -> str:
        return self.sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[-1])["QueueUrl"]

    def hold_retries(self) -> None:
        """From now on what fails waits for `bring_retries`."""
        self.lab.control("sqs", {"retry_seconds": HELD_SECONDS})

    def bring_retries(self, every: float = 0.2) -> None:
        """What failed comes again."""
        self.lab.control("sqs", {"retry_seconds": every})

    def reconcile(self) -> None:
        """One run of the schedule that looks for what no event announced, to its end: on a busy machine a read times out now and then."""
        self.begin_to_reconcile()
        self.go_on_reconciling()

    def begin_to_reconcile(self) -> None:
        """A run of the schedule, without what is tried again a minute later."""
        self.lab.control("schedule", {"rule": RECONCILE_RULE})
        self.lab.idle()

    def go_on_reconciling(self) -> None:
        """Minutes pass until nothing waits for its next try."""
        passed = 0
        while int(self.queue_attributes(RECONCILE)["ApproximateNumberOfMessagesDelayed"]):
            passed += RETRY_SECONDS
            self.lab.control("clock", {"advance_seconds": RETRY_SECONDS})
            self.lab.idle()
        self.lab.control("clock", {"advance_seconds": -passed})

    def should_be_empty(self) -> list[str]:
        """The URLs of the dead-letter queues, as the function that counts them is told."""
        variables = self.functions.get_function_configuration(FunctionName=CHECK)["Environment"]["Variables"]
        return [self._url(arn) for arn in variables["GUARDIAN_DEAD_LETTER_QUEUE_ARNS"].split(",")]

    def check_alarm_path(self) -> None:
        """One run of the schedule that looks at every part of the alarm path, to its end."""
        self.lab.control("schedule", {"rule": CHECK_RULE})
        self.lab.idle()

    # -- functions ---------------------------------------------------------------------------------------------------

    def restart(self, function: str = DIAGNOSE) -> None:
        """New processes: what the old ones remembered is gone."""
        self.lab.control("kill", {"function": function})

    @contextmanager
    def configured(self, function: str = DIAGNOSE, **variables: str) -> Iterator[None]:
        """A function with other environment variables meanwhile."""
        before = self.functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
        try:
            self._configure(function, {**before, **variables})
            yield
        finally:
            self._configure(function, before)

    def _configure(self, function: str, variables: Json) -> None:
        self.functions.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
        self.restart(function)

    def invoke(self, event: Json, function: str = DIAGNOSE) -> Json:
        """`aws lambda invoke` with one bare event."""
        answer = self.functions.invoke(FunctionName=function, Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def counts(self, function: str = DIAGNOSE) -> dict[tuple[str, str], int]:
        """The metrics in the logs of a function, summed: (metric, reason) to count."""
        found: dict[tuple[str, str], int] = {}
        for line in self.lab.control(f"logs?function={function}")[function]:
            if not line.startswith('{"_aws"'):
                continue
            emitted = json.loads(line)
            for metric in emitted["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
                key = (metric["Name"], emitted["reason"])
                found[key] = found.get(key, 0) + emitted[metric["Name"]]
        return found

    def errors(self) -> int:
        """Invocations that ended in an error so far: crashes, timeouts."""
        return self.lab.control("health")["functions"].get("errors", 0)

    # -- tables ------------------------------------------------------------------------------------------------------

    def items(self, table: str) -> list[Json]:
        """Every item of a table, in plain values."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        read = TypeDeserializer().deserialize
        return [{name: read(value) for name, value in item.items()} for page in pages for item in page["Items"]]

    def denials(self) -> list[Json]:
        """The kept denials."""
        return [json.loads(item["denial"]) for item in self.items(self.denials_table) if "denial" in item]

    @contextmanager
    def without_table(self, name: str) -> Iterator[None]:
        """A table is deleted meanwhile; afterwards there is an empty one of the same name."""
        table = self.dynamodb.describe_table(TableName=name)["Table"]
        self.dynamodb.delete_table(TableName=name)
        try:
            yield
        finally:
            self.dynamodb.create_table(
                TableName=name,
                KeySchema=table["KeySchema"],
                AttributeDefinitions=table["AttributeDefinitions"],
                BillingMode="PAY_PER_REQUEST",
                SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": self._key()},
            )

    def _key(self) -> str:
        """The ARN of the guardian's key."""
        kms = self.lab.client(self.lab.guardian, "kms")
        return kms.describe_key(KeyId="alias/backup-guardian")["KeyMetadata"]["Arn"]

    def let_leases_end(self) -> None:
        """Time passes: every lease is over. None may be longer than a message stays invisible, or AWS would bring it in vain."""
        visible_again = (time.time() + int(self.queue_attributes()["VisibilityTimeout"])) * 1000
        for item in self.items(self.table):
            for lease in {"lease_until", "announcing_until"} & item.keys():
                assert item[lease] <= visible_again, item
                self.dynamodb.update_item(
                    TableName=self.table,
                    Key={name: {"S": item[name]} for name in ("pk", "sk")},
                    UpdateExpression=f"SET {lease} = :over",
                    ExpressionAttributeValues={":over": {"N": "1"}},
                )

    def let_a_minute_pass(self) -> None:
        """Nothing was sent lately: tests make more alerts in a minute than people may get."""
        self.dynamodb.delete_item(TableName=self.table, Key={"pk": {"S": "pace"}, "sk": {"S": "alerts"}})

    def forget_tampering(self) -> None:
        """Nobody was told of anything that was done so far."""
        items = self.items(self.table)
        of_actors = {item["pk"] for item in items if item["sk"] == "head" and "burst" in json.loads(item["life"])}
        for item in items:
            if item["pk"] in of_actors:
                self.dynamodb.delete_item(TableName=self.table, Key={name: {"S": item[name]} for name in ("pk", "sk")})

    def forget_changes(self) -> None:
        """Whatever there is, is older than the log of changes."""
        for item in self.items(self.denials_table):
            if item["pk"].startswith("change#"):
                self.dynamodb.delete_item(
                    TableName=self.denials_table, Key={name: {"S": item[name]} for name in ("pk", "sk")}
                )

    def forget_what_was_put_off(self) -> None:
        """Nobody comes back to the incidents and drills of earlier tests, and no failed message of theirs comes again, which waits for minutes where
        retries were held: they would speak, and take their time, in the midst of another."""
        for function in (DIAGNOSE, COLLECT, WATCH, FOLLOW_UP, RUN_DRILL, RECONCILE, CHECK):
            self.sqs.purge_queue(QueueUrl=self.queue(function))

    # -- the wire ----------------------------------------------------------------------------------------------------

    def fault(
        self,
        kind: str,
        *,
        function: str = DIAGNOSE,
        times: int | None = None,
        seconds: float | None = None,
        **match: Any,
    ) -> None:
        """One more rule of trouble for the calls of a function."""
        rule: Json = {"fault": kind, "match": {"function": function, **match}, "times": times, "seconds": seconds}
        self.lab.control("faults", {name: value for name, value in rule.items() if value is not None})

    def well(self) -> None:
        """No more trouble."""
        self.lab.control("faults", method="DELETE")

    def met(self) -> int:
        """How many calls met trouble so far."""
        return sum(rule["applied"] for rule in self.lab.control("faults"))

    def requests(self, work: Callable[[], Any] | None = None, function: str = DIAGNOSE, **wanted: str) -> list[Json]:
        """The calls of a function while `work` was done and came to rest, oldest first."""
        if work is not None:
            self.lab.control("requests", method="DELETE")
            work()
            self.lab.idle()
        given = "&".join(f"{name}={value}" for name, value in {"function": function, **wanted}.items())
        return self.lab.control(f"requests?{given}")
