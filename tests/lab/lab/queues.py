"""SQS event source mappings: what Lambda's pollers do between a queue and a function.

Polls each enabled mapping's queue, invokes with a batch, deletes what succeeded and lets the rest become visible again. Departure from
AWS, so that tests are quick: what failed is visible again after `retry_seconds` instead of the visibility timeout of the queue.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from lab import authorizations, clock, work

if TYPE_CHECKING:
    from lab.functions import Functions

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.2

# Held while a batch is taken and while a mapping changes: whoever stopped a mapping knows that nothing is taken any more.
_taking = threading.Lock()
_arrived = threading.Condition()
_arrivals = 0


def install() -> None:
    """Mend moto's queues: no invocation while a message is sent, and no message lost between a send and a delete."""
    from moto.awslambda.models import LambdaBackend
    from moto.sqs.models import Message, Queue, SQSBackend

    create, update, add, delete, receive = (
        LambdaBackend.create_event_source_mapping,
        LambdaBackend.update_event_source_mapping,
        Queue.add_message,
        Queue.delete_message,
        SQSBackend.receive_message,
    )

    @wraps(create)
    def create_without_push(backend: Any, spec: dict[str, Any]) -> Any:
        from moto.sqs.models import sqs_backends

        mapping = create(backend, spec)
        for queue in sqs_backends[backend.account_id][backend.region_name].queues.values():
            queue.lambda_event_source_mappings.clear()
        wake()
        return mapping

    @wraps(update)
    def update_between_batches(backend: Any, *args: Any, **kwargs: Any) -> Any:
        with _taking:
            mapping = update(backend, *args, **kwargs)
        wake()
        return mapping

    @wraps(add)
    def add_and_wake(queue: Any, message: Any) -> None:
        with queue._messages_lock:
            add(queue, message)
        wake()

    @wraps(delete)
    def delete_alone(queue: Any, receipt_handle: str) -> None:
        with queue._messages_lock:
            delete(queue, receipt_handle)

    @wraps(receive)
    def receive_alone(backend: Any, queue_name: str, *args: Any, **kwargs: Any) -> Any:
        # A long poll gives the lock back while it waits.
        with backend.get_queue(queue_name)._messages_lock:
            return receive(backend, queue_name, *args, **kwargs)

    def delay(message: Any, delay_seconds: int) -> None:
        message.delayed_until = _now_millis() + int(delay_seconds) * 1000

    # A delayed message waits on the lab's clock, so that nobody sleeps for a quarter of an hour.
    Message.delay = delay
    Message.delayed = property(lambda message: _now_millis() < message.delayed_until)
    LambdaBackend.create_event_source_mapping = create_without_push
    LambdaBackend.update_event_source_mapping = update_between_batches
    Queue.add_message = add_and_wake
    Queue.delete_message = delete_alone
    SQSBackend.receive_message = receive_alone


def _now_millis() -> float:
    return clock.now().timestamp() * 1000


def wake() -> None:
    """Something arrived or became visible: look at the queues again."""
    global _arrivals
    with _arrived:
        _arrivals += 1
        _arrived.notify_all()


