"""Trails as CloudTrail shows them: the shadows of a trail in other Regions and in member accounts, and what a trail keeps.

Sources: https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html,
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetTrailStatus.html,
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_GetEventSelectors.html,
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/creating-trail-organization.html. That GetEventSelectors takes the ARN of a shadow
as GetTrailStatus does is composed.
"""

from __future__ import annotations

from typing import Any

from moto.cloudtrail.models import Trail, cloudtrail_backends

from . import accounts, cloudtrail
from .backup.wire import Call
from .errors import ApiError
from .operations import operation


@operation("cloudtrail", "LookupEvents")
def lookup_events(call: Call) -> dict[str, Any]:
    return cloudtrail.lookup_events(call.account_id, call.region, call.params)


def _of_account(account_id: str) -> list[Trail]:
    return [
        trail
        for region in sorted(cloudtrail_backends[account_id])
        for _, trail in sorted(cloudtrail_backends[account_id][region].trails.items())
    ]


def _home(trail: Trail, call: Call) -> bool:
    return (trail.account_id, trail.region_name) == (call.account_id, call.region)


def _visible(call: Call) -> list[Trail]:
    """Trails whose home is here, and shadows: of other Regions, and in members those of the organization."""
    found = _of_account(call.account_id)
    organization = accounts.organization_of(call.account_id)
    if organization is not None:
        others = [one for one in accounts.members() if one != call.account_id]
        found += [trail for one in others for trail in _of_account(one) if trail.is_org_trail]
    return [trail for trail in found if trail.is_multi_region or trail.region_name == call.region]


def _named(call: Call, name: str) -> Trail:
    """By name only where its home is; a shadow by its ARN."""
    for trail in _visible(call):
        if trail.arn == name or (trail.trail_name == name and _home(trail, call)):
            return trail
    arn = name if name.startswith("arn:") else f"arn:aws:cloudtrail:{call.region}:{call.account_id}:trail/{name}"
    raise ApiError("TrailNotFoundException", f"Unknown trail: {arn} for the user: {call.account_id}")


@operation("cloudtrail", "DescribeTrails")
def describe_trails(call: Call) -> dict[str, Any]:
    found, names = _visible(call), call.params.get("trailNameList") or []
    if names:
        found = [one for one in found if one.arn in names or (one.trail_name in names and _home(one, call))]
    elif not call.params.get("includeShadowTrails", True):
        found = [one for one in found if _home(one, call)]
    return {"trailList": [_described(one) for one in found]}


def _described(trail: Trail) -> dict[str, Any]:
    custom = bool(trail.event_selectors or trail.advanced_event_selectors)
    members: dict[str, Any] = trail.description(include_region=True)
    return members | {"HasCustomEventSelectors": custom, "HasInsightSelectors": bool(trail.insight_selectors)}


@operation("cloudtrail", "GetTrailStatus")
def get_trail_status(call: Call) -> dict[str, Any]:
    status: dict[str, Any] = _named(call, str(call.params.get("Name") or "")).status.description()
    return status


@operation("cloudtrail", "GetEventSelectors")
def get_event_selectors(call: Call) -> dict[str, Any]:
    trail = _named(call, str(call.params.get("TrailName") or ""))
    # A trail has selectors of one kind only; moto keeps the advanced ones when classic ones take their place.
    if trail.advanced_event_selectors and not trail.event_selectors:
        return {"TrailARN": trail.arn, "AdvancedEventSelectors": trail.advanced_event_selectors}
    unsaid = {
        "ReadWriteType": "All",
        "IncludeManagementEvents": True,
        "DataResources": [],
        "ExcludeManagementEventSources": [],
    }
    return {"TrailARN": trail.arn, "EventSelectors": [{**unsaid, **one} for one in trail.event_selectors or [{}]]}
