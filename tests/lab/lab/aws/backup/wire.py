"""REST-JSON of AWS Backup, routed and shaped by botocore's own service model.

Times go out as epoch seconds, members without a value are left out, members that the model does not know as well.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

import botocore.session
from botocore.model import OperationModel, Shape

from ..accounts import Caller
from ..errors import ApiError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """One request after routing. `params` has the member names of the API."""

    account_id: str
    region: str
    caller: Caller
    params: dict[str, Any]


Handler = Callable[[Call], dict[str, Any] | None]
HANDLERS: dict[str, Handler] = {}


def operation(name: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register


_MODEL = botocore.session.get_session().get_service_model("backup")


def _pattern(template: str) -> re.Pattern[str]:
    path = template.split("?", 1)[0].rstrip("/")
    parts = re.split(r"(\{[^}]+\})", path)
    text = "".join(f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part) for part in parts)
    return re.compile(text + "/?")


# The fewest variables first: a literal segment wins over a variable of the same place.
_ROUTES = sorted(
    (
        (one.http["method"], _pattern(one.http["requestUri"]), "?delete" in one.http["requestUri"], one)
        for one in map(_MODEL.operation_model, _MODEL.operation_names)
    ),
    key=lambda route: (route[1].pattern.count("(?P<"), route[3].name),
)


def route(method: str, raw_path: str) -> tuple[OperationModel, dict[str, str]]:
    """The operation and its URI parameters. The path must still be encoded: ARNs contain slashes."""
    for wanted, pattern, _, model in _ROUTES:
        match = pattern.fullmatch(raw_path)
        if wanted == method and match:
            return model, {name: unquote(value) for name, value in match.groupdict().items()}
    raise ApiError("UnknownOperationException", f"No operation answers {method} {raw_path}", 404)


def _read(shape: Shape, value: Any) -> Any:
    if value is None:
        return None
    kind = shape.type_name
    if kind == "timestamp":
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        try:
            parsed = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
        except ValueError:
            raise ApiError("InvalidParameterValueException", f"`{value}` is not a time") from None
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    if kind in ("integer", "long") and isinstance(value, str):
        return int(value)
    if kind == "boolean" and isinstance(value, str):
        return value.lower() == "true"
    return value


def parameters(model: OperationModel, uri: dict[str, str], query: str, body: bytes) -> dict[str, Any]:
    params: dict[str, Any] = {}
    shape = model.input_shape
    if shape is None:
        return params
    query_values = parse_qs(query, keep_blank_values=True)
    sent = json.loads(body) if body.strip() else {}
    for name, member in shape.members.items():
        wire_name = member.serialization.get("name", name)
        location = member.serialization.get("location")
        if location == "uri":
            value: Any = uri.get(wire_name)
        elif location == "querystring":
            value = query_values.get(wire_name, [None])[0]
        elif location == "header":
            continue
        else:
            value = sent.get(wire_name)
        value = _read(member, value)
        if value is not None:
            params[name] = value
    missing = sorted(name for name in shape.required_members if name not in params)
    if missing:
        raise ApiError("MissingParameterValueException", f"Required parameter missing: {', '.join(missing)}")
    return params


def shaped(shape: Shape | None, value: Any) -> Any:
    """`value` reduced to what the model knows, in the form it has on the wire."""
    if shape is None or value is None:
        return {} if shape is None else None
    kind = shape.type_name
    if kind == "structure":
        answer = {}
        for name, member in shape.members.items():
            one = shaped(member, value.get(name))
            if one is not None:
                answer[member.serialization.get("name", name)] = one
        return answer
    if kind == "list":
        return [shaped(shape.member, one) for one in value]
    if kind == "map":
        return {key: shaped(shape.value, one) for key, one in value.items()}
    if kind == "timestamp":
        return round(value.timestamp(), 3) if isinstance(value, datetime) else value
    return value


def answer(method: str, raw_path: str, query: str, body: bytes, region: str, caller: Caller) -> Answer:
    """Serve one request; never raises."""
    name, params = "", {}
    try:
        model, uri = route(method, raw_path)
        name = model.name
        params = parameters(model, uri, query, body)
        handler = HANDLERS.get(name)
        if handler is None:
            raise ApiError("UnknownOperationException", f"The lab does not know `{name}` of AWS Backup", 404)
        result = handler(Call(caller.account_id, region, caller, params))
        return Answer(name, params, 200, shaped(model.output_shape, result or {}), "")
    except ApiError as error:
        return Answer(name, params, error.status, {"Message": error.message, "message": error.message}, error.code)
    except Exception:
        reference = uuid.uuid4()
        log.exception("`%s` of AWS Backup failed (%s)", name, reference)
        text = f"The lab failed; its log says why ({reference})"
        return Answer(name, params, 500, {"Message": text}, "ServiceUnavailableException")


@dataclass(frozen=True)
class Answer:
    """`error_code` is empty for a success."""

    operation: str
    params: dict[str, Any]
    status: int
    body: dict[str, Any]
    error_code: str


def page(items: list[Any], params: dict[str, Any], member: str) -> dict[str, Any]:
    """One page of a list, by MaxResults and NextToken."""
    limit = int(params.get("MaxResults", 1000))
    if not 1 <= limit <= 1000:
        raise ApiError("InvalidParameterValueException", "MaxResults must be between 1 and 1000")
    token = params.get("NextToken")
    try:
        start = int(token) if token else 0
    except ValueError:
        raise ApiError("InvalidParameterValueException", "The value for NextToken is not valid") from None
    result: dict[str, Any] = {member: items[start : start + limit]}
    if start + limit < len(items):
        result["NextToken"] = str(start + limit)
    return result
