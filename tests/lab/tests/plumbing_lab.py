"""One lab for the tests of its plumbing: the small fixture template, the test function, and a stand-in for the AWS part."""

from __future__ import annotations

import json
import shutil
import tempfile
import urllib.error
import urllib.request
import uuid
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.config import Config

from lab import accounts, bus, clients
from lab.server import Lab

FIXTURE = Path(__file__).parent / "plumbing"
QUEUE = "problems"
WORKER = f"arn:aws:lambda:eu-central-1:{accounts.GUARDIAN}:function:worker"

delays: list[tuple[float, float]] = []
STAND_IN = SimpleNamespace(
    install=lambda: None,
    reset=lambda: None,
    cloudtrail=SimpleNamespace(set_delay=lambda lookup, event: delays.append((lookup, event))),
    sns=SimpleNamespace(mailbox=SimpleNamespace(deliveries=lambda protocol, endpoint: [])),
    controls=SimpleNamespace(ROUTES={"next-job": lambda given: {"next": given}}),
)


@cache
def the_lab() -> Lab:
    functions = Path(tempfile.mkdtemp(prefix="lab-functions-"))
    shutil.copy(FIXTURE / "bin" / "test-function", functions / "test-function")
    return Lab(project=FIXTURE, functions_dir=functions, extensions=STAND_IN)


def fresh() -> Lab:
    the_lab().reset()
    return the_lab()


def control(method: str, path: str, body: Any = None) -> Any:
    """A control route as a test outside the process would call it; the answer's JSON, also of a refusal."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{the_lab().endpoint}/lab/{path}", data, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        return {"status": refused.code, **json.load(refused)}


def idle() -> None:
    assert control("GET", "idle?timeout=120")["idle"], control("GET", "health")


def aws(service: str, account_id: str = accounts.GUARDIAN, region: str = "eu-central-1") -> Any:
    return clients.client(service, account_id, region)


def through_proxy(service: str, read_timeout: float = 30) -> Any:
    """A client whose calls take the way of a function's calls, each tried once."""
    settings = Config(retries={"total_max_attempts": 1}, read_timeout=read_timeout)
    return boto3.client(service, endpoint_url=the_lab().proxy.main.url, region_name="eu-central-1", config=settings)


def job_event(state: str = "FAILED", **detail: Any) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "source": "aws.backup",
        "detail-type": "Copy Job State Change",
        "detail": {"state": state, **detail},
    }


def emit(event: dict[str, Any], account_id: str = accounts.SOURCES[0], region: str = "eu-central-1") -> str:
    bus.emit(account_id, region, event)
    return event["id"]


def handled() -> list[str]:
    """Ids that the function wrote down."""
    return sorted(item["pk"]["S"] for item in aws("dynamodb").scan(TableName="seen")["Items"])


def messages(name: str, account_id: str = accounts.GUARDIAN, region: str = "eu-central-1") -> list[dict[str, Any]]:
    sqs = aws("sqs", account_id, region)
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
    return received.get("Messages", [])


def invoke(event: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Payload and function error of a synchronous invocation."""
    answer = aws("lambda").invoke(FunctionName="worker", Payload=json.dumps(event))
    return json.loads(answer["Payload"].read()), answer.get("FunctionError")


def open_queue(name: str) -> tuple[str, str]:
    """URL and ARN of a new queue of the guardian's account into which EventBridge may send."""
    sqs, arn = aws("sqs"), f"arn:aws:sqs:eu-central-1:{accounts.GUARDIAN}:{name}"
    sender = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [sender]})
    return sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"], arn
