"""Which resources a selection chooses: named or of a tag, within its conditions, and of a type that is switched on.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/assigning-resources.html: tags are alternatives, conditions all hold, tags and
names are a union; a type that is switched off is left out unless the resource is named one by one.
"""

from __future__ import annotations

from typing import Any

from .. import accounts
from ..errors import ApiError
from ..matching import wildcard
from . import store
from .resources import type_of

_CONDITIONS = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringNotEquals": lambda value, wanted: value != wanted,
    "StringLike": lambda value, wanted: value is not None and wildcard(wanted, value),
    "StringNotLike": lambda value, wanted: value is None or not wildcard(wanted, value),
}


def chosen(account_id: str, region: str, plan_id: str, selection: dict[str, Any]) -> list[str]:
    """The ARNs of the resources of an account in a Region, in order."""
    # What a service holds is known to the module that lists tags, and that one knows vaults.
    from ..tagging import everything

    known = {arn: tags for arn, (_, tags) in everything(account_id, region).items()}
    patterns = selection.get("Resources") or []
    named = [pattern for pattern in patterns if "*" not in pattern and "?" not in pattern]
    found = set(named)
    for arn, tags in known.items():
        by_name = any(wildcard(pattern, arn) for pattern in patterns)
        if (by_name or _tagged(selection, tags)) and _switched_on(account_id, region, plan_id, arn):
            found.add(arn)
    left_out = selection.get("NotResources") or []
    return sorted(
        arn
        for arn in found
        if not any(wildcard(pattern, arn) for pattern in left_out) and _conditions_hold(selection, known.get(arn, {}))
    )


def _tagged(selection: dict[str, Any], tags: dict[str, str]) -> bool:
    return any(tags.get(one["ConditionKey"]) == one["ConditionValue"] for one in selection.get("ListOfTags") or [])


def _conditions_hold(selection: dict[str, Any], tags: dict[str, str]) -> bool:
    return all(
        _CONDITIONS[kind](tags.get(one["ConditionKey"].removeprefix("aws:ResourceTag/")), one["ConditionValue"])
        for kind, wanted in (selection.get("Conditions") or {}).items()
        for one in wanted
    )


def _switched_on(account_id: str, region: str, plan_id: str, arn: str) -> bool:
    """Of a plan of the organization the settings of the management account count."""
    try:
        resource_type = type_of(arn)
    except ApiError:
        return False
    deciding = accounts.management_account() if plan_id.startswith("orgs/") else account_id
    return store.of(deciding, region).opt_in.get(resource_type, True)
