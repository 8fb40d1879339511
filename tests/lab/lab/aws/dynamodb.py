"""DynamoDB, one request at a time: moto copies whole tables for a transaction, and a write meanwhile would break the copy.

The copy is what a failed transaction goes back to. Where no action changes an item in place, copying the lists of items is enough; the items
themselves made every transaction slower than the one before.
"""

from __future__ import annotations

import copy
import threading
from collections import defaultdict
from functools import wraps
from typing import Any

_one_at_a_time = threading.RLock()


def install() -> None:
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import Table
    from moto.dynamodb.responses import DynamoHandler

    call_action, transact = DynamoHandler.call_action, DynamoDBBackend.transact_write_items
    items_too = True

    def in_turn(self: DynamoHandler) -> Any:
        with _one_at_a_time:
            return call_action(self)

    @wraps(transact)
    def transact_write_items(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
        nonlocal items_too
        items_too = any("Update" in action for action in transact_items)
        try:
            transact(self, transact_items)
        finally:
            items_too = True

    def copied(self: Table, memo: dict[int, Any]) -> Table:
        table = memo[id(self)] = object.__new__(type(self))
        if items_too:
            table.__dict__.update({name: copy.deepcopy(value, memo) for name, value in self.__dict__.items()})
        else:
            table.__dict__.update(self.__dict__)
            table.items = defaultdict(dict, {key: dict(rows) for key, rows in self.items.items()})
        return table

    DynamoHandler.call_action = in_turn  # type: ignore[method-assign]
    DynamoDBBackend.transact_write_items = transact_write_items  # type: ignore[method-assign]
    Table.__deepcopy__ = copied  # type: ignore[attr-defined]
