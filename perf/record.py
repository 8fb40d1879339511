"""What a function was asked and answered, recorded in the lab: a failed copy, its event, and every request of the function with its answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .runs import ROOT

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "lab")]

from suite.organization import Lab, failing_route, running_lab  # noqa: E402  the lab is driven as the tests drive it

from lab.runtime_api import Invocation, RuntimeApi  # noqa: E402

FUNCTION = "diagnose-job"
# Far more than the lab needs for its answers on a busy machine: a function whose time runs out asks less, or looks elsewhere.
UNHURRIED = {"GUARDIAN_EVIDENCE_WINDOW_MS": "30000"}

Json = dict[str, Any]


class Scene:
    """A failed copy that nobody has told of, and how the function that should tell of it is started."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        # What fails on its way to our tables comes again at once: to wait for it is to wait until it is there.
        lab.control("sqs", {"retry_seconds": 0.2})
        # One failure goes the ordinary way: its process shows what Lambda would give the function.
        failing_route(lab).start_copy()
        lab.idle()
        self.environment = _environment()
        self.function_arn = f"arn:aws:lambda:{lab.region}:{lab.guardian}:function:{FUNCTION}"
        self.event: Json = {}

    def fail_again(self) -> None:
        """Another cause, so that it is another incident: a batch of one message, as SQS hands it to Lambda."""
        route = failing_route(self.lab)
        self.lab.control("sqs", {"paused": True})
        route.start_copy()
        sqs = self.lab.client(self.lab.guardian, "sqs")
        url = sqs.get_queue_url(QueueName=self._queue())["QueueUrl"]
        [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20, AttributeNames=["All"])["Messages"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        self.lab.control("sqs", {"paused": False})
        # The refusal and the change of the key are on their way, too: whoever is asked before they are kept looks into the event history besides.
        self.lab.idle()
        self.event = {
            "Records": [
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": "recorded",
                    "body": message["Body"],
                    "attributes": message.get("Attributes", {}),
                    "messageAttributes": {},
                    "md5OfBody": message["MD5OfBody"],
                    "eventSource": "aws:sqs",
                    "eventSourceARN": f"arn:aws:sqs:{self.lab.region}:{self.lab.guardian}:{self._queue()}",
                    "awsRegion": self.lab.region,
                }
            ]
        }

    def _queue(self) -> str:
        """The queue of events of the function."""
        mappings = self.lab.client(self.lab.guardian, "lambda").list_event_source_mappings()["EventSourceMappings"]
        ours = (
            one for one in mappings if one["FunctionArn"].endswith(f":{self.environment['AWS_LAMBDA_FUNCTION_NAME']}")
        )
        names = (one["EventSourceArn"].rsplit(":", 1)[-1] for one in ours)
        [name] = [name for name in names if "notification" not in name]
        return name


def _environment() -> dict[str, str]:
    """Of the process that our lab keeps for the function; other labs on this machine are none of ours."""
    for process in Path("/proc").iterdir():
        try:
            if Path(os.readlink(process / "exe")).name == FUNCTION and _parent(_parent(process.name)) == os.getpid():
                pairs = (process / "environ").read_bytes().split(b"\0")
                return dict(pair.decode().split("=", 1) for pair in pairs if pair)
        except OSError:
            continue
    raise RuntimeError(f"the lab keeps no process of {FUNCTION}")


def _parent(process: str | int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])


@contextmanager
def recorded(scene: Scene) -> Iterator[tuple[str, list[Json]]]:
    """An address in front of the lab, and what goes through it."""
    exchanges: list[Json] = []
    upstream = scene.environment["AWS_ENDPOINT_URL"]

    class Through(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            connection = HTTPConnection(urlsplit(upstream).netloc, timeout=60)
            connection.request(self.command, self.path, body or None, dict(self.headers.items()))
            answer = connection.getresponse()
            text = answer.read()
            connection.close()
            exchanges.append(
                {
                    "method": self.command,
                    "path": self.path,
                    "target": self.headers.get("x-amz-target", ""),
                    "authorization": self.headers.get("authorization", ""),
                    "body": body.decode(),
                    "status": answer.status,
                    "content_type": answer.headers.get("content-type", ""),
                    "error": answer.headers.get("x-amzn-errortype", ""),
                    "answer": text.decode(),
                }
            )
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in {"connection", "date", "server"}:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_PUT = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Through)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", exchanges
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Recording:
    """What the replay needs, and the environment of the function."""

    environment: dict[str, str]
    event: Json
    function_arn: str
    exchanges: list[Json]

    def write(self, file: Path) -> None:
        whole = {"event": self.event, "function_arn": self.function_arn, "exchanges": self.exchanges}
        file.write_text(json.dumps(whole), encoding="utf-8")


def record() -> Recording:
    """One failed copy, told by the function that the lab runs, and by it alone."""
    with running_lab("record-lab.log") as lab:
        scene = Scene(lab)
        scene.fail_again()
        exchanges = told(scene)
    return Recording(scene.environment, scene.event, scene.function_arn, exchanges)


def told(scene: Scene) -> list[Json]:
    """Everything that the function asked to tell of the failure."""
    functions = Path(os.environ.get("GUARDIAN_FUNCTIONS_DIR", ROOT / "target" / "debug"))
    with recorded(scene) as (address, exchanges):
        api = RuntimeApi()
        environment = {
            **scene.environment,
            **UNHURRIED,
            "AWS_ENDPOINT_URL": address,
            "AWS_LAMBDA_RUNTIME_API": api.address,
        }
        invocation = Invocation(json.dumps(scene.event).encode(), scene.function_arn, 60)
        api.offer(invocation)
        process = subprocess.Popen([functions / FUNCTION], env=environment, stdout=subprocess.DEVNULL)
        try:
            invocation.done.wait(60)
        finally:
            process.kill()
            process.wait()
            api.close()
    if (
        invocation.result is None
        or invocation.result.error
        or json.loads(invocation.result.payload)["batchItemFailures"]
    ):
        raise RuntimeError(f"the function did not tell of the failure: {invocation.result}")
    # The event history is asked where something was not kept yet, and a table refuses where somebody else is at work: no two recordings were the same.
    targets = [(one["target"], one["status"]) for one in exchanges]
    unsettled = [call for call, status in targets if "LookupEvents" in call or (status >= 400 and "DynamoDB" in call)]
    if unsettled:
        raise RuntimeError(f"the lab had not come to rest when the function was asked: {unsettled}")
    return exchanges
