"""What is in flight: tests wait for this tracker instead of sleeping.

A timer counts as in flight while it is due within the idle horizon. A CloudTrail delivery that was delayed by minutes
must not hold up a test that wants to see what happens without it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

log = logging.getLogger(__name__)

IDLE_HORIZON_SECONDS = 2.0

_changed = threading.Condition()
_active: Counter[str] = Counter()
_timers: dict[int, tuple[float, threading.Timer]] = {}
_next_timer = 0


@contextmanager
def track(name: str) -> Iterator[None]:
    """Count the enclosed work as in flight."""
    with _changed:
        _active[name] += 1
    try:
        yield
    finally:
        with _changed:
            _active[name] -= 1
            if not _active[name]:
                del _active[name]
            _changed.notify_all()


def later(seconds: float, function: Callable[..., Any], *arguments: Any) -> None:
    """Run `function` on a thread of its own after `seconds` of real time."""
    global _next_timer
    with _changed:
        _next_timer += 1
        number = _next_timer

    def run() -> None:
        with track(getattr(function, "__qualname__", "timer")):
            with _changed:
                # Cancelled by `reset` between firing and here.
                if _timers.pop(number, None) is None:
                    return
                _changed.notify_all()
            try:
                function(*arguments)
            except Exception:
                log.exception("background work `%s` failed", getattr(function, "__qualname__", function))

    timer = threading.Timer(max(0.0, seconds), run)
    timer.daemon = True
    with _changed:
        _timers[number] = (time.monotonic() + seconds, timer)
    timer.start()


def in_flight() -> list[str]:
    """Names of the work that `wait_idle` would wait for, sorted."""
    with _changed:
        return _in_flight()


def _in_flight() -> list[str]:
    horizon = time.monotonic() + IDLE_HORIZON_SECONDS
    names = list(_active.elements())
    names += ["timer" for due, _ in _timers.values() if due <= horizon]
    return sorted(names)


def wait_idle(timeout: float) -> bool:
    """True as soon as nothing is in flight, False when `timeout` seconds pass before that."""
    deadline = time.monotonic() + timeout
    with _changed:
        while _in_flight():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            # The bound matters: a far timer moves into the horizon without any notification.
            _changed.wait(min(left, 0.05))
        return True


def reset() -> None:
    """Cancel every timer that has not fired."""
    with _changed:
        for _, timer in _timers.values():
            timer.cancel()
        _timers.clear()
        _changed.notify_all()
