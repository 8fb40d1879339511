"""Whose access key signed a request, as far as moto's IAM knows."""

from __future__ import annotations

import re

CREDENTIAL = re.compile(r"Credential=([^/]+)/[^/]+/([^/]+)/([^/]+)/aws4_request")


def access_key_of(authorization: str) -> str | None:
    """The access key id in an `Authorization` header."""
    found = CREDENTIAL.search(authorization)
    return found.group(1) if found else None


def scope_of(authorization: str) -> tuple[str, str] | None:
    """Region and service for which a request was signed."""
    found = CREDENTIAL.search(authorization)
    return (found.group(2), found.group(3)) if found else None


def account_of(access_key: str | None) -> str | None:
    """The account of an access key; unknown keys are the management account's."""
    from moto.iam.models import get_account_id_from

    return get_account_id_from(access_key) if access_key else None


def role_of(access_key: str) -> str | None:
    """ARN of the role of which the access key is a session."""
    from moto.iam.models import get_account_id_from, iam_backends

    key = iam_backends[get_account_id_from(access_key)]["aws"].access_keys.get(access_key)
    return getattr(key, "role_arn", None) if key else None
