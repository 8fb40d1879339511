"""PutEvents over the wire: customers' events take the same delivery as those of AWS, and may not pretend to be AWS.

https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
"""

from __future__ import annotations

import contextlib
import json
import uuid
from datetime import UTC, datetime
from typing import Any

from lab import bus, bus_policy, clock

MAXIMUM_ENTRIES = 10
Entry = dict[str, Any]


def install() -> None:
    """Let moto's PutEvents deliver through `lab.bus`."""
    from moto.events.models import EventsBackend

    EventsBackend.put_events = put_events


def put_events(backend: Any, entries: list[Entry]) -> list[dict[str, str]]:
    """One answer per entry, in their order; a refused entry does not touch the others."""
    from moto.events.exceptions import ValidationException

    if not 1 <= len(entries) <= MAXIMUM_ENTRIES:
        raise ValidationException(f"1 validation error detected: `entries` must hold 1 to {MAXIMUM_ENTRIES} entries")
    return [_put(backend, entry) for entry in entries]


def _put(backend: Any, entry: Entry) -> dict[str, str]:
    problem = _refusal(entry)
    if problem:
        return {"ErrorCode": problem[0], "ErrorMessage": problem[1]}
    account_id, region, name = _bus_of(backend, entry.get("EventBusName") or "default")
    if account_id != backend.account_id:
        _check_other_account(backend, account_id, region, name)
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": entry["DetailType"],
        "source": entry["Source"],
        "account": backend.account_id,
        "time": _time(entry.get("Time")),
        "region": backend.region_name,
        "resources": entry.get("Resources") or [],
        "detail": json.loads(entry["Detail"]),
    }
    # On a bus that does not exist nobody hears the entry.
    with contextlib.suppress(bus.Undeliverable):
        bus.publish(account_id, region, name, event)
    return {"EventId": event["id"]}


def _refusal(entry: Entry) -> tuple[str, str] | None:
    for field in ("Source", "DetailType", "Detail"):
        if not entry.get(field):
            return "InvalidArgument", f"Parameter {field} is not valid. Reason: {field} is a required argument."
    if entry["Source"].lower().startswith("aws."):
        return "NotAuthorizedForSourceException", "Not authorized for the source."
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        return "MalformedDetail", "Detail is malformed."
    return None if isinstance(detail, dict) else ("MalformedDetail", "Detail is malformed.")


def _bus_of(backend: Any, name_or_arn: str) -> tuple[str, str, str]:
    if name_or_arn.startswith("arn:"):
        _, _, _, region, account_id, resource = name_or_arn.split(":", 5)
        return account_id, region, resource.removeprefix("event-bus/")
    return backend.account_id, backend.region_name, name_or_arn


def _check_other_account(backend: Any, account_id: str, region: str, name: str) -> None:
    from moto.core.exceptions import JsonRESTError
    from moto.events.models import events_backends

    target = events_backends[account_id][region].event_buses.get(name)
    caller = _caller_arn(backend.account_id)
    if target is None or not bus_policy.allows(target.policy, target.arn, caller):
        raise JsonRESTError(
            "AccessDeniedException",
            f"User: {caller} is not authorized to perform: events:PutEvents on resource: "
            f"arn:aws:events:{region}:{account_id}:event-bus/{name} because no resource-based policy allows the events:PutEvents action",
        )


def _caller_arn(account_id: str) -> str:
    """The role (or the root) whose access key signed the request that is being answered."""
    from flask import has_request_context, request

    from lab.callers import access_key_of, role_of

    key = access_key_of(request.headers.get("Authorization", "")) if has_request_context() else None
    return (role_of(key) if key else None) or f"arn:aws:iam::{account_id}:root"


def _time(given: Any) -> str:
    moment = clock.now()
    if isinstance(given, int | float):
        moment = datetime.fromtimestamp(given, UTC)
    elif isinstance(given, str):
        return given
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
