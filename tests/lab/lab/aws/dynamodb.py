"""DynamoDB, one request at a time: moto copies whole tables for a transaction, and a write meanwhile would break the copy."""

from __future__ import annotations

import threading
from typing import Any

_one_at_a_time = threading.RLock()


def install() -> None:
    from moto.dynamodb.responses import DynamoHandler

    call_action = DynamoHandler.call_action

    def in_turn(self: DynamoHandler) -> Any:
        with _one_at_a_time:
            return call_action(self)

    DynamoHandler.call_action = in_turn  # type: ignore[method-assign]
