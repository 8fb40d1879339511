"""`python -m lab`: start the lab, print one JSON line, serve until told to stop."""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
# Longer than any part of the lab takes to end.
CLOSE_SECONDS = 15.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m lab", description="A local AWS with Backup Guardian deployed in it."
    )
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one (default)")
    parser.add_argument(
        "--functions-dir", type=Path, default=PROJECT / "target" / "debug", help="folder of the function binaries"
    )
    parser.add_argument("--project", type=Path, default=PROJECT, help="folder of template.yaml and deploy/")
    parser.add_argument(
        "--authorizations-dir", type=Path, metavar="DIR", help="folder that gets what the roles of the guardian ask for"
    )
    parser.add_argument("--no-guardian", action="store_true", help="the AWS part only: no stack, no functions")
    parser.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="template parameter; may be repeated"
    )
    parser.add_argument("--exit-with-parent", action="store_true", help="end when standard input closes")
    parser.add_argument("--verbose", action="store_true", help="log every request to standard error")
    return parser.parse_args()


def parameters(given: list[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    wrong = [name for name, equals, _ in pairs if not equals]
    if wrong:
        raise SystemExit(f"--parameter must look like NAME=VALUE, not `{wrong[0]}`")
    return {name: value for name, _, value in pairs}


def main() -> None:
    given = arguments()
    chosen = parameters(given.parameter)
    # Nothing but the one line goes to standard output: moto prints there, too.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if given.verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    if given.verbose:
        logging.getLogger("lab").setLevel(logging.DEBUG)
    # A signal handler that sets an event this thread is just going to wait for would wait for itself; putting cannot block.
    stop: queue.SimpleQueue[None] = queue.SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.put(None))
    if given.exit_with_parent:
        threading.Thread(target=_until_closed, args=(stop,), daemon=True).start()

    from lab.server import Lab, load_extensions

    running = Lab(
        port=given.port,
        functions_dir=None if given.no_guardian else given.functions_dir,
        project=None if given.no_guardian else given.project,
        parameters=chosen,
        extensions=load_extensions(),
        authorizations_dir=given.authorizations_dir,
    )
    try:
        print(json.dumps(running.info(), sort_keys=True), file=out, flush=True)
        _until_told(stop)
    except BaseException:
        running.close()
        raise
    _end(running.close)


def _until_told(stop: queue.SimpleQueue[None]) -> None:
    """Waits in turns: a signal that comes when the wait is about to begin does not interrupt it, and its handler runs only after it."""
    while True:
        try:
            return stop.get(timeout=0.5)
        except queue.Empty:
            continue


def _end(close: Callable[[], None]) -> None:
    """Closes and ends at once: an interpreter that waits for its daemon threads may wait for ever, and nothing here must be written any more."""
    closing = threading.Thread(target=close, daemon=True)
    closing.start()
    closing.join(CLOSE_SECONDS)
    if closing.is_alive():
        faulthandler.dump_traceback(all_threads=True)
    sys.stdout.flush()
    os._exit(1 if closing.is_alive() else 0)


def _until_closed(stop: queue.SimpleQueue[None]) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    stop.put(None)


if __name__ == "__main__":
    main()