class Pollers:
    """One thread looks at all mapped queues; each batch runs on a thread of its own."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self.retry_seconds = RETRY_SECONDS
        # Messages that failed, by id: the receipt handle tells whether one was received again since.
        self._failed: dict[str, _Failed] = {}
        self._busy: Counter[str] = Counter()
        self._warned: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.paused = False
        self._thread = threading.Thread(target=self._run, daemon=True, name="pollers")
        self._thread.start()

    def reset(self) -> None:
        self.retry_seconds = RETRY_SECONDS
        with self._lock:
            self._failed.clear()
        self._warned.clear()

    def retry_after(self, seconds: float) -> None:
        """Failed messages are visible again after so long; those that wait already, too."""
        with self._lock:
            self.retry_seconds = seconds
            for failed in self._failed.values():
                failed.show(seconds)
        wake()

    def pause(self, paused: bool) -> None:
        """While paused, queues fill and nothing is invoked."""
        with _taking:
            self.paused = paused
        wake()

    def stop(self) -> None:
        self._stop.set()
        wake()
        self._thread.join(5.0)

    def pending(self) -> int:
        """Messages of mapped queues that are visible, under way, or become so within the idle horizon.

        Never none while there are some: what is taken between the two looks is under way at the second, and whatever ends
        or arrives between them is noticed.
        """
        with _arrived:
            before = _arrivals
        horizon = (time.time() + work.IDLE_HORIZON_SECONDS) * 1000
        delay_horizon = _now_millis() + work.IDLE_HORIZON_SECONDS * 1000
        waiting = 0
        if not self.paused:
            for mapping in self._mappings():
                queue = _queue(mapping.event_source_arn)
                if queue is not None:
                    waiting += sum(
                        message.visible_at <= horizon and message.delayed_until <= delay_horizon
                        for message in list(queue._messages)
                    )
        with self._lock:
            busy = sum(self._busy.values())
        with _arrived:
            moved = _arrivals != before
        return waiting + busy + moved

    def _mappings(self) -> list[Any]:
        from moto.awslambda.models import lambda_backends

        found = []
        for _, _, backend in list(lambda_backends.iter_backends()):
            found += [
                mapping
                for mapping in list(backend._event_source_mappings.values())
                if mapping.enabled and ":sqs:" in mapping.event_source_arn
            ]
        return sorted(found, key=lambda mapping: mapping.uuid)

    def _run(self) -> None:
        seen = -1
        while not self._stop.is_set():
            with _arrived:
                if _arrivals == seen:
                    # Also looks by itself: a delayed message becomes visible without any notice.
                    _arrived.wait(0.1)
                seen = _arrivals
            if self.paused:
                continue
            for mapping in self._mappings():
                try:
                    self._poll(mapping)
                except Exception:
                    log.exception("polling `%s` failed", mapping.event_source_arn)

    def _poll(self, mapping: Any) -> None:
        from moto.sqs.models import sqs_backends

        queue = _queue(mapping.event_source_arn)
        if queue is None:
            return
        try:
            limit = self._functions.pool(mapping.function_arn).limit
        except LookupError as problem:
            if mapping.uuid not in self._warned:
                self._warned.add(mapping.uuid)
                log.warning("the queue `%s` is not polled: %s", queue.name, problem)
            return
        maximum = (mapping.scaling_config or {}).get("MaximumConcurrency")
        limit = min(limit, int(maximum)) if maximum else limit
        while True:
            with self._lock:
                if self._busy[mapping.uuid] >= limit:
                    return
            if not any(message.visible and not message.delayed for message in list(queue._messages)):
                return
            with _taking:
                if self.paused or not mapping.enabled:
                    return
                # Counted before the messages turn invisible, so that nobody sees an idle lab in between.
                with self._lock:
                    self._busy[mapping.uuid] += 1
                messages = sqs_backends[queue.account_id][queue.region].receive_message(
                    queue.name, int(mapping.batch_size), 0, int(queue.visibility_timeout), ["All"]
                )
            _tell(mapping, queue, "ReceiveMessage", "GetQueueAttributes")
            if not messages:
                with self._lock:
                    self._busy[mapping.uuid] -= 1
                return
            threading.Thread(target=self._batch, args=(mapping, queue, messages), daemon=True).start()

    def _batch(self, mapping: Any, queue: Any, messages: list[Any]) -> None:
        try:
            failed = self._invoke(mapping, queue, messages)
            for message in messages:
                if message.id in failed:
                    self._show_again(queue, message)
                else:
                    _tell(mapping, queue, "DeleteMessage")
                    queue.delete_message(message.receipt_handle)
        except Exception:
            log.exception("batch of `%s` failed in the lab", queue.name)
            for message in messages:
                self._show_again(queue, message)
        finally:
            # What failed is visible again before this counts as ended: whoever looked before must look again.
            wake()
            with self._lock:
                self._busy[mapping.uuid] -= 1
            wake()

    def _invoke(self, mapping: Any, queue: Any, messages: list[Any]) -> set[str]:
        """The ids of the messages that failed."""
        everything = {message.id for message in messages}
        payload = json.dumps({"Records": [_record(queue, message) for message in messages]}).encode()
        result = self._functions.invoke(mapping.function_arn, payload)
        if result.error:
            return everything
        if "ReportBatchItemFailures" not in (mapping.function_response_types or []):
            return set()
        return _failed_items(result.payload, everything)

    def _show_again(self, queue: Any, message: Any) -> None:
        with self._lock:
            failed = self._failed[message.id] = _Failed(queue, message, time.time())
            failed.show(self.retry_seconds)


def _tell(mapping: Any, queue: Any, *operations: str) -> None:
    """Lambda polls in the name of the role of the function. https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html#events-sqs-permissions"""
    role = _role_of(mapping.function_arn)
    for operation in operations:
        authorizations.request(role, queue.region, f"sqs:{operation}", queue.queue_arn)


def _role_of(function_arn: str) -> str:
    from moto.awslambda.models import lambda_backends

    _, _, _, region, account_id, _, name = function_arn.split(":")[:7]
    function = lambda_backends[account_id][region].get_function(name)
    return str(function.role)


@dataclass(frozen=True)
class _Failed:
    queue: Any
    message: Any
    at: float

    def show(self, seconds: float) -> None:
        """Visible so long after the failure; a message that was received again since is somebody else's."""
        with self.queue._messages_lock:
            for kept in self.queue._messages:
                if kept.id == self.message.id and kept.receipt_handle == self.message.receipt_handle:
                    kept.visible_at = (self.at + seconds) * 1000


def _failed_items(payload: bytes, everything: set[str]) -> set[str]:
    """Lambda takes a malformed report, an empty id or an unknown id as the failure of the whole batch."""
    try:
        answer = json.loads(payload)
    except ValueError:
        return everything
    if answer in (None, {}):
        return set()
    if not isinstance(answer, dict):
        return everything
    items = answer.get("batchItemFailures")
    if items is None:
        return set()
    try:
        failed = {item["itemIdentifier"] for item in items}
    except (TypeError, KeyError):
        return everything
    return failed if failed <= everything else everything


def _queue(arn: str) -> Any | None:
    from moto.sqs.models import sqs_backends

    _, _, _, region, account_id, name = arn.split(":", 5)
    return sqs_backends[account_id][region].queues.get(name)


def _record(queue: Any, message: Any) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": str(message.sender_id),
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
        },
        "messageAttributes": {
            name: {
                "stringValue": value.get("StringValue") or value.get("string_value"),
                "dataType": value.get("DataType") or value.get("data_type"),
                "stringListValues": [],
                "binaryListValues": [],
            }
            for name, value in sorted(message.message_attributes.items())
        },
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.queue_arn,
        "awsRegion": queue.region,
    }
