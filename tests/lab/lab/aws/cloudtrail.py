"""CloudTrail of the lab: records per account and Region, LookupEvents with its limits, and the events on the bus.

Management writes and the calls that copies make are recorded. Read-only calls of whoever drives the lab are not:
they would only fill the history.

Sources: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html,
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events.html
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lab import clock, work

from . import events
from .accounts import Caller
from .errors import ApiError

REQUESTS_PER_SECOND = 2
PAGE_LIMIT = 50
ATTRIBUTES = (
    "EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId",
)  # fmt: skip

READ_ONLY_PREFIXES = ("Describe", "List", "Get", "Lookup")
READ_ONLY_KMS = frozenset({"Decrypt", "Encrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"})


@dataclass(frozen=True)
class Recorded:
    """One record as CloudTrail keeps it, with what LookupEvents shows beside it."""

    at: datetime
    order: int
    record: dict[str, Any]
    username: str
    resources: tuple[tuple[str, str], ...]


_lock = threading.RLock()
_records: dict[tuple[str, str], list[Recorded]] = defaultdict(list)
_calls: dict[tuple[str, str], deque[float]] = defaultdict(deque)
_order = 0
_lookup_delay = 0.0
_event_delay = 0.0
_throttle = True
_busy: dict[tuple[str, str], tuple[str, int]] = {}


def set_delay(lookup_seconds: float, event_seconds: float = 0.0) -> None:
    """How long a record stays invisible to LookupEvents, and how long its event takes to the bus."""
    global _lookup_delay, _event_delay
    with _lock:
        _lookup_delay, _event_delay = float(lookup_seconds), float(event_seconds)


def set_throttle(enabled: bool) -> None:
    """Switch the limit of two requests per second off for tests that page a lot."""
    global _throttle
    with _lock:
        _throttle = enabled


def set_busy(account_id: str, region: str, key_arn: str, calls: int) -> None:
    """From now on so many calls that worked are newer than whatever is looked for: AWS Backup used the key. Nobody hears of them otherwise."""
    with _lock:
        _busy[(account_id, region)] = (key_arn, calls)


def reset() -> None:
    global _order
    with _lock:
        _records.clear()
        _calls.clear()
        _busy.clear()
        _order = 0
    set_delay(0.0, 0.0)
    set_throttle(True)


# -- identities --------------------------------------------------------------------------------------------------------


def _session_identity(role_arn: str, role_id: str, session_name: str, access_key_id: str) -> dict[str, Any]:
    account_id, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    return {
        "type": "AssumedRole",
        "principalId": f"{role_id}:{session_name}",
        "arn": f"arn:aws:sts::{account_id}:assumed-role/{name}/{session_name}",
        "accountId": account_id,
        "accessKeyId": access_key_id,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": role_id,
                "arn": role_arn,
                "accountId": account_id,
                "userName": name,
            },
            "attributes": {"creationDate": events.iso_seconds(clock.now()), "mfaAuthenticated": "false"},
        },
    }


def service_identity(role_arn: str, role_id: str) -> dict[str, Any]:
    """AWS Backup at work with one of its roles; the session is named after the role."""
    name = role_arn.rsplit("/", 1)[-1]
    key = "ASIA" + hashlib.sha256(role_arn.encode()).hexdigest()[:16].upper()
    identity = _session_identity(role_arn, role_id, f"AWSBackup-{name}", key)
    identity["invokedBy"] = "backup.amazonaws.com"
    return identity


def caller_identity(caller: Caller) -> dict[str, Any]:
    if caller.role_arn:
        role_id = caller.principal_id.split(":", 1)[0]
        return _session_identity(caller.role_arn, role_id, caller.session_name, caller.access_key_id)
    kind = "Root" if caller.arn.endswith(":root") else "IAMUser"
    return {
        "type": kind,
        "principalId": caller.principal_id,
        "arn": caller.arn,
        "accountId": caller.account_id,
        "accessKeyId": caller.access_key_id,
    }


_here = threading.local()


@contextmanager
def unrecorded() -> Iterator[None]:
    """Calls that are only thought of: whoever makes them on this thread leaves no trace."""
    _here.unrecorded = True
    try:
        yield
    finally:
        _here.unrecorded = False


# -- recording ---------------------------------------------------------------------------------------------------------


def is_read_only(event_source: str, event_name: str) -> bool:
    if event_source == "kms.amazonaws.com" and event_name in READ_ONLY_KMS:
        return True
    return event_name.startswith(READ_ONLY_PREFIXES)


def record(
    account_id: str,
    region: str,
    event_source: str,
    event_name: str,
    identity: dict[str, Any],
    *,
    request_parameters: dict[str, Any] | None = None,
    response_elements: dict[str, Any] | None = None,
    error_code: str = "",
    error_message: str = "",
    resources: list[dict[str, str]] | None = None,
    looked_up_as: tuple[tuple[str, str], ...] = (),
    source_ip: str = "backup.amazonaws.com",
    user_agent: str = "backup.amazonaws.com",
    shared_event_id: str = "",
    event_type: str = "AwsApiCall",
    extra: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Write one record into the history of `account_id` and send it to its default bus."""
    global _order
    if getattr(_here, "unrecorded", False):
        return {}
    now = clock.now()
    entry: dict[str, Any] = {
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": events.iso_seconds(now),
        "eventSource": event_source,
        "eventName": event_name,
        "awsRegion": region,
        "sourceIPAddress": source_ip,
        "userAgent": user_agent,
    }
    if error_code:
        # CloudTrail cuts the message at one kilobyte.
        entry |= {"errorCode": error_code, "errorMessage": error_message[:1024]}
    entry |= {
        "requestParameters": request_parameters,
        "responseElements": response_elements,
        "requestID": str(uuid.uuid4()),
        "eventID": str(uuid.uuid4()),
        "readOnly": is_read_only(event_source, event_name),
    }
    if resources:
        entry["resources"] = resources
    entry |= {"eventType": event_type, "managementEvent": True, "recipientAccountId": account_id}
    if shared_event_id:
        entry["sharedEventID"] = shared_event_id
    entry["eventCategory"] = "Management"
    entry |= extra or {}
    username = str(identity.get("arn", "")).rsplit("/", 1)[-1] if identity.get("type") == "AssumedRole" else ""
    with _lock:
        _order += 1
        stored = Recorded(now, _order, entry, username, looked_up_as)
        _records[(account_id, region)].append(stored)
        delay = _event_delay
    detail_type = (
        "AWS Service Event via CloudTrail" if event_type == "AwsServiceEvent" else "AWS API Call via CloudTrail"
    )
    source = "aws." + event_source.split(".", 1)[0]
    work.later(delay, events.emit, account_id, region, source, detail_type, entry)
    return entry


