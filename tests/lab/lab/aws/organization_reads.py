"""Reads of the organization: who may make them, and in pages of twenty.

Sources: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html,
https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html (management account or a delegated administrator).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.organizations.models import OrganizationsBackend, organizations_backends

from . import accounts
from .backup.wire import Call
from .errors import ApiError
from .operations import operation, part

PAGE_LIMIT = 20
# moto's own limit on one page, where it has one.
_ALL = 100_000


def _backend(call: Call) -> OrganizationsBackend:
    """The organization as the caller may read it: whole, or not at all."""
    if accounts.organization_of(call.account_id) is None:
        raise ApiError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
    if not accounts.reads_the_organization(call.account_id):
        raise ApiError("AccessDeniedException", "You don't have permissions to access this resource.")
    backend: OrganizationsBackend = organizations_backends[accounts.management_account()][accounts.PARTITION]
    return backend


def _accounts(backend: OrganizationsBackend, params: dict[str, Any]) -> list[dict[str, Any]]:
    joined = sorted(backend.accounts, key=lambda one: (one.create_time, one.id))
    return [one.describe() | {"Paths": _paths(one.id)} for one in joined]


def _paths(account_id: str) -> list[str]:
    path = accounts.organization_path(account_id)
    return [f"{path}{account_id}/"] if path else []


def _policies_for_target(backend: OrganizationsBackend, params: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = backend.list_policies_for_target(
        target_id=params["TargetId"], policy_type=params["Filter"], max_results=_ALL
    )[0]
    return found


_LISTS: dict[str, tuple[str, Callable[[OrganizationsBackend, dict[str, Any]], list[dict[str, Any]]]]] = {
    "ListAccounts": ("Accounts", _accounts),
    "ListRoots": ("Roots", lambda backend, _: backend.list_roots()["Roots"]),
    "ListParents": ("Parents", lambda backend, params: backend.list_parents(ChildId=params["ChildId"])["Parents"]),
    "ListPoliciesForTarget": ("Policies", _policies_for_target),
    "ListAWSServiceAccessForOrganization": (
        "EnabledServicePrincipals",
        lambda backend, _: backend.list_aws_service_access_for_organization()["EnabledServicePrincipals"],
    ),
    "ListDelegatedAdministrators": (
        "DelegatedAdministrators",
        lambda backend, params: backend.list_delegated_administrators(
            **{name: value for name, value in params.items() if name == "ServicePrincipal"}
        )["DelegatedAdministrators"],
    ),
}


def _list(
    call: Call, member: str, found: Callable[[OrganizationsBackend, dict[str, Any]], list[dict[str, Any]]]
) -> Any:
    limit = call.params.get("MaxResults", PAGE_LIMIT)
    if not 1 <= limit <= PAGE_LIMIT:
        raise ApiError("InvalidInputException", f"You specified an invalid value. MaxResults is at most {PAGE_LIMIT}.")
    refused = ApiError("InvalidInputException", "The NextToken is not valid.")
    items, following = part(found(_backend(call), call.params), call.params.get("NextToken"), limit, refused)
    return {member: items, "NextToken": following}


def _register(name: str, member: str, found: Callable[..., list[dict[str, Any]]]) -> None:
    @operation("organizations", name)
    def answer(call: Call) -> dict[str, Any]:
        answered: dict[str, Any] = _list(call, member, found)
        return answered


for _name, (_member, _found) in _LISTS.items():
    _register(_name, _member, _found)


@operation("organizations", "DescribePolicy")
def describe_policy(call: Call) -> dict[str, Any]:
    described: dict[str, Any] = _backend(call).describe_policy(PolicyId=call.params["PolicyId"])
    return described


def install() -> None:
    """Let AWS Backup have delegated administrators: moto knows the services by name."""
    from moto.organizations.models import FakeDelegatedAdministrator

    known = FakeDelegatedAdministrator.SUPPORTED_SERVICES
    known += [one for one in ("backup.amazonaws.com",) if one not in known]
