"""What a request on the wire is: service, operation, protocol; and error answers in the service's own format."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from lab.callers import scope_of

JSON_TYPE = re.compile(r"^application/x-amz-json-(1\.[01])")
# Where the signing name is not botocore's name of the service.
BOTOCORE_NAMES = {
    "states": "stepfunctions",
    "monitoring": "cloudwatch",
    "elasticfilesystem": "efs",
    "tagging": "resourcegroupstaggingapi",
}


@dataclass(frozen=True)
class Call:
    service: str
    operation: str
    region: str
    # "json-1.0", "json-1.1", "rest-json", "rest-xml", "query" or "ec2"
    protocol: str


@dataclass(frozen=True)
class WireError:
    status: int
    code: str
    message: str


def classify(method: str, path: str, headers: Any, body: bytes) -> Call:
    """Service (signing name), operation and protocol of a signed request."""
    region, service = scope_of(headers.get("Authorization") or "") or ("", "")
    target = headers.get("X-Amz-Target")
    json_type = JSON_TYPE.match(headers.get("Content-Type") or "")
    if target:
        version = json_type.group(1) if json_type else "1.1"
        return Call(service, target.rsplit(".", 1)[-1], region, f"json-{version}")
    parts = urlsplit(path)
    if (headers.get("Content-Type") or "").startswith("application/x-www-form-urlencoded"):
        action = parse_qs(body.decode("utf-8", "replace")).get("Action")
        if action:
            return Call(service, action[0], region, "ec2" if service == "ec2" else "query")
    protocol = "rest-xml" if service == "s3" else "rest-json"
    copies = "x-amz-copy-source" in headers
    return Call(service, _rest_operation(service, method, parts.path, parts.query, copies), region, protocol)


def _rest_operation(service: str, method: str, path: str, query: str, copies: bool) -> str:
    given = parse_qs(query, keep_blank_values=True)
    for wanted_method, pattern, wanted_query, name in _rest_operations(service):
        # S3 tells a copy from an upload by a header alone.
        if service == "s3" and not copies and "Copy" in name:
            continue
        if method == wanted_method and pattern.match(path) and all(key in given for key in wanted_query):
            return name
    return ""


@cache
def _rest_operations(service: str) -> list[tuple[str, re.Pattern[str], list[str], str]]:
    """Method, path, query keys and name of each operation, the most specific first."""
    import botocore.session
    from botocore.exceptions import UnknownServiceError

    try:
        model = botocore.session.get_session().get_service_model(BOTOCORE_NAMES.get(service, service))
    except UnknownServiceError:
        return []
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path, _, query = http.get("requestUri", "/").partition("?")
        pattern = re.escape(path.rstrip("/"))
        pattern = re.sub(r"\\{[^}]*\\\+\\}", ".+", pattern)
        pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", pattern)
        keys = sorted(parse_qs(query, keep_blank_values=True))
        found.append((http.get("method", "POST"), re.compile(f"^{pattern}/?$"), keys, path, name))
    # More query keys and fewer labels first.
    found.sort(key=lambda one: (-len(one[2]), one[3].count("{"), one[4]))
    return [(method, pattern, keys, name) for method, pattern, keys, _, name in found]


def throttled(call: Call) -> WireError:
    if call.service == "s3":
        return WireError(503, "SlowDown", "Please reduce your request rate.")
    if call.protocol == "ec2":
        return WireError(503, "RequestLimitExceeded", "Request limit exceeded.")
    if call.protocol == "query":
        return WireError(400, "Throttling", "Rate exceeded")
    status = 429 if call.protocol == "rest-json" else 400
    return WireError(status, "ThrottlingException", "Rate exceeded")


def internal_error(call: Call) -> WireError:
    code = {"dynamodb": "InternalServerError", "kms": "KMSInternalException", "s3": "InternalError"}.get(
        call.service, "InternalFailure"
    )
    return WireError(500, code, "The request processing has failed because of an unknown error, exception or failure.")


def denied(call: Call, principal: str) -> WireError:
    if call.service == "s3":
        return WireError(403, "AccessDenied", "Access Denied")
    action = f"{call.service}:{call.operation}"
    message = f"User: {principal} is not authorized to perform: {action} because no identity-based policy allows the {action} action"
    if call.protocol == "ec2":
        return WireError(403, "UnauthorizedOperation", message)
    if call.protocol == "query":
        return WireError(403, "AccessDenied", message)
    return WireError(403 if call.protocol == "rest-json" else 400, "AccessDeniedException", message)


def encode(call: Call, error: WireError) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an error as this service would send it."""
    request_id = str(uuid.uuid4())
    if call.protocol.startswith("json-"):
        body = json.dumps({"__type": f"com.amazonaws.{call.service}#{error.code}", "message": error.message}).encode()
        version = call.protocol.removeprefix("json-")
        return error.status, {"Content-Type": f"application/x-amz-json-{version}", "x-amzn-RequestId": request_id}, body
    if call.protocol == "rest-json":
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code, "x-amzn-RequestId": request_id}
        return error.status, headers, json.dumps({"message": error.message}).encode()
    code, message = escape(error.code), escape(error.message)
    if call.protocol == "rest-xml":
        text = f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>"
    elif call.protocol == "ec2":
        text = (
            f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
    else:
        kind = "Sender" if error.status < 500 else "Receiver"
        text = (
            f"<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
    return error.status, {"Content-Type": "text/xml", "x-amzn-RequestId": request_id}, text.encode()
