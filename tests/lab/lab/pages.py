"""Lists in pages, as a caller does not expect them: a page that names itself as the next one, a page of one item, a page of none.

What is a list, and how its tokens are spelled, is what botocore's paginators say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from lab.wire import BOTOCORE_NAMES, Call

# Tokens that nobody but this lab knows: of a first page, and of the page behind an empty one.
TOKEN = "the-same-page-again"
BEHIND = "behind-an-empty-page:"


@dataclass(frozen=True)
class Listing:
    """A list operation: the names of what asks for a page and of what answers it."""

    input_token: str
    output_token: str
    results: str
    limit: str | None
    more: str | None
    # How the members of the request are called where they are.
    wire_names: dict[str, str]
    in_query: bool


# The first requests come all at once. Each would look through the folders of every service, and together they would take longer than anybody waits.
_ONE_AT_A_TIME = Lock()


def listing(service: str, operation: str) -> Listing | None:
    """`None` for what has no pages."""
    with _ONE_AT_A_TIME:
        return _listing(service, operation)


@cache
def _session() -> Any:
    import botocore.session

    return botocore.session.get_session()


@cache
def _listing(service: str, operation: str) -> Listing | None:
    from botocore.exceptions import DataNotFoundError, UnknownServiceError

    session, name = _session(), BOTOCORE_NAMES.get(service, service)
    try:
        known = session.get_paginator_model(name).get_paginator(operation)
        shape = session.get_service_model(name).operation_model(operation).input_shape
    except (DataNotFoundError, UnknownServiceError, ValueError):
        return None
    names = (known["input_token"], known["output_token"], known["result_key"])
    if not all(isinstance(one, str) and re.fullmatch(r"\w+", one) for one in names) or shape is None:
        # Several lists in one, such as the versions of objects.
        return None
    members = shape.members
    wanted = [name for name in (known["input_token"], known.get("limit_key")) if name]
    wire_names = {name: members[name].serialization.get("name", name) for name in wanted}
    in_query = members[known["input_token"]].serialization.get("location") == "querystring"
    return Listing(*names, known.get("limit_key"), known.get("more_results"), wire_names, in_query)


def asked_for(call: Call, path: str, body: bytes) -> str:
    """The token of a request; empty for a first page."""
    found = listing(call.service, call.operation)
    return str(_members(call, found, path, body).get(found.wire_names[found.input_token], "")) if found else ""


def asked(call: Call, path: str, body: bytes, short: bool = False) -> tuple[str, bytes]:
    """The request as the service understands it; with `short`, for a page of one item."""
    found = listing(call.service, call.operation)
    token = asked_for(call, path, body)
    if found is None or not (short or token == TOKEN or token.startswith(BEHIND)):
        return path, body

    def change(members: dict[str, Any]) -> None:
        name = found.wire_names[found.input_token]
        if token in (TOKEN, BEHIND):
            members.pop(name)
        elif token.startswith(BEHIND):
            members[name] = token.removeprefix(BEHIND)
        if short and found.limit is not None:
            members[found.wire_names[found.limit]] = 1

    return _changed(call, found, path, body, change)


def repeated(call: Call, token: str, body: bytes) -> bytes:
    """The answer that names the page that was just read, by `token`, as the next one; what has no pages stays as it is."""
    return _answer(call, body, token or TOKEN, empty=False)


def emptied(call: Call, token: str, body: bytes) -> bytes:
    """The answer without its items, which the next page has."""
    return _answer(call, body, token if token.startswith(BEHIND) else BEHIND + token, empty=True)


# -- requests ----------------------------------------------------------------------------------------------------------


def _members(call: Call, found: Listing, path: str, body: bytes) -> dict[str, Any]:
    if found.in_query:
        return dict(parse_qsl(urlsplit(path).query, keep_blank_values=True))
    if call.protocol in ("query", "ec2"):
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    return dict(json.loads(body or b"{}"))


def _changed(
    call: Call, found: Listing, path: str, body: bytes, change: Callable[[dict[str, Any]], None]
) -> tuple[str, bytes]:
    members = _members(call, found, path, body)
    change(members)
    if found.in_query:
        return urlunsplit(urlsplit(path)._replace(query=urlencode(members))), body
    if call.protocol in ("query", "ec2"):
        return path, urlencode(members).encode()
    return path, json.dumps(members).encode()


# -- answers -----------------------------------------------------------------------------------------------------------


def _answer(call: Call, body: bytes, token: str, empty: bool) -> bytes:
    found = listing(call.service, call.operation)
    if found is None:
        return body
    if call.protocol in ("query", "ec2", "rest-xml"):
        return _xml(call, found, body, token, empty)
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    if not isinstance(answer, dict) or found.results not in answer:
        return body
    answer[found.output_token] = token
    if found.more:
        answer[found.more] = True
    if empty:
        answer[found.results] = []
    return json.dumps(answer).encode()


def _xml(call: Call, found: Listing, body: bytes, token: str, empty: bool) -> bytes:
    text, end = body.decode(), f"</{call.operation}Result>"
    if end not in text:
        return body
    for name in filter(None, (found.output_token, found.more)):
        text = re.sub(f"<{name}>[^<]*</{name}>|<{name}/>", "", text)
    if empty:
        text = re.sub(f"<{found.results}>.*</{found.results}>", f"<{found.results}/>", text, flags=re.DOTALL)
    following = f"<{found.output_token}>{token}</{found.output_token}>"
    more = f"<{found.more}>true</{found.more}>" if found.more else ""
    return text.replace(end, following + more + end).encode()
