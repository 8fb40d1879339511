"""Regions that an account has to switch on: what `account:ListRegions` says, and what calls to a Region that is off meet.

Regions that came after March 2019 are off until the account switches them on; the others cannot be switched off.
Sources: https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html,
https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html. The errors are those that users report for such calls
(https://github.com/turbot/steampipe-plugin-aws/issues/75, https://github.com/epsagon/clear-lambda-storage/issues/9); that of S3 is composed.
"""

from __future__ import annotations

import threading
from typing import Any

from lab import wire

from . import accounts
from .backup.wire import Call
from .errors import ApiError
from .operations import operation, part

DEFAULT = (
    "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
    "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1",
    "us-west-2",
)  # fmt: skip
OPT_IN = (
    "af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6",
    "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1", "me-central-1", "me-south-1",
    "mx-central-1",
)  # fmt: skip
STATES = ("ENABLED", "ENABLING", "DISABLING", "DISABLED", "ENABLED_BY_DEFAULT")
PAGE_LIMIT = 50

_lock = threading.Lock()
_enabled: set[tuple[str, str]] = set()


def reset() -> None:
    with _lock:
        _enabled.clear()


def state(account_id: str, region: str) -> str:
    if region in DEFAULT:
        return "ENABLED_BY_DEFAULT"
    with _lock:
        return "ENABLED" if (account_id, region) in _enabled else "DISABLED"


def refusal(call: wire.Call, account_id: str) -> wire.WireError | None:
    """What AWS answers where the Region is off for the account: credentials are not known there."""
    if call.region not in OPT_IN or state(account_id, call.region) != "DISABLED":
        return None
    text = "The security token included in the request is invalid."
    if call.protocol == "ec2":
        return wire.WireError(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
    if call.protocol == "query":
        return wire.WireError(403, "InvalidClientTokenId", text)
    if call.protocol == "rest-xml":
        known = "The AWS Access Key Id you provided does not exist in our records."
        return wire.WireError(403, "InvalidAccessKeyId", known)
    return wire.WireError(403 if call.protocol == "rest-json" else 400, "UnrecognizedClientException", text)


# -- the Account Management API ----------------------------------------------------------------------------------------


def _account(call: Call) -> str:
    """The account in question: one's own, or for the management account a member."""
    wanted = str(call.params.get("AccountId") or call.account_id)
    if wanted == call.account_id:
        return wanted
    if call.account_id != accounts.management_account() or wanted not in accounts.members():
        text = f"User: {call.caller.arn} is not authorized to perform this operation on account {wanted}"
        raise ApiError("AccessDeniedException", text, 403)
    return wanted


def _region(call: Call) -> str:
    name = str(call.params.get("RegionName") or "")
    if name not in (*DEFAULT, *OPT_IN):
        raise ApiError("ValidationException", f"The Region {name} is not valid")
    return name


@operation("account", "ListRegions")
def list_regions(call: Call) -> dict[str, Any]:
    account_id = _account(call)
    limit, wanted = call.params.get("MaxResults", PAGE_LIMIT), call.params.get("RegionOptStatusContains") or STATES
    if not 1 <= limit <= PAGE_LIMIT:
        raise ApiError("ValidationException", f"MaxResults must be between 1 and {PAGE_LIMIT}")
    found = [{"RegionName": one, "RegionOptStatus": state(account_id, one)} for one in sorted((*DEFAULT, *OPT_IN))]
    found = [one for one in found if one["RegionOptStatus"] in wanted]
    refused = ApiError("ValidationException", "The value for NextToken is not valid")
    regions, following = part(found, call.params.get("NextToken"), limit, refused)
    return {"Regions": regions, "NextToken": following}


@operation("account", "GetRegionOptStatus")
def get_region_opt_status(call: Call) -> dict[str, Any]:
    name = _region(call)
    return {"RegionName": name, "RegionOptStatus": state(_account(call), name)}


@operation("account", "EnableRegion")
def enable_region(call: Call) -> None:
    _switch(call, True)


@operation("account", "DisableRegion")
def disable_region(call: Call) -> None:
    _switch(call, False)


def _switch(call: Call, on: bool) -> None:
    # AWS takes minutes to hours and says ENABLING or DISABLING meanwhile; here it is done at once.
    account_id, name = _account(call), _region(call)
    if name in DEFAULT:
        raise ApiError("ValidationException", f"The Region {name} is enabled by default and cannot be switched")
    with _lock:
        (_enabled.add if on else _enabled.discard)((account_id, name))
