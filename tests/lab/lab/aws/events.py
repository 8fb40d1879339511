"""The one way from the lab's services to EventBridge. Tests of this part put a list in the place of the bus."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from lab import clock

Sink = Callable[[str, str, dict[str, Any]], None]

_sink: Sink | None = None


def set_sink(sink: Sink | None) -> None:
    """Deliver events to `sink` instead of the bus; None brings the bus back."""
    global _sink
    _sink = sink


def iso_milliseconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def iso_seconds(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def emit(
    account_id: str,
    region: str,
    source: str,
    detail_type: str,
    detail: dict[str, Any],
    resources: list[str] | None = None,
) -> None:
    """Put one event of an AWS service on the default bus of an account and Region."""
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": account_id,
        "time": iso_seconds(clock.now()),
        "region": region,
        "resources": resources or [],
        "detail": detail,
    }
    if _sink is not None:
        _sink(account_id, region, event)
        return
    from lab import bus

    bus.emit(account_id, region, event)
