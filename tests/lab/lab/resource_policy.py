"""Policies of topics, queues and keys, asked where a message crosses the border of an account or a service of AWS sends one.

Knows what the lab's senders bring along; a condition that it does not know refuses, as in `bus_policy`.
https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
"""

from __future__ import annotations

import fnmatch
import json
from typing import Any

from lab.bus_policy import as_list, condition, organization_id_of


def allows(policy: str | None, principal: tuple[str, str], action: str, resource: str, source: dict[str, str]) -> bool:
    """Whether `principal`, such as `("Service", "sns.amazonaws.com")`, may do it; `source` are the condition keys that it brings."""
    if not policy:
        return False
    context = {key.lower(): [value] for key, value in {"aws:SecureTransport": "true", **source}.items()}
    allowed = False
    for statement in as_list(json.loads(policy)["Statement"]):
        if not _applies(statement, principal, action, resource, context):
            continue
        if statement["Effect"] == "Deny":
            return False
        allowed = True
    return allowed


def of_topic(arn: str) -> dict[str, str]:
    """What SNS brings along when it delivers for a topic."""
    account_id = arn.split(":")[4]
    organization = organization_id_of(account_id)
    source = {"aws:SourceArn": arn, "aws:SourceAccount": account_id}
    return {**source, **({"aws:SourceOrgID": organization} if organization else {})}


def key_allows(
    key: str | None, owner: tuple[str, str], service: str, actions: tuple[str, ...], source: dict[str, str]
) -> bool:
    """Whether the policy of a key lets a service of AWS use it. `key` is what an object of `owner` (account, Region) names; no key refuses nothing."""
    from moto.kms.models import kms_backends

    if not key:
        return True
    backend = kms_backends[owner[0]][owner[1]]
    found = backend.keys.get(backend.get_key_id(key))
    if found is None or found.key_state != "Enabled":
        return False
    return all(allows(found.policy, ("Service", service), action, found.arn, source) for action in actions)


def _applies(
    statement: dict[str, Any], principal: tuple[str, str], action: str, resource: str, context: dict[str, list[str]]
) -> bool:
    kind, name = principal
    named = statement["Principal"]
    who = ["*"] if named == "*" else as_list(named.get(kind, []))
    names = {"*", name, f"arn:aws:iam::{name}:root"} if kind == "AWS" else {"*", name}
    if not names & set(who):
        return False
    if not any(fnmatch.fnmatchcase(action.lower(), one.lower()) for one in as_list(statement["Action"])):
        return False
    if not any(fnmatch.fnmatchcase(resource, one) for one in as_list(statement["Resource"])):
        return False
    deny = statement["Effect"] == "Deny"
    return all(
        condition(operator, key, [str(one) for one in as_list(wanted)], context, unknown=deny)
        for operator, keys in (statement.get("Condition") or {}).items()
        for key, wanted in keys.items()
    )