def records_of(account_id: str, region: str) -> list[dict[str, Any]]:
    """Everything recorded there, oldest first, whatever the delay."""
    with _lock:
        return [one.record for one in _records[(account_id, region)]]


# -- LookupEvents ------------------------------------------------------------------------------------------------------


def lookup_events(account_id: str, region: str, params: dict[str, Any]) -> dict[str, Any]:
    _throttled(account_id, region)
    attributes = params.get("LookupAttributes") or []
    if len(attributes) > 1:
        raise ApiError("InvalidLookupAttributesException", "You can only specify one lookup attribute.")
    for attribute in attributes:
        if attribute.get("AttributeKey") not in ATTRIBUTES or not attribute.get("AttributeValue"):
            raise ApiError("InvalidLookupAttributesException", "The lookup attribute is not valid.")
    limit = params.get("MaxResults", PAGE_LIMIT)
    if not 1 <= limit <= PAGE_LIMIT:
        raise ApiError("InvalidMaxResultsException", "MaxResults must be between 1 and 50.")
    start, end = _moment(params.get("StartTime")), _moment(params.get("EndTime"))
    if start and end and start > end:
        raise ApiError("InvalidTimeRangeException", "The start time must not be after the end time.")
    now = clock.now()
    with _lock:
        visible_until = now - timedelta(seconds=_lookup_delay)
        found = [one for one in _records[(account_id, region)] if one.at <= visible_until]
    found = [one for one in found if one.at >= now - timedelta(days=90) and _within(one.at, start, end)]
    for attribute in attributes:
        found = [one for one in found if _has(one, attribute["AttributeKey"], attribute["AttributeValue"])]
    found.sort(key=lambda one: (one.at.replace(microsecond=0), one.order), reverse=True)
    bound = {key: params.get(key) for key in ("LookupAttributes", "StartTime", "EndTime", "EventCategory")}
    offset = _offset(params.get("NextToken"), bound)
    newer = _Uses(account_id, region, attributes, min(end or now, now))
    page = (
        newer.made(offset, offset + limit) + found[max(0, offset - newer.count) : max(0, offset + limit - newer.count)]
    )
    answer: dict[str, Any] = {"Events": [_item(one) for one in page]}
    if offset + limit < newer.count + len(found):
        answer["NextToken"] = _token(offset + limit, bound)
    return answer


