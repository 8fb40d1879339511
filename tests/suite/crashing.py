"""A command that is killed at one of its calls: before AWS has it, or after AWS did it and before the answer came."""

from __future__ import annotations

import http.client
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from .command import BINARY, ENVIRONMENT, EXAMPLES
from .organization import Lab

BEFORE, AFTER = "before", "after"


def changes(headers: Any, method: str, path: str) -> bool:
    """Whether a call of the command changes something: it writes a drill, starts a job, or deletes a table."""
    writes = headers.get("x-amz-target", "").endswith((".PutItem", ".DeleteTable"))
    return writes or (method == "PUT" and path.endswith(("copy-jobs", "restore-jobs")))


def killed(lab: Lab, arguments: list[str | Path], when: str, number: int) -> int:
    """Runs `guardian` and kills it at its change of this number, from 1; how many changes it came to."""
    host = lab.endpoint.removeprefix("http://")
    met = 0
    lock = threading.Lock()

    class Way(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def pass_on(self) -> None:
            nonlocal met
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            with lock:
                met += (change := changes(self.headers, self.command, self.path))
                strikes = change and met == number
            if strikes and when == BEFORE:
                process.kill()
                return
            there = http.client.HTTPConnection(host, timeout=60)
            there.request(self.command, self.path, body, dict(self.headers.items()))
            answer = there.getresponse()
            data = answer.read()
            there.close()
            if strikes:
                process.kill()
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = pass_on

    way = ThreadingHTTPServer(("127.0.0.1", 0), Way)
    threading.Thread(target=way.serve_forever, daemon=True).start()
    environment = ENVIRONMENT | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{way.server_port}",
        "AWS_REGION": lab.region,
    }
    process = subprocess.Popen(
        [BINARY, *arguments], env=environment, cwd=EXAMPLES, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        process.communicate(timeout=120)
    finally:
        way.shutdown()
        way.server_close()
    return met
