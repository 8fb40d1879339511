"""Who may put events on a bus of another account: the bus policy, read as EventBridge reads it.

Knows the condition keys of the caller that a forwarding role brings along; any other key or operator refuses, because a lab that
lets unknown conditions pass would show a delivery that AWS does not make.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-bus-perms.html
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable
from typing import Any

OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "stringequals": lambda value, wanted: value == wanted,
    "stringequalsignorecase": lambda value, wanted: value.lower() == wanted.lower(),
    "stringlike": fnmatch.fnmatchcase,
    "arnequals": fnmatch.fnmatchcase,
    "arnlike": fnmatch.fnmatchcase,
    "bool": lambda value, wanted: value.lower() == wanted.lower(),
}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def organization_id_of(account_id: str) -> str | None:
    """The organization of an account, as moto knows it."""
    from moto.organizations.models import organizations_backends

    master = organizations_backends.master_accounts.get(account_id, (account_id, "aws"))[0]
    organization = organizations_backends[master]["aws"].org
    return organization.id if organization else None


def caller_context(principal_arn: str) -> dict[str, list[str]]:
    """The condition keys that the principal `principal_arn` brings along (keys in lower case)."""
    account_id = principal_arn.split(":")[4]
    context = {"aws:principalarn": [principal_arn], "aws:principalaccount": [account_id]}
    organization = organization_id_of(account_id)
    if organization:
        context["aws:principalorgid"] = [organization]
        # Every account of the lab sits directly under the root.
        context["aws:principalorgpaths"] = [f"{organization}/{_root_of(account_id)}/"]
    return context


def _root_of(account_id: str) -> str:
    from moto.organizations.models import organizations_backends

    master = organizations_backends.master_accounts.get(account_id, (account_id, "aws"))[0]
    return organizations_backends[master]["aws"].org.root_id


def allows(policy: str | None, bus_arn: str, principal_arn: str) -> bool:
    """Whether the bus policy (JSON text, or nothing) lets the principal put events on the bus."""
    if not policy:
        return False
    allowed = False
    for statement in as_list(json.loads(policy)["Statement"]):
        if not _applies(statement, bus_arn, principal_arn):
            continue
        if statement["Effect"] == "Deny":
            return False
        allowed = True
    return allowed


def _applies(statement: dict[str, Any], bus_arn: str, principal_arn: str) -> bool:
    deny = statement["Effect"] == "Deny"
    actions = [action.lower() for action in as_list(statement["Action"])]
    if not any(fnmatch.fnmatchcase("events:putevents", action) for action in actions):
        return False
    if not any(fnmatch.fnmatchcase(bus_arn, resource) for resource in as_list(statement["Resource"])):
        return False
    if not _principal_matches(statement["Principal"], principal_arn):
        return False
    context = caller_context(principal_arn)
    for operator, keys in (statement.get("Condition") or {}).items():
        for key, wanted in keys.items():
            if not condition(operator, key, [str(one) for one in as_list(wanted)], context, unknown=deny):
                return False
    return True


def _principal_matches(principal: Any, principal_arn: str) -> bool:
    account_id = principal_arn.split(":")[4]
    named = ["*"] if principal == "*" else as_list(principal.get("AWS", []))
    return any(one in ("*", account_id, f"arn:aws:iam::{account_id}:root", principal_arn) for one in named)


def condition(operator: str, key: str, wanted: list[str], context: dict[str, list[str]], unknown: bool) -> bool:
    """`unknown` is the answer for what this module does not know: the one that refuses."""
    name = re.sub(r"^(foranyvalue|forallvalues):", "", operator.lower())
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    values = context.get(key.lower())
    if name not in OPERATORS:
        return unknown
    if values is None:
        return if_exists or unknown
    return any(OPERATORS[name](value, one) for value in values for one in wanted)