class _Uses:
    """Calls of a busy history that have an attribute. A million of them are made one page at a time."""

    NAMES = ("CreateGrant", "ReEncrypt", "GenerateDataKeyWithoutPlaintext", "Decrypt", "DescribeKey")

    def __init__(self, account_id: str, region: str, attributes: list[dict[str, str]], at: datetime) -> None:
        self._place, self._at = (account_id, region), at
        self._key, self.count = _busy.get(self._place, ("", 0))
        [asked] = attributes or [{"AttributeKey": "EventSource", "AttributeValue": "kms.amazonaws.com"}]
        self._name, self._user = self.NAMES[0], "AWSBackup-AWSServiceRoleForBackup"
        match asked["AttributeKey"], asked["AttributeValue"]:
            case "EventName", name if name in self.NAMES:
                self._name = name
            case "Username", user if user.startswith("AWSBackup-"):
                self._user = user
            case ("ResourceName", self._key) | ("EventSource", "kms.amazonaws.com"):
                pass
            case _:
                self.count = 0

    def made(self, first: int, last: int) -> list[Recorded]:
        account_id, region = self._place
        role = f"arn:aws:iam::{account_id}:role/aws-service-role/backup.amazonaws.com/{self._user.removeprefix('AWSBackup-')}"
        made = []
        for number in range(first, min(last, self.count)):
            record_ = {
                "eventVersion": "1.11",
                "userIdentity": _session_identity(role, "AROABUSY", self._user, "ASIABUSY"),
                "eventTime": events.iso_seconds(self._at),
                "eventSource": "kms.amazonaws.com",
                "eventName": self._name,
                "awsRegion": region,
                "eventID": str(uuid.UUID(int=number)),
                "readOnly": is_read_only("kms.amazonaws.com", self._name),
                "resources": [{"accountId": self._key.split(":")[4], "type": "AWS::KMS::Key", "ARN": self._key}],
                "recipientAccountId": account_id,
            }
            made.append(Recorded(self._at, number, record_, self._user, ()))
        return made


def _throttled(account_id: str, region: str) -> None:
    with _lock:
        if not _throttle:
            return
        now = clock.now().timestamp()
        calls = _calls[(account_id, region)]
        while calls and not 0 <= now - calls[0] < 1.0:
            calls.popleft()
        if len(calls) >= REQUESTS_PER_SECOND:
            raise ApiError("ThrottlingException", "Rate exceeded")
        calls.append(now)


def _moment(value: Any) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(float(value), UTC)


def _within(at: datetime, start: datetime | None, end: datetime | None) -> bool:
    second = at.replace(microsecond=0)
    return (start is None or second >= start.replace(microsecond=0)) and (
        end is None or second <= end.replace(microsecond=0)
    )


def _has(one: Recorded, key: str, value: str) -> bool:
    record_ = one.record
    if key == "ResourceName":
        return any(name == value for _, name in one.resources)
    if key == "ResourceType":
        return any(kind == value for kind, _ in one.resources)
    found = {
        "EventId": record_["eventID"],
        "EventName": record_["eventName"],
        "EventSource": record_["eventSource"],
        "ReadOnly": "true" if record_["readOnly"] else "false",
        "Username": one.username,
        "AccessKeyId": record_["userIdentity"].get("accessKeyId", ""),
    }
    return found[key] == value


def _item(one: Recorded) -> dict[str, Any]:
    record_ = one.record
    item = {
        "EventId": record_["eventID"],
        "EventName": record_["eventName"],
        "ReadOnly": "true" if record_["readOnly"] else "false",
        "AccessKeyId": record_["userIdentity"].get("accessKeyId"),
        "EventTime": int(one.at.timestamp()),
        "EventSource": record_["eventSource"],
        "Username": one.username or None,
        "Resources": [{"ResourceType": kind, "ResourceName": name} for kind, name in one.resources],
        "CloudTrailEvent": json.dumps(record_),
    }
    return {key: value for key, value in item.items() if value is not None}


def _digest(bound: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(bound, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _token(offset: int, bound: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(f"{offset}:{_digest(bound)}".encode()).decode()


def _offset(token: str | None, bound: dict[str, Any]) -> int:
    if not token:
        return 0
    try:
        offset, digest = base64.urlsafe_b64decode(token.encode()).decode().split(":")
        if digest == _digest(bound):
            return int(offset)
    except ValueError:
        pass
    raise ApiError("InvalidNextTokenException", "The token is not valid for these parameters.")
