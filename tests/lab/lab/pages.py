"""A list that never ends: every answer names the page that was just read as the next one."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

TOKEN = "the-same-page-again"
# What holds a page, and the member that names the next one.
TOKENS = {
    "Events": "NextToken",
    "Grants": "NextMarker",
    "Accounts": "NextToken",
    "BackupJobs": "NextToken",
    "CopyJobs": "NextToken",
    "RestoreJobs": "NextToken",
    "ScanJobs": "NextToken",
}


def asked(path: str, body: bytes) -> tuple[str, bytes]:
    """The request as the service would understand it: nobody but this lab knows the token."""
    if TOKEN in path:
        parts = urlsplit(path)
        query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if value != TOKEN]
        path = urlunsplit(parts._replace(query=urlencode(query)))
    if TOKEN.encode() in body:
        members = json.loads(body)
        body = json.dumps({name: value for name, value in members.items() if value != TOKEN}).encode()
    return path, body


def repeated(body: bytes) -> bytes:
    """The answer with the token; an answer that has no pages stays as it is."""
    try:
        answer = json.loads(body)
    except ValueError:
        return body
    found = next((TOKENS[name] for name in answer if name in TOKENS), None) if isinstance(answer, dict) else None
    if found is None:
        return body
    return json.dumps({**answer, found: TOKEN, "Truncated": True}).encode()
