"""One execution environment of a function: a process, its Runtime API and its own port into AWS."""

from __future__ import annotations

import logging
import os
import select
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.runtime_api import Invocation, Result, RuntimeApi, failure

log = logging.getLogger(__name__)

# Lambda ends an init phase after 10 seconds. https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
# Here all processes share the processors of one machine, busy with other things.
INIT_SECONDS = 60.0
# More than a whole suite writes: metrics are counted in them, and a line that fell out would be missing.
KEPT_LINES = 200_000
CHUNK = 65536


class Log:
    """The last lines that the processes of one function wrote."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)

    def add(self, line: str) -> None:
        self._lines.append(line)

    def lines(self) -> list[str]:
        return list(self._lines)

    def clear(self) -> None:
        self._lines.clear()


class Stream:
    """One output of a process. Whoever asks for the lines gets all that were written by then, read by a thread or not."""

    def __init__(self, descriptor: int, log: Log) -> None:
        self._descriptor = descriptor
        self._log = log
        self._rest = b""
        self._ended = False
        self._lock = threading.Lock()
        os.set_blocking(descriptor, False)

    def follow(self) -> None:
        """Reads to the end."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN | select.POLLHUP)
        while not self._ended:
            poll.poll()
            self.take()

    def take(self) -> None:
        """Reads what is there."""
        with self._lock:
            while not self._ended:
                try:
                    chunk = os.read(self._descriptor, CHUNK)
                except BlockingIOError:
                    return
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                self._ended = not chunk
                if self._ended and self._rest:
                    lines.append(self._rest)
                for line in lines:
                    self._log.add(line.decode("utf-8", "replace").rstrip("\r"))


class Environment:
    """A process that is kept warm between invocations; the owner hands it one invocation at a time."""

    def __init__(
        self, name: str, binary: Path, variables: dict[str, str], output: Log, on_end: Callable[[Environment], None]
    ) -> None:
        self.name = name
        self._on_end = on_end
        self._api = RuntimeApi()
        self._ended = threading.Event()
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            **variables,
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
        }
        try:
            self._process = subprocess.Popen(
                [str(binary)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError:
            self._api.close()
            raise
        self.pid = self._process.pid
        outputs = [stream for stream in (self._process.stdout, self._process.stderr) if stream is not None]
        self._streams = [Stream(stream.fileno(), output) for stream in outputs]
        readers = [threading.Thread(target=stream.follow, daemon=True) for stream in self._streams]
        for reader in readers:
            reader.start()
        threading.Thread(target=self._watch, args=(readers, outputs), daemon=True, name=f"watch-{name}").start()

    @property
    def alive(self) -> bool:
        return not self._ended.is_set()

    def run(self, invocation: Invocation) -> Result:
        """The result of one invocation: the process's own, or how it failed to give one."""
        if not self._initialized():
            return self._end_with(self._init_failure())
        self._api.offer(invocation)
        if not self.alive:
            self._api.abort(self._exit_failure())
        # The clock of the timeout starts when the process has the event, as the deadline that it was told.
        while not invocation.taken.wait(0.05) and not invocation.done.is_set():
            pass
        if not invocation.done.wait(invocation.timeout_seconds):
            seconds = f"{invocation.timeout_seconds:.2f}"
            timed_out = failure("Sandbox.Timedout", f"{invocation.request_id} Task timed out after {seconds} seconds")
            invocation.finish(timed_out)
            if invocation.result is timed_out:
                return self._end_with(timed_out)
        return invocation.result or self._exit_failure()

    def _initialized(self) -> bool:
        return self._api.ready.wait(INIT_SECONDS) and self._api.init_error is None and self.alive

    def _init_failure(self) -> Result:
        if self._api.init_error is not None:
            return self._api.init_error
        if not self.alive:
            return self._exit_failure()
        return failure("Sandbox.Timedout", f"`{self.name}` did not ask for an event within {INIT_SECONDS:.0f} seconds")

    def _exit_failure(self) -> Result:
        code = self._process.poll()
        how = f"signal: {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit status {code}"
        return failure("Runtime.ExitError", f"`{self.name}` ended before it answered ({how})")

    def _end_with(self, result: Result) -> Result:
        self.kill()
        return result

    def take_output(self) -> None:
        """What the process wrote so far is in the log."""
        for stream in self._streams:
            stream.take()

    def _watch(self, readers: list[threading.Thread], outputs: list[Any]) -> None:
        self._process.wait()
        for reader, output in zip(readers, outputs, strict=True):
            # A child that outlives the process may keep its output open.
            reader.join(5.0)
            if not reader.is_alive():
                output.close()
        self._ended.set()
        # Out of the pool first: who has read the failure must not find the process in it.
        self._on_end(self)
        self._api.ready.set()
        self._api.abort(self._exit_failure())
        self._api.close()

    def kill(self) -> None:
        """SIGKILL by process id; returns when the process is gone."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._ended.wait(5.0)
