"""`tag:GetResources`: the tagged resources of an account in a Region, as the Resource Groups Tagging API lists them.

moto lists what its services hold. Missing there: vaults and plans of the lab, clusters of Redshift, and resources that a test described to the
lab; too much: buckets of other Regions. A resource that lost its last tag is not listed; AWS lists it for some time without tags.
Source: https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
"""

from __future__ import annotations

from typing import Any

from moto.core.resource_tagging import iter_taggable_backends, make_tag_matcher, match_resource_type

from . import accounts, controls
from .backup import store
from .backup.wire import Call
from .errors import ApiError
from .operations import operation, part

PAGE_DEFAULT, PAGE_LIMIT = 50, 100


def everything(account_id: str, region: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Type (as the API filters by it) and tags of each resource, by ARN; also of those without tags."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for backend in iter_taggable_backends(account_id, region):
        if backend.SERVICE_NAMESPACE != "backup":
            found |= {one.arn: (one.resource_type, dict(one.tags)) for one in backend.iter_tagged_resources()}
    for arn in _buckets_of_other_regions(account_id, region):
        found.pop(arn, None)
    found |= _clusters(account_id, region)
    with store.lock:
        for arn, tags in store.of(account_id, region).tags.items():
            found[arn] = ("backup:" + arn.split(":")[5], dict(tags))
    for arn, tags in controls.tagged_resources(account_id, region).items():
        found[arn] = (_type(arn), tags)
    return dict(sorted(found.items()))


def _buckets_of_other_regions(account_id: str, region: str) -> list[str]:
    from moto.s3.models import s3_backends

    buckets = s3_backends[account_id][accounts.PARTITION].buckets.values()
    return [bucket.arn for bucket in list(buckets) if bucket.region_name != region]


def _clusters(account_id: str, region: str) -> dict[str, tuple[str, dict[str, str]]]:
    from moto.redshift.models import redshift_backends

    clusters = redshift_backends[account_id][region].clusters.values()
    return {
        cluster.arn: ("redshift:cluster", {tag["Key"]: tag["Value"] for tag in cluster.tags})
        for cluster in list(clusters)
    }


def _type(arn: str) -> str:
    _, _, service, _, _, rest = arn.split(":", 5)
    return f"{service}:{rest.replace('/', ':').split(':', 1)[0]}"


@operation("tagging", "GetResources")
def get_resources(call: Call) -> dict[str, Any]:
    params = call.params
    limit, wanted = params.get("ResourcesPerPage", PAGE_DEFAULT), params.get("ResourceARNList") or []
    if not 1 <= limit <= PAGE_LIMIT:
        raise ApiError("InvalidParameterException", f"ResourcesPerPage must be between 1 and {PAGE_LIMIT}")
    if wanted and (params.get("TagFilters") or params.get("ResourceTypeFilters") or params.get("ResourcesPerPage")):
        raise ApiError("InvalidParameterException", "ResourceARNList cannot be combined with filters or pages")
    matches = make_tag_matcher(params.get("TagFilters") or [])
    listed = [
        {"ResourceARN": arn, "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())]}
        for arn, (kind, tags) in everything(call.account_id, call.region).items()
        if tags and matches(tags) and match_resource_type(kind, params.get("ResourceTypeFilters") or [])
        if not wanted or arn in wanted
    ]
    refused = ApiError("PaginationTokenExpiredException", "The PaginationToken is not valid")
    resources, following = part(listed, params.get("PaginationToken"), limit, refused)
    # AWS says by an empty token that there is no further page.
    return {"ResourceTagMappingList": resources, "PaginationToken": following or ""}
