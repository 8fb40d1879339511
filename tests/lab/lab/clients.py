"""boto3 clients that speak to the lab as an administrator of one of its accounts."""

from __future__ import annotations

from typing import Any

import boto3

from lab import accounts

_endpoint = ""
_sessions: dict[str, boto3.Session] = {}


def use(endpoint: str) -> None:
    """The lab's address; forgets sessions, whose access keys a reset has invalidated."""
    global _endpoint
    _endpoint = endpoint
    _sessions.clear()


def endpoint() -> str:
    """The lab's address."""
    return _endpoint


def client(service: str, account_id: str, region: str) -> Any:
    """A client in an account through its administrator role."""
    if account_id not in _sessions:
        sts = boto3.client("sts", endpoint_url=_endpoint, region_name=region)
        role = f"arn:aws:iam::{account_id}:role/{accounts.ADMIN_ROLE_NAME}"
        given = sts.assume_role(RoleArn=role, RoleSessionName="lab-provisioning")["Credentials"]
        _sessions[account_id] = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    return _sessions[account_id].client(service, endpoint_url=_endpoint, region_name=region)
