"""A browser without a window, driven over a pair of pipes by its own protocol (https://chromedevtools.github.io/devtools-protocol/).

No driver and no port: the tests need a handful of commands, and nobody else can reach the browser.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
# An answer takes milliseconds; a browser that hangs must not hold up the suite.
PATIENCE_S = 120


class BrowserMissing(RuntimeError):
    pass


def find() -> str:
    for name in NAMES:
        if path := shutil.which(name):
            return path
    raise BrowserMissing("no Chromium on the PATH: install the package `chromium` (apt-get install chromium)")


class Browser:
    """One process; every page is a tab with events of its own."""

    def __init__(self) -> None:
        program = find()
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        (theirs_in, self._out), (self._in, theirs_out) = os.pipe(), os.pipe()

        def connect() -> None:
            # The protocol is spoken on descriptors 3 and 4; what stood there first moves out of the way.
            safe_in, safe_out = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(safe_in, 3)
            os.dup2(safe_out, 4)

        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={self._profile.name}"],
            preexec_fn=connect,
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._rest = b""
        self._last = 0
        self.events: dict[str, list[dict[str, Any]]] = {}

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)
        self._profile.cleanup()

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._last += 1
        number = self._last
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        payload = memoryview(json.dumps(message).encode() + b"\0")
        while payload:
            payload = payload[os.write(self._out, payload) :]
        while True:
            answer = self._read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def wait_for(self, method: str, session: str) -> dict[str, Any]:
        """The next event of a kind that was not looked at yet."""
        while True:
            for at, event in enumerate(self.events.get(session, [])):
                if event["method"] == method:
                    return self.events[session].pop(at)["params"]
            self._read()

    def _read(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError(f"the browser said nothing for {PATIENCE_S} s")
            chunk = os.read(self._in, 1 << 20)
            if not chunk:
                raise RuntimeError("the browser ended")
            self._rest += chunk
        message, self._rest = self._rest.split(b"\0", 1)
        decoded = json.loads(message)
        if "id" not in decoded:
            self.events.setdefault(decoded.get("sessionId", ""), []).append(decoded)
        return decoded


class Page:
    """A tab: what it asked for, what it complained about, how it looks."""

    def __init__(self, browser: Browser, width: int, height: int, scheme: str = "light", script: bool = True) -> None:
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.media(scheme)
        if not script:
            self.call("Emulation.setScriptExecutionDisabled", value=True)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **params)

    def media(self, scheme: str, kind: str = "screen") -> None:
        self.call(
            "Emulation.setEmulatedMedia", media=kind, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def open(self, path: Path) -> None:
        self.call("Page.navigate", url=path.as_uri())
        self.browser.wait_for("Page.loadEventFired", self.session)

    def evaluate(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def key(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def screenshot(self, path: Path) -> None:
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(data))

    def pdf(self) -> bytes:
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def requests(self) -> list[str]:
        return [event["params"]["request"]["url"] for event in self._events("Network.requestWillBeSent")]

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, of the network and of the security policy, and dialogs that opened."""
        entries = [event["params"]["entry"] for event in self._events("Log.entryAdded")]
        found = [f"{entry['level']}: {entry['text']}" for entry in entries if entry["level"] != "verbose"]
        found += [f"console: {event['params']['type']}" for event in self._events("Runtime.consoleAPICalled")]
        found += [f"exception: {event['params']}" for event in self._events("Runtime.exceptionThrown")]
        found += [f"dialog: {event['params']['message']}" for event in self._events("Page.javascriptDialogOpening")]
        return found

    def _events(self, method: str) -> list[dict[str, Any]]:
        return [event for event in self.browser.events.get(self.session, []) if event["method"] == method]
