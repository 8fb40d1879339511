"""The lab's clock: real time plus an offset that `/lab/clock` sets. Everything that stamps or compares times asks here."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

_lock = threading.Lock()
_offset = timedelta()


def now() -> datetime:
    """The lab's present, in UTC, time zone aware."""
    with _lock:
        return datetime.now(UTC) + _offset


def advance(seconds: float) -> datetime:
    """Move the lab's present; negative values move it back. Returns the new present."""
    global _offset
    with _lock:
        _offset += timedelta(seconds=seconds)
    return now()


def reset() -> None:
    """Back to real time."""
    global _offset
    with _lock:
        _offset = timedelta()
