"""The wire between functions and AWS: forwards to moto, keeps a log of the calls, and makes trouble where a fault rule says so.

Each execution environment has a port of its own here, so that a call is known to be this process's whatever role it signs with.
"""

from __future__ import annotations

import http.client
import logging
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lab import pages, wire
from lab.callers import access_key_of, account_of, role_of
from lab.faults import Faults, Rule
from lab.runtime_api import read_chunked

log = logging.getLogger(__name__)

KEPT_REQUESTS = 20000
# Headers of one connection only; the proxy has its own.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "proxy-connection", "te", "upgrade"}
CHANGED_PAGES = {"repeat-token": pages.repeated, "empty-page": pages.emptied}
FAILED_BEFORE = {"throttle": wire.throttled, "error500": wire.internal_error}


class RequestLog:
    """The last calls, oldest first, numbered since the last clearing."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self._number = 0
        self._lock = threading.Lock()

    def start(self, entry: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._number += 1
            entry = {"number": self._number, **entry}
            self._entries.append(entry)
        return entry

    def list(self, **wanted: str) -> list[dict[str, Any]]:
        with self._lock:
            entries = [dict(entry) for entry in self._entries]
        return [entry for entry in entries if all(str(entry.get(name)) == value for name, value in wanted.items())]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._number = 0


class Proxy:
    """Opens ports in front of the AWS of the lab; all share one request log and one set of fault rules."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.faults = Faults()
        self.requests = RequestLog()
        self.main = self.open("")

    def open(self, function: str) -> Endpoint:
        return Endpoint(self, function)

    def reset(self) -> None:
        self.faults.clear()
        self.requests.clear()


class Endpoint:
    """One port. `kill` ends the process behind it; nobody's port has none."""

    def __init__(self, proxy: Proxy, function: str) -> None:
        self.proxy = proxy
        self.function = function
        self.kill: Callable[[], None] | None = None
        self.closed = threading.Event()
        endpoint = self

        class Handler(_Handler):
            at = endpoint

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True, name="proxy").start()

    def close(self) -> None:
        if not self.closed.is_set():
            self.closed.set()
            self._server.shutdown()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    # A function asks for many things at once; who finds the queue of the socket full waits for a second.
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("connection through the proxy ended", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    at: Endpoint
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    _upstream: http.client.HTTPConnection | None = None

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def _serve(self) -> None:
        body = self._body()
        call = wire.classify(self.command, self.path, self.headers, body)
        key = access_key_of(self.headers.get("Authorization") or "")
        facts = {
            "service": call.service,
            "operation": call.operation,
            "account_id": account_of(key),
            "function": self.at.function,
        }
        started = time.time()
        entry = self.at.proxy.requests.start({**facts, "region": call.region, "time": started, "status": None})
        rule = self.at.proxy.faults.for_call(facts)
        if rule is not None:
            entry["fault"] = rule.fault
        try:
            self._answer(call, key, body, rule, entry)
        finally:
            entry["milliseconds"] = round((time.time() - started) * 1000, 1)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = _serve

    def _answer(self, call: wire.Call, key: str | None, body: bytes, rule: Rule | None, entry: dict[str, Any]) -> None:
        fault = rule.fault if rule else None
        if fault in FAILED_BEFORE:
            self._send_error(call, FAILED_BEFORE[fault](call), entry)
        elif fault == "denied":
            self._send_error(call, wire.denied(call, (role_of(key) if key else None) or "unknown"), entry)
        elif fault == "reset":
            self._reset()
        elif fault == "hang":
            self._hang(rule.seconds if rule else 0.0)
        elif fault == "kill-before":
            self._kill()
        else:
            if fault == "delay" and rule:
                self.at.closed.wait(rule.seconds)
            self._forward(call, body, fault, entry)

    def _forward(self, call: wire.Call, body: bytes, fault: str | None, entry: dict[str, Any]) -> None:
        status, headers, answer = self._ask(call, body, fault == "short-page")
        entry["status"] = status
        if fault == "kill-after":
            self._kill()
        elif fault == "reset-after":
            self._reset()
        elif fault in CHANGED_PAGES and status < 300:
            token = pages.asked_for(call, self.path, body)
            self._send(status, headers, CHANGED_PAGES[fault](call, token, answer))
        else:
            self._send(status, headers, answer, len(answer) // 2 if fault == "truncate" else None)

    def _ask(self, call: wire.Call, body: bytes, short: bool) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        path, body = pages.asked(call, self.path, body, short)
        headers["Content-Length"] = str(len(body))
        # A fresh connection per call: a kept one that moto closed meanwhile would need a second try, and the call might count twice.
        upstream = http.client.HTTPConnection("127.0.0.1", self.at.proxy.upstream_port, timeout=120)
        try:
            upstream.request(self.command, path, body=body, headers=headers)
            response = upstream.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            upstream.close()

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes, cut: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        # An answer to HEAD names the length of what it does not send.
        length = dict((name.lower(), value) for name, value in headers).get("content-length", str(len(body)))
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        self.wfile.flush()
        if cut is not None:
            self.close_connection = True

    def _send_error(self, call: wire.Call, error: wire.WireError, entry: dict[str, Any]) -> None:
        status, headers, body = wire.encode(call, error)
        entry["status"] = status
        self._send(status, list(headers.items()), body)

    def _reset(self) -> None:
        """Close with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _hang(self, seconds: float) -> None:
        """Say nothing until the caller gives up, its process is gone, or the time is over."""
        until = time.monotonic() + seconds
        self.connection.settimeout(0.1)
        while time.monotonic() < until and not self.at.closed.is_set():
            try:
                if not self.connection.recv(1, socket.MSG_PEEK):
                    break
                time.sleep(0.1)
            except TimeoutError:
                continue
            except OSError:
                break
        self.close_connection = True

    def _kill(self) -> None:
        """End the calling process; without one, the caller sees a connection that broke."""
        if self.at.kill is not None:
            self.at.kill()
        self._reset()

    def _body(self) -> bytes:
        if (self.headers.get("Transfer-Encoding") or "").lower() == "chunked":
            return read_chunked(self.rfile)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))
