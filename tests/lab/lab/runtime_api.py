"""The Lambda Runtime API for one execution environment: one loopback port, one process, one invocation at a time.

A port per environment means that a poll of a killed process can never take an event meant for its successor.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import logging
import queue
import re
import secrets
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

log = logging.getLogger(__name__)

RESULT = re.compile(r"^/2018-06-01/runtime/invocation/([^/]+)/(response|error)$")
NEXT = "/2018-06-01/runtime/invocation/next"
INIT_ERROR = "/2018-06-01/runtime/init/error"


@dataclass
class Result:
    """What came of an invocation; `error` is the type of the error, None when it succeeded."""

    payload: bytes
    error: str | None = None


@dataclass
class Invocation:
    payload: bytes
    function_arn: str
    timeout_seconds: float
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    trace_id: str = field(default_factory=lambda: f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Sampled=0")
    result: Result | None = None
    taken: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)

    def finish(self, result: Result) -> None:
        """The first result counts; a late one (after a timeout, say) changes nothing."""
        if not self.done.is_set():
            self.result = result
            self.done.set()


def failure(kind: str, message: str) -> Result:
    """An error answer in the shape in which Lambda reports it."""
    return Result(json.dumps({"errorType": kind, "errorMessage": message}).encode(), kind)


class RuntimeApi:
    """Serves one process. `ready` is set when it asks for its first event, `init_error` when it reports that it cannot start."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.init_error: Result | None = None
        self._waiting: queue.Queue[Invocation | None] = queue.Queue()
        self._current: Invocation | None = None
        api = self

        class Handler(_Handler):
            runtime = api

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True, name="runtime-api").start()

    def offer(self, invocation: Invocation) -> None:
        """Hand an invocation to the process's next poll."""
        self._current = invocation
        self._waiting.put(invocation)

    def take(self) -> Invocation | None:
        self.ready.set()
        return self._waiting.get()

    def finish(self, request_id: str, result: Result) -> bool:
        """False when the process answers an invocation that is not its own (any more)."""
        invocation = self._current
        if invocation is None or invocation.request_id != request_id or invocation.done.is_set():
            return False
        invocation.finish(result)
        return True

    def abort(self, result: Result) -> None:
        """The process is gone: whatever it was working on ends with `result`."""
        if self._current is not None:
            self._current.finish(result)

    def close(self) -> None:
        self._waiting.put(None)
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # A function asks for many things at once; who finds the queue of the socket full waits for a second.
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("connection of a function process ended", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    runtime: RuntimeApi
    protocol_version = "HTTP/1.1"
    # Without it every answer waits about 40 ms for an acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)

    def do_GET(self) -> None:
        if self.path != NEXT:
            self._answer(404, b'{"errorType":"NotFound","errorMessage":"no such path in the Runtime API"}')
            return
        invocation = self.runtime.take()
        if invocation is None:
            self.close_connection = True
            return
        deadline = int((time.time() + invocation.timeout_seconds) * 1000)
        invocation.taken.set()
        self._answer(
            200,
            invocation.payload,
            {
                "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                "Lambda-Runtime-Deadline-Ms": str(deadline),
                "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                "Lambda-Runtime-Trace-Id": invocation.trace_id,
            },
        )

    def do_POST(self) -> None:
        body = self._body()
        if self.path == INIT_ERROR:
            self.runtime.init_error = Result(body, self._error_type(body, "Runtime.InitError"))
            self.runtime.ready.set()
            self._answer(202, b'{"status":"OK"}')
            return
        found = RESULT.match(self.path)
        if not found:
            self._answer(404, b'{"errorType":"NotFound","errorMessage":"no such path in the Runtime API"}')
            return
        error = self._error_type(body, "Unhandled") if found.group(2) == "error" else None
        if self.runtime.finish(found.group(1), Result(body, error)):
            self._answer(202, b'{"status":"OK"}')
        else:
            self._answer(400, b'{"errorType":"InvalidRequestID","errorMessage":"this invocation is over"}')

    def _error_type(self, body: bytes, otherwise: str) -> str:
        named = self.headers.get("Lambda-Runtime-Function-Error-Type")
        if named:
            return named
        try:
            return str(json.loads(body).get("errorType") or otherwise)
        except (ValueError, AttributeError):
            return otherwise

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return read_chunked(self.rfile)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def read_chunked(stream: Any) -> bytes:
    """The body of a request with `Transfer-Encoding: chunked`."""
    parts = []
    while True:
        size = int(stream.readline().split(b";")[0], 16)
        if size == 0:
            while stream.readline().strip():
                pass
            return b"".join(parts)
        parts.append(stream.read(size))
        stream.readline()
